"""Of which message each character of a rendered conversation is.

A chat template is a program: what it does with a message is not read off its text, but tried. Every character of the
messages is replaced by a code of its own, from planes of Unicode that have no characters, and the conversation is
rendered once more. Where both renderings are the same but for the replaced characters, each code says which character
of which message stands there, and a code that does not appear is a character that the template leaves out.

White space and what JSON escapes stay as they are: templates cut the one off and write the other as two characters.
They belong to the text whose characters stand beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixwright_runtime.values.reasoning import spoken

_BLOCK = re.compile(r"\A\s*<think>(.*?)</think>\s*", re.DOTALL)

FIRST_CODE, LAST_CODE = 0x40000, 0xDFFFF
_IS_RAW = np.array([chr(c).isspace() or c < 0x20 or chr(c) in '"\\\x7f' for c in range(0x3001)] + [False])
"""Of each character up to the last that is white space, whether it stays as it is; then of all that follow."""


@dataclass(frozen=True)
class Interval:
    """Characters `start..end` of a rendered text that are one text of a message. `before`, `behind`: how many of them
    stand before the first and from the last that has a code."""

    start: int
    end: int
    part: str
    before: int
    behind: int


@dataclass(frozen=True)
class _Piece:
    """One text of a message, of a part of the assistant's turn or of a role: `codes[n]` is character `places[n]`."""

    message: int
    part: str
    text: str
    codes: NDArray[np.int64]
    places: NDArray[np.int64]


