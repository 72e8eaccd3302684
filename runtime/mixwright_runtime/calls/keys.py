"""Names of calls: hashes of everything that decides what comes back, so that a request is known wherever it is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from mixwright_runtime.engines.protocol import ScoreTask
from mixwright_runtime.values.rows import canonical_json, digest

_quoted = lru_cache(maxsize=256)(canonical_json)
"""The JSON of a model's identity, of which a run has few."""


def call_key(
    identity: str,
    messages_json: str,
    sampling_json: str,
    *,
    replica: int,
    sample: int,
    attempt: int,
    rounds: Sequence[int] = (),
) -> bytes:
    """Name of a call: a hash of everything that decides its text. The two JSON texts must be canonical.

    rounds: those of the loops that the row is in, so that a text asked again in a later round gets another answer.
    """
    of_rounds = f'"rounds":{canonical_json(list(rounds))},' if rounds else ""
    # Canonical JSON of the whole object, put together from its parts: its keys are in order already.
    return digest(
        "mixwright.call.v1",
        f'{{"attempt":{attempt},"messages":{messages_json},"model":{_quoted(identity)},"replica":{replica},'
        f'{of_rounds}"sample":{sample},"sampling":{sampling_json}}}',
    )


def score_key(
    identity: str, task: ScoreTask, messages_json: str, texts: Sequence[str], step_tag: str
) -> bytes:
    """Name of a scoring call."""
    return digest(
        "mixwright.score-call.v1",
        f'{{"messages":{messages_json},"model":{_quoted(identity)},"step_tag":{canonical_json(step_tag)},'
        f'"task":"{task}","texts":{canonical_json(list(texts))}}}',
    )


def label_key(identity: str, form: str, messages_json: str, labels: Sequence[str]) -> bytes:
    """Name of the call for the probabilities of labels. It has no seed: nothing is drawn."""
    return digest(
        "mixwright.labels.v1",
        f'{{"form":"{form}","labels":{canonical_json(list(labels))},"messages":{messages_json},'
        f'"model":{_quoted(identity)}}}',
    )


def loss_key(identity: str, prefix: str, text: str, start: int, count: int, token: str) -> bytes:
    """Name of the call for how likely the tokens of a text are, or one token in the place of each. It has no seed."""
    return digest(
        "mixwright.token-at.v1" if token else "mixwright.losses.v1",
        canonical_json(
            {
                "model": identity,
                "prefix": prefix,
                "text": text,
                "start": start,
                "count": count,
                **({"token": token} if token else {}),
            }
        ),
    )


def vector_key(identity: str, text: str) -> bytes:
    """Name of the call for one text's vector."""
    return digest(
        "mixwright.vector-call.v1", f'{{"model":{_quoted(identity)},"text":{canonical_json(text)}}}'
    )


def sampling_json(sampling: Mapping[str, object]) -> str:
    """The canonical JSON of sampling parameters that goes into a call's key: those that are stated."""
    return canonical_json({name: value for name, value in sampling.items() if value is not None})


def call_seed(key: bytes) -> int:
    """The seed sent with a call, 0..2^31-1: the low 31 bits of its key."""
    return int.from_bytes(key[:4], "little") & 0x7FFFFFFF
