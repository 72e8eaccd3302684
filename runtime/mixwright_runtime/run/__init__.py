"""A run: demand in waves, mixtures, the end, what it tells meanwhile."""
