"""Formulas that models write: read whole or not at all, and compared. Uses SymPy, so it is imported in workers."""