class Coder:
    """Replaces the characters of a conversation's messages by codes.

    words: what the template itself looks for in messages and must find there as it is. names_as_they_are: a template may
    look the name of a call up among the tools'.
    """

    def __init__(
        self,
        messages: Sequence[Mapping[str, object]],
        words: re.Pattern[str] | None = None,
        *,
        names_as_they_are: bool = False,
    ) -> None:
        self._words = words
        self._names_as_they_are = names_as_they_are
        self._pieces: list[_Piece] = []
        self._source: list[NDArray[np.uint32]] = []
        self._used = 0
        # Of a very long conversation every second character, or third: those between are told by their neighbours.
        size = sum(len(str(value)) for message in messages for value in message.values())
        self._every = 1 + size // (LAST_CODE - FIRST_CODE)
        self.messages = [self._message(number, message) for number, message in enumerate(messages)]

    @property
    def size(self) -> int:
        """How many characters have a code."""
        return self._used

    def aligned(self, plain: str, coded: str) -> NDArray[np.int64] | None:
        """Of each character of the rendering its code's number, or -1; None where the renderings differ otherwise."""
        if len(plain) != len(coded):
            return None
        one, other = _points(plain), _points(coded)
        codes = other.astype(np.int64) - FIRST_CODE
        is_code = (codes >= 0) & (codes < self._used)
        if not np.array_equal(one[~is_code], other[~is_code]):
            return None
        source = np.concatenate(self._source) if self._source else np.zeros(0, np.uint32)
        if not np.array_equal(one[is_code], source[codes[is_code]]):
            return None
        return np.where(is_code, codes, -1)

    def owners(self) -> NDArray[np.int64]:
        """The message of each code."""
        found = np.full(self._used, -1, np.int64)
        for piece in self._pieces:
            found[piece.codes] = piece.message
        return found

    def lost(self, codes: NDArray[np.int64]) -> Iterator[tuple[int, str]]:
        """Messages and parts (or roles) of which characters are not in the rendering."""
        is_there = np.zeros(self._used, np.bool_)
        is_there[codes[codes >= 0]] = True
        for piece in self._pieces:
            if not is_there[piece.codes].all():
                yield piece.message, piece.part

    def intervals(self, message: int, codes: NDArray[np.int64], text: str) -> list[Interval] | None:
        """Where the texts of a message stand first, in order; None where the template changes the order of words."""
        first = np.full(self._used, -1, np.int64)
        places = np.flatnonzero(codes >= 0)[::-1]
        first[codes[places]] = places
        earlier = np.cumsum(codes >= 0)
        found: list[Interval] = []
        for piece in (piece for piece in self._pieces if piece.message == message):
            at = first[piece.codes]
            if (at < 0).all():
                continue
            if (np.diff(at[at >= 0]) <= 0).any():
                return None
            # Cut where something else stands between two of its characters, or one is left out.
            runs = np.flatnonzero((at[1:] < 0) | (at[:-1] < 0) | (earlier[at[1:]] - earlier[at[:-1]] > 1)) + 1
            for numbers in np.split(np.arange(len(at)), runs):
                if at[numbers[0]] < 0:
                    continue
                first_one, last_one = int(numbers[0]), int(numbers[-1])
                before = _same_before(piece, first_one, text, int(at[first_one]))
                behind = _same_behind(piece, last_one, text, int(at[last_one]))
                start, end = int(at[first_one]) - before, int(at[last_one]) + behind
                found.append(Interval(start, end, piece.part, before, behind))
        return sorted(found, key=lambda interval: interval.start)

    def _message(self, number: int, message: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(message)
        role, content = message["role"], message.get("content")
        if role != "assistant":
            if isinstance(content, str):
                found["content"] = self._coded(number, str(role), content)
            return found
        if isinstance(content, str):
            inline = thought_in(content)
            if inline:
                begin, end, answer_at = inline
                thought = self._coded(number, "reasoning", content[begin:end])
                answer = self._coded(number, "answers", content[answer_at:])
                found["content"] = content[:begin] + thought + content[end:answer_at] + answer
            else:
                found["content"] = self._coded(number, "answers", content)
        if isinstance(message.get("reasoning_content"), str):
            found["reasoning_content"] = self._coded(number, "reasoning", message["reasoning_content"])
        if message.get("tool_calls"):
            found["tool_calls"] = [self._call(number, call) for call in message["tool_calls"]]
        return found

    def _call(self, number: int, call: Mapping[str, Any]) -> dict[str, Any]:
        function = dict(call["function"])
        if isinstance(function.get("name"), str) and not self._names_as_they_are:
            function["name"] = self._coded(number, "tool_calls", function["name"])
        if "arguments" in function:
            function["arguments"] = self._value(number, function["arguments"])
        return {**call, "function": function}

    def _value(self, number: int, value: object) -> Any:
        """A value of a call with its texts coded; keys stay, for templates sort by them."""
        match value:
            case str():
                return self._coded(number, "tool_calls", value)
            case Mapping():
                return {key: self._value(number, each) for key, each in value.items()}
            case list():
                return [self._value(number, each) for each in value]
            case _:
                return value

    def _coded(self, message: int, part: str, text: str) -> str:
        points = _points(text).copy()
        is_coded = ~_IS_RAW[np.minimum(points, len(_IS_RAW) - 1)]
        if not is_coded.any() and part != "tool_calls":
            # Of quotes alone: nothing else could say where it stands.
            is_coded = np.array([not c.isspace() for c in text], np.bool_)
        for found in self._words.finditer(text) if self._words is not None else ():
            is_coded[found.start() : found.end()] = False
        places = np.flatnonzero(is_coded)[:: self._every]
        if not len(places):
            return text
        codes = np.arange(self._used, self._used + len(places))
        self._used += len(places)
        self._source.append(points[places])
        self._pieces.append(_Piece(message, part, text, codes, places))
        points[places] = (FIRST_CODE + codes).astype(np.uint32)
        return points.tobytes().decode("utf-32-le", "surrogatepass")


def thought_in(content: str) -> tuple[int, int, int] | None:
    """Where reasoning that is written into the content begins and ends, and where the answer begins."""
    found = spoken(content)
    if not found.is_finished or found.text == content:
        return None
    inline = _BLOCK.match(content)
    if inline:
        return *inline.span(1), inline.end()
    at, answer_at = content.find(found.reasoning), len(content) - len(found.text)
    end = at + len(found.reasoning)
    is_whole = content.endswith(found.text) and at >= 0 and end <= answer_at
    return (at, end, answer_at) if found.reasoning and is_whole else None


def is_code(character: str) -> bool:
    """Does a character of a coded rendering stand for one of a message?"""
    return FIRST_CODE <= ord(character) <= LAST_CODE


def _points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _same_before(piece: _Piece, number: int, whole: str, at: int) -> int:
    """How many characters without a code stand before the piece's `number`th in its own text and in the whole alike."""
    place = int(piece.places[number])
    most = min(place - (int(piece.places[number - 1]) + 1 if number else 0), at)
    return next((n for n in range(most) if piece.text[place - 1 - n] != whole[at - 1 - n]), most)


def _same_behind(piece: _Piece, number: int, whole: str, at: int) -> int:
    """How many from the piece's `number`th on, itself and those without a code, stand alike in the whole."""
    place = int(piece.places[number])
    following = int(piece.places[number + 1]) if number + 1 < len(piece.places) else len(piece.text)
    most = min(following - place, len(whole) - at)
    return next((n for n in range(1, most) if piece.text[place + n] != whole[at + n]), most)
