        long value = 1 % p;
        for (long i = 0; i < n; i += 1) {
            value = value * 2 % p;
        }
        return value;
