"""What a run is expected to spend on models when no answer is recorded: the sum of a plan's estimates, in the terms of
a budget. Wall time is not foreseen: nobody knows a server's speed before it was asked."""

from __future__ import annotations

from collections.abc import Iterable

from mixwright_compiler.plan.plan import Estimate, Plan
from mixwright_compiler.plan.questions import tokens_by_model
from mixwright_dsl.lazy_dataclass import dataclass


@dataclass(frozen=True)
class Forecast:
    """cost: dollars, None where no model has a price. is_whole: every step's work is known, else the figures are of the
    others."""

    requests: int
    prompt_tokens: int
    output_tokens: int
    cost: float | None
    is_whole: bool
    largest: str = ""
    """The node `pipeline.step` with most requests, empty where nothing is asked."""

    @property
    def tokens(self) -> int:
        """Prompt and answer tokens together, as a budget counts them."""
        return self.prompt_tokens + self.output_tokens


def forecast_of(plan: Plan, estimates: Iterable[Estimate] | None = None) -> Forecast:
    """Sums of a plan's estimates, or of others of the same plan."""
    found = tuple(plan.estimates if estimates is None else estimates)
    known = [estimate for estimate in found if estimate.requests is not None]
    largest = max(known, key=lambda estimate: estimate.requests or 0, default=None)
    return Forecast(
        requests=sum(estimate.requests or 0 for estimate in known),
        prompt_tokens=sum(estimate.prompt_tokens or 0 for estimate in known),
        output_tokens=sum(estimate.output_tokens or 0 for estimate in known),
        cost=_cost(plan, {estimate.node: estimate for estimate in found}),
        is_whole=len(known) == len(found),
        largest=largest.node if largest is not None and largest.requests else "",
    )


def _cost(plan: Plan, by_node: dict[str, Estimate]) -> float | None:
    cost, is_priced = 0.0, False
    for pipeline in plan.pipelines.values():
        for step in pipeline.steps:
            estimate = by_node.get(f"{pipeline.name}.{step.id}")
            if estimate is None:
                continue
            for model, tokens in tokens_by_model(plan, step, estimate).items():
                prices = (plan.models[model].attributes.get(name) for name in ("price_in", "price_out"))
                for price, count in zip(prices, tokens, strict=True):
                    if price is not None:
                        cost, is_priced = cost + price * count / 1e6, True
    return cost if is_priced else None


def exceeded(limit: str, most: float, forecast: Forecast) -> str:
    """The figure of a forecast that is above a limit `requests`, `tokens` or `cost` of a budget, as text; empty where
    none is."""
    figures = {"requests": forecast.requests, "tokens": forecast.tokens, "cost": forecast.cost}
    figure = figures.get(limit)
    if figure is None or figure <= most:
        return ""
    about = "" if limit == "requests" else "about "
    least = "" if forecast.is_whole else "at least "
    if limit != "cost":
        return f"{least or about}{figure:,.0f} {limit}"
    # Two digits, where they show that it is more.
    return (least or about) + (f"${figure:,.2f}" if round(figure, 2) > most else f"${figure:,.4f}")


def dollars(amount: float) -> str:
    """`$12.30`; small amounts to a hundredth of a cent."""
    return f"${amount:,.2f}" if amount >= 0.01 else f"${amount:.4f}"
