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
        for (row, conversation), tokens, starts, ends in zip(
            found, *_tokenized(tokenizer, [c.text for _, c in found]), strict=True
        ):
            is_trained = _trained(conversation, learned, tokens, starts, ends, stops, counts)
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


def _tokenized(
    tokenizer: Any, texts: Sequence[str]
) -> tuple[list[NDArray[np.int32]], list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Tokens of each text, and the characters at which each token starts and ends."""
    found = tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True)
    places = [np.asarray(pairs, np.int64).reshape(-1, 2) for pairs in found["offset_mapping"]]
    return (
        [np.asarray(tokens, np.int32) for tokens in found["input_ids"]],
        [pairs[:, 0] for pairs in places],
        [pairs[:, 1] for pairs in places],
    )


def _trained(
    conversation: Conversation,
    learned: Learned,
    tokens: NDArray[np.int32],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
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
        # A token of no width is an end that the tokenizer puts there by itself; overlapping it takes a width.
        inside = (starts < span.end) & (ends > span.start)
        if span is last_span[span.turn]:
            has_stop &= _train_the_end(tokens, inside, starts, span.end, stops)
        is_trained |= inside
    counts.unstopped += not has_stop
    return is_trained


def _train_the_end(
    tokens: NDArray[np.int32],
    inside: NDArray[np.bool_],
    starts: NDArray[np.int64],
    end: int,
    stops: frozenset[int],
) -> bool:
    """Make the first end token in or right after a turn its last trained token, in place; False where there is none."""
    places = np.flatnonzero(inside)
    if not len(places):
        return True
    # Behind the turn only the very next token: farther on it belongs to somebody else.
    after = places[-1] + 1
    candidates = np.append(places, after) if after < len(tokens) and starts[after] >= end else places
    ending = [int(place) for place in candidates if int(tokens[place]) in stops]
    if not ending:
        return False
    inside[ending[0]] = True
    inside[ending[0] + 1 :] = False
    return True


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
