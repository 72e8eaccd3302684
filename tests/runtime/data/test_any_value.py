"""Whatever stands in a column, a verifier measures it, calls it unmeasurable or names its own fault; it never raises."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from typing import Any

import pytest
from made import built, expression, row

from mixwright_compiler.plan.plan import Fingerprint, Origin, Step
from mixwright_runtime.plugins.declare import entry_of
from mixwright_runtime.plugins.protocol import Measurement
from mixwright_runtime.store.records import ScoreRecord
from mixwright_runtime.stream.measuring import Measuring
from mixwright_runtime.values.rows import Row
from mixwright_runtime.workers.pool import WorkerPool

DEEP: Any = "x"
for _ in range(300):
    DEEP = [DEEP]

VALUES: dict[str, Any] = {
    "null": None,
    "empty": "",
    "spaces": " \n\t\u3000",
    "control characters": "a\x00b\x1b[2J\r",
    "lone surrogate": "It is \ud800 5.",
    "surrogate alone": "\udfff",
    "emoji": "👩‍👩‍👧‍👦" * 50,
    "combining": "e" + "\u0301" * 2_000,
    "right to left": "\u202e\u0645\u0631\u062d\u0628\u0627",
    "million letters": "a" * 1_000_000,
    "million words": "one two " * 125_000,
    "million lines": "\n" * 1_000_000,
    "million digits": "9" * 1_000_000,
    "brackets": "[" * 100_000,
    "braces": "{" * 100_000 + "}" * 100_000,
    "boxes": "\\boxed{" * 10_000,
    "fences": "```\n" * 20_000,
    "thoughts": "<think>" * 20_000,
    "json": '{"a": [1, 2, {"b": NaN}]}',
    "huge json number": "1" * 5_000,
    "int": 42,
    "big int": 10**400,
    "minus": -1,
    "bool": True,
    "float": 1e308,
    "nan": math.nan,
    "infinite": -math.inf,
    "list": ["a", None, 1.5, {"b": []}],
    "list of one text": ["text"],
    "struct": {"role": "user", "content": "\ud800", "call": "0" * 32},
    "empty list": [],
    "empty struct": {},
    "deep": DEEP,
}
"""A verifier gets them as its response, and where it has one as its other column."""

VERIFIERS: dict[str, tuple[str, dict[str, Any]]] = {
    "math": ("verify.math", {"response": "a", "answer": "b"}),
    "math among candidates": ("verify.math", {"response": "a"}),
    "agreement": ("verify.agreement", {"response": "a"}),
    "agreement of json": ("verify.agreement", {"response": "a", "equal": "json"}),
    "agreement of math": ("verify.agreement", {"response": "a", "equal": "math"}),
    "constraints in a column": ("verify.constraints", {"response": "a", "constraints": "b"}),
    "language": ("verify.language", {"response": "a", "is": expression(["lit", "de"])}),
    "language in a column": ("verify.language", {"response": "a", "is": expression(["col", "b"])}),
    "translation": (
        "verify.translation",
        {"response": "a", "source": "b", "from": expression(["lit", "en"]), "to": expression(["lit", "de"])},
    ),
    "truncation": ("verify.truncation", {"response": "a"}),
    "refusal": ("verify.refusal", {"response": "a"}),
    "repetition": ("verify.repetition", {"response": "a"}),
    "schema": ("verify.schema", {"response": "a", "schema": {"type": "object", "required": ["a"]}}),
    "schema of bare JSON": ("verify.schema", {"response": "a", "schema": {}, "parse_json": False}),
    "where": ("verify.where", {"expr": expression(["op", "==", ["col", "a"], ["col", "b"]])}),
}


class Scores:
    """A store that keeps scores as the real one does: as JSON text."""

    def __init__(self) -> None:
        self.records: list[ScoreRecord] = []

    def put_score(self, record: ScoreRecord) -> None:
        self.records.append(record)

    async def find_scores(self, keys: Sequence[bytes]) -> dict[bytes, ScoreRecord]:
        return {}


@pytest.mark.parametrize("name", VERIFIERS)
def test_any_value_is_measured_or_told_why_not(name: str) -> None:
    operation, attributes = VERIFIERS[name]

    async def main() -> None:
        pool = WorkerPool(1)
        try:
            verifier = built(operation, workers=pool, **attributes)
            await verifier.prepare()
            for what, value in VALUES.items():
                others = (
                    ["It is 5.", value] if "b" in attributes.values() or "col" in str(attributes) else [None]
                )
                for columns in ({"a": value, "b": other} for other in others):
                    [found] = await measured(verifier, operation, [row(**columns)])
                    # What is no constraint, in a column of constraints, is an error that is named.
                    allowed = (
                        ["error"] if name.startswith("constraints") and "reason" in found.evidence else []
                    )
                    assert found.outcome in ("measured", "unmeasurable", *allowed), (what, found)
        finally:
            await pool.close()

    asyncio.run(main())


async def measured(verifier: Any, operation: str, rows: Sequence[Row]) -> list[Measurement]:
    """Measurements through the store's own forms, each held to what is promised of it."""
    store = Scores()
    step = Step(
        id="step", operation=operation, version=1, attributes={}, columns={},
        fingerprint=Fingerprint(row="", set="", meta=""), origin=Origin(file="t.mix", line=1, column=1),
    )  # fmt: skip
    measuring = Measuring(
        step, verifier, store, run_id=1, node="p.step", compares=operation == "verify.agreement"
    )
    found = await measuring.of(rows)
    assert len(store.records) == len(rows)
    declared = entry_of(operation).evidence
    for measurement, record in zip(found, store.records, strict=True):
        evidence = json.loads(record.evidence, parse_constant=pytest.fail)
        record.evidence.encode("utf-8")
        if measurement.outcome in ("measured", "unmeasurable"):
            assert evidence.keys() <= {*declared, "beginning", "characters"}, (operation, evidence)
        is_measured = measurement.outcome == "measured"
        assert is_measured == (measurement.score is not None and math.isfinite(measurement.score))
    verdicts = verifier.decide(rows, found)
    assert len(verdicts) == len(rows)
    return found
