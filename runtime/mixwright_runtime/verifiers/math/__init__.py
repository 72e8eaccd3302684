"""Answers and formulas read, and whether they are equal."""
