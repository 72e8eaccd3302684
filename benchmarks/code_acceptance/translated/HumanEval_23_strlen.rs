    let mut n = 0;
    for _ in string.chars() {
        n += 1;
    }
    return n;
