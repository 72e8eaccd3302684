"""What `mixwright explain MIX101` prints."""

from __future__ import annotations


def explain_code(code: str) -> str | None:
    """The page of a diagnostic code, upper or lower case; None when there is none."""
    from mixwright_compiler.codes import page

    return page(code.upper())
