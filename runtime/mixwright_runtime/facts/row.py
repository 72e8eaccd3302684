"""What is known of a row: where it comes from, or why it is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mixwright_compiler.plan.plan import Origin, Plan, plan_from_json
from mixwright_runtime.errors import RunError
from mixwright_runtime.facts.lineage import Ancestor, lineage_of
from mixwright_runtime.facts.pipelines import steps_of
from mixwright_runtime.facts.scores import ScoreFacts, scores_found
from mixwright_runtime.store.records import CallRecord, OutcomeRecord
from mixwright_runtime.store.row_records import (
    calls_named,
    entries,
    outcomes_of,
    rows_made_of,
    rows_starting,
    runs_with,
    selections_of,
    siblings_of,
)
from mixwright_runtime.store.runs import run_numbered
from mixwright_runtime.store.store import Store
from mixwright_runtime.values.rows import entry_id

_KEY = re.compile(r"[0-9a-f]{32}")
LISTED = 20
"""At most this many matches of an ambiguous prefix, candidates and descendants are listed."""


class UnknownRow(RunError):
    """No row, or more than one, has this id."""

    exit_code = 1


@dataclass(frozen=True)
class RunOfRow:
    """The run that left a row so. status: empty while it has not ended."""

    run_id: int
    spec: str
    command: str
    status: str
    started: float


@dataclass(frozen=True)
class OutcomeFacts:
    """What became of a row in one pipeline: as `OutcomeRecord`, with ids in hex and JSON read; None where there is
    none."""

    pipeline: str
    status: str
    step: str
    reason: str
    detail: Any
    columns: Mapping[str, Any] | None
    source: str
    source_ref: str
    origin_id: str
    position: int
    replica: int
    candidate: int
    parents: Sequence[str]
    scores: Mapping[str, Any] | None


@dataclass(frozen=True)
class PlaceInMixture:
    """Where a row stands in a mixture. id: its name in exports."""

    mixture: str
    position: int
    component: str
    repeat: int
    id: str


@dataclass(frozen=True)
class CallFacts:
    """A call that made a row, or that a verifier made about it. instead_of: key of the call whose answer failed."""

    key: str
    run_id: int
    node: str
    model: str
    attempt: int
    status: Literal["ok", "failed"]
    finish: str
    reason: str
    text: str
    reasoning: str
    prompt_tokens: int
    output_tokens: int
    seed: int
    engine: Mapping[str, Any]
    started: float
    instead_of: str
    messages: Sequence[Mapping[str, Any]]
    texts: Sequence[str]
    sampling: Mapping[str, Any]
    seconds: float


@dataclass(frozen=True)
class MissingCall:
    """A call that the row names and the store does not have."""

    key: str
    status: Literal["missing"] = "missing"


@dataclass(frozen=True)
class CandidateFacts:
    """Another row made of the same parent."""

    row_id: str
    candidate: int
    status: str
    step: str
    reason: str


@dataclass(frozen=True)
class StepPlace:
    """A step that a row's pipeline has. text: its line in the spec as it was when the run began."""

    pipeline: str
    id: str
    operation: str
    file: str
    line: int
    text: str


@dataclass(frozen=True)
class SourcePlace:
    """A source that a row started from. text: as of `StepPlace`. is_empty: its one row has no column."""

    name: str
    file: str
    line: int
    text: str
    is_empty: bool


@dataclass(frozen=True)
class RowFacts:
    """Everything that the store knows of a row. Its fields, in this order, are the document of `explain --json`.

    runs: ids of those that have it. outcomes: the newest pipeline last. calls: in the order in which they were made.
    verifier_calls: those that evidence names. scores: those that its outcomes hold, then others stored for it.
    lineage: the row, what it was made of, what that was made of …, as far as rows between it and its source are told of.
    """

    row_id: str
    run: RunOfRow
    runs: Sequence[int]
    outcomes: Sequence[OutcomeFacts]
    mixtures: Sequence[PlaceInMixture]
    calls: Sequence[CallFacts | MissingCall]
    verifier_calls: Sequence[CallFacts]
    scores: Sequence[ScoreFacts]
    parents: Sequence[str]
    candidates: Sequence[CandidateFacts]
    steps: Sequence[StepPlace]
    sources: Sequence[SourcePlace]
    lineage: Sequence[Ancestor] = ()


