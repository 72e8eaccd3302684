"""What differs between two plans, in words: values as they are written in a spec."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

LONGEST_VALUE = 40
"""Characters of a value that a difference shows; a longer one is named without its value."""


def tree_of(expression: Any) -> Any:
    """The tree of a row expression, whichever form a plan has it in; what is none stays as it is."""
    if expression is None:
        return None
    return expression["tree"] if isinstance(expression, Mapping) else getattr(expression, "tree", expression)


def sql_of(expression: Any) -> Any:
    """Its SQL."""
    if expression is None:
        return None
    return expression["sql"] if isinstance(expression, Mapping) else getattr(expression, "sql", expression)


def moved(name: str, before: Any, after: Any) -> str:
    """`name before -> after`, or the name alone where a value is long."""
    texts = [value_text(value) for value in (before, after)]
    return name if any(len(text) > LONGEST_VALUE for text in texts) else f"{name} {texts[0]} -> {texts[1]}"


def value_text(value: Any) -> str:
    """A value as a spec has it: a word, a call, JSON."""
    match value:
        case None:
            return "none"
        case str():
            return value if value and "\n" not in value else json.dumps(value)
        case {"call": function, "args": args, "keywords": keywords}:
            inner = [value_text(a) for a in args] + [f"{k} = {value_text(v)}" for k, v in keywords.items()]
            return f"{function}({', '.join(inner)})" if inner else str(function)
        case _:
            return json.dumps(value, ensure_ascii=False, default=str)
