    long i = 0;
    long j = text.size();
    j -= 1;
    while (i < j) {
        if (text[i] != text[j]) return false;
        i += 1;
        j -= 1;
    }
    return true;
