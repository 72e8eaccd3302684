"""What each component of a mixture must yield: quotas turned into demand that flows back to the pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from compiler.plan import Mixture, Plan
from runtime.mixture.candidates import Candidates


@dataclass(frozen=True)
class Demand:
    """What one component must yield.

    rows: rows wanted; None wants every row there is.
    missing: how many more rows must survive, at least; 0 when the demand is met, None when it wants all and the
        component is not complete. With `balance` or `cap` more may turn out to be needed: a row of a value that
        has enough already does not help.
    """

    component: str
    rows: int | None
    missing: int | None

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
    While an `all` component is incomplete, quotas that depend on its size (`weight`, `rate`, a share without
    `total`) demand nothing yet. A component absent from `candidates` has yielded nothing and is incomplete.

    Args:
        total: rows asked of a nested mixture that states no `total` of its own; what the outer mixture's
            `Demand.rows` for it says.

    Raises:
        RunError: the quotas cannot be met by any rows: they take more than `total`, or `total` is missing.
    """
    raise NotImplementedError


def mixtures_in_order(plan: Plan, name: str) -> list[Mixture]:
    """The mixture and those nested in it, inner ones first."""
    raise NotImplementedError
