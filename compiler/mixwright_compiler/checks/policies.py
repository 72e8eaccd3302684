"""What the policies of a spec demand of its mixtures: licenses, sources kept out, decontamination, reviews by people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mixwright_compiler.checks.checked import Checked, value_of
from mixwright_compiler.checks.licenses import check_license
from mixwright_compiler.checks.ways import Way, ways_into
from mixwright_compiler.program import (
    Bound,
    ComponentDecl,
    MixtureDecl,
    ModelDecl,
    PipelineDecl,
    PolicyDecl,
    SourceDecl,
    StepDecl,
)
from mixwright_compiler.suggest import listing
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.source import Span


def check_policies(checked: Checked) -> None:
    """MIX205 and MIX206: licenses. MIX216: a source that is kept out. MIX217: no decontamination. MIX218: no review."""
    for policy in checked.program.policies.values():
        if not checked.clean(policy.span):
            continue
        reported: set[int] = set()
        for mixture in _mixtures(checked, policy):
            for declared, way in ways_into(checked, mixture):
                if id(declared) not in reported and _check_declared(checked, policy, declared, way):
                    reported.add(id(declared))
            _check_decontaminated(checked, policy, mixture)
            _check_reviewed(checked, policy, mixture)


def _mixtures(checked: Checked, policy: PolicyDecl) -> Iterator[MixtureDecl]:
    return (m for m in checked.of_mixtures() if policy.mixture in ("", m.name))


def _check_declared(checked: Checked, policy: PolicyDecl, declared: SourceDecl | ModelDecl, way: Way) -> bool:
    """Whether something of a source or a model was reported."""
    is_source = isinstance(declared, SourceDecl)
    excluded = next((one for one in policy.excluded if is_source and one.source == declared.name), None)
    if excluded is not None:
        checked.findings.error(
            "MIX216",
            f"policy `{policy.name}` excludes source `{declared.name}`: {excluded.because}",
            way.component.name_span,
            way.text,
            secondary=(Label(excluded.span, "excluded here"),),
            hint=f"leave `{way.component.rows}` out of `{way.path[0]}`, or start it from another source",
        )
        return True
    return check_license(checked, policy, declared, way)


def _check_decontaminated(checked: Checked, policy: PolicyDecl, mixture: MixtureDecl) -> None:
    demand = policy.attributes.get("decontaminated")
    if demand is None or not demand.value:
        return
    wanted = tuple(dict.fromkeys(map(str, demand.value)))
    for component, path, missing in _unguarded(checked, mixture, wanted):
        checked.findings.error(
            "MIX217",
            f"rows of `{component.rows}` are not kept apart from {listing(f'`{one}`' for one in missing)}, as policy "
            f"`{policy.name}` demands",
            component.name_span,
            " → ".join(reversed(path)),
            secondary=(Label(_item(demand, missing[0]), "the policy"),),
            hint=f"add `decontaminate ngram {{ against = [{', '.join(missing)}] }}` to `{mixture.name}`",
        )


def _item(demand: Bound, name: str) -> Span:
    return next((one.span for one in demand.each() if one.value == name), demand.span)


def _unguarded(
    checked: Checked, mixture: MixtureDecl, wanted: tuple[str, ...]
) -> Iterator[tuple[ComponentDecl, tuple[str, ...], tuple[str, ...]]]:
    """Components of which some rows come in past no `decontaminate` against some of the sets: one way, and the sets."""
    left = _without_guards(mixture.steps, wanted)
    for component in mixture.components:
        seen: set[tuple[str, tuple[str, ...]]] = set()
        start: tuple[str, ...] = (mixture.name, component.rows)
        pending = [(start, left)] if left else []
        while pending:
            path, missing = pending.pop(0)
            name = path[-1]
            if (name, missing) in seen:
                continue
            seen.add((name, missing))
            if name in checked.program.sources:
                yield component, path, missing
                break
            declared = checked.program.mixtures.get(name) or checked.program.pipelines.get(name)
            if declared is None:
                break
            still = _without_guards(declared.steps, missing)
            if still:
                below = (
                    [declared.start.rows]
                    if isinstance(declared, PipelineDecl)
                    else [c.rows for c in declared.components]
                )
                pending += [((*path, each), still) for each in below]


def _without_guards(steps: Sequence[StepDecl], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the sets that no step keeps all rows apart from: one with `when` lets some pass."""
    guarded = {
        str(name)
        for step in steps
        if step.entry.apart_from and step.when is None
        for name in value_of(step.attributes, step.entry.apart_from) or ()
    }
    return tuple(name for name in wanted if name not in guarded)


def _check_reviewed(checked: Checked, policy: PolicyDecl, mixture: MixtureDecl) -> None:
    demand = policy.attributes.get("reviewed")
    if demand is None:
        return
    for component in mixture.components:
        found = _unreviewed(checked, component.rows, (mixture.name,))
        if found is None:
            continue
        path, writer = found
        checked.findings.error(
            "MIX218",
            f"no `review` follows `{writer.id}`, and policy `{policy.name}` demands one of what models write",
            component.name_span,
            " → ".join(reversed(path)),
            secondary=(Label(demand.span, "the policy"), Label(writer.kind_span, "a model writes here")),
            hint=f'add `review checked {{ of = {writer.label or "answer"}, out = "review/{path[-1]}.csv" }}` to '
            f"`{path[-1]}`",
        )


def _unreviewed(
    checked: Checked, name: str, chain: tuple[str, ...]
) -> tuple[tuple[str, ...], StepDecl] | None:
    """A way down to a step whose text no later step has people judge, and that step."""
    if name in chain:
        return None
    chain = (*chain, name)
    program = checked.program
    if name in program.mixtures:
        ways = (_unreviewed(checked, c.rows, chain) for c in program.mixtures[name].components)
        return next((way for way in ways if way is not None), None)
    if name not in program.pipelines:
        return None
    pipeline = program.pipelines[name]
    for step in reversed(pipeline.steps):
        if "reviewed" in step.entry.rules:
            return None
        if step.entry.family == "step" and any(question.writes for question in step.traits.asks):
            return chain, step
    return _unreviewed(checked, pipeline.start.rows, chain)
