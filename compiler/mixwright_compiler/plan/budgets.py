"""Budgets that the forecast is above before anything runs: MIX617. It takes a plan, so that it is no check of a spec
while it is written, but of commands that look at the whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mixwright_compiler.bind.lock import Lock
from mixwright_compiler.load.world import Module
from mixwright_compiler.plan.forecast import exceeded, forecast_of
from mixwright_compiler.plan.lower import lower
from mixwright_compiler.program import Bound, Program, StepDecl
from mixwright_dsl.diagnostic import Diagnostic, Label, warning
from mixwright_dsl.suppressions import suppressions

SPENDS_LESS = {
    "requests": "fewer rows or candidates",
    "tokens": "fewer rows or shorter answers",
    "cost": "fewer rows or shorter answers",
}
"""The limits of a budget that a forecast can be held against, and what to ask for instead; `time` is not foreseen."""


def budget_findings(
    program: Program, modules: Sequence[Module], *, root: Path, directory: Path, lock: Lock | None
) -> tuple[Diagnostic, ...]:
    """A warning at each limit that the forecast is above, unless a comment of these files allows it.

    Each is held against the run that it bounds: one of the variant for what is of a variant, else of all mixtures.
    """
    plans = {"": lower(program, root=root, directory=directory, lock=lock, reads_weights=False)}
    run = plans[""].mixtures_to_run()
    found: dict[tuple[int, int], Diagnostic] = {}
    for owner, mixture, name, most in _stated(program):
        of = "" if mixture in ("", *run) else mixture
        if of not in plans:
            plans[of] = lower(
                program, root=root, directory=directory, lock=lock, variant=of, reads_weights=False
            )
        forecast = forecast_of(plans[of])
        figure = exceeded(name, most.value, forecast)
        if not figure:
            continue
        requests = next(e.requests for e in plans[of].estimates if e.node == forecast.largest)
        part = f"{requests:,} of {forecast.requests:,} requests"
        # A variant has the budget of its base at the same place: it is told once.
        found.setdefault(
            (id(most.span.source), most.span.start),
            warning(
                "MIX617",
                f"the budget of {owner} is below what a run is expected to need: {figure}",
                most.span,
                f"{figure} expected",
                secondary=(Label(_step(program, forecast.largest).kind_span, part),),
                hint=f"raise `{name}`, or ask for {SPENDS_LESS[name]}",
            ),
        )
    allowed = [item for module in modules for item in suppressions(module.file).items]
    return tuple(each for each in found.values() if not any(item.covers(each) for item in allowed))


def _step(program: Program, node: str) -> StepDecl:
    """The step of a node `pipeline.step`; names of imported pipelines have a dot of their own."""
    pipelines = program.pipelines.values()
    return next(step for p in pipelines for step in p.steps if f"{p.name}.{step.id}" == node)


def _stated(program: Program) -> Iterator[tuple[str, str, str, Bound]]:
    """Whose budget, for which mixture alone (empty for every run), which limit, and its value."""
    decls = [
        *((f"policy `{p.name}`", p.mixture, p.attributes) for p in program.policies.values()),
        *((f"mixture `{m.name}`", m.name, m.attributes) for m in program.mixtures.values()),
    ]
    for owner, mixture, attributes in decls:
        if mixture and mixture not in program.mixtures:
            continue  # another variant is looked at
        budget = attributes.get("budget")
        for name, most in (budget.value if budget is not None else {}).items():
            if name in SPENDS_LESS:
                yield owner, mixture, name, most
