"""Attributes that every step has."""

from __future__ import annotations

from runtime.plugins.declare import attribute

COMMON = (
    attribute("when", "expr:bool", "the rows this step applies to; the others pass unchanged"),
    attribute(
        "id", "name", "the step's name in reports and in `set { path = value }` of a variant", cls="meta"
    ),
)

SALT = attribute("salt", "text", "any text; with another one the step draws anew, and nothing else changes")
"""Of steps that draw."""
