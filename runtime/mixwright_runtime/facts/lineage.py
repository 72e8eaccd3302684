"""What a row was made of, and what that was made of: back through rounds and lists to the row that came from a source."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from mixwright_compiler.plan.plan import Plan
from mixwright_runtime.facts.pipelines import steps_of
from mixwright_runtime.store.records import OutcomeRecord
from mixwright_runtime.store.row_records import outcomes_of
from mixwright_runtime.store.store import Store

FOLLOWED = 100
"""At most this many rows of a lineage are told."""


@dataclass(frozen=True)
class Ancestor:
    """What a row was made of. place: the rounds that it was in and its number among the rows made of one, such as
    `round 2 of evolve`. status, step, reason: how it ended; empty where it did not end by itself. depth: how many
    rows lie between it and the one that is asked about, that one included."""

    row_id: str
    place: str
    status: str
    step: str
    reason: str
    depth: int = 0


def lineage_of(store: Store, plan: Plan, run_id: int, records: Sequence[OutcomeRecord]) -> list[Ancestor]:
    """The row, then what it was made of, each parent with its own before the next; none of a row that was made of its
    source row alone."""
    found: list[Ancestor] = []
    seen: set[bytes] = set()

    def follow(records: Sequence[OutcomeRecord], depth: int) -> None:
        record = records[-1]
        seen.add(record.row_id)
        place = _place_of(plan, record)
        found.append(Ancestor(record.row_id.hex(), place, record.status, record.step, record.reason, depth))
        # A row that goes on in another pipeline is told of there without what it was made of here.
        parents = dict.fromkeys(parent for told in records for parent in told.parents)
        for parent in parents:
            if parent in seen or len(found) >= FOLLOWED:
                continue
            before = outcomes_of(store, run_id, parent)
            if before:
                follow(before, depth + 1)
            elif parent != record.origin_id or len(parents) > 1:
                seen.add(parent)
                found.append(Ancestor(parent.hex(), "", "", "", "", depth + 1))

    if records:
        follow(records, 0)
    return found if len(found) > 1 else []


def _place_of(plan: Plan, record: OutcomeRecord) -> str:
    steps = steps_of(plan, record.pipeline)
    columns = json.loads(record.columns) if record.columns else {}
    told = []
    for step in steps:
        number = columns.get(f"{step.label}.round") if step.traits.loops else None
        if number is not None:
            told.append(f"round {number} of {step.label}")
        elif step.traits.spreads and step.label in columns:
            told.append(f"item {columns.get(f'{step.label}.index', record.candidate)} of {step.label}")
    return ", ".join(told)
