    long total = 0;
    for (long i = 1; i <= n; i += 1) {
        total += i;
    }
    return total;
