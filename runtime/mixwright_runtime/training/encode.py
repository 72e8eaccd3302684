"""Turn conversations into token ids and labels, the labels on what the assistant says alone.

The conversation is rendered and tokenised as a whole; `conversation.py` finds the assistant's characters in it, and
a token is trained when any of its characters is. The token that ends a turn is trained with it: a model that never
learns to stop writes on for ever.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mixwright_runtime.errors import RunError
from mixwright_runtime.training.conversation import Conversation, Forged, Renderer, TemplateFails, Unlocatable

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""Label of a token that is not trained."""
AT_ONCE = 1000
TRIED = 50
"""Rows whose tokens are turned back into text, to see whether the tokenizer is whole."""

Overlong = Literal["truncate", "drop", "split"]


@dataclass(frozen=True)
class Encoded:
    """One sequence. `tokens` and `labels`: (length,) int32; `labels[i]` is `tokens[i]` or `IGNORED`.

    `id` is that of its row, with `/0`, `/1` … for the pieces of one that was split; `lineage` that of its row.
    """

    id: str
    component: str
    tokens: NDArray[np.int32]
    labels: NDArray[np.int32]
    lineage: str = ""


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
    """Refused: nothing in them would be trained, or nothing but the token that ends a turn."""
    forged: list[str] = field(default_factory=list)
    """Refused: a message holds the text of a control token, which would end a turn or begin another."""
    unwritten: list[str] = field(default_factory=list)
    """Refused: the template leaves out an answer or a call, and what is left is not what the row says."""
    unlocatable: list[str] = field(default_factory=list)
    """Refused: it cannot be told what of the rendered text the assistant says."""
    without_reasoning: list[str] = field(default_factory=list)
    """The template leaves out reasoning."""
    without_context: list[str] = field(default_factory=list)
    """The template leaves out what another role says, or the tools."""
    why_unlocatable: str = ""
    """Of the first of them."""

    def add(self, later: EncodingCounts) -> None:
        """Count what became of further rows, too."""
        for name, value in vars(later).items():
            if name != "why_unlocatable" or not self.why_unlocatable:
                counted = getattr(self, name)
                counted += value  # a list grows in its place
                setattr(self, name, counted)


FATES = {
    "truncated": "longer than `context`, cut",
    "dropped": "longer than `context`, left out",
    "split": "longer than `context`, split",
    "unlabelled": "without an assistant token to train, refused",
    "forged": "with the text of a control token in a message, refused",
    "unwritten": "of which the chat template leaves out an answer or a call, refused",
    "unlocatable": "of which the chat template does not show what the assistant says, refused",
    "without_reasoning": "of which the chat template leaves out reasoning",
    "without_context": "of which the chat template leaves out what another role says, or the tools",
}
"""Why rows are not trained on whole, by the field of `EncodingCounts` that has their ids: words that follow `3 rows`."""


