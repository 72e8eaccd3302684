        long total = x;
        total += y;
        return total;
