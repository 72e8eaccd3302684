"""84x: labelled rows that a verifier cannot be calibrated on."""

from __future__ import annotations

import json
from typing import Any

from mixwright_compiler.catalog.labelled_rows import labels_in_words, one_sided
from mixwright_compiler.checks.checked import Checked, value_of
from mixwright_compiler.program import SourceDecl, StepDecl, SubBlock
from mixwright_compiler.schema import Columns, is_assignable, type_of_value
from mixwright_compiler.suggest import did_you_mean, listing, nearest, one_of, replace_fix
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.source import Span

ONE_KIND = {"bool": "number", "int": "number", "float": "number", "text": "text"}
"""Types of labels of which those of one kind may equal each other: 1 is true in JSON."""


def check_calibrations(checked: Checked) -> None:
    """MIX843: labelled rows without a column that the verifier reads. MIX844: labels that are not there, or that do not
    tell right from wrong. MIX845: a verifier that compares candidates, and rows that stand alone."""
    for _, _, step in checked.clean_steps():
        bound = step.attributes.get("calibrate")
        if step.entry.family != "verify" or bound is None or not isinstance(bound.value, SubBlock):
            continue
        block = bound.value
        columns = checked.columns.get(str(block.get("rows")))
        if step.traits.compares and "group" not in block.spans:
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
        is_read = _check_reads(checked, step, block, columns)
        if _check_label(checked, block, columns, bound.span) and is_read:
            _check_values(checked, block, columns)


def _check_reads(checked: Checked, step: StepDecl, block: SubBlock, columns: Columns) -> bool:
    """Whether the verifier can read the labelled rows."""
    is_read = True
    conditional = step.when.columns if step.when is not None else ()
    for name in step.reads:
        found, wanted = columns.type_of(name), step.columns.get(name, "any")
        if name in conditional or (found is not None and is_assignable(found, wanted)):
            continue
        is_read = False
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
    return is_read


def _check_label(checked: Checked, block: SubBlock, columns: Columns, at: Span) -> bool:
    """Whether the columns that the block names are there, and can hold what they are for."""
    is_there = True
    for attribute in ("label", "group"):
        name = block.get(attribute)
        span = block.spans.get(attribute, at)
        if name is None:
            continue
        found = columns.type_of(str(name))
        if found is None:
            is_there = False
            near = nearest(str(name), columns.types)
            checked.findings.error(
                "MIX844",
                f"no column `{name}` in rows of `{block['rows']}`",
                span,
                f"columns there: {listing(columns.types)}",
                hint=did_you_mean(near, one_of(columns.types)),
                fix=replace_fix(span, near) if near and attribute in block.spans else None,
            )
        elif (
            attribute == "label" and "good" not in block.spans and found not in ("bool", "int", "any", "json")
        ):
            is_there = False
            checked.findings.error(
                "MIX844",
                f"`{name}` is {found}, and does not say which rows should pass",
                span,
                "labels are true and false, or 1 and 0",
                hint='say which label is the right one: `good = "right"`'
                if found == "text"
                else "say which label is the right one: `good = …`",
            )
    return is_there


def _check_values(checked: Checked, block: SubBlock, columns: Columns) -> None:
    """MIX844: no row has the label `good`, or all have it, as far as rows or their types are known."""
    source = checked.program.sources.get(str(block["rows"]))
    name, good, written = str(block.get("label")), block.get("good", True), block.spans.get("good")
    found = columns.type_of(name)
    if source is None or found is None:
        return
    labels = _labels(source, name)
    if labels is None:
        kinds = ONE_KIND.get(found), ONE_KIND.get(type_of_value(good))
        if written is not None and None not in kinds and kinds[0] != kinds[1]:
            checked.findings.error(
                "MIX844",
                f"no row of `{source.name}` has the label `{_text(good)}`: `{name}` is {found}",
                written,
                f"a value of {type_of_value(good)}",
                hint=f"write a value of {found}",
            )
        return
    side = one_sided(labels, good)
    there = labels_in_words(labels)
    if side == "should fail" and written is not None:
        texts = [label for label in labels if isinstance(label, str)]
        near = nearest(good, texts) if isinstance(good, str) else None
        checked.findings.error(
            "MIX844",
            f"no row of `{source.name}` has the label `{_text(good)}`",
            written,
            f"labels there, in `{name}`: {listing(there)}",
            hint=did_you_mean(near and _text(near), one_of(there)),
            fix=replace_fix(written, _text(near)) if near else None,
        )
    elif side:
        other = "fail" if side == "should pass" else "pass"
        checked.findings.error(
            "MIX844",
            f"every row of `{source.name}` {side}, so that they do not tell right from wrong",
            block.spans["rows"],
            f"labels there, in `{name}`: {listing(there)}",
            hint=f"add rows that should {other}",
        )


def _labels(source: SourceDecl, column: str) -> list[Any] | None:
    """Labels of a source's rows, also of those that its `where` or `limit` leaves out; None where they are not known."""
    rows = value_of(source.attributes, source.entry.rows_in) if source.entry.rows_in else None
    name = source.mapping.get(column, column)
    if not isinstance(rows, list) or not any(name in row for row in rows):
        return None
    return [row[name] for row in rows if row.get(name) is not None]


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
