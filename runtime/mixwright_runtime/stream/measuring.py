"""Measurements of verifiers: taken once, stored, and not trusted when the verifier itself fails too often."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.calls.gathering import gather_all
from mixwright_runtime.errors import RunError, RunStopped
from mixwright_runtime.plugins.protocol import TOO_LONG, Measurement
from mixwright_runtime.plugins.shapes import Measure, MeasureGroup
from mixwright_runtime.store.records import ScoreRecord
from mixwright_runtime.values.reasoning import spoken
from mixwright_runtime.values.rows import Row, canonical_json, digest
from mixwright_runtime.values.stored_text import json_of

ERROR_SHARE = 0.01
"""A verifier that fails on more than 1% of its rows is broken: verdicts missing at random are worse than none."""
ERRORS_AT_LEAST = 10
"""Errors that stop a run at once where they are more than that share: fewer may be chance, and a run with fewer goes
on to its end. There the share alone decides (`Measuring.over_budget`)."""
RESPONSES = ("response", "against")
"""Attributes of verifiers that name a column with a model's answer."""
EVIDENCE_CHARACTERS = 64_000
"""Longest evidence kept of one measurement, as JSON; of a longer one its beginning."""


class ScoreStore(Protocol):
    """What measuring needs of the store (`mixwright_runtime.store.store.Store`)."""

    def put_score(self, record: ScoreRecord) -> None: ...

    async def find_scores(self, keys: Sequence[bytes]) -> dict[bytes, ScoreRecord]: ...


class Measuring:
    """One verifier step's measurements, through the store."""

    def __init__(
        self, step: Step, verifier: Measure, store: ScoreStore, *, run_id: int, node: str, compares: bool
    ) -> None:
        """`compares`: candidates of a row are measured together where the verifier can do that."""
        self.measured = 0
        self.reused = 0
        self.errors = 0
        self._waiting = 0
        """Rows whose scores are being looked up: one that is new is measured while many that are known still wait."""
        self._last_error = ""
        self._step = step
        self._verifier = verifier
        self._store = store
        self._run_id = run_id
        self.node = node
        self._together = verifier if compares and isinstance(verifier, MeasureGroup) else None

    @property
    def in_groups(self) -> bool:
        """It measures all candidates of a row together."""
        return self._together is not None

    def beside(self, node: str) -> Measuring:
        """The same step's measurements, counted on their own under another name."""
        return Measuring(
            self._step, self._verifier, self._store, run_id=self._run_id, node=node, compares=self.in_groups
        )

    async def of(self, rows: Sequence[Row]) -> list[Measurement]:
        """A measurement of each row, in order.

        Raises:
            RunError: the verifier has failed too often to go on.
        """
        rows = [heard(row, self._step) for row in rows]
        keys = self._keys(rows)
        self._waiting += len(keys)
        try:
            known = await self._store.find_scores(keys)
        finally:
            self._waiting -= len(keys)
        if len(known) == len(keys):
            self.reused += len(keys)
            return [_measurement(known[key]) for key in keys]
        if self.in_groups:
            # Whole, though some are known: each score is one of the group, and its key has every row of the group.
            wanted = list(range(len(rows)))
            taken = await self._taken(rows)
        else:
            wanted = [i for i, key in enumerate(keys) if key not in known]
            taken = [m for one in await gather_all(self._taken([rows[i]]) for i in wanted) for m in one]
        fresh = dict(zip(wanted, taken, strict=True))
        self.reused += len(keys) - len(wanted)
        for i, measurement in fresh.items():
            self._record(keys[i], rows[i], measurement)
        return [fresh[i] if i in fresh else _measurement(known[key]) for i, key in enumerate(keys)]

    def over_budget(self) -> str:
        """Why the verdicts of a finished run cannot be trusted; empty while errors are within the budget."""
        total = self.measured + self.reused + self._waiting
        if self.errors <= ERROR_SHARE * total:
            return ""
        return (
            f"verifier '{self.node}' failed on {self.errors:,} of {total:,} rows, more than {ERROR_SHARE:.0%}; "
            f"the last time with {self._last_error}"
        )

    def _keys(self, rows: Sequence[Row]) -> list[bytes]:
        step = self._step
        inputs = [
            {name: row.columns.get(name) for name in step.reads} if step.reads else row.columns
            for row in rows
        ]
        shared = (step.operation, step.version, step.fingerprint.row)
        if self.in_groups:
            text = canonical_json(inputs)
            return [digest("mixwright.score.v1", *shared, text, i) for i in range(len(rows))]
        return [digest("mixwright.score.v1", *shared, canonical_json(one)) for one in inputs]

    async def _taken(self, rows: Sequence[Row]) -> list[Measurement]:
        try:
            if self._together is not None:
                found = list(await self._together.measure_group(rows))
            else:
                found = [await self._verifier.measure(rows[0])]
        except (RunStopped, RunError):
            raise
        except Exception as error:
            # A verifier that fails has measured nothing: it must neither pass a row nor fail it.
            detail = {"error": f"{type(error).__name__}: {error}"}
            found = [Measurement("error", None, detail) for _ in rows]
        if len(found) != len(rows):
            raise RunError(f"verifier '{self.node}' answered {len(found)} measurements for {len(rows)} rows")
        return [_sound(measurement) for measurement in found]

    def _record(self, key: bytes, row: Row, measurement: Measurement) -> None:
        self.measured += 1
        evidence = json_of(measurement.evidence)
        record = ScoreRecord(
            key, self._run_id, self.node, row.row_id, measurement.outcome, measurement.score, evidence
        )
        # How many tokens a model takes is its server's setting, which no key names: asked again by the next run.
        if measurement.evidence.get("reason") != TOO_LONG:
            self._store.put_score(record)
        if measurement.outcome in ("error", "timeout"):
            self.errors += 1
            self._last_error = f"{measurement.outcome}: {evidence[:200]}"
            why = self.over_budget() if self.errors >= ERRORS_AT_LEAST else ""
            if why:
                raise RunError(f"{why}; rows checked so far are kept, 'mixwright run' goes on from there")


