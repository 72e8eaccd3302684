// Prints the value of one test as a record that the caller reads: RS number US json GS newline.
#[allow(dead_code)]
mod mixwright {
    use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
    use std::io::Write;

    pub trait Json {
        fn json(&self) -> String;
    }

    macro_rules! integers { ($($t:ty)*) => { $(impl Json for $t { fn json(&self) -> String { self.to_string() } })* } }
    integers!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize bool);

    macro_rules! floats { ($($t:ty)*) => { $(impl Json for $t {
        fn json(&self) -> String {
            if self.is_nan() { return "{\"number\":\"nan\"}".to_string(); }
            if self.is_infinite() { return format!("{{\"number\":\"{}inf\"}}", if *self > 0.0 { "" } else { "-" }); }
            format!("{:e}", *self as f64)
        }
    })* } }
    floats!(f32 f64);

    pub fn string(text: &str) -> String {
        let mut out = String::from("\"");
        for c in text.chars() {
            match c {
                '"' | '\\' => { out.push('\\'); out.push(c); }
                c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
                c => out.push(c),
            }
        }
        out.push('"');
        out
    }
    impl Json for str { fn json(&self) -> String { string(self) } }
    impl Json for String { fn json(&self) -> String { string(self) } }
    impl Json for char { fn json(&self) -> String { string(&self.to_string()) } }
    impl Json for () { fn json(&self) -> String { "null".to_string() } }
    impl<T: Json + ?Sized> Json for &T { fn json(&self) -> String { (**self).json() } }
    impl<T: Json + ?Sized> Json for Box<T> { fn json(&self) -> String { (**self).json() } }
    impl<T: Json> Json for Option<T> {
        fn json(&self) -> String { match self { Some(value) => value.json(), None => "null".to_string() } }
    }

    fn listed<'a, T: Json + 'a>(items: impl Iterator<Item = &'a T>) -> String {
        format!("[{}]", items.map(|item| item.json()).collect::<Vec<_>>().join(","))
    }
    fn mapped<'a, K: Json + 'a, V: Json + 'a>(items: impl Iterator<Item = (&'a K, &'a V)>) -> String {
        let parts: Vec<_> = items.map(|(k, v)| format!("[{},{}]", k.json(), v.json())).collect();
        format!("{{\"map\":[{}]}}", parts.join(","))
    }
    impl<T: Json> Json for [T] { fn json(&self) -> String { listed(self.iter()) } }
    impl<T: Json, const N: usize> Json for [T; N] { fn json(&self) -> String { listed(self.iter()) } }
    impl<T: Json> Json for Vec<T> { fn json(&self) -> String { listed(self.iter()) } }
    impl<T: Json> Json for VecDeque<T> { fn json(&self) -> String { listed(self.iter()) } }
    impl<T: Json> Json for HashSet<T> { fn json(&self) -> String { format!("{{\"set\":{}}}", listed(self.iter())) } }
    impl<T: Json> Json for BTreeSet<T> { fn json(&self) -> String { format!("{{\"set\":{}}}", listed(self.iter())) } }
    impl<K: Json, V: Json> Json for HashMap<K, V> { fn json(&self) -> String { mapped(self.iter()) } }
    impl<K: Json, V: Json> Json for BTreeMap<K, V> { fn json(&self) -> String { mapped(self.iter()) } }

    macro_rules! tuples { ($(($($n:tt $t:ident),+))*) => { $(impl<$($t: Json),+> Json for ($($t,)+) {
        fn json(&self) -> String { format!("[{}]", [$(self.$n.json()),+].join(",")) }
    })* } }
    tuples!((0 A) (0 A, 1 B) (0 A, 1 B, 2 C) (0 A, 1 B, 2 C, 3 D) (0 A, 1 B, 2 C, 3 D, 4 E) (0 A, 1 B, 2 C, 3 D, 4 E, 5 F));

    pub fn show<T: Json>(number: usize, value: impl FnOnce() -> T) {
        let text = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(value)) {
            Ok(value) => value.json(),
            Err(_) => "{\"raised\":\"panic\"}".to_string(),
        };
        let mut out = std::io::stdout();
        let _ = write!(out, "\x1e{}\x1f{}\x1d\n", number, text);
        let _ = out.flush();
    }
}
