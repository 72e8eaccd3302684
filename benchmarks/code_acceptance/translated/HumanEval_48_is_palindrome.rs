    let letters: Vec<char> = text.chars().collect();
    let mut i = 0;
    while i < letters.len() {
        if letters[i] != letters[letters.len() - 1 - i] { return false; }
        i += 1;
    }
    return true;
