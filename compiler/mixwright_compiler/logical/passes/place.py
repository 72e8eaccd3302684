"""Groups of candidates and second answers: worked out once, so that a run and whoever reads a plan need not."""

from __future__ import annotations

from mixwright_compiler.catalog.groups import gatherings_of
from mixwright_compiler.logical.nodes import LogicalPlan
from mixwright_dsl.lazy_dataclass import replace


def place_groups(plan: LogicalPlan) -> LogicalPlan:
    """Every group of candidates gets the steps that open it, look at it and close it, and every verifier with `retry`
    or `repair` the step that answers again: the run works out neither."""
    flows = {}
    for name, flow in plan.flows.items():
        gatherings, again = gatherings_of([(step.id, step.part) for step in flow.steps])
        flows[name] = replace(flow, gatherings=gatherings, asks_again=again)
    return plan.with_flows(flows)