def fates(counts: EncodingCounts | Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """What became of rows that are not trained on whole, in words, and their ids."""
    values = counts if isinstance(counts, Mapping) else vars(counts)
    for reason, words in FATES.items():
        if values[reason]:
            told = f": {values['why_unlocatable']}" if reason == "unlocatable" else ""
            yield words + told, values[reason]


def encode(
    rows: Iterable[dict[str, Any]],
    tokenizer: PreTrainedTokenizerBase,
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
        RunError: the chat template fails on a row, or the tokenizer does not give back what it is given.
    """
    renderer = Renderer(tokenizer)
    learned = learned or Learned()
    control = [number for number, token in tokenizer.added_tokens_decoder.items() if token.special]
    remaining, tried = iter(rows), 0
    while batch := list(islice(remaining, AT_ONCE)):
        counts.rows += len(batch)
        found = [(row, c) for row in batch if (c := _located(renderer, row, counts)) is not None]
        if not found:
            continue
        tokenized = _tokenized(tokenizer, [c.text for _, c in found])
        for (row, conversation), encoding in zip(found, tokenized, strict=True):
            tokens = np.array(encoding.ids, np.int32)
            if tried < TRIED:
                tried += 1
                _refuse_loss(tokenizer, row, conversation.text, encoding)
            is_trained = _trained(conversation, learned, len(tokens), encoding, counts)
            is_trained[:1] = False  # nothing comes before it that could predict it
            # An end token alone would be learned as the answer.
            if np.isin(tokens[is_trained], control).all():
                is_trained[:] = False
            for sequence in _fitted(row, tokens, is_trained, context, overlong, counts):
                counts.sequences += 1
                counts.tokens += len(sequence.tokens)
                counts.trained_tokens += int((sequence.labels != IGNORED).sum())
                yield sequence


def _located(renderer: Renderer, row: dict[str, Any], counts: EncodingCounts) -> Conversation | None:
    name = str(row["id"])
    try:
        found = renderer.located(row["messages"], row.get("tools"))
    except Forged:
        counts.forged.append(name)
        return None
    except Unlocatable as error:
        counts.unlocatable.append(name)
        counts.why_unlocatable = counts.why_unlocatable or str(error)
        return None
    except TemplateFails as error:
        raise RunError(f"row {name}: {error}") from error
    if found.lost & {"answers", "tool_calls"}:
        counts.unwritten.append(name)
        return None
    if "reasoning" in found.lost:
        counts.without_reasoning.append(name)
    if found.lost - {"reasoning"}:
        counts.without_context.append(name)
    return found


def _tokenized(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[Any]:
    """Each text as an `Encoding`, whole, with nothing added.

    The tokenizer itself is asked, not its wrapper: that makes Python lists of every token's mask, type and characters,
    of which only those at the borders of spans are looked at.
    """
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    found: list[Any] = backend.encode_batch(list(texts), add_special_tokens=False)
    return found


def _refuse_loss(tokenizer: PreTrainedTokenizerBase, row: dict[str, Any], text: str, encoding: Any) -> None:
    """Refuse a tokenizer that does not give back what it is given but for what its own normalizer changes.

    One whose directory lacks a file is loaded as another, and cuts spaces or letters off without an error.

    Raises:
        RunError: it does not.
    """
    backend = tokenizer.backend_tokenizer
    normalizer = backend.normalizer
    control = re.compile("|".join(map(re.escape, _control_texts(tokenizer))) or r"(?!)")
    given = [_normal(normalizer.normalize_str(part) if normalizer else part) for part in control.split(text)]
    back = [_normal(part) for part in control.split(backend.decode(encoding.ids, skip_special_tokens=False))]
    if given == back:
        return
    one, other = next(((a, b) for a, b in zip(given, back, strict=False) if a != b), (text, "".join(back)))
    at = max(0, next((n for n in range(min(len(one), len(other))) if one[n] != other[n]), 0) - 20)
    raise RunError(
        f"the tokenizer in {tokenizer.name_or_path} does not give back what it is given: of row {row['id']}, "
        f"{one[at : at + 40]!r} comes back as {other[at : at + 40]!r}; its directory must have all files of the model's, "
        "config.json too"
    )


def _control_texts(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    texts = {token.content for token in tokenizer.added_tokens_decoder.values()} - {""}
    return sorted(texts, key=len, reverse=True)


def _normal(text: str) -> str:
    """Without the differences that the spelling of white space and of composed characters makes."""
    return unicodedata.normalize("NFKC", text.replace("\u2581", " ")).strip()


def _trained(
    conversation: Conversation, learned: Learned, size: int, encoding: object, counts: EncodingCounts
) -> NDArray[np.bool_]:
    """Which of `size` tokens are trained, (size,)."""
    is_trained = np.zeros(size, np.bool_)
    last_span = {span.turn: span for span in conversation.spans}
    has_end = True
    for span in conversation.spans:
        if not conversation.weights[span.turn] or span.part not in learned.parts:
            continue
        if learned.last_turn_only and span.turn != len(conversation.weights) - 1:
            continue
        first, end = tokens_within(encoding, span.start, span.end)
        is_trained[first:end] = True
        if span is last_span[span.turn]:
            has_end &= conversation.has_end[span.turn]
    counts.unstopped += not has_end
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
        # What would predict it is in the piece before.
        part[:1] = IGNORED
        if (part != IGNORED).any():
            name = row_id if len(pieces) == 1 else f"{row_id}/{number}"
            kept.append(Encoded(name, component, tokens[piece].copy(), part, str(row.get("lineage", ""))))
    if not kept:
        # Its assistant speaks only after the cut.
        counts.unlabelled.append(row_id)
    elif len(tokens) > context:
        (counts.truncated if overlong == "truncate" else counts.split).append(row_id)
    yield from kept
