    let mut value = 1 % p;
    let mut i = 0;
    while i < n {
        value = value * 2 % p;
        i += 1;
    }
    return value;
