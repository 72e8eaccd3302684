"""What the references of attributes may name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

REFERENCE_KINDS: Mapping[str, tuple[str, ...]] = {
    "model": ("model",),
    "template": ("template", "operator"),
    "fragment": ("fragment",),
    "tool": ("tool",),
    "source": ("source",),
    "mixture": ("mixture", "variant"),
    "rows": ("source", "pipeline", "mixture", "variant"),
    "start": ("source", "pipeline"),
    "constant": ("let", "param"),
}
"""What `ref:KIND` in the catalog may name. `start` is what a pipeline may begin from."""

OF_VARIANT = "@"
"""Between the name of a pipeline and that of the variant that has steps of it otherwise: `problems@short`."""


def declared_name(name: str) -> str:
    """The name that a pipeline or mixture is declared by, of one as a variant has it: `problems` of `problems@short`."""
    return name.partition(OF_VARIANT)[0]


LAG = 256
"""Chosen: how far behind a row the rows of its own pipeline are that it draws from, where it is not said. About what
one server takes at once."""

LISTS = ("list[", "some[")
"""How types of several values begin: `list[T]`, and `some[T]`, which may be one of them alone."""


BLOCKS = "list[block:"
"""How the type of a list of blocks begins."""


def block_of(type: str) -> str | None:
    """The entry's key of a nested block, or of a list of them; None of another type."""
    inner = type[5:-1] if type.startswith(BLOCKS) else type
    return inner.removeprefix("block:") if inner.startswith("block:") else None


@cache
def kind_of_reference(type: str) -> str | None:
    """What an attribute's type refers to, one or several of them: `template` of `list[ref:template]`; None for none."""
    inner = type[5:-1] if type.startswith(LISTS) else type
    return inner.removeprefix("ref:") if inner.startswith("ref:") else None


def is_expression(type: str) -> bool:
    """May an attribute of the type be an expression over a row?"""
    return type.startswith(("expr:", "drawn_expr:")) or type == "count_or_expr"


def named_in(value: Any) -> list[str]:
    """The names in the plain value of such an attribute, in their order."""
    if value is None:
        return []
    return [str(name) for name in value] if isinstance(value, list | tuple) else [str(value)]


def names_in_rows(names: Sequence[str]) -> list[str]:
    """What rows call declarations by: their own names, whatever the import is called through which they came; the full
    one where two have the same."""
    own = [name.rpartition(".")[2] for name in names]
    declared = Counter(name.rpartition(".")[2] for name in set(names))
    return [short if declared[short] == 1 else name for name, short in zip(names, own, strict=True)]
