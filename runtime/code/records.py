"""Records that a program prints about its tests, and whether two of them say the same.

A record is `RS number US payload GS`: JSON, or of Bash the text itself. Whoever prints them is not trusted: a number
that is printed twice counts as printed wrongly.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from runtime.code.verdict import cut

_RECORD = re.compile(rb"\x1e(\d{1,6})\x1f(.*?)\x1d", re.DOTALL)
_TWICE: dict[str, Any] = {"raised": "printed more than one value for this test"}


def records_in(stdout: bytes, *, is_text: bool) -> Mapping[int, Any]:
    """The values by the number of their test."""
    found: dict[int, Any] = {}
    for match in _RECORD.finditer(stdout):
        number, payload = int(match.group(1)), match.group(2).decode("utf-8", "replace")
        if number in found:
            found[number] = _TWICE
        elif is_text:
            found[number] = payload
        else:
            try:
                found[number] = _plain(json.loads(payload, parse_constant=_refuse))
            except (ValueError, RecursionError):
                found[number] = {"raised": "not JSON"}
    return found


def equal_records(language: str, got: Any, expected: Any, *, is_data: bool = False) -> bool:
    """Equal as the language's tests would say.

    Numbers are equal by value, sets and maps in any order. JavaScript's `deepEqual` is loose: `1` equals `"1"` and true.
    `is_data`: the expected value is a row's own JSON: strict about types, and of Bash its text.
    """
    if _is_fault(got) or _is_fault(expected):
        return False
    if is_data and language == "bash":
        wanted = expected if isinstance(expected, str) else json.dumps(expected)
        return isinstance(got, str) and got.rstrip("\n") == wanted.rstrip("\n")
    return _is_equal(
        got, _plain_data(expected) if is_data else expected, language == "javascript" and not is_data
    )


def shown_record(value: Any) -> str:
    """A record as evidence."""
    try:
        return cut(json.dumps(_shown(value), ensure_ascii=False))
    except (ValueError, RecursionError):
        return "a value that is nested too deeply"


class Entries(tuple[tuple[Any, Any], ...]):
    """A map as printed: pairs of key and value, in the program's order."""


class Members(tuple[Any, ...]):
    """A set as printed."""


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        match value:
            case {"map": list(pairs)} if len(value) == 1:
                return Entries((_plain(pair[0]), _plain(pair[1])) for pair in pairs if len(pair) == 2)
            case {"set": list(items)} if len(value) == 1:
                return Members(_plain(item) for item in items)
            case {"number": "nan" | "inf" | "-inf" as text} if len(value) == 1:
                return float(text)
            case {"integer": str(digits)} if len(value) == 1 and len(digits) < 4_000:
                return int(digits)
    return value


def _plain_data(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Entries((key, _plain_data(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return [_plain_data(item) for item in value]
    return value


def _is_fault(value: Any) -> bool:
    return isinstance(value, dict)


def _is_equal(got: Any, expected: Any, is_loose: bool) -> bool:
    if isinstance(got, list) and isinstance(expected, list):
        return len(got) == len(expected) and all(
            _is_equal(g, e, is_loose) for g, e in zip(got, expected, strict=True)
        )
    if isinstance(got, Entries) and isinstance(expected, Entries):
        return len(got) == len(expected) and _is_same_map(got, expected, is_loose)
    if isinstance(got, Members) and isinstance(expected, Members):
        return sorted(map(_sort_key, got)) == sorted(map(_sort_key, expected))
    if isinstance(got, list | tuple | dict) or isinstance(expected, list | tuple | dict):
        return False
    if isinstance(got, float) and isinstance(expected, float) and math.isnan(got) and math.isnan(expected):
        return is_loose
    if is_loose:
        return _is_loosely_equal(got, expected)
    if isinstance(got, bool) or isinstance(expected, bool) or got is None or expected is None:
        return got is expected
    if isinstance(got, str) or isinstance(expected, str):
        return isinstance(got, str) and isinstance(expected, str) and got == expected
    return bool(got == expected)


def _is_same_map(got: Entries, expected: Entries, is_loose: bool) -> bool:
    by_key = {_sort_key(key): value for key, value in expected}
    return len(by_key) == len(expected) and all(
        _sort_key(key) in by_key and _is_equal(value, by_key[_sort_key(key)], is_loose) for key, value in got
    )


def _sort_key(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(_shown(value), sort_keys=True)


def _is_loosely_equal(got: Any, expected: Any) -> bool:
    """JavaScript's `==` on primitive values."""
    if got is None or expected is None:
        return got is expected
    if isinstance(got, str) and isinstance(expected, str):
        return got == expected
    left, right = _as_number(got), _as_number(expected)
    return left is not None and left == right


def _as_number(value: Any) -> float | int | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return value
    text = value.strip()
    if not text:
        return 0
    return float(text) if re.fullmatch(r"[+-]?(\d{1,300}(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", text) else None


def _shown(value: Any) -> Any:
    if isinstance(value, Entries):
        return {"map": sorted(([_shown(k), _shown(v)] for k, v in value), key=lambda pair: json.dumps(pair))}
    if isinstance(value, Members):
        return {"set": sorted((_shown(item) for item in value), key=json.dumps)}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
