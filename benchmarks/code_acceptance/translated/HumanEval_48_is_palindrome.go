    for i := 0; i < len(text); i += 1 {
        if text[i] != text[len(text) - 1 - i] { return false }
    }
    return true
}

