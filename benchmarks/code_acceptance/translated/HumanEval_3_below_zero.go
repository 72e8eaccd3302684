    balance := 0
    for _, change := range operations {
        balance += change
        if balance < 0 { return true }
    }
    return false
}

