"""Rows as tokens with labels in ranges (`mixwright_runtime/values/ranges.py`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any

from mixwright_runtime.mixture.rows import MixtureRow
from mixwright_runtime.training.encode import Encoded, EncodingCounts, Learned, encode
from mixwright_runtime.training.settings import TrainSettings
from mixwright_runtime.training.tokens_told import tokens_in
from mixwright_runtime.values.ranges import RangeWork

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class EncodedRange:
    """The sequences of a range, in order, and what became of its rows."""

    sequences: Sequence[Encoded]
    counts: EncodingCounts


def token_work(
    what: str, settings: TrainSettings, tokenizer: Any
) -> RangeWork[Sequence[MixtureRow], EncodedRange]:
    """Rows encoded as a training job does. what: whose tokens, in words."""
    new = settings.new_tokens
    told = {
        "place": settings.tokenizer,
        "revision": settings.revision,
        "template": settings.chat_template,
        "new": None if new is None else asdict(new),
        "context": settings.context,
        "overlong": settings.overlong,
        "parts": settings.learn,
        "last_turn_only": settings.turns == "last",
    }
    return RangeWork(
        what=what,
        here=lambda rows: encoded_range(_as_trained(rows), tokenizer, told),
        function="mixwright_runtime.training.token_worker:tokens_of_range",
        sent=_as_trained,
        came=_came,
        prover="mixwright_runtime.training.token_worker:identity_there",
        proof=lambda: identity_of(tokenizer),
        shared=json.dumps(told).encode,
    )


def _as_trained(rows: Sequence[MixtureRow]) -> Rows:
    return [row.for_training() for row in rows]


def _came(_rows: object, value: dict[str, Any]) -> EncodedRange:
    flat, labels = tokens_in(value)
    sequences, at = [], 0
    for name, component, lineage, size in value["names"]:
        piece = slice(at, at + size)
        sequences.append(Encoded(name, component, flat[piece], labels[piece], lineage))
        at += size
    return EncodedRange(sequences, EncodingCounts(**value["counts"]))


def encoded_range(rows: Rows, tokenizer: Any, told: dict[str, Any]) -> EncodedRange:
    """Rows as they are encoded for what `token_work` tells."""
    counts = EncodingCounts()
    learned = Learned(tuple(told["parts"]), last_turn_only=told["last_turn_only"])
    sequences = encode(
        rows, tokenizer, context=told["context"], overlong=told["overlong"], counts=counts, learned=learned
    )
    return EncodedRange(list(sequences), counts)


def identity_of(tokenizer: Any) -> list[str]:
    """What decides the tokens of a text: the libraries, and all that the tokenizer is."""
    import tokenizers
    import transformers

    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    parts = json.dumps([backend.to_str(), tokenizer.chat_template, tokenizer.special_tokens_map], default=str)
    digest = blake2b(parts.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return [transformers.__version__, tokenizers.__version__, digest]
