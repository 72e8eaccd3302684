"""Rows, steps and contexts for tests of steps and verifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import Fingerprint, Origin, Step, TemplateMessage, TemplateSpec
from mixwright_runtime.plugins.declare import implementation
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.values.expressions import compile_expression
from mixwright_runtime.values.rows import Row, SourceIds, source_row_id
from mixwright_runtime.values.templates import compile_template

ORIGIN = Origin(file="test.mix", line=1, column=1)


def row(position: int = 0, /, **columns: Any) -> Row:
    """A source row."""
    row_id = source_row_id(columns, position)
    return Row(row_id, columns, row_id, position)


def candidates(column: str, values: Sequence[Any], **columns: Any) -> list[Row]:
    """Candidates of one row that differ in a column."""
    start = row(**columns)
    return [start.fork("solution", i).with_columns(**{column: v}) for i, v in enumerate(values)]


def template(name: str, text: str, role: str = "user") -> TemplateSpec:
    return TemplateSpec(
        name=name, messages=(TemplateMessage(role=role, text=text),), inputs=(), origin=ORIGIN
    )


def built(
    operation: str,
    /,
    *,
    label: str = "",
    id: str = "step",
    seed: int = 0,
    specs: Sequence[TemplateSpec] = (),
    rows: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    workers: Any = None,
    calls: Any = None,
    toolbox: Any = None,
    **attributes: Any,
) -> Any:
    """A step of the catalog, built as the executor builds it."""
    step = Step(
        id=id,
        operation=operation,
        version=1,
        label=label,
        attributes=attributes,
        columns={},
        fingerprint=Fingerprint(row="", set="", meta=""),
        origin=ORIGIN,
    )
    by_name = {t.name: compile_template(t) for t in specs}
    context = StepContext(
        plan=None,  # type: ignore[arg-type]
        directory=Path(),
        seed=seed,
        expression=compile_expression,
        template=by_name.__getitem__,
        calls=calls,
        tools=toolbox,
        workers=lambda: workers,
        rows_of=lambda name: iter((rows or {})[name]),
        origins_of=lambda name: map(SourceIds().of, (rows or {})[name]),
    )
    return implementation(operation)(step, context)


def expression(tree: list[Any], type: str = "any") -> dict[str, Any]:
    """A row expression as it stands in a step's attributes."""
    return {"sql": "", "tree": tree, "type": type, "columns": []}
