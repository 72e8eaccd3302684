    n := 0
    for range myString {
        n += 1
    }
    return n
}

