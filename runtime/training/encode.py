"""Turn conversations into token ids and labels, the labels on assistant tokens alone.

Where an assistant's words lie is taken from the chat template, never guessed from token patterns: from its
`{% generation %}` marks, or else from rendering the conversation up to and including each message. The token
that ends a turn is trained with it: a model that never learns to stop writes on for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from runtime.plugin import RunError

IGNORED = -100
"""Label of a token that is not trained."""

Overlong = Literal["truncate", "drop", "split"]


@dataclass(frozen=True)
class Encoded:
    """One sequence. `tokens` and `labels`: (length,) int32; `labels[i]` is `tokens[i]` or `IGNORED`."""

    id: str
    component: str
    tokens: NDArray[np.int32]
    labels: NDArray[np.int32]


@dataclass
class EncodingCounts:
    """What became of the rows; ids are kept so that a user can look at them."""

    rows: int = 0
    sequences: int = 0
    tokens: int = 0
    trained_tokens: int = 0
    truncated: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    split: list[str] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)
    """Refused: nothing in them would be trained."""


def encode(
    rows: Iterable[dict[str, Any]],
    tokenizer: Any,
    *,
    context: int,
    overlong: Overlong,
    counts: EncodingCounts,
) -> Iterator[Encoded]:
    """Yield the sequences of rows with `messages`, `id` and `component`, in the order of the rows.

    Overlong rows are cut at `context` tokens, left out, or split in pieces of `context` tokens; a piece without a
    trained token is left away. `counts` is filled as rows pass.

    Raises:
        RunError: the chat template cannot tell where an assistant's words lie.
    """
    has_marks = "{% generation" in (tokenizer.chat_template or "").replace("{%-", "{%")
    end = tokenizer.eos_token_id
    remaining = iter(rows)
    while batch := list(islice(remaining, 1000)):
        conversations = [row["messages"] for row in batch]
        render = _by_marks if has_marks else _by_rendering
        for row, (tokens, is_trained) in zip(batch, render(conversations, tokenizer), strict=True):
            counts.rows += 1
            _train_the_end(tokens, is_trained, end)
            is_trained[:1] = False  # nothing comes before it that could predict it
            for sequence in _fitted(row, tokens, is_trained, context, overlong, counts):
                counts.sequences += 1
                counts.tokens += len(sequence.tokens)
                counts.trained_tokens += int((sequence.labels != IGNORED).sum())
                yield sequence


Marked = tuple[NDArray[np.int32], NDArray[np.bool_]]


def _by_marks(conversations: Sequence[Any], tokenizer: Any) -> Iterator[Marked]:
    found = tokenizer.apply_chat_template(
        list(conversations), tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    for tokens, mask in zip(found["input_ids"], found["assistant_masks"], strict=True):
        yield np.asarray(tokens, np.int32), np.asarray(mask, np.bool_)


def _by_rendering(conversations: Sequence[Any], tokenizer: Any) -> Iterator[Marked]:
    for messages in conversations:
        text, spans = _assistant_spans(messages, tokenizer)
        found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        starts = np.asarray([start for start, _ in found["offset_mapping"]], np.int64)
        is_trained = np.zeros(len(starts), np.bool_)
        for first, last in spans:
            is_trained |= (starts >= first) & (starts < last)
        yield np.asarray(found["input_ids"], np.int32), is_trained


def _assistant_spans(messages: Sequence[dict[str, str]], tokenizer: Any) -> tuple[str, list[tuple[int, int]]]:
    """The rendered text, and the characters that each assistant message adds after the generation prompt."""

    def rendered(count: int, *, asks: bool) -> str:
        return str(
            tokenizer.apply_chat_template(list(messages[:count]), tokenize=False, add_generation_prompt=asks)
        )

    whole = rendered(len(messages), asks=False)
    spans = []
    for i, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before, after = rendered(i, asks=True), rendered(i + 1, asks=False)
        if not (after.startswith(before) and whole.startswith(after)):
            raise RunError(
                "the tokenizer's chat template renders earlier messages differently once later ones follow, so the "
                "assistant's words cannot be located; give it {% generation %} marks"
            )
        spans.append((len(before), len(after)))
    return whole, spans


def _train_the_end(tokens: NDArray[np.int32], is_trained: NDArray[np.bool_], end: int | None) -> None:
    """Make the first end token in or right after each trained span its last trained token, in place."""
    if end is None:
        return
    edges = np.flatnonzero(np.diff(np.concatenate(([False], is_trained, [False])).astype(np.int8)))
    for first, after in edges.reshape(-1, 2):
        ends = np.flatnonzero(tokens[first : after + 1] == end)
        if len(ends):
            stop = first + ends[0]
            is_trained[stop] = True
            is_trained[stop + 1 : after] = False


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
