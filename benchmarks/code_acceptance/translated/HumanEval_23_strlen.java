        long n = 0;
        for (int i = 0; i < string.length(); i++) {
            n += 1;
        }
        return n;
