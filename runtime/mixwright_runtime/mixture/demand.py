"""What each component of a mixture must yield: quotas turned into demand that flows back to the pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mixwright_compiler.plan.plan import AllQuota, Mixture, Plan, RateQuota, TakeQuota
from mixwright_runtime.mixture.allocation import allocate, rate_weight
from mixwright_runtime.mixture.candidates import Candidates
from mixwright_runtime.mixture.strata import missing_rows, supply


@dataclass(frozen=True)
class Demand:
    """What one component must yield.

    rows: rows wanted; None wants every row there is.
    missing: how many more rows must survive, at least; 0 when the demand is met, None when every row must be seen
        and there may be more: for `all`, and for a source or nested mixture that is balanced over its values. With
        `balance` or `cap` more may turn out to be needed: a row of a value that has enough already does not help.
        A complete component may be left missing rows: that is a shortfall.
    waits: True while its number depends on the size of another component that is not known yet; rows is 0 then.
    """

    component: str
    rows: int | None
    missing: int | None
    waits: bool = False

    @property
    def is_met(self) -> bool:
        return self.missing == 0


def required_rows(
    mixture: Mixture, candidates: Mapping[str, Candidates], *, total: int | None = None
) -> dict[str, Demand]:
    """What each component must yield, given what it has yielded so far; by component name, in their order.

    Call it again after every wave, with every component's survivors so far (after the mixture-wide steps): when
    a component turns out to have too few, the others' demand grows (weights, `fill`); when a mixture-wide step
    drops rows, so does their own component's. Run until every demand `is_met` or its component is `complete`.
    While an `all` or a source's `rate` is incomplete, quotas that depend on its size (`weight`, other rates, a
    share without `total`) demand nothing yet and `waits`. A component absent from `candidates` has yielded nothing
    and is incomplete.

    Args:
        total: rows asked of a nested mixture that states no `total` of its own; what the outer mixture's
            `Demand.rows` for it says.

    Raises:
        RunError: the quotas cannot be met by any rows: they take more than `total`, or `total` is missing.
    """
    found = {c.rows: candidates.get(c.rows, Candidates((), complete=False)) for c in mixture.components}
    supplies = {c.rows: supply(c, found[c.rows], at_end=False) for c in mixture.components}
    allocations = allocate(mixture, supplies, total=total)
    demands: dict[str, Demand] = {}
    for component in mixture.components:
        name = component.rows
        count = allocations.by_name[name].count
        complete = found[name].complete
        quota = component.quota
        if isinstance(quota, AllQuota):
            demands[name] = Demand(name, None, 0 if complete else None)
        elif isinstance(quota, RateQuota) and rate_weight(component, quota, supplies[name]) is None:
            demands[name] = Demand(
                name, quota.cap, quota.cap - len(found[name])
            )  # its weight is to be known first
        elif not count:
            demands[name] = Demand(name, 0, 0, waits=count is None)
        elif isinstance(quota, TakeQuota) and quota.balance and component.kind != "pipeline" and not complete:
            demands[name] = Demand(name, count, None)  # a rare value may come last
        else:
            demands[name] = Demand(name, count, missing_rows(component, found[name], count))
    return demands


def mixtures_in_order(plan: Plan, name: str) -> list[Mixture]:
    """The mixture and those nested in it, inner ones first, each once."""
    ordered: dict[str, Mixture] = {}

    def visit(mixture: Mixture) -> None:
        for component in mixture.components:
            if component.kind == "mixture" and component.rows not in ordered:
                visit(plan.mixtures[component.rows])
        ordered[mixture.name] = mixture

    visit(plan.mixtures[name])
    return list(ordered.values())
