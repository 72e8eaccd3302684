"""What the edges of a plan's picture say: how many rows go along, and which part of them the step before let through.

The figures are the plan's estimates (`mixwright_compiler/plan/estimate.py`), which rest on what runs measured where there
is a store with one.
"""

from __future__ import annotations

from mixwright_compiler.plan.plan import Component, Estimate, Mixture, Plan
from mixwright_compiler.plan.quotas import quota_text


class Flows:
    """Texts of edges by the estimates' nodes, `pipeline.step` or `mixture.component`; empty for what is not known."""

    def __init__(self, plan: Plan) -> None:
        self._by_node: dict[str, Estimate] = {estimate.node: estimate for estimate in plan.estimates}

    def started(self, pipeline: str) -> str:
        """Rows that a pipeline starts: `1,200 rows`."""
        estimate = self._by_node.get(f"{pipeline}.from")
        return "" if estimate is None else _rows(estimate.rows_out)

    def between(self, before: str, after: str) -> str:
        """Rows that come to the step `after`, and the yield of the one `before`: `840 rows, 70%`."""
        coming = self._by_node.get(after)
        rows = "" if coming is None else _rows(coming.rows_in)
        return ", ".join(part for part in (rows, self._yield(before)) if part)

    def taken(self, mixture: str, component: Component, last: str) -> str:
        """A quota, the rows it takes, of how many, the yield of the step they come from: `20%: 30 of 100 rows, 70%`."""
        estimate = self._by_node.get(f"{mixture}.{component.rows}")
        parts = []
        if estimate is not None and estimate.rows_out is not None:
            is_part = estimate.rows_in is not None and estimate.rows_in > estimate.rows_out
            parts.append(
                f"{estimate.rows_out:,} of {_rows(estimate.rows_in)}" if is_part else _rows(estimate.rows_out)
            )
        parts += [text] if (text := self._yield(last)) else []
        is_said = (
            component.quota.kind == "count" and parts and parts[0].startswith(f"{component.quota.count:,} ")
        )
        return ": ".join(
            text for text in ("" if is_said else quota_text(component), ", ".join(parts)) if text
        )

    def mixed(self, mixture: Mixture) -> str:
        """Rows of a whole mixture."""
        counts = [
            found.rows_out if (found := self._by_node.get(f"{mixture.name}.{component.rows}")) else None
            for component in mixture.components
        ]
        known = [count for count in counts if count is not None]
        return _rows(sum(known)) if len(known) == len(counts) else ""

    def _yield(self, node: str) -> str:
        """Rows out per row in: `70%`, or `×8` where one becomes several; empty where all are let through."""
        estimate = self._by_node.get(node)
        if estimate is None or not estimate.rows_in or estimate.rows_out is None:
            return ""
        let_through = estimate.rows_out / estimate.rows_in
        if let_through > 1:
            return f"×{let_through:.3g}"
        return "" if estimate.rows_out == estimate.rows_in else f"{let_through:.1%}".replace(".0%", "%")


def _rows(count: int | None) -> str:
    return "" if count is None else f"{count:,} row" + "s" * (count != 1)
