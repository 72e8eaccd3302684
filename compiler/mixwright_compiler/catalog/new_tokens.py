"""Tokens that a `train` block adds to its base's tokenizer: which texts can be one, and how many rows they make."""

from __future__ import annotations

from collections.abc import Sequence

MULTIPLE = 64
"""Rows of an embedding are kept a multiple of this, where the base's are: matrices of other sizes are slower on GPUs."""


def token_problem(tokens: Sequence[str]) -> tuple[str, str] | None:
    """The first text that cannot be a new token, and why; None where all can."""
    for number, token in enumerate(tokens):
        shown = f'"{token}"'
        if not token:
            return token, "a new token is empty"
        if token != token.strip():
            # Tokenizers move spaces into the words beside them, and take them off around tokens.
            return token, f"the new token {shown} begins or ends with a space"
        if token in tokens[:number]:
            return token, f"the new token {shown} stands there twice"
    return None


def rows_with(rows: int, tokens: int) -> int:
    """Rows of an embedding of so many `rows` that is to hold so many `tokens`.

    Many bases have rows to spare, which new tokens take first. Where they do not suffice, the largest power of two up
    to `MULTIPLE` that divides the rows still does.
    """
    if tokens <= rows:
        return rows
    multiple = next(size for size in (64, 32, 16, 8, 4, 2, 1) if rows % size == 0 and size <= MULTIPLE)
    return -(-tokens // multiple) * multiple
