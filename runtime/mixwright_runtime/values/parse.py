"""What to take of a model's answer: the `parse` calls of `generate`.

    after("x")         the text after the first `x`
    before("x")        the text before the first `x`
    between("a", "b")  the text between the first `a` and the next `b`
    regex("...")       the first match: its group 1 if the pattern has groups, else all of it
    json()             the JSON in the answer, which may stand in a code fence or between sentences; the last, of several
    json("field")      one field of that JSON object; `a.b` reaches into nested objects
    last_line()        the last line that is not empty

Texts are stripped of white space at both ends. An answer that does not match, or of which nothing is left, fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mixwright_runtime.values.json_in_text import ParseFailed, json_of, last_json
from mixwright_runtime.values.reasoning import has_mark
from mixwright_runtime.values.regex import compile_regex

Parser = Callable[[str], Any]


def compile_parse(call: Mapping[str, Any] | None, schema: Any = None) -> Parser:
    """A function from an answer to what `parse` takes of it; without a call, the stripped answer.

    Args:
        call: a lowered call, `{"call": "after", "args": ["Math problem:"], "keywords": {}}`.
        schema: the JSON Schema of the answer, if it has one: which kind of value `json()` looks for.

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
            return lambda text: _json_in(text, schema)
        case "json", [path]:
            return lambda text: _field(_json_in(text, schema or {"type": "object"}), path)
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


def _json_in(text: str, schema: object) -> Any:
    try:
        return last_json(text, schema)
    except ParseFailed:
        json_of(text)  # says why, where the answer is nothing but JSON
        raise


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


def _field(value: object, path: str) -> Any:
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
