"""Reads the JSON that a model wrote: the one reader of `parse = json()`, verifiers and judges.

It may stand beside reasoning, in a code fence or between sentences, and its LaTeX may lack its second backslashes
(`mixwright_runtime/values/latex_in_json.py`). Work is bounded on any text: what is decoded in vain is counted, and
the search ends when it is too much.
"""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import Any

from mixwright_runtime.values.latex_in_json import with_latex, without_broken_escapes
from mixwright_runtime.values.reasoning import spoken

DEPTH_LIMIT = 64
"""Deepest nesting of JSON that is accepted from a model."""
TAIL_CHARACTERS = 200_000
"""How much of a text's end is searched for JSON that is not all of it."""
WORK_CHARACTERS = 1_000_000
WORK_PER_CHARACTER = 20
"""Characters decoded before the search gives up, so many for each of the text's besides; the outermost of ten nested
values costs ten times its length."""
ATTEMPT_COST = 1_000
"""What a failed attempt counts at least: raising its error costs about as much as decoding so many characters."""

_FENCE = re.compile(r"```[A-Za-z0-9_-]*[ \t]*\n(.*?)```", re.DOTALL)
_FENCE_OPENS = re.compile(r"\s*```[A-Za-z0-9_-]*[ \t]*\n")
_OPENING = re.compile(r"[{\[]")


class ParseFailed(ValueError):
    """An answer does not have the form that is asked for; the message says what was missing."""


def refuse_constant(name: str) -> Any:
    """For a JSON decoder: `NaN` and `Infinity` are no JSON."""
    raise ValueError(f"{name} is not a JSON number")


def finite_float(text: str) -> float:
    """For a JSON decoder: a number that a float can hold, which `1e999` is not."""
    number = float(text)
    return number if math.isfinite(number) else refuse_constant(text[:40])


_DECODER = json.JSONDecoder(parse_constant=refuse_constant, parse_float=finite_float)


def json_of(text: str) -> Any:
    """The JSON value that a text is, with or without one code fence around it.

    Raises:
        ParseFailed: it is not JSON, has a number that is not finite, or nests deeper than DEPTH_LIMIT.
    """
    fixed, broken = without_broken_escapes(_unfenced(text))
    return strict_json_of(with_latex(fixed, broken, 0, len(fixed)))


def strict_json_of(text: str) -> Any:
    """The JSON value that a text is, to the letter.

    Raises:
        ParseFailed: as `json_of`.
    """
    try:
        value = _DECODER.decode(text)
    except ValueError as error:
        raise ParseFailed(f"not JSON: {error}") from None
    except RecursionError:
        raise ParseFailed(f"JSON nested deeper than {DEPTH_LIMIT}") from None
    if not is_shallow(value, DEPTH_LIMIT):
        raise ParseFailed(f"JSON nested deeper than {DEPTH_LIMIT}")
    return value


def is_shallow(value: object, depth: int) -> bool:
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


def last_json(text: str, schema: object = None) -> Any:
    """The JSON in a model's answer: all of it, else the last code fence, else the last object or array between words.

    Reasoning before it is not looked at. Where `schema` asks for an object, arrays
    are passed over, and the other way round.

    Raises:
        ParseFailed: there is none, or the text is reasoning that was cut off.
    """
    text = after_reasoning(text)
    with suppress(ParseFailed):
        return json_of(text)
    wanted = {"object": dict, "array": list}.get(str(schema.get("type")) if isinstance(schema, dict) else "")
    kinds: tuple[type, ...] = (wanted,) if wanted else (dict, list)
    tail = text[-TAIL_CHARACTERS:]
    for fenced in reversed(_FENCE.findall(tail)):
        with suppress(ParseFailed):
            value = json_of(fenced)
            if isinstance(value, kinds):
                return value
    return _last_value(tail, kinds)


def after_reasoning(text: str) -> str:
    """An answer without the reasoning before it (`mixwright_runtime/values/reasoning.py`).

    Raises:
        ParseFailed: the reasoning does not end.
    """
    found = spoken(text)
    if not found.is_finished:
        raise ParseFailed("the reasoning was cut off before an answer")
    return found.text


def _unfenced(text: str) -> str:
    """What stands in the code fence that a text is, if it is one."""
    opening = _FENCE_OPENS.match(text)
    rest = text.rstrip()
    if opening is None or not rest.endswith("```") or len(rest) < opening.end() + 3:
        return text
    return rest[opening.end() : -3]


def _last_value(text: str, kinds: tuple[type, ...]) -> Any:
    """The last value of these kinds that stands in no other, nor in one that was cut off. Searched from the end, so
    that any brackets may stand before it."""
    text, broken = without_broken_escapes(text)
    outermost: list[tuple[int, int]] = []
    found: dict[int, Any] = {}
    end_of_text, work = len(text.rstrip()), 0
    most = WORK_CHARACTERS + WORK_PER_CHARACTER * len(text)
    for opening in reversed([found.start() for found in _OPENING.finditer(text)]):
        if work > most:
            break
        try:
            value, end = _DECODER.raw_decode(text, opening)
        except json.JSONDecodeError as error:
            work += max(ATTEMPT_COST, error.pos - opening)
            if error.pos >= end_of_text or error.msg.startswith("Unterminated"):
                outermost.clear()
            continue
        except (ValueError, RecursionError):
            work += ATTEMPT_COST
            continue
        work += end - opening
        while outermost and outermost[-1][0] < end:
            found.pop(outermost.pop()[0])
        outermost.append((opening, end))
        found[opening] = value
    for opening, end in outermost:
        if isinstance(found[opening], kinds) and is_shallow(found[opening], DEPTH_LIMIT):
            return strict_json_of(with_latex(text, broken, opening, end))
    raise ParseFailed("no JSON in the answer")
