"""What a `fold` can work out from the rows that were made of one."""

from __future__ import annotations

AGGREGATES: dict[str, tuple[str, str]] = {
    "count": ("", "int"),
    "mean": ("float", "float"),
    "sum": ("number", "same"),
    "min": ("number", "same"),
    "max": ("number", "same"),
    "share": ("bool", "float"),
    "any": ("bool", "bool"),
    "all": ("bool", "bool"),
    "first": ("any", "same"),
    "list": ("any", "list"),
}
"""Function -> type of its argument, and of what it gives: `same` as the argument, or a `list` of it. Nulls are left out,
but for `first` and `list`; of no rows `count` is 0, `list` is empty and everything else is null."""

OF_ALL = "all"
"""`count(all)`: how many rows were made, those that a step dropped too."""
