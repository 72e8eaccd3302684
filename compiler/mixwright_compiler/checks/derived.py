"""Columns that one step makes of the row and reads in the same breath."""

from __future__ import annotations

from mixwright_compiler.checks.checked import Checked
from mixwright_compiler.program import StepDecl, TypedExpression
from mixwright_dsl.diagnostic import Label


def check_derived(checked: Checked) -> None:
    """MIX495: what a step reads is made by the same step, and the rows may have none before: their source is not locked,
    else MIX402 knows."""
    for pipeline, position, step in checked.clean_steps():
        before = pipeline.steps[:position]
        rows = checked.columns.get(pipeline.start.rows)
        known = set(before[-1].columns) if before else set(rows.types if rows is not None else ())
        known |= {name for earlier in before for name in earlier.reads}
        _check_step(checked, step, known)


def _check_step(checked: Checked, step: StepDecl, known: set[str]) -> None:
    made = {
        name: bound
        for name, bound in step.attributes.items()
        if name in step.makes and isinstance(bound.value, TypedExpression)
    }
    # A column that is made of itself is there.
    new = {name for name, bound in made.items() if name not in bound.value.columns} - known
    for name, bound in made.items():
        for column in bound.value.columns:
            if column in new and column != name:
                checked.findings.warning(
                    "MIX495",
                    f"`{column}` may not be there yet: this step makes it",
                    bound.span,
                    f"reads `{column}` as it was before the step, null where there was none",
                    secondary=(Label(made[column].span, f"`{column}` is made here"),),
                    hint=f"make `{column}` in a step of its own, above this one; or run `mixwright lock`, so that the "
                    "columns of the source are known",
                )
