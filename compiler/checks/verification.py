"""5xx: verifiers that nothing can pass, and schemas that are none."""

from __future__ import annotations

from typing import Any

from compiler.checks.checked import Checked, is_written, maker_of, value_of
from compiler.program import StepDecl
from compiler.suggest import listing, nearest
from dsl.diagnostic import Label

JSON_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")


def check_agreement(checked: Checked) -> None:
    """MIX501: more answers must agree than there are. MIX502: a majority of one answer."""
    for pipeline, position, step in checked.clean_steps():
        if step.entry.key not in ("verify.math", "verify.agreement"):
            continue
        before = pipeline.steps[:position]
        column = str(value_of(step.attributes, "response", ""))
        maker = maker_of(before, column)
        if maker is None or maker.entry.key != "step.generate":
            continue
        candidates = checked.candidates(before)
        has_answer = is_written(step.attributes, "answer")
        agree = value_of(step.attributes, "agree")
        if isinstance(agree, int) and agree > candidates and not has_answer:
            at = step.attributes["agree"]
            checked.findings.error(
                "MIX501",
                f"{agree} answers must agree, and a row has {candidates}",
                step.kind_span if at.is_default else at.span,
                "no row can pass",
                secondary=(_made(maker, candidates),),
                hint=f"write `samples = {agree}` or more in `generate {maker.label}`",
            )
        elif step.entry.key == "verify.math" and not has_answer and candidates == 1:
            checked.findings.error(
                "MIX502",
                "there is nothing to compare with: no `answer`, and one sample of each row",
                step.kind_span,
                "every answer agrees with itself",
                secondary=(_made(maker, candidates),),
                hint=f"add `answer = …`, or `samples = 5` in `generate {maker.label}`",
            )


def _made(maker: StepDecl, candidates: int) -> Label:
    samples = maker.attributes.get("samples")
    span = samples.span if samples is not None and not samples.is_default else maker.kind_span
    return Label(span, f"{candidates} answer{'' if candidates == 1 else 's'} for each row")


def check_schemas(checked: Checked) -> None:
    """MIX506: a JSON Schema that is no object, or names a type that JSON has not."""
    for _, _, step in checked.clean_steps():
        bound = step.attributes.get("schema")
        if bound is None or bound.value is None:
            continue
        if not isinstance(bound.value, dict):
            checked.findings.error(
                "MIX506",
                "a JSON Schema is an object",
                bound.span,
                hint='for example `{ type = "object" }`',
            )
            continue
        wrong = _wrong_type(bound.value)
        if wrong is not None:
            near = nearest(wrong, JSON_TYPES)
            checked.findings.error(
                "MIX506",
                f"JSON Schema has no type `{wrong}`",
                bound.span,
                f"types are: {listing(JSON_TYPES)}",
                hint=f"did you mean `{near}`?" if near else f"write one of: {listing(JSON_TYPES)}",
            )


def _wrong_type(schema: Any) -> str | None:
    """The first `type` of a schema, or of one nested in it, that is no type."""
    if not isinstance(schema, dict):
        return None
    found = schema.get("type")
    for name in found if isinstance(found, list) else [found]:
        if isinstance(name, str) and name not in JSON_TYPES:
            return name
    nested = [*_values(schema.get("properties")), *_values(schema.get("$defs")), schema.get("items")]
    nested += [s for key in ("anyOf", "oneOf", "allOf") for s in schema.get(key) or () if isinstance(s, dict)]
    return next((w for s in nested if (w := _wrong_type(s)) is not None), None)


def _values(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else []
