"""What is written, bound to what it means: one module a kind of declaration."""
