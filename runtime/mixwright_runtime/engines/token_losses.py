"""How likely the tokens of a text are: the text in tokens, each with its place, and one forward pass over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mixwright_runtime.engines.label_tokens import only_token
from mixwright_runtime.engines.protocol import EngineFault, Fault, Losses, LossRequest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MOST_NUMBERS = 2**27
"""Of logits at once, rows * places * vocabulary: half a gigabyte in float32. A row that has more goes alone."""

DIGITS = 6
"""Decimals that are kept of a logarithm; what the batch moves lies behind them."""


@dataclass(frozen=True)
class Passage:
    """A `LossRequest` in tokens.

    tokens: what is read, up to the last token that is told, and with it. first: the first of them that is told.
    token: the one that is told in the place of each; None for themselves. offsets: where each told one begins.
    """

    tokens: Sequence[int]
    first: int
    offsets: tuple[int, ...]
    token: int | None = None

    @property
    def known_from(self) -> int:
        """The first told token that has one before it."""
        return max(self.first, 1)

    def losses(self, logprobs: Sequence[float], engine: Any) -> Losses:
        """logprobs: of the told tokens from `known_from` on."""
        unknown = [None] * (self.known_from - self.first)
        # A float32 share may end a hair above 1.
        values = [min(round(float(value), DIGITS), 0.0) for value in logprobs]
        return Losses(self.offsets, (*unknown, *values)[: len(self.offsets)], len(self.tokens), 0, engine)


def passage_of(request: LossRequest, tokenizer: PreTrainedTokenizerBase, context: int) -> Passage:
    """A request in tokens: what the tokenizer begins a text with, the prefix, the text.

    Raises:
        EngineFault: it is too long, the text is empty, the one token is several, or the tokenizer does not tell where
            its tokens lie.
    """
    if not tokenizer.is_fast:
        raise EngineFault(Fault.DENIED, "the model's tokenizer does not tell where its tokens lie")
    token = only_token(tokenizer, request.token, "token") if request.token else None
    encoded = tokenizer(request.text, add_special_tokens=False, return_offsets_mapping=True)
    ids, places = list(encoded["input_ids"]), places_of(encoded["offset_mapping"])
    if not ids:
        raise EngineFault(Fault.BAD_REQUEST, "the text is empty")
    before = [*_begin(tokenizer), *_plain(tokenizer, request.prefix)]
    told = [at for at, place in enumerate(places) if place >= request.start]
    told = told[: request.count or None]
    end = told[-1] + 1 if told else 0
    # The last one that is told is not read, but counts, as vLLM's prompt ends with it and leaves room for an answer.
    if len(before) + end >= context:
        raise EngineFault(
            Fault.TOO_LONG, f"prefix and text have {len(before) + end} tokens, `context` is {context}"
        )
    offsets = tuple(places[at] for at in told)
    first = len(before) + (told[0] if told else 0)
    return Passage([*before, *ids[:end]] if told else [], first if told else 0, offsets, token)


def places_of(spans: Sequence[tuple[int, int]]) -> list[int]:
    """Where each token begins, in characters: where the one before it ends, for some tokenizers leave a space in front of
    a word out of its token. A token that begins inside a character begins where that does, as the one before it.

    >>> places_of([(0, 3), (4, 7), (7, 8), (7, 8), (8, 9)])
    [0, 3, 7, 7, 8]
    """
    found: list[int] = []
    end = 0
    for start, stop in spans:
        found.append(min(start, end) if stop > end else start)
        end = max(end, stop)
    return found


def logprobs_of(model: Any, passages: Sequence[Passage]) -> list[list[float]]:
    """The log-probabilities of each passage's told tokens from `known_from` on, by one forward pass of a `transformers`
    causal model over as many passages as `MOST_NUMBERS` allows."""
    vocabulary = int(model.config.get_text_config().vocab_size)
    found: list[list[float]] = []
    group: list[Passage] = []
    for passage in passages:
        widest = max(_told(one) for one in [*group, passage])
        if group and (len(group) + 1) * widest * vocabulary > MOST_NUMBERS:
            found += _forward(model, group)
            group = []
        group.append(passage)
    return found + (_forward(model, group) if group else [])


def _told(passage: Passage) -> int:
    return len(passage.tokens) - passage.known_from


def _forward(model: Any, passages: Sequence[Passage]) -> list[list[float]]:
    """Padded on the left, so that the told tokens are the last of every row."""
    import torch

    asked = [passage for passage in passages if _told(passage) > 0]
    if not asked:
        return [[] for _ in passages]
    width = max(len(passage.tokens) - 1 for passage in asked)
    ids = torch.zeros((len(asked), width), dtype=torch.long)
    mask = torch.zeros((len(asked), width), dtype=torch.long)
    for i, passage in enumerate(asked):
        ids[i, width - len(passage.tokens) + 1 :] = torch.tensor(list(passage.tokens[:-1]))
        mask[i, width - len(passage.tokens) + 1 :] = 1
    ids, mask = ids.to(model.device), mask.to(model.device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    found: dict[int, list[float]] = {}
    with torch.inference_mode():
        logits = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            logits_to_keep=max(_told(passage) for passage in asked),
        ).logits
        for passage, lines in zip(asked, logits, strict=True):
            told = _told(passage)
            lines = lines[-told:].float()
            wanted = passage.tokens[-told:] if passage.token is None else [passage.token] * told
            index = torch.tensor(list(wanted), device=lines.device)[:, None]
            values = lines.gather(-1, index)[:, 0] - lines.logsumexp(-1)
            found[id(passage)] = values.cpu().tolist()
    return [found.get(id(passage), []) for passage in passages]


def _plain(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"]) if text else []


def _begin(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """What the tokenizer puts in front of a text."""
    whole = list(tokenizer("a")["input_ids"])
    plain = _plain(tokenizer, "a")
    for at in range(len(whole)):
        if whole[at : at + len(plain)] == plain:
            return whole[:at]
    return []
