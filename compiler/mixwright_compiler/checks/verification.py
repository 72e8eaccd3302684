"""4xx and 5xx: verifiers that look at several candidates where there are none, or that nothing can pass."""

from __future__ import annotations

from mixwright_compiler.catalog.conditions import word_of
from mixwright_compiler.catalog.groups import is_in_band
from mixwright_compiler.catalog.traits import BAND
from mixwright_compiler.checks.checked import Checked, is_written, maker_of, value_of
from mixwright_compiler.program import CallValue, PipelineDecl, StepDecl
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.source import Span


def check_agreement(checked: Checked) -> None:
    """MIX501: more answers must agree than there are. MIX502: a majority of one answer. MIX890: both ways at once.
    MIX428: candidates that are together no more. MIX477: a band over one candidate. MIX478: one that no number of
    candidates hits. MIX450: asking again for what it drops."""
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
        elif id(pipeline) not in graded and step.traits.gathers:
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
        return
    if step.traits.bands:
        _check_band(checked, pipeline, position, step, candidates)
    if step.traits.bands and candidates == 1:
        return
    if not step.traits.compares or {"programs", "ratings"} & set(step.entry.rules):
        return  # one candidate to pick from is picked; these have checks of their own
    if candidates == 1:
        _nothing_to_compare(checked, pipeline, position, step)
    else:
        agree = value_of(step.attributes, "agree")
        if isinstance(agree, int) and agree > candidates:
            _out_of_reach(checked, step, agree, pipeline.steps[groups.open_at[position][-1].opened_by[-1]])


def _scattered(checked: Checked, step: StepDecl, by: StepDecl) -> None:
    traits = step.traits
    name, earlier = f"verify {step.entry.name}", f"{by.entry.family} {by.entry.name}"
    what = "compares" if traits.compares else "picks among" if traits.picks else "counts"
    what += " the candidates of a row"
    stated = [
        name
        for name, counts in (("pick", traits.picks), (BAND, traits.bands))
        if counts and is_written(step.attributes, name)
    ]
    at = step.attributes[stated[0]] if stated else None
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


def _check_band(
    checked: Checked, pipeline: PipelineDecl, position: int, step: StepDecl, candidates: int
) -> None:
    band = step.attributes[BAND]
    low, high = float(band.value["min"]), float(band.value["max"])
    if candidates == 1:
        maker, where = _answered_by(pipeline, position, step)
        checked.findings.error(
            "MIX477",
            "a band is over the candidates of a row, and there is one",
            band.span,
            "of one candidate all pass or none",
            secondary=(_made(maker, 1),) if maker is not None else (),
            hint=f"write `samples = 8` {where}",
        )
        return
    on_fail = value_of(step.attributes, "on_fail")
    least = 0 if word_of(on_fail) == "keep" else 1
    hit = [n for n in range(candidates + 1) if is_in_band(n, candidates, low, high)]
    groups = checked.groups(pipeline)
    is_known = not any(groups.parts[at].traits.spreads for at in groups.open_at[position][-1].opened_by)
    if is_known and not any(n >= least for n in hit):
        why, hint = _missed(candidates, low, high)
        checked.findings.error(
            "MIX478",
            "no row can pass: only rows without a passing candidate are in the band"
            if hit
            else f"no row can pass: no number of {candidates} candidates is in the band",
            band.span,
            why,
            hint=f"write `band = {{ {hint} }}`, or other `samples`",
        )
    elif isinstance(on_fail, CallValue) and 0 not in hit:
        checked.findings.error(
            "MIX450",
            f"`{on_fail.function}` asks again for rows that the band drops",
            step.attributes["on_fail"].span,
            "it asks where no candidate passes",
            secondary=(Label(band.span, "and there no candidate goes on"),),
            hint="write `on_fail = drop`, or `min = 0%` in the band",
        )


def _missed(candidates: int, low: float, high: float) -> tuple[str, str]:
    """Why a band misses every number of candidates, and one that does not."""
    if low > high:
        return "its `min` is above its `max`", f"min = {_percent(high)}, max = {_percent(low)}"
    above = next((n for n in range(1, candidates + 1) if n / candidates > high), candidates)
    least = f"{above - 1} of {candidates} are {_percent((above - 1) / candidates)}, "
    return (
        f"{least}{above} are {_percent(above / candidates)}",
        f"min = {_percent(min(low, above / candidates))}, max = {_percent(above / candidates)}",
    )


def _percent(share: float) -> str:
    return f"{share * 100:.4g}%"


def _answered_by(pipeline: PipelineDecl, position: int, step: StepDecl) -> tuple[StepDecl | None, str]:
    """The step that asks a model for what a verifier looks at, if one does, and where to write its `samples`."""
    maker = maker_of(pipeline.steps[:position], str(value_of(step.attributes, "response", "")))
    if maker is None or not maker.entry.writes:
        return None, "in a `generate` before it"
    return maker, f"in `generate {maker.label}`"


def _nothing_to_compare(checked: Checked, pipeline: PipelineDecl, position: int, step: StepDecl) -> None:
    how, _, instead = step.entry.compares.partition(" ")
    can_do_without = how == "without"
    maker, where = _answered_by(pipeline, position, step)
    checked.findings.error(
        "MIX502",
        f"there is nothing to compare with: {f'no `{instead}`, and ' if can_do_without else ''}one sample of each row",
        step.kind_span,
        "every answer agrees with itself",
        secondary=(_made(maker, 1),) if maker is not None else (),
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
