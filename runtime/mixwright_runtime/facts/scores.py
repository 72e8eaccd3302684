"""What verifiers found of a row, and of the answers that it had before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixwright_runtime.store.records import OutcomeRecord
from mixwright_runtime.store.row_records import scores_of
from mixwright_runtime.store.store import Store


@dataclass(frozen=True)
class EarlierScore:
    """What was found of an answer that `retry` or `repair` replaced. call, next_call: keys of the call that gave it
    and of the one that gave the next; empty where that is not known."""

    reason: str
    outcome: str
    score: float | None
    evidence: Any
    call: str
    next_call: str


@dataclass(frozen=True)
class ScoreFacts:
    """What a verifier (`pipeline.step`) found of a row."""

    node: str
    outcome: str
    score: float | None
    evidence: Any
    earlier: Sequence[EarlierScore] = ()


def scores_found(store: Store, row_id: bytes, outcomes: Sequence[OutcomeRecord]) -> list[ScoreFacts]:
    """The measurements kept with the row's outcomes, then those stored for it under other nodes."""
    scores = []
    for outcome in outcomes:
        keys = [key.hex() for key in outcome.calls]
        for step, found in (json.loads(outcome.scores) if outcome.scores else {}).items():
            earlier = [_earlier(before, keys) for before in found.get("earlier", ())]
            node = f"{outcome.pipeline}.{step}"
            scores.append(ScoreFacts(node, found["outcome"], found["score"], found["evidence"], earlier))
    known = {score.node for score in scores}
    for stored in scores_of(store, row_id):
        if stored.node not in known:
            evidence = json.loads(stored.evidence or "{}")
            scores.append(ScoreFacts(stored.node, stored.outcome, stored.score, evidence))
    return scores


def _earlier(before: Mapping[str, Any], keys: list[str]) -> EarlierScore:
    calls = before["calls"]
    return EarlierScore(
        before["reason"],
        before["outcome"],
        before["score"],
        before["evidence"],
        call="".join(keys[calls - 1 : calls]),
        next_call="".join(keys[calls : calls + 1]),
    )
