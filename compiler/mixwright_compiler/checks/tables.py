"""46x: what steps that decide on whole tables look at."""

from __future__ import annotations

from mixwright_compiler.checks.checked import Checked, is_written, maker_of
from mixwright_compiler.checks.quotas import rows_of
from mixwright_compiler.program import PipelineDecl, Schema, StepDecl
from mixwright_dsl.diagnostic import Label

OFTEN = 100
"""Chosen: InsTag leaves out tags of fewer than 20 of some 300,000 rows. One that only a hundredth of the rows has is
common there; asking for more leaves little."""


def check_tables(checked: Checked) -> None:
    """MIX460: groups that no step has made. MIX461: tags that are no list of texts. MIX462: nearness in meaning without a
    model that tells it. MIX463: a selection among rows of which several are answers to one. MIX465: tags that hardly any
    row can reach the count of."""
    for pipeline, position, step in checked.clean_steps():
        if "grouped" in step.entry.rules:
            _check_grouped(checked, pipeline.steps[:position], step)
        if "tags" in step.entry.rules:
            _check_tags(checked, _columns_before(checked, pipeline, position), step)
            _check_frequency(checked, pipeline, step)
        if "semantic" in step.entry.rules:
            _check_semantic(checked, step)
        if "alone" in step.entry.rules:
            _check_alone(checked, pipeline, position, step)


def _check_grouped(checked: Checked, before: tuple[StepDecl, ...], step: StepDecl) -> None:
    by = step.attributes["by"]
    maker = maker_of(before, str(by.value))
    if maker is not None and maker.entry.breaker:
        return
    groups = [other.label for other in before if other.entry.breaker and other.label]
    checked.findings.error(
        "MIX460",
        f"`{by.value}` is no column of a step that looks at all rows",
        by.span,
        "nothing says that rows of one value belong together",
        secondary=(Label(maker.kind_span, "made here, row by row"),) if maker is not None else (),
        hint=f"write `by = {groups[-1]}`"
        if groups
        else "group rows first: `cluster group { on = …, model = … }`, then `by = group`",
    )


def _columns_before(checked: Checked, pipeline: PipelineDecl, position: int) -> Schema:
    if position:
        return pipeline.steps[position - 1].columns
    start = checked.columns.get(pipeline.start.rows)
    return start.types if start is not None else {}


def _check_tags(checked: Checked, columns: Schema, step: StepDecl) -> None:
    name = "by" if "by" in step.attributes else "from"
    by = step.attributes[name]
    found = columns.get(str(by.value), "any")
    may_have_tags = name == "from" and (found.startswith("list[struct") or found == "list[json]")
    if found in ("any", "json", "list[text]", "list[any]") or may_have_tags:
        return
    hint = "normalize them first: `normalize tags { from = … }` makes a list of texts" if name == "by" else ""
    if found == "text":
        hint = f'split it first: `derive {{ {by.value}_list = split({by.value}, ",") }}`'
    checked.findings.error(
        "MIX461",
        f"`{name}` takes a list of tags, and `{by.value}` is {found}",
        by.span,
        f"a column of {found}",
        hint=hint,
    )


def _check_frequency(checked: Checked, pipeline: PipelineDecl, step: StepDecl) -> None:
    """MIX465, where a lock tells how many rows there are: rows that stand in the spec are there to look at."""
    least = step.attributes.get("min_count")
    supply = rows_of(checked, pipeline.name)
    if least is None or supply is None or not isinstance(least.value, int):
        return
    roots = (checked.program.sources.get(path[-1]) for path in checked.paths_from(pipeline.name))
    if any(root is None or root.entry.rows_in for root in roots):
        return
    rows, how = supply
    if least.value * OFTEN <= rows:
        return
    checked.findings.lint(
        "MIX465",
        f"a tag is left out unless {least.value:,} of at most {rows:,} rows have it",
        step.kind_span if least.is_default else least.span,
        f"{how}: that is {least.value / max(1, rows):.1%} of them, and most tags are of fewer",
        hint=f"write `min_count = {max(1, rows // OFTEN)}`, or take more rows",
    )


def _check_semantic(checked: Checked, step: StepDecl) -> None:
    if is_written(step.attributes, "near") and not is_written(step.attributes, "model"):
        checked.findings.error(
            "MIX462",
            "`near` is a distance of vectors, and no `model` gives them",
            step.attributes["near"].span,
            "nothing is compared by meaning",
            hint="add `model = …`, one with `task = embed`, or leave `near` out",
        )


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
