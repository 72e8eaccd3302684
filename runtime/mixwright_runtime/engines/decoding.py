"""Decode one static batch of prompts with a `transformers` causal model, each row from its own random numbers.

`generate` of the library draws a batch's tokens from one generator, so a row's text there depends on its
neighbours. Here every row has a counter-based stream of uniform numbers made from its seed, and a token is the
inverse of the row's cumulative distribution at the next number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Prompt:
    """A tokenised prompt with its sampling. `seed`: 0..2^63-1; `temperature` 0 is greedy; `top_p` in (0, 1]; `top_k` 0
    keeps all tokens. Without penalties they are 0, 0 and 1."""

    tokens: Sequence[int]
    seed: int = 0
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    ends: frozenset[int] = frozenset()
    """Tokens that end this answer, beside those that end every answer of the model."""

    @property
    def is_penalised(self) -> bool:
        return bool(self.presence_penalty or self.frequency_penalty) or self.repetition_penalty != 1.0


@dataclass(frozen=True)
class Completion:
    """What followed a prompt, without the token or string that ended it."""

    text: str
    finish: Literal["stop", "length"]
    tokens: int


@dataclass
class _Row:
    index: int
    prompt: Prompt
    limit: int
    draws: Any
    written: list[int] = field(default_factory=list)


def end_tokens_of(model: Any, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Tokens that end an answer: the tokenizer's and those of the model's generation config."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset(token for token in (*listed, tokenizer.eos_token_id) if token is not None)


def completions(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt],
    *,
    context: int,
    end_tokens: frozenset[int],
    is_abandoned: Callable[[int], bool] = lambda index: False,
) -> Iterator[tuple[int, Completion]]:
    """Yield `(index of the prompt, completion)` as rows end.

    A row that ends leaves the batch, so a step costs what the rows still written cost. Prompt and answer stay
    within `context` tokens; a row that reaches it ends with `length`. An abandoned row leaves without a
    completion.

    Memory: the keys and values of the batch at its widest, `2 * layers * rows * width * kv_heads * head size` numbers.
    """
    import torch
    from transformers import DynamicCache

    device = model.device
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else min(end_tokens, default=0)
    width = max(len(prompt.tokens) for prompt in prompts)
    rows = [_row(i, prompt, context) for i, prompt in enumerate(prompts)]
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for i, prompt in enumerate(prompts):
        ids[i, width - len(prompt.tokens) :] = torch.tensor(prompt.tokens)
        mask[i, width - len(prompt.tokens) :] = 1
    ids, mask = ids.to(device), mask.to(device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)

    with torch.inference_mode():
        while rows:
            logits = model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            tokens = _next_tokens(logits, rows)
            alive = []
            for i, (row, token) in enumerate(zip(rows, tokens.tolist(), strict=True)):
                ended = _advance(row, token, tokenizer, end_tokens)
                if ended is not None:
                    yield row.index, ended
                elif not is_abandoned(row.index):
                    alive.append(i)
            positions = positions[:, -1:] + 1
            if len(alive) < len(rows):
                kept = torch.tensor(alive, dtype=torch.long, device=device)
                rows = [rows[i] for i in alive]
                tokens, positions, mask = tokens[kept], positions[kept], mask[kept]
                if rows:
                    cache.batch_select_indices(kept)
            ids = tokens[:, None]
            mask = torch.cat([mask, mask.new_ones((len(rows), 1))], dim=-1)


def next_token_logprobs(model: Any, prompts: Sequence[Prompt]) -> Any:
    """Natural logarithms of the probabilities of every token after each prompt; (prompts, vocabulary), float32."""
    import torch

    width = max(len(prompt.tokens) for prompt in prompts)
    ids = torch.zeros((len(prompts), width), dtype=torch.long)
    mask = torch.zeros((len(prompts), width), dtype=torch.long)
    for i, prompt in enumerate(prompts):
        ids[i, width - len(prompt.tokens) :] = torch.tensor(list(prompt.tokens))
        mask[i, width - len(prompt.tokens) :] = 1
    ids, mask = ids.to(model.device), mask.to(model.device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    with torch.inference_mode():
        logits = model(input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=1).logits
        return logits[:, -1].float().log_softmax(-1).cpu()


def _row(index: int, prompt: Prompt, context: int) -> _Row:
    import numpy as np

    limit = min(prompt.max_tokens, context - len(prompt.tokens))
    # Philox: the same numbers for a seed on every machine and numpy version, and cheap to start per row.
    draws = np.random.Generator(np.random.Philox(key=prompt.seed)).random(limit)
    return _Row(index, prompt, limit, draws)


def _next_tokens(logits: Any, rows: Sequence[_Row]) -> Any:
    """logits: (rows, vocabulary) -> token ids: (rows,), int64."""
    import torch

    logits = _penalised(logits, rows)
    drawn = [i for i, row in enumerate(rows) if row.prompt.temperature > 0]
    tokens = logits.argmax(-1)
    if not drawn:
        return tokens
    device = logits.device
    chosen = torch.tensor(drawn, device=device)
    warmth = torch.tensor([rows[i].prompt.temperature for i in drawn], device=device, dtype=torch.float64)
    uniform = torch.tensor([rows[i].draws[len(rows[i].written)] for i in drawn], device=device)
    # float64: a cumulative sum of float32 over a large vocabulary moves the borders between tokens by 1e-4.
    shares = torch.softmax(logits[chosen].double() / warmth[:, None], dim=-1)
    _keep_likeliest(shares, [rows[i].prompt for i in drawn])
    _keep_nucleus(shares, [rows[i].prompt.top_p for i in drawn])
    borders = shares.cumsum(-1)
    # The last border is the sum that is left after the nucleus; scaling the draw spares a division per token.
    points = uniform * borders[:, -1]
    found = torch.searchsorted(borders, points[:, None], right=True)[:, 0]
    tokens[chosen] = found.clamp(max=logits.shape[-1] - 1)
    return tokens


def _penalised(logits: Any, rows: Sequence[_Row]) -> Any:
    """logits: (rows, vocabulary), of tokens that a row has already made less likely (Keskar et al. 2019 for repetition;
    presence and frequency as in OpenAI's API); the same tensor where no row asks for it."""
    import torch

    if not any(row.prompt.is_penalised for row in rows):
        return logits
    logits = logits.float().clone()
    for line, row in zip(logits, rows, strict=True):
        prompt = row.prompt
        if prompt.repetition_penalty != 1.0:
            known = torch.tensor([*prompt.tokens, *row.written], device=line.device).unique()
            found = line[known]
            line[known] = torch.where(
                found > 0, found / prompt.repetition_penalty, found * prompt.repetition_penalty
            )
        if row.written and (prompt.presence_penalty or prompt.frequency_penalty):
            known, counts = torch.tensor(row.written, device=line.device).unique(return_counts=True)
            line[known] -= prompt.presence_penalty + prompt.frequency_penalty * counts
    return logits


def _keep_likeliest(shares: Any, prompts: Sequence[Prompt]) -> None:
    """Zero, in place, what `min_p` and then `top_k` of each row leave out; what stays sums to 1 again."""
    for line, prompt in zip(shares, prompts, strict=True):
        if prompt.min_p > 0:
            line[line < prompt.min_p * line.max()] = 0.0
        if 0 < prompt.top_k < line.shape[-1]:
            # A stable order: of equal tokens the first stay, whatever the batch.
            line[line.sort(descending=True, stable=True).indices[prompt.top_k :]] = 0.0
        if prompt.min_p > 0 or prompt.top_k > 0:
            line /= line.sum()


def _keep_nucleus(shares: Any, top_p: Sequence[float]) -> None:
    """Zero, in place, all but the smallest set of likeliest tokens whose shares reach `top_p` (Holtzman et al. 2020)."""
    import torch

    cut = [i for i, p in enumerate(top_p) if p < 1.0]
    if not cut:
        return
    index = torch.tensor(cut, device=shares.device)
    limits = torch.tensor([top_p[i] for i in cut], device=shares.device, dtype=shares.dtype)
    ordered, order = shares[index].sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(-1) - ordered
    ordered[before >= limits[:, None]] = 0.0
    shares[index] = torch.zeros_like(ordered).scatter_(-1, order, ordered)


def _advance(
    row: _Row, token: int, tokenizer: PreTrainedTokenizerBase, end_tokens: frozenset[int]
) -> Completion | None:
    """Add a token to a row; its completion if that ends it."""
    if token in end_tokens or token in row.prompt.ends:
        return Completion(_text(tokenizer, row.written), "stop", len(row.written) + 1)
    row.written.append(token)
    if row.prompt.stop and _may_stop(row, tokenizer):
        text = _text(tokenizer, row.written)
        places = [place for stop in row.prompt.stop if (place := text.find(stop)) >= 0]
        if places:
            return Completion(text[: min(places)], "stop", len(row.written))
    if len(row.written) >= row.limit:
        return Completion(_text(tokenizer, row.written), "length", len(row.written))
    return None


def _may_stop(row: _Row, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a stop string ends in the last tokens; the whole answer is decoded only then."""
    # A token has at least one byte, and a character at most four.
    reach = max(len(stop.encode()) for stop in row.prompt.stop) + 4
    tail = _text(tokenizer, row.written[-reach:])
    return any(stop in tail for stop in row.prompt.stop)


def _text(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int]) -> str:
    return str(tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False))
