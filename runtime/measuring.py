"""Measurements of verifiers: taken once, stored, and not trusted when the verifier itself fails too often."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from compiler.plan import Step
from runtime.outcomes import json_of
from runtime.plugin import RunError
from runtime.rows import Row, canonical_json, digest
from runtime.service import RunStopped
from runtime.steps.protocol import Measurement
from runtime.store.records import ScoreRecord

ERROR_SHARE = 0.01
ERROR_MINIMUM = 100
"""A verifier that fails in more than 1% of at least 100 measurements is broken: verdicts missing at random are
worse than none, so the run stops."""


class ScoreStore(Protocol):
    """What measuring needs of the store (`runtime.store.store.Store`)."""

    def put_score(self, record: ScoreRecord) -> None: ...

    async def find_scores(self, keys: Sequence[bytes]) -> dict[bytes, ScoreRecord]: ...


class Measuring:
    """One verifier step's measurements, through the store."""

    def __init__(
        self, step: Step, verifier: Any, store: ScoreStore, *, run_id: int, node: str, in_groups: bool
    ) -> None:
        self.measured = 0
        self.reused = 0
        self.errors = 0
        self._step = step
        self._verifier = verifier
        self._store = store
        self._run_id = run_id
        self.node = node
        self._in_groups = in_groups

    async def of(self, rows: Sequence[Row]) -> list[Measurement]:
        """A measurement of each row, in order.

        Raises:
            RunError: the verifier has failed too often to go on.
        """
        keys = self._keys(rows)
        known = await self._store.find_scores(keys)
        if len(known) == len(keys):
            self.reused += len(keys)
            return [_measurement(known[key]) for key in keys]
        if self._in_groups:
            wanted = list(range(len(rows)))
            taken = await self._taken(rows)
        else:
            wanted = [i for i, key in enumerate(keys) if key not in known]
            taken = (
                [m for i in wanted for m in await self._taken([rows[i]])]
                if len(wanted) == 1
                else (
                    [
                        m
                        for one in await asyncio.gather(*(self._taken([rows[i]]) for i in wanted))
                        for m in one
                    ]
                )
            )
        fresh = dict(zip(wanted, taken, strict=True))
        for i, measurement in fresh.items():
            self._record(keys[i], rows[i], measurement)
        self.reused += len(keys) - len(wanted)
        return [fresh[i] if i in fresh else _measurement(known[key]) for i, key in enumerate(keys)]

    def _keys(self, rows: Sequence[Row]) -> list[bytes]:
        step = self._step
        inputs = [
            {name: row.columns.get(name) for name in step.reads} if step.reads else row.columns
            for row in rows
        ]
        shared = (step.operation, step.version, step.fingerprint.row)
        if self._in_groups:
            text = canonical_json(inputs)
            return [digest("mixwright.score.v1", *shared, text, i) for i in range(len(rows))]
        return [digest("mixwright.score.v1", *shared, canonical_json(one)) for one in inputs]

    async def _taken(self, rows: Sequence[Row]) -> list[Measurement]:
        try:
            if self._in_groups:
                found = list(await self._verifier.measure_group(rows))
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
        return found

    def _record(self, key: bytes, row: Row, measurement: Measurement) -> None:
        self.measured += 1
        evidence = json_of(measurement.evidence)
        self._store.put_score(
            ScoreRecord(
                key,
                self._run_id,
                self.node,
                row.row_id,
                measurement.outcome,
                measurement.score,
                evidence,
            )
        )
        if measurement.outcome in ("error", "timeout"):
            self.errors += 1
            if self.measured >= ERROR_MINIMUM and self.errors > ERROR_SHARE * self.measured:
                raise RunError(
                    f"verifier '{self.node}' failed in {self.errors} of {self.measured} measurements, the last "
                    f"with {evidence[:200]}; rows checked so far are kept, 'mixwright run' goes on from there"
                )


def _measurement(record: ScoreRecord) -> Measurement:
    evidence: Mapping[str, Any] = json.loads(record.evidence)
    return Measurement(record.outcome, record.score, evidence)  # type: ignore[arg-type]
