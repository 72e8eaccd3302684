"""Readers of what models wrote take linear time, never raise what they should not, and leave the loop free."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

import pytest

from mixwright_runtime.calls.calls import _result
from mixwright_runtime.values import json_in_text, latex_in_json, reading
from mixwright_runtime.values.json_in_text import ParseFailed, json_of, last_json
from mixwright_runtime.values.parse import compile_parse

PARTS = [
    "{",
    '["',
    '{"a":',
    "[1,",
    "```\n",
    "```json\n   ",
    '{"a": "\\nu \\frac"} x ',
    '"\\alpha ',
    "\\",
    "[]",
    '{"a": [',
]


class Counting:
    """The JSON decoder, and how many characters it was made to look at."""

    def __init__(self) -> None:
        self.steps = 0
        self._decoder = json_in_text._DECODER

    def decode(self, text: str) -> Any:
        self.steps += len(text)
        return self._decoder.decode(text)

    def raw_decode(self, text: str, at: int) -> Any:
        self.steps += json_in_text.ATTEMPT_COST
        return self._decoder.raw_decode(text, at)


@pytest.mark.parametrize("part", PARTS)
def test_twice_the_text_is_at_most_twice_the_work(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    for times in (5_000, 10_000):
        counting = Counting()
        monkeypatch.setattr(json_in_text, "_DECODER", counting)
        with contextlib.suppress(ParseFailed):
            last_json(part * times, {"type": "object"})
        monkeypatch.undo()
        steps.append(counting.steps)
    assert steps[1] <= 2.1 * steps[0] + json_in_text.WORK_CHARACTERS


@pytest.mark.parametrize("part", PARTS)
def test_each_escape_is_looked_at_once(part: str) -> None:
    text = part * 1_000
    assert len(latex_in_json._ESCAPE.findall(text)) <= text.count("\\")
    fixed, broken = latex_in_json.without_broken_escapes(text)
    assert len(fixed) <= 2 * len(text) and len(broken) <= text.count("\\")


@pytest.mark.parametrize(
    "text", ["[" * 300_000, '{"a":' * 100_000, "[" * 300_000 + "]" * 300_000, '["' * 200_000]
)
@pytest.mark.parametrize("read", [json_of, last_json, compile_parse({"call": "json", "args": ["a"]})])
def test_deep_nesting_is_no_json_and_no_crash(read: Any, text: str) -> None:
    with pytest.raises(ParseFailed, match="JSON"):
        read(text)


def test_long_texts_are_read_beside_the_loop() -> None:
    def thread_of(text: str) -> str:
        return threading.current_thread().name

    async def names() -> list[str]:
        return [await reading.read_beside(thread_of, "a" * n) for n in (1, reading.LONG_CHARACTERS + 1)]

    short, long = asyncio.run(names())
    assert short == threading.main_thread().name != long
    found = asyncio.run(_result(b"", "<think>" + "a" * reading.LONG_CHARACTERS + "</think>b", "", "", "stop"))
    assert (found.text, found.ok) == ("b", True)
