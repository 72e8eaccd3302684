"""What a step's class promises is held against its shape where it is declared, not in the middle of a run."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mixwright_compiler.catalog.blocks import STEP_FAMILIES
from mixwright_compiler.catalog.catalog import Asks
from mixwright_runtime.plugins.declare import attribute, declare, plugins
from mixwright_runtime.plugins.protocol import CallResult, Measurement
from mixwright_runtime.plugins.shapes import (
    Apply,
    Ask,
    Enrich,
    Fold,
    Keep,
    Loop,
    Measure,
    MeasureGroup,
    Spread,
    StepRequest,
    Table,
)
from mixwright_runtime.values.rows import Dropped, Row
from tests.checkout import PACKAGES

STEPS = ("step", *STEP_FAMILIES)
MODEL = attribute("model", "ref:model", "")


class Whole(Apply):
    """An apply."""

    def apply(self, row: Row) -> Row:
        return row


class Asking(Ask):
    """An ask."""

    def ask(self, row: Row) -> StepRequest:
        return StepRequest("m", (), {})

    def take(self, row: Row, answer: CallResult) -> Row:
        return row


class Measured(Measure):
    """A measure."""

    async def measure(self, row: Row) -> Measurement:
        return Measurement.of(True)


class Together(MeasureGroup):
    """A measure of groups."""

    async def measure_group(self, rows: Sequence[Row]) -> list[Measurement]:
        return [Measurement.of(True) for _ in rows]


class Kept(Keep):
    """A keep."""

    def keep(self, rows: Sequence[Row]) -> list[Row | Dropped]:
        return list(rows)


class NoShape:
    def keep(self, rows: Sequence[Row]) -> Sequence[Row]:
        return rows


class Two(Whole, Kept):
    pass


class Missing(Measure):
    async def mesure(self, row: Row) -> Measurement:
        return Measurement.of(True)


class Misspelt(Whole):
    async def prepar(self) -> None:
        pass


class InALoop(Keep):
    async def keep(self, rows: Sequence[Row]) -> list[Row | Dropped]:  # type: ignore[override]
        return list(rows)


class Blocking(Measure):
    def measure(self, row: Row) -> Measurement:  # type: ignore[override]
        return Measurement.of(True)


class OtherArguments(Apply):
    def apply(self, row: Row, columns: Any) -> Row:  # type: ignore[override]
        return row


def function(rows: Any) -> Any:
    return rows


@pytest.mark.parametrize(
    ("family", "written", "traits", "problem"),
    [
        ("step", function, {}, "a step is a class of one of the shapes"),
        ("dedup", NoShape, {"breaker": True}, "`NoShape` is of no shape: derive it from Keep"),
        ("step", Two, {}, "`Two` is `Apply` and `Keep`: a step is one of them"),
        ("verify", Missing, {}, r"Measure needs `measure\(row\)`; is `mesure` meant to be it?"),
        ("step", Misspelt, {}, "`prepar` is no method of Apply; is `prepare` meant?"),
        ("dedup", InALoop, {"breaker": True}, "`keep` must not be `async`"),
        ("verify", Blocking, {}, "`measure` must be `async`"),
        ("step", OtherArguments, {}, r"`apply` is called as `apply\(row\)`"),
        ("step", Measured, {}, "it is declared as `step`, and Measure is for `verify`"),
        ("verify", Whole, {}, "it is declared as `verify`, and Apply is not for `verify`"),
        ("dedup", Kept, {}, "it is not declared `breaker`, and is Keep"),
        ("step", Whole, {"breaker": True}, "it is declared `breaker`, and is Apply"),
        ("step", Whole, {"needs_all_rows": True}, "`needs_all_rows` means something of Keep and Table alone"),
        ("dedup", Kept, {"breaker": True, "drops_only": True}, "`drops_only` means something of Apply alone"),
        ("step", Whole, {"drops_only": True, "makes": {"a": "text"}}, "`drops_only`, and makes `a`"),
        ("step", Whole, {"compares": "always"}, "mean something of verifiers alone"),
        ("verify", Together, {}, "it measures candidates together, and `compares` does not say when"),
        ("step", Asking, {"attributes": (MODEL,)}, "`writes`, where answers go, is in 0 of its `asks`"),
        ("step", Whole, {"attributes": (MODEL,), "asks": (Asks("model"),)}, "Apply cannot wait for them"),
        ("verify", Measured, {"attributes": (MODEL,)}, "`model` names models, and nothing in `asks` says"),
    ],
)
def test_what_does_not_fit_is_no_declaration(
    family: str, written: Any, traits: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        declare(family, "test_unfit", **traits)(written)
    assert f"{family}.test_unfit" not in plugins()


def test_every_step_that_ships_is_of_one_shape() -> None:
    steps = {key: plugin.implementation for key, plugin in plugins().items() if plugin.entry.family in STEPS}
    for key, implementation in steps.items():
        shapes = [
            s
            for s in (Apply, Enrich, Ask, Measure, Keep, Table, Spread, Fold, Loop)
            if issubclass(implementation, s)
        ]
        assert len(shapes) == 1, key
    assert {"step.generate", "verify.math", "dedup.minhash", "decontaminate.ngram"} <= steps.keys()


RUNTIME = PACKAGES["mixwright_runtime"]
DRIVERS = [
    *sorted((RUNTIME / "stream").glob("*.py")),
    *sorted(file for file in (RUNTIME / "run").glob("*.py") if file.stem != "live"),  # the terminal's
    RUNTIME / "training" / "grading.py",
    PACKAGES["mixwright"] / "rehearsal.py",
]


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda path: path.stem)
def test_a_driver_knows_shapes_and_no_step(driver: Path) -> None:
    """It imports no class of a step, and asks none of its methods whether it is there."""
    steps = {
        plugin.implementation.__name__ for key, plugin in plugins().items() if plugin.entry.family in STEPS
    }
    found = []
    for node in ast.walk(ast.parse(driver.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            found += [alias.name for alias in node.names if alias.name in steps]
        elif isinstance(node, ast.Name) and node.id in ("hasattr", "getattr"):
            found.append(f"{node.id} in line {node.lineno}")
        elif isinstance(node, ast.Constant) and node.value in plugins():
            found.append(f"{node.value} in line {node.lineno}")
    assert found == []
