"""5xx: verifiers that nothing can pass."""

from __future__ import annotations

from compiler.checks.checked import Checked, is_written, maker_of, value_of
from compiler.program import StepDecl
from dsl.diagnostic import Label
from dsl.source import Span


def check_agreement(checked: Checked) -> None:
    """MIX501: more answers must agree than there are. MIX502: a majority of one answer. MIX890: both ways at once."""
    for pipeline, position, step in checked.clean_steps():
        if step.entry.key not in ("verify.math", "verify.agreement"):
            continue
        has_answer = is_written(step.attributes, "answer")
        if has_answer and is_written(step.attributes, "agree"):
            checked.findings.error(
                "MIX890",
                "`agree` counts candidates, and with `answer` nothing is counted",
                step.attributes["agree"].span,
                "has no effect",
                secondary=(Label(step.attributes["answer"].span, "each response is compared with this"),),
                hint="delete `agree`, or delete `answer` to take what most candidates say",
            )
            continue
        if not checked.clean(Span(pipeline.span.source, pipeline.span.start, step.span.end)):
            continue  # how many candidates there are rests on every step before
        before = pipeline.steps[:position]
        column = str(value_of(step.attributes, "response", ""))
        maker = maker_of(before, column)
        if maker is None or maker.entry.key != "step.generate":
            continue
        candidates = checked.candidates(before)
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
        elif not has_answer and candidates == 1:
            is_math = step.entry.key == "verify.math"
            checked.findings.error(
                "MIX502",
                f"there is nothing to compare with: {'no `answer`, and ' if is_math else ''}one sample of each row",
                step.kind_span,
                "every answer agrees with itself",
                secondary=(_made(maker, candidates),),
                hint=f"{'add `answer = …`, or' if is_math else 'write'} `samples = 5` in `generate {maker.label}`",
            )


def _made(maker: StepDecl, candidates: int) -> Label:
    samples = maker.attributes.get("samples")
    span = samples.span if samples is not None and not samples.is_default else maker.kind_span
    return Label(span, f"{candidates} answer{'' if candidates == 1 else 's'} for each row")
