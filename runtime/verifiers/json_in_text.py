"""Finds the JSON that a model wrote, beside its reasoning, in a code fence or between sentences.

Work is bounded on any text: what is decoded in vain is counted, and the search ends when it is too much.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

from runtime.parse import DEPTH_LIMIT, ParseFailed, finite_float, is_shallow, json_of, refuse_constant
from runtime.reasoning import spoken

TAIL_CHARACTERS = 200_000
"""How much of a text's end is searched for JSON that is not all of it."""
WORK_CHARACTERS = 5_000_000
"""Characters decoded before the search gives up; the outermost of ten nested values costs ten times its length."""
ATTEMPT_COST = 1_000
"""What a failed attempt counts at least: raising its error costs about as much as decoding so many characters."""

_FENCE = re.compile(r"```[A-Za-z0-9_-]*[ \t]*\n(.*?)```", re.DOTALL)
_OPENING = re.compile(r"[{\[]")


def last_json(text: str, schema: Any = None) -> Any:
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
    """An answer without the reasoning before it (`runtime/reasoning.py`).

    Raises:
        ParseFailed: the reasoning does not end.
    """
    found = spoken(text)
    if not found.is_finished:
        raise ParseFailed("the reasoning was cut off before an answer")
    return found.text


def _last_value(text: str, kinds: tuple[type, ...]) -> Any:
    """The last value of these kinds that stands in no other, nor in one that was cut off. Searched from the end, so
    that any brackets may stand before it."""
    decode = json.JSONDecoder(parse_constant=refuse_constant, parse_float=finite_float).raw_decode
    outermost: list[tuple[int, Any]] = []
    end_of_text, work = len(text.rstrip()), 0
    for opening in reversed([found.start() for found in _OPENING.finditer(text)]):
        if work > WORK_CHARACTERS:
            break
        try:
            value, end = decode(text, opening)
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
            outermost.pop()
        outermost.append((opening, value))
    for _, value in outermost:
        if isinstance(value, kinds) and is_shallow(value, DEPTH_LIMIT):
            return value
    raise ParseFailed("no JSON in the answer")
