"""Records that a program prints about its tests, and whether two of them say the same.

A record is `RS number US payload GS`: JSON, or of Bash the text itself. Whoever prints them is not trusted: a number
that is printed twice counts as printed wrongly.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mixwright_runtime.verifiers.code.verdict import cut

_HEAD = re.compile(rb"\x1e(\d{1,6})\x1f")
_FAULTS = (ValueError, TypeError, ArithmeticError, LookupError, RecursionError)
"""What a value that was made for it raises here."""


def judged(
    language: str, stdout: str, expected: Mapping[str, Any], texts: Sequence[str], is_data: bool
) -> list[list[str]]:
    """Of each test `[]` where it passed, `[reason, expected, got]` where not, `[expected]` where nothing was printed.

    Runs in a worker: what a candidate's process printed is not walked where others wait.

    Args:
        stdout: what the candidate's process printed; bytes as Latin-1.
        expected: `{"stdout": …}`, what the process that knows printed, or `{"values": […]}`, a row's own data.
    """
    is_text = language == "bash"
    got = records_in(stdout.encode("latin-1"), is_text=is_text)
    if "values" in expected:
        wanted: Mapping[int, Any] = dict(enumerate(expected["values"]))
    else:
        wanted = records_in(expected["stdout"].encode("latin-1"), is_text=is_text)
    results: list[list[str]] = []
    for at in range(len(texts)):
        want = wanted.get(at)
        if at not in got:
            results.append([shown_record(want)])
        elif equal_records(language, got[at], want, is_data=is_data):
            results.append([])
        else:
            reason = "raised" if isinstance(got[at], dict) and "raised" in got[at] else "wrong"
            results.append([reason, shown_record(want), shown_record(got[at])])
    return results


def records_in(stdout: bytes, *, is_text: bool) -> Mapping[int, Any]:
    """The values by the number of their test. Takes time linear in the output, whatever stands in it."""
    found: dict[int, Any] = {}
    at = stdout.find(b"\x1e")
    while at >= 0:
        head = _HEAD.match(stdout, at)
        end = -1 if head is None else stdout.find(b"\x1d", head.end())
        if head is not None and end < 0:
            break  # nothing that comes after it ends either
        if head is not None:
            number = int(head.group(1))
            payload = stdout[head.end() : end].decode("utf-8", "replace")
            found[number] = _TWICE if number in found else payload if is_text else _value_of(payload)
        at = stdout.find(b"\x1e", max(at + 1, end))
    return found


_TWICE: dict[str, Any] = {"raised": "printed more than one value for this test"}
_NO_RECORD: dict[str, Any] = {"raised": "printed something that is no value"}


def _value_of(payload: str) -> Any:
    try:
        return _plain(json.loads(payload, parse_constant=_refuse))
    except _FAULTS:
        return _NO_RECORD


def equal_records(language: str, got: Any, expected: Any, *, is_data: bool = False) -> bool:
    """Equal as the language's tests would say; what cannot be compared is not.

    Numbers are equal by value (1 is 1.0, -0.0 is 0), whole numbers to every digit, and NaN only to itself in JavaScript.
    Sets and maps are equal in any order; a map's keys are equal where they would be as values: 1 is not "1". JavaScript's
    `deepEqual` is loose about values: `1` equals `"1"` and true.

    `is_data`: the expected value is a row's own JSON: strict about types, and of Bash its text.
    """
    if _is_fault(got) or _is_fault(expected):
        return False
    try:
        if is_data and language == "bash":
            wanted = expected if isinstance(expected, str) else json.dumps(expected)
            return isinstance(got, str) and got.rstrip("\n") == wanted.rstrip("\n")
        wanted = _plain_data(expected) if is_data else expected
        return _is_equal(got, wanted, language == "javascript" and not is_data)
    except _FAULTS:
        return False


def shown_record(value: object) -> str:
    """A record as evidence."""
    try:
        return cut(json.dumps(_shown(value), ensure_ascii=False))
    except _FAULTS:
        return "a value that cannot be shown"


class Entries(tuple[tuple[Any, Any], ...]):
    """A map as printed: pairs of key and value, in the program's order."""


class Members(tuple[Any, ...]):
    """A set as printed."""


def _plain(value: object) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        match value:
            case {"map": list(pairs)} if len(value) == 1:
                # Of more or less than two, or of no list: raises, and the whole is no value.
                return Entries((_plain(key), _plain(item)) for key, item in map(_pair, pairs))
            case {"set": list(items)} if len(value) == 1:
                return Members(_plain(item) for item in items)
            case {"number": "nan" | "inf" | "-inf" as text} if len(value) == 1:
                return float(text)
            case {"integer": str(digits)} if len(value) == 1 and len(digits) < 4_000:
                return int(digits)
    return value


def _pair(value: object) -> list[Any]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("an entry of a map that is no pair")
    return value


def _plain_data(value: object) -> Any:
    if isinstance(value, Mapping):
        return Entries((key, _plain_data(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return [_plain_data(item) for item in value]
    return value


def _is_fault(value: object) -> bool:
    return isinstance(value, dict)


def _is_equal(got: object, expected: object, is_loose: bool) -> bool:
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
    got_by_key = {_sort_key(key): value for key, value in got}
    return (
        len(by_key) == len(expected)
        and len(got_by_key) == len(got)
        and by_key.keys() == got_by_key.keys()
        and all(_is_equal(value, by_key[key], is_loose) for key, value in got_by_key.items())
    )


def _sort_key(value: object) -> str:
    return json.dumps(_keyed(value))


def _keyed(value: object) -> Any:
    """JSON that is the same for equal values and for no others: of a number its kind too, so that inf is not "inf"."""
    match value:
        case Entries():
            return ["map", *sorted(([_keyed(k), _keyed(v)] for k, v in value), key=json.dumps)]
        case Members():
            return ["set", *sorted(map(_keyed, value), key=json.dumps)]
        case list():
            return ["list", *map(_keyed, value)]
        case bool() | None | str():
            return value
        case float() if math.isfinite(value) and value.is_integer():
            return ["number", hex(int(value))]
        case int():
            return ["number", hex(value)]
    return [type(value).__name__, repr(value)]


def _is_loosely_equal(got: object, expected: object) -> bool:
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


def _shown(value: object) -> Any:
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
