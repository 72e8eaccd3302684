"""Attributes that every kind of source has."""

from __future__ import annotations

from runtime.plugins.declare import attribute

COMMON = (
    attribute(
        "license",
        "text",
        "SPDX identifier or name of the rows' license; shown on the dataset card",
        cls="meta",
    ),
    attribute(
        "columns",
        "map[new_column=text]",
        "the columns to read: new name = name in the file. A dotted name reaches into nested objects "
        "(`meta.text`) unless the file has a column of exactly that name. Without it every column is read "
        "under its own name",
    ),
    attribute("where", "expr:bool", "keep the rows for which this is true; sees the new column names"),
    attribute("limit", "count", "read at most this many rows, counted after `where`", cls="set", minimum=0),
)