def row_facts(store: Store, prefix: str, *, run_id: int | None = None) -> RowFacts:
    """What is known of the row whose id starts with `prefix` (hex), in `run_id` or the newest run that has it.

    Raises:
        UnknownRow: no row or several match; the message lists what is near.
    """
    row_id = _resolved(store, prefix.lower())
    runs = runs_with(store, row_id)
    chosen = runs[-1] if run_id is None else run_id
    run = run_numbered(store, chosen) if chosen in runs else None
    if run is None:
        raise UnknownRow(f"run {chosen} has no row {row_id.hex()}; runs that have it: {_listed(runs)}")
    plan = plan_from_json(run.plan)
    records = outcomes_of(store, chosen, row_id)
    outcomes = [_outcome(record) for record in records]
    scores = scores_found(store, row_id, records)
    made = list(dict.fromkeys(key for record in records for key in record.calls))
    parents = list(dict.fromkeys(parent for record in records for parent in record.parents))
    return RowFacts(
        row_id=row_id.hex(),
        run=RunOfRow(run.run_id, run.spec, run.command, run.status, run.started),
        runs=runs,
        outcomes=outcomes,
        mixtures=[
            PlaceInMixture(
                place.mixture,
                place.position,
                place.component,
                place.repeat,
                entry_id(place.pipeline, row_id, place.repeat).hex(),
            )
            for place in selections_of(store, chosen, row_id)
        ],
        calls=_calls(store, made, {e.next_call: e.call for s in scores for e in s.earlier}),
        verifier_calls=[
            call
            for call in _calls(
                store, _named_in([[s.evidence, *(e.evidence for e in s.earlier)] for s in scores]), {}
            )
            # Evidence may hold what a model wrote: a key that names nothing is not said to be lost.
            if isinstance(call, CallFacts) and bytes.fromhex(call.key) not in made
        ],
        scores=scores,
        parents=[parent.hex() for parent in parents],
        candidates=[
            CandidateFacts(other.row_id.hex(), other.candidate, other.status, other.step, other.reason)
            for other in (siblings_of(store, chosen, row_id, parents, LISTED) if parents else ())
        ],
        steps=[
            StepPlace(outcome.pipeline, step.id, step.operation, *_place(plan, step.origin))
            for outcome in outcomes
            for step in steps_of(plan, outcome.pipeline)
        ],
        sources=[
            SourcePlace(
                name, *_place(plan, source.origin), plan.catalog.entries[f"source.{source.kind}"].is_empty
            )
            for name in dict.fromkeys(outcome.source for outcome in outcomes)
            if (source := plan.sources.get(name)) is not None
        ],
        lineage=lineage_of(store, plan, chosen, records),
    )


def _resolved(store: Store, prefix: str) -> bytes:
    """The row of that lineage; or that an export names so. An entry's name follows from what the store has held since
    its first version, so that rows of old stores are found by it too."""
    rows = rows_starting(store, prefix, LISTED + 1)
    if len(rows) == 1:
        return rows[0]
    if rows:
        raise UnknownRow(f"{_count(rows)} rows start with {prefix}: {_listed([row.hex() for row in rows])}")
    exported = {
        entry.row_id
        for entry in entries(store)
        if entry_id(entry.leaf, entry.row_id, entry.repeat).hex().startswith(prefix)
    }
    if len(exported) == 1:
        return exported.pop()
    if exported:
        found = sorted(row_id.hex() for row_id in exported)
        raise UnknownRow(f"{_count(found)} rows are exported with an id of {prefix}: {_listed(found)}")
    made_of = rows_made_of(store, prefix, LISTED + 1)
    if len(made_of) == 1:
        return made_of[0]
    if made_of:
        raise UnknownRow(
            f"{prefix} did not get to the end of a pipeline itself; {_count(made_of)} rows were made of it: "
            f"{_listed([row.hex() for row in made_of])}"
        )
    raise UnknownRow(f"no row {prefix} in the store; rows not yet started have no entry")


def _count(rows: Sequence[Any]) -> str:
    return f"more than {LISTED}" if len(rows) > LISTED else str(len(rows))


def _listed(items: Sequence[Any]) -> str:
    return ", ".join(str(item) for item in items[:LISTED]) + (" ..." if len(items) > LISTED else "")


def _outcome(record: OutcomeRecord) -> OutcomeFacts:
    return OutcomeFacts(
        record.pipeline,
        record.status,
        record.step,
        record.reason,
        json.loads(record.detail) if record.detail else None,
        json.loads(record.columns) if record.columns else None,
        record.source,
        record.source_ref,
        record.origin_id.hex(),
        record.position,
        record.replica,
        record.candidate,
        [parent.hex() for parent in record.parents],
        json.loads(record.scores) if record.scores else None,
    )


def _calls(store: Store, keys: list[bytes], instead_of: Mapping[str, str]) -> list[CallFacts | MissingCall]:
    found = calls_named(store, keys)
    return [
        _call(found[key], instead_of.get(key.hex(), "")) if key in found else MissingCall(key.hex())
        for key in keys
    ]


def _call(call: CallRecord, instead_of: str) -> CallFacts:
    request: dict[str, Any] = json.loads(call.request or "{}")
    return CallFacts(
        key=call.key.hex(),
        run_id=call.run_id,
        node=call.node,
        model=call.model,
        attempt=call.attempt,
        status=call.status,
        finish=call.finish,
        reason=call.reason,
        text=call.text,
        reasoning=call.reasoning,
        prompt_tokens=call.prompt_tokens,
        output_tokens=call.output_tokens,
        seed=call.seed,
        engine=json.loads(call.engine or "{}"),
        started=call.started,
        instead_of=instead_of,
        messages=request.get("messages", []),
        texts=[*request.get("texts", ()), *([request["text"]] if "text" in request else [])],
        sampling=request.get("sampling", {}),
        seconds=round(call.ended - call.started, 3),
    )


def _named_in(evidence: Any) -> list[bytes]:
    """Keys of the calls that evidence names as `call`, in order: what a verifier asked of models."""
    found: dict[bytes, None] = {}
    open_parts = [evidence]
    while open_parts:
        part = open_parts.pop()
        if isinstance(part, dict):
            name = part.get("call")
            if isinstance(name, str) and _KEY.fullmatch(name):
                found[bytes.fromhex(name)] = None
            open_parts += reversed(part.values())
        elif isinstance(part, list):
            open_parts += reversed(part)
    return list(found)


def _place(plan: Plan, origin: Origin) -> tuple[str, int, str]:
    """File, line and the text of that line in the spec as it was when the run began."""
    lines = next((file.text for file in plan.files if file.name == origin.file), "").splitlines()
    line = lines[origin.line - 1].strip() if 0 < origin.line <= len(lines) else ""
    return origin.file, origin.line, line
