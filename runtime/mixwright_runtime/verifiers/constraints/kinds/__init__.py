"""The kinds, one file per subject. A function is a kind; its docstring says what it counts."""
