"""What the steps of a run's pipelines report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mixwright_compiler.plan.plan import Plan
from mixwright_runtime.verifiers.reviewed import REVIEW

if TYPE_CHECKING:
    from mixwright_runtime.store.store import Store


@dataclass(frozen=True)
class StepReport:
    """What a step reports (`report()` of `mixwright_runtime.plugins.shapes`). node: `pipeline.step`."""

    node: str
    operation: str
    report: Mapping[str, Any]


def step_reports(store: Store, run_id: int) -> list[StepReport]:
    """The reports of the steps of pipelines, in the order of the plan; none of a run that has not come to its end."""
    from mixwright_runtime.store.records import REPORTS
    from mixwright_runtime.store.runs import payloads

    return [
        StepReport(node, found["operation"], found["report"])
        for payload in payloads(store, run_id, REPORTS)
        for node, found in json.loads(payload).items()
    ]


def reviews_in(reports: Iterable[StepReport]) -> dict[str, Mapping[str, Any]]:
    """The figures of each `review` among them, by node."""
    return {one.node: one.report for one in reports if one.operation == REVIEW}


def reviews_of(
    plan: Plan, mixture: str, reviews: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """Those of a run's reviews, by node, that rows of a mixture went through."""
    from mixwright_runtime.mixture.record import pipelines_of

    owners = pipelines_of(plan, plan.mixtures[mixture])
    return {node: figures for node, figures in reviews.items() if node.rpartition(".")[0] in owners}
