"""What a chat template writes around the messages of conversations of one shape.

Most conversations of a data set differ in their words alone: the same roles in the same order, plain texts. What
`conversation.py` finds out about one of them by rendering it twice holds for the next, if that one's rendering is
exactly the same frame around its own texts. The frame is compared with each row's rendering, so a template that looks
into the words (and writes a thought, a date or a title of its own) is seen, and that row is read in full.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from mixwright_runtime.training.provenance import thought_in

CONFIRMED = 8
"""Conversations of one shape that are read in full, and must agree, before their frame is believed."""

Shape = tuple[str, ...]
Span = tuple[int, int, int, str]
"""Characters `start..end` of a rendering, the assistant's turn, and the part of it."""

_Border = tuple[int, int]
"""A place in a rendering: the piece of the frame, and how many characters behind that piece's beginning."""


@dataclass(frozen=True)
class Frame:
    """`pieces`: what stands before, between and behind the texts, one more than there are texts."""

    pieces: tuple[str, ...]
    spans: tuple[tuple[_Border, _Border, int, str], ...]
    has_end: tuple[bool, ...]

    def around(self, texts: Sequence[str]) -> str:
        return "".join(
            (*(each for pair in zip(self.pieces, texts, strict=False) for each in pair), self.pieces[-1])
        )

    def spans_in(self, texts: Sequence[str]) -> list[Span]:
        """The spans in the rendering of these texts."""
        starts = _starts(self.pieces, texts)
        return [(starts[a] + m, starts[b] + n, turn, part) for (a, m), (b, n), turn, part in self.spans]


class Frames:
    """The frames of one template, by shape."""

    def __init__(self) -> None:
        self._agreeing: dict[Shape, tuple[Frame | None, int]] = {}

    def of(self, shape: Shape) -> Frame | None:
        """The frame of a shape, once enough conversations agreed on it."""
        frame, times = self._agreeing.get(shape, (None, 0))
        return frame if times >= CONFIRMED else None

    def learn(self, shape: Shape, found: Frame | None) -> None:
        """Take in what one conversation that was read in full shows. One that has no frame, or another, begins anew."""
        frame, times = self._agreeing.get(shape, (None, 0))
        self._agreeing[shape] = (found, times + 1 if found == frame else 1) if found else (None, 0)


def shape_of(messages: Sequence[Mapping[str, object]], tools: object) -> Shape | None:
    """The shape of a conversation as templates get it; None of one that has more than plain texts.

    A text that begins or ends with white space or a quote has none: where such a text begins is told by its neighbours.
    """
    if tools:
        return None
    for message in messages:
        text = message.get("content")
        if len(message) != 2 or not isinstance(text, str) or not text:
            return None
        if not (_is_plain(text[0]) and _is_plain(text[-1])):
            return None
        if message["role"] == "assistant" and "<" in text and thought_in(text):
            return None
    return tuple(str(message["role"]) for message in messages)


def framed(
    text: str, places: Sequence[tuple[int, int]], spans: Sequence[Span], has_end: Sequence[bool]
) -> Frame | None:
    """The frame of a conversation whose texts stand at `places` of its rendering; None where a span begins or ends
    within one of them."""
    edges = [0, *(edge for place in places for edge in place), len(text)]
    if any(one > other for one, other in pairwise(edges)):
        return None
    pieces = tuple(text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))
    starts = edges[::2]
    found = []
    for start, end, turn, part in spans:
        borders = _border(starts, pieces, start), _border(starts, pieces, end)
        if borders[0] is None or borders[1] is None:
            return None
        found.append((borders[0], borders[1], turn, part))
    return Frame(pieces, tuple(found), tuple(has_end))


def _border(starts: Sequence[int], pieces: Sequence[str], at: int) -> _Border | None:
    for number, (start, piece) in enumerate(zip(starts, pieces, strict=True)):
        if start <= at <= start + len(piece):
            return number, at - start
    return None


def _starts(pieces: Sequence[str], texts: Sequence[str]) -> list[int]:
    """Where each piece begins."""
    lengths = (len(piece) + len(text) for piece, text in zip(pieces, texts, strict=False))
    return list(accumulate(lengths, initial=0))


def _is_plain(character: str) -> bool:
    return character > " " and character not in '"\\\x7f' and not character.isspace()
