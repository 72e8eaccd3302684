"""46x: what steps that decide on whole tables look at."""

from __future__ import annotations

from mixwright_compiler.checks.checked import Checked
from mixwright_compiler.program import PipelineDecl, StepDecl
from mixwright_dsl.diagnostic import Label


def check_tables(checked: Checked) -> None:
    """MIX463: a selection among rows of which several are answers to one."""
    for pipeline, position, step in checked.clean_steps():
        if "alone" in step.entry.rules:
            _check_alone(checked, pipeline, position, step)


def _check_alone(checked: Checked, pipeline: PipelineDecl, position: int, step: StepDecl) -> None:
    groups = checked.groups(pipeline)
    for group in groups.open_at[position]:
        maker = pipeline.steps[group.opened_by[-1]]
        if not maker.entry.writes:
            continue  # items of a list are rows of their own
        checked.findings.error(
            "MIX463",
            f"`{step.entry.family} {step.entry.name}` would choose among several answers to one row",
            step.kind_span,
            "each is a row of its own here",
            secondary=(Label(maker.kind_span, f"makes {group.samples} of a row"),),
            hint="choose one of them first: `verify … { pick = best }`, or bring them together: `fold { … }`",
        )
        return