def heard(row: Row, step: Step) -> Row:
    """The row as the verifier `step` reads it: its responses without the reasoning before them, null where that does not
    end. A model's own answer has lost it on entering; this is for those that a source brings."""
    new: dict[str, Any] = {}
    for attribute in RESPONSES:
        column = step.attributes.get(attribute)
        response = row.columns.get(column) if isinstance(column, str) else None
        if isinstance(response, str):
            found = spoken(response)
            if found.reasoning or not found.is_finished:
                new[str(column)] = found.text if found.is_finished else None
    return row.with_columns(**new) if new else row


def _sound(answered: object) -> Measurement:
    """The measurement in a form that can be stored and trusted: a score that is no number is an error."""
    if not isinstance(answered, Measurement):
        return Measurement("error", None, {"error": f"the verifier answered {answered!r:.200}"})
    measurement = answered
    text = json_of(measurement.evidence)
    if len(text) > EVIDENCE_CHARACTERS:
        measurement = replace(
            measurement, evidence={"beginning": text[:EVIDENCE_CHARACTERS], "characters": len(text)}
        )
    if measurement.outcome not in ("measured", "unmeasurable", "error", "timeout"):
        return Measurement("error", None, {"error": f"the verifier answered '{measurement.outcome}'"})
    if measurement.outcome != "measured":
        return measurement if measurement.score is None else replace(measurement, score=None)
    score = measurement.score
    if not isinstance(score, int | float) or not math.isfinite(score):
        return Measurement(
            "error", None, {"error": f"the verifier measured {score!r}", **measurement.evidence}
        )
    return replace(measurement, score=float(score))


def _measurement(record: ScoreRecord) -> Measurement:
    evidence: Mapping[str, Any] = json.loads(record.evidence)
    return Measurement(record.outcome, record.score, evidence)  # type: ignore[arg-type]
