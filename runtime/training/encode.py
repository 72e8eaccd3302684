"""Turn conversations into token ids and labels, the labels on what the assistant says alone.

The conversation is rendered once and tokenised as a whole; `conversation.py` finds the assistant's characters in it, and
a token is trained when any of its characters is. The token that ends a turn is trained with it: a model that never
learns to stop writes on for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from runtime.plugin import RunError
from runtime.training.conversation import Conversation, Forged, Renderer, Unlocatable

IGNORED = -100
"""Label of a token that is not trained."""
AT_ONCE = 1000

Overlong = Literal["truncate", "drop", "split"]


@dataclass(frozen=True)
class Encoded:
    """One sequence. `tokens` and `labels`: (length,) int32; `labels[i]` is `tokens[i]` or `IGNORED`."""

    id: str
    component: str
    tokens: NDArray[np.int32]
    labels: NDArray[np.int32]


@dataclass(frozen=True)
class Learned:
    """What counts in the loss: parts of an assistant's turn, and all turns or the last alone."""

    parts: tuple[str, ...] = ("answers", "reasoning", "tool_calls")
    last_turn_only: bool = False


@dataclass
class EncodingCounts:
    """What became of the rows; ids are kept so that a user can look at them."""

    rows: int = 0
    sequences: int = 0
    tokens: int = 0
    trained_tokens: int = 0
    unstopped: int = 0
    """Rows in which a trained turn has no end token: after them a model does not learn to stop."""
    truncated: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    split: list[str] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)
    """Refused: nothing in them would be trained."""
    forged: list[str] = field(default_factory=list)
    """Refused: a message holds the text of a control token, which would end a turn or begin another."""


def encode(
    rows: Iterable[dict[str, Any]],
    tokenizer: Any,
    *,
    context: int,
    overlong: Overlong,
    counts: EncodingCounts,
    learned: Learned | None = None,
) -> Iterator[Encoded]:
    """Yield the sequences of rows with `messages`, `id`, `component` and `tools`, in the order of the rows.

    Overlong rows are cut at `context` tokens, left out, or split in pieces of `context` tokens; a piece without a
    trained token is left away. `counts` is filled as rows pass.

    Raises:
        RunError: the chat template cannot tell where an assistant's words lie, or fails on a row.
    """
    renderer = Renderer(tokenizer)
    stops = renderer.stop_ids()
    learned = learned or Learned()
    remaining = iter(rows)
    while batch := list(islice(remaining, AT_ONCE)):
        counts.rows += len(batch)
        found = [(row, c) for row in batch if (c := _located(renderer, row, counts)) is not None]
        if not found:
            continue
        tokenized = _tokenized(tokenizer, [c.text for _, c in found])
        for (row, conversation), encoding in zip(found, tokenized, strict=True):
            tokens = np.array(encoding.ids, np.int32)
            is_trained = _trained(conversation, learned, tokens, encoding, stops, counts)
            is_trained[:1] = False  # nothing comes before it that could predict it
            for sequence in _fitted(row, tokens, is_trained, context, overlong, counts):
                counts.sequences += 1
                counts.tokens += len(sequence.tokens)
                counts.trained_tokens += int((sequence.labels != IGNORED).sum())
                yield sequence


def _located(renderer: Renderer, row: dict[str, Any], counts: EncodingCounts) -> Conversation | None:
    try:
        return renderer.located(row["messages"], row.get("tools"))
    except Forged:
        counts.forged.append(str(row["id"]))
        return None
    except Unlocatable as error:
        raise RunError(f"row {row['id']}: {error}") from error


def _tokenized(tokenizer: Any, texts: Sequence[str]) -> list[Any]:
    """Each text as an `Encoding`, whole, with nothing added.

    The tokenizer itself is asked, not its wrapper: that makes Python lists of every token's mask, type and characters,
    of which only those at the borders of spans are looked at.
    """
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    found: list[Any] = backend.encode_batch(list(texts), add_special_tokens=False)
    return found


def _trained(
    conversation: Conversation,
    learned: Learned,
    tokens: NDArray[np.int32],
    encoding: Any,
    stops: frozenset[int],
    counts: EncodingCounts,
) -> NDArray[np.bool_]:
    """Which tokens are trained, (length,)."""
    is_trained = np.zeros(len(tokens), np.bool_)
    last_span = {span.turn: span for span in conversation.spans}
    has_stop = True
    for span in conversation.spans:
        if not conversation.weights[span.turn] or span.part not in learned.parts:
            continue
        if learned.last_turn_only and span.turn != len(conversation.weights) - 1:
            continue
        first, end = tokens_within(encoding, span.start, span.end)
        if span is last_span[span.turn] and end > first:
            found = _end_of_turn(tokens, first, end, encoding, span.end, stops)
            has_stop &= found is not None
            end = end if found is None else found + 1
        is_trained[first:end] = True
    counts.unstopped += not has_stop
    return is_trained


def tokens_within(encoding: Any, start: int, end: int) -> tuple[int, int]:
    """The tokens `first..end` that hold any of the characters `start..end`; an empty range where none does.

    A token of no width is an end that the tokenizer puts there by itself: at the border of a span it is outside.
    """
    first = next((t for c in range(start, end) if (t := encoding.char_to_token(c)) is not None), None)
    if first is None:
        return 0, 0
    last = next(t for c in range(end - 1, start - 1, -1) if (t := encoding.char_to_token(c)) is not None)
    # Several tokens may hold one character; the first of them is found.
    size = len(encoding)
    while last + 1 < size and _holds(encoding, last + 1, start, end):
        last += 1
    return first, last + 1


def _holds(encoding: Any, token: int, start: int, end: int) -> bool:
    place = encoding.token_to_chars(token)
    return place is not None and place[0] < end and place[1] > start


def _end_of_turn(
    tokens: NDArray[np.int32], first: int, end: int, encoding: Any, span_end: int, stops: frozenset[int]
) -> int | None:
    """The first end token of a turn's tokens `first..end`, or right after them; None where there is none."""
    ending = next((place for place in range(first, end) if int(tokens[place]) in stops), None)
    if ending is None and end < len(tokens) and int(tokens[end]) in stops:
        # Behind the turn only the very next token: farther on it belongs to somebody else.
        place = encoding.token_to_chars(end)
        ending = end if place is None or place[0] >= span_end else None
    return ending


def _fitted(
    row: dict[str, Any],
    tokens: NDArray[np.int32],
    is_trained: NDArray[np.bool_],
    context: int,
    overlong: Overlong,
    counts: EncodingCounts,
) -> Iterator[Encoded]:
    row_id, component = str(row["id"]), str(row.get("component", ""))
    if not is_trained.any():
        counts.unlabelled.append(row_id)
        return
    pieces = [slice(0, len(tokens))]
    if len(tokens) > context:
        if overlong == "drop":
            counts.dropped.append(row_id)
            return
        pieces = [slice(0, context)]
        if overlong == "split":
            pieces = [slice(at, at + context) for at in range(0, len(tokens), context)]
    labels = np.where(is_trained, tokens, IGNORED).astype(np.int32)
    kept = []
    for number, piece in enumerate(pieces):
        part = labels[piece].copy()
        part[:1] = IGNORED
        if (part != IGNORED).any():
            name = row_id if len(pieces) == 1 else f"{row_id}/{number}"
            kept.append(Encoded(name, component, tokens[piece].copy(), part))
    if not kept:
        # Its assistant speaks only after the cut.
        counts.unlabelled.append(row_id)
    elif len(tokens) > context:
        (counts.truncated if overlong == "truncate" else counts.split).append(row_id)
    yield from kept
