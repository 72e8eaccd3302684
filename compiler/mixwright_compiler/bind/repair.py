"""`on_fail = repair(template)`: what the template of a verifier's second question sees, and what it must."""

from __future__ import annotations

from collections.abc import Mapping

from mixwright_compiler.findings import Findings
from mixwright_compiler.program import Bound, CallValue
from mixwright_compiler.schema import Columns, struct_of
from mixwright_dsl.diagnostic import Label

VERDICT = "verdict"
"""The name under which the template sees what the verifier found, beside the row's columns."""

VERDICT_FIELDS: Mapping[str, str] = {
    "reason": "text",
    "outcome": "text",
    "score": "float",
    "evidence": "json",
    "response": "text",
    "round": "int",
}
"""Fields of `verdict`; their meaning is in the reference (`mixwright.reference.texts.CALLS`)."""


def repair_template(value: object) -> str | None:
    """The template's qualified name in a bound `on_fail`; None when it is no repair."""
    if isinstance(value, CallValue) and value.function == "repair" and value.args:
        return str(value.args[0])
    return None


def repair_columns(
    columns: Columns, on_fail: Bound, evidence: Mapping[str, str], findings: Findings
) -> Columns:
    """The rows' columns with `verdict`, whose `evidence` has the fields that the verifier declares.

    MIX840 when they have a column of that name themselves.
    """
    if VERDICT in columns.types:
        findings.error(
            "MIX840",
            f"column `{VERDICT}` hides what the verifier found",
            on_fail.span,
            f"the template sees the finding as `{VERDICT}`",
            hint="rename the column where it is made, for example to `judgement`",
        )
    fields = {**VERDICT_FIELDS, "evidence": struct_of(evidence)} if evidence else VERDICT_FIELDS
    return columns.with_columns({VERDICT: struct_of(fields)})


def check_repair_reads(
    template: str, reads: Mapping[str, object], response: str, on_fail: Bound, at: Label, findings: Findings
) -> None:
    """MIX842: a template that shows the model neither its answer nor what was wrong with it."""
    if VERDICT in reads or (response and response in reads):
        return
    findings.warning(
        "MIX842",
        f"template `{template}` reads neither `{response or 'the response'}` nor `{VERDICT}`",
        on_fail.span,
        "the model is not told what to repair",
        secondary=(at,),
        hint=f"put `{{{{ {VERDICT}.reason }}}}` and `{{{{ {response or VERDICT + '.response'} }}}}` into it, or write "
        "`on_fail = retry(1)`",
    )
