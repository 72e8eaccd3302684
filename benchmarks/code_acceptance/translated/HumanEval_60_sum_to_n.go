    total := 0
    for i := 1; i <= n; i += 1 {
        total += i
    }
    return total
}

