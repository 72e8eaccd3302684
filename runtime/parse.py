"""What to take of a model's answer: the `parse` calls of `generate`.

    after("x")         the text after the first `x`
    before("x")        the text before the first `x`
    between("a", "b")  the text between the first `a` and the next `b`
    regex("...")       the first match: its group 1 if the pattern has groups, else all of it
    json()             the whole answer as JSON, which may stand in one code fence
    json("field")      one field of that JSON object; `a.b` reaches into nested objects
    last_line()        the last line that is not empty

Texts are stripped of white space at both ends. An answer that does not match, or of which nothing is left, fails.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from runtime.reasoning import has_mark
from runtime.regex import compile_regex

Parser = Callable[[str], Any]

DEPTH_LIMIT = 64
"""Deepest nesting of JSON that is accepted from a model."""

_FENCE = re.compile(r"\A\s*```[A-Za-z0-9_-]*[ \t]*\n(.*?)\n?[ \t]*```\s*\Z", re.DOTALL)


class ParseFailed(ValueError):
    """An answer does not have the form that `parse` asks for; the message says what was missing."""


def refuse_constant(name: str) -> Any:
    """For a JSON decoder: `NaN` and `Infinity` are no JSON."""
    raise ValueError(f"{name} is not a JSON number")


def finite_float(text: str) -> float:
    """For a JSON decoder: a number that a float can hold, which `1e999` is not."""
    number = float(text)
    return number if math.isfinite(number) else refuse_constant(text[:40])


_decode = json.JSONDecoder(parse_constant=refuse_constant, parse_float=finite_float).decode


def compile_parse(call: Mapping[str, Any] | None) -> Parser:
    """A function from an answer to what `parse` takes of it; without a call, the stripped answer.

    Args:
        call: a lowered call, `{"call": "after", "args": ["Math problem:"], "keywords": {}}`.

    Raises:
        ValueError: there is no such call, or it is called wrongly. The returned function raises ParseFailed.
    """
    if call is None:
        return whole
    name, args = str(call["call"]), [str(a) for a in call.get("args") or ()]
    match name, args:
        case "after", [marker]:
            return lambda text: _kept(_split(text, marker)[1], f"nothing after {marker!r}")
        case "before", [marker]:
            return lambda text: _kept(_split(text, marker)[0], f"nothing before {marker!r}")
        case "between", [opening, closing]:
            return lambda text: _kept(
                _split(_split(text, opening)[1], closing)[0], f"nothing between {opening!r} and {closing!r}"
            )
        case "regex", [pattern]:
            regex = compile_regex(pattern)
            group = 1 if regex.groups else 0

            def search(text: str) -> str:
                found = regex.extract(text, group)
                if found is None:
                    raise ParseFailed(f"no match of {pattern!r}")
                return _kept(found, f"an empty match of {pattern!r}")

            return search
        case "json", []:
            return json_of
        case "json", [path]:
            return lambda text: _field(json_of(text), path)
        case "last_line", []:
            return lambda text: _kept(text.rstrip().rpartition("\n")[2], "no line with text")
        case _:
            raise ValueError(f"unknown parse call {name}({', '.join(map(repr, args))})")


def names_reasoning(call: Mapping[str, Any] | None) -> bool:
    """Does a `parse` call name a mark of reasoning, and so ask for the answer with its reasoning?"""
    return any(has_mark(str(argument)) for argument in (call or {}).get("args") or ())


def whole(text: str) -> str:
    """The answer without white space at its ends.

    Raises:
        ParseFailed: nothing is left.
    """
    return _kept(text, "an empty answer")


def json_of(text: str) -> Any:
    """The JSON value that a text is, with or without one code fence around it.

    Raises:
        ParseFailed: it is not JSON, has a number that is not finite, or nests deeper than DEPTH_LIMIT.
    """
    fenced = _FENCE.match(text) if "```" in text else None
    try:
        value = _decode(fenced.group(1) if fenced else text)
    except ValueError as error:
        raise ParseFailed(f"not JSON: {error}") from None
    except RecursionError:
        raise ParseFailed(f"JSON nested deeper than {DEPTH_LIMIT}") from None
    if not is_shallow(value, DEPTH_LIMIT):
        raise ParseFailed(f"JSON nested deeper than {DEPTH_LIMIT}")
    return value


def is_shallow(value: Any, depth: int) -> bool:
    """True when a JSON value nests at most `depth` levels."""
    level = [value]
    for _ in range(depth):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())
            if isinstance(child, dict | list)
        ]
        if not level:
            return True
    return False


def _split(text: str, marker: str) -> tuple[str, str]:
    before, found, after = text.partition(marker)
    if not found:
        raise ParseFailed(f"no {marker!r} in the answer")
    return before, after


def _kept(text: str, otherwise: str) -> str:
    stripped = text.strip()
    if not stripped:
        raise ParseFailed(otherwise)
    return stripped


def _field(value: Any, path: str) -> Any:
    candidates = [[path], path.split(".")] if "." in path else [[path]]
    for keys in candidates:
        found = value
        for key in keys:
            if not isinstance(found, dict) or key not in found:
                break
            found = found[key]
        else:
            return _kept(found, f"an empty field {path!r}") if isinstance(found, str) else found
    raise ParseFailed(f"no field {path!r} in the JSON")
