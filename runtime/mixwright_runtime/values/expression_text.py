"""Row expressions as text again, in the words of the language: for evidence that shows which part of one failed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

_BINDS = {"or": 1, "and": 2, "not": 3, "in": 4, "==": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4}
_BINDS |= {"+": 5, "-": 5, "*": 6, "/": 6}
_SIGN = 7
"""How closely the sign of a number binds."""
_WHOLE = 9
LITERAL_CHARACTERS = 60


def text_of_expression(tree: Sequence[object]) -> str:
    """The text of an expression's tree (see `mixwright_compiler/expressions/typed.py`); long literals are shortened."""
    return _written(tree)[0]


def _written(tree: Sequence[Any]) -> tuple[str, int]:
    """The text, and how closely its outermost operator binds."""
    kind, *rest = tree
    match kind, rest:
        case "lit", [value]:
            return _literal(value), _WHOLE
        case "col", [name]:
            return str(name), _WHOLE
        case "list", items:
            return f"[{', '.join(text_of_expression(item) for item in items)}]", _WHOLE
        case "call", ["field", struct, ["lit", str(name)]]:
            return f"{_inside(struct, _WHOLE)}.{name}", _WHOLE
        case "call", [name, *arguments]:
            return f"{name}({', '.join(text_of_expression(a) for a in arguments)})", _WHOLE
        case "op", ["not", part]:
            return f"not {_inside(part, _BINDS['not'])}", _BINDS["not"]
        case "op", [operator, part]:
            return f"{operator}{_inside(part, _SIGN)}", _SIGN
        case "op", [operator, left, right]:
            binds = _BINDS[operator]
            # Comparisons do not chain, and `a - (b - c)` is not `a - b - c`.
            from_left = binds + 1 if binds == _BINDS["=="] else binds
            return f"{_inside(left, from_left)} {operator} {_inside(right, binds + 1)}", binds
        case _:
            return "…", _WHOLE


def _inside(tree: Sequence[object], binds: int) -> str:
    text, own = _written(tree)
    return text if own >= binds else f"({text})"


def _literal(value: object) -> str:
    if isinstance(value, str) and len(value) > LITERAL_CHARACTERS:
        value = value[: LITERAL_CHARACTERS - 1] + "…"
    return json.dumps(value, ensure_ascii=False)
