"""4xx and 5xx: verifiers that look at several candidates where there are none, or that nothing can pass."""

from __future__ import annotations

from mixwright_compiler.checks.checked import Checked, is_written, maker_of, traits_in, value_of
from mixwright_compiler.program import PipelineDecl, StepDecl
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.source import Span


def check_agreement(checked: Checked) -> None:
    """MIX501: more answers must agree than there are. MIX502: a majority of one answer. MIX890: both ways at once.
    MIX428: candidates that are together no more."""
    graded = {id(pipeline) for pipeline in checked.graded}
    for pipeline, position, step in checked.clean_steps():
        if is_written(step.attributes, "answer") and is_written(step.attributes, "agree"):
            checked.findings.error(
                "MIX890",
                "`agree` counts candidates, and with `answer` nothing is counted",
                step.attributes["agree"].span,
                "has no effect",
                secondary=(Label(step.attributes["answer"].span, "each response is compared with this"),),
                hint="delete `agree`, or delete `answer` to take what most candidates say",
            )
        elif id(pipeline) not in graded and traits_in(step).gathers:
            at = next((use.span for use in step.uses), step.span)
            if not checked.clean(Span(pipeline.span.source, pipeline.span.start, at.end)):
                continue  # how many candidates there are rests on every step before
            _check_group(checked, pipeline, position, step)


def _check_group(checked: Checked, pipeline: PipelineDecl, position: int, step: StepDecl) -> None:
    groups = checked.groups(pipeline)
    candidates = groups.looked_at(position)
    ended = groups.ended_by[position]
    if ended is not None:
        _scattered(checked, step, pipeline.steps[ended])
    elif not traits_in(step).compares or {"programs", "ratings"} & set(step.entry.rules):
        return  # one candidate to pick from is picked; these have checks of their own
    elif candidates == 1:
        _nothing_to_compare(checked, pipeline, position, step)
    else:
        agree = value_of(step.attributes, "agree")
        if isinstance(agree, int) and agree > candidates:
            _out_of_reach(checked, step, agree, pipeline.steps[groups.open_at[position][-1].opened_by[-1]])


def _scattered(checked: Checked, step: StepDecl, by: StepDecl) -> None:
    traits = traits_in(step)
    name, earlier = f"verify {step.entry.name}", f"{by.entry.family} {by.entry.name}"
    what = "compares the candidates of a row" if traits.compares else "picks among the candidates of a row"
    at = step.attributes.get("pick") if traits.picks and is_written(step.attributes, "pick") else None
    checked.findings.error(
        "MIX428",
        f"`{name}` {what}, and they are together no more",
        step.kind_span if at is None else at.span,
        "each stands alone here",
        secondary=(
            Label(
                by.kind_span,
                "from here on each is a row of its own"
                if by.entry.breaker
                else "one of them goes on from here",
            ),
        ),
        hint=f"move it above `{earlier}`"
        if by.entry.breaker
        else f"leave `pick` to the last one: write `pick = all` in `{earlier}`",
    )


def _nothing_to_compare(checked: Checked, pipeline: PipelineDecl, position: int, step: StepDecl) -> None:
    how, _, instead = step.entry.compares.partition(" ")
    can_do_without = how == "without"
    maker = maker_of(pipeline.steps[:position], str(value_of(step.attributes, "response", "")))
    is_generated = maker is not None and maker.entry.writes
    where = (
        f"in `generate {maker.label}`" if maker is not None and is_generated else "in a `generate` before it"
    )
    checked.findings.error(
        "MIX502",
        f"there is nothing to compare with: {f'no `{instead}`, and ' if can_do_without else ''}one sample of each row",
        step.kind_span,
        "every answer agrees with itself",
        secondary=(_made(maker, 1),) if maker is not None and is_generated else (),
        hint=f"{f'add `{instead} = …`, or' if can_do_without else 'write'} `samples = 5` {where}",
    )


def _out_of_reach(checked: Checked, step: StepDecl, agree: int, maker: StepDecl) -> None:
    candidates = int(value_of(maker.attributes, "samples", 1))
    at = step.attributes["agree"]
    checked.findings.error(
        "MIX501",
        f"{agree} answers must agree, and a row has {candidates}",
        step.kind_span if at.is_default else at.span,
        "no row can pass",
        secondary=(_made(maker, candidates),),
        hint=f"write `samples = {agree}` or more in `generate {maker.label}`",
    )


def _made(maker: StepDecl, candidates: int) -> Label:
    samples = maker.attributes.get("samples")
    span = samples.span if samples is not None and not samples.is_default else maker.kind_span
    return Label(span, f"{candidates} answer{'' if candidates == 1 else 's'} for each row")
