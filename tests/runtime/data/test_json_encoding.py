"""What is made once for an encoder changes nothing of what it writes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mixwright_runtime.values.json_encoding import encoder

VALUES: list[Any] = [
    'a "b"\n\x00 é \u2028 \ud800',
    {"b": [1e16, -0.0, 1e-7, 10**30, True, None], "a": {"z": [], "y": {}}},
    {2: "a number", None: "nothing", True: "a truth"},
    [float("nan"), float("inf")],
    "",
    0,
]


@pytest.mark.parametrize(
    "form",
    [
        {"separators": (",", ":"), "ensure_ascii": False},
        {"separators": (",", ":")},
        {"indent": None, "skipkeys": True},
    ],
)
def test_it_writes_what_the_library_writes(form: dict[str, Any]) -> None:
    assert [encoder(**form)(value) for value in VALUES] == [json.dumps(value, **form) for value in VALUES]


def test_keys_are_sorted_where_that_is_asked_for() -> None:
    assert encoder(sort_keys=True)({"b": 1, "a": {"d": 2, "c": 3}}) == '{"a": {"c": 3, "d": 2}, "b": 1}'


def test_what_has_no_json_is_refused_or_made_plain() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encoder(allow_nan=False)([float("nan")])
    with pytest.raises(TypeError):
        encoder()({"a": {1}})
    assert encoder(default=sorted)({"a": {2, 1}}) == '{"a": [1, 2]}'
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(RecursionError):
        encoder()(circle)
