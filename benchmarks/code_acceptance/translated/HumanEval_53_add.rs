    let mut total = x;
    total += y;
    return total;
