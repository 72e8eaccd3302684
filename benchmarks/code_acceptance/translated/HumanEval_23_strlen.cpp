    long n = 0;
    for (char c : string) {
        n += 1;
    }
    return n;
