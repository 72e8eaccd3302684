"""84x: labelled rows that a verifier cannot be calibrated on."""

from __future__ import annotations

from mixwright_compiler.checks.checked import Checked, traits_in
from mixwright_compiler.program import StepDecl, SubBlock
from mixwright_compiler.schema import Columns, is_assignable
from mixwright_compiler.suggest import listing, nearest, replace_fix
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.source import Span


def check_calibrations(checked: Checked) -> None:
    """MIX843: labelled rows without a column that the verifier reads. MIX844: labels that are not there, or that do not
    say right or wrong. MIX845: a verifier that compares candidates, and rows that stand alone."""
    for _, _, step in checked.clean_steps():
        bound = step.attributes.get("calibrate")
        if step.entry.family != "verify" or bound is None or not isinstance(bound.value, SubBlock):
            continue
        block = bound.value
        columns = checked.columns.get(str(block.get("rows")))
        if traits_in(step).compares and "group" not in block.spans:
            checked.findings.error(
                "MIX845",
                "this verifier compares a row's candidates, and labelled rows stand alone",
                bound.span,
                "which of them belong together?",
                secondary=(Label(step.kind_span, "the verifier"),),
                hint="name the column they share: `group = question`",
            )
        if columns is None or columns.is_open:
            continue  # not locked yet: the run looks before it starts
        _check_reads(checked, step, block, columns)
        _check_label(checked, block, columns, bound.span)


def _check_reads(checked: Checked, step: StepDecl, block: SubBlock, columns: Columns) -> None:
    conditional = step.when.columns if step.when is not None else ()
    for name in step.reads:
        found, wanted = columns.type_of(name), step.columns.get(name, "any")
        if name in conditional or (found is not None and is_assignable(found, wanted)):
            continue
        near = nearest(name, columns.types) if found is None else None
        checked.findings.error(
            "MIX843",
            f"the verifier reads `{name}`, which rows of `{block['rows']}` do not have"
            if found is None
            else f"the verifier reads `{name}` as {wanted}, and in rows of `{block['rows']}` it is {found}",
            block.spans["rows"],
            f"columns there: {listing(columns.types)}",
            secondary=(Label(step.kind_span, "the verifier"),),
            hint=f"rename it in the source: `columns = {{ {name} = {near or '…'} }}`"
            if found is None
            else f"label rows whose `{name}` is {wanted}",
        )


def _check_label(checked: Checked, block: SubBlock, columns: Columns, at: Span) -> None:
    for attribute in ("label", "group"):
        name = block.get(attribute)
        span = block.spans.get(attribute, at)
        if name is None:
            continue
        found = columns.type_of(str(name))
        if found is None:
            near = nearest(str(name), columns.types)
            checked.findings.error(
                "MIX844",
                f"no column `{name}` in rows of `{block['rows']}`",
                span,
                f"columns there: {listing(columns.types)}",
                hint=f"did you mean `{near}`?" if near else f"write one of: {listing(columns.types)}",
                fix=replace_fix(span, near) if near and attribute in block.spans else None,
            )
        elif (
            attribute == "label" and "good" not in block.spans and found not in ("bool", "int", "any", "json")
        ):
            checked.findings.error(
                "MIX844",
                f"`{name}` is {found}, and does not say which rows should pass",
                span,
                "labels are true and false, or 1 and 0",
                hint='say which label is the right one: `good = "right"`'
                if found == "text"
                else "say which label is the right one: `good = …`",
            )
