"""The status of a run that has ended, or was killed, as the store tells it."""

from __future__ import annotations

import json
from typing import Any, cast

from mixwright_compiler.plan.plan import (
    CountQuota,
    MaxQuota,
    Plan,
    ShareQuota,
    TakeQuota,
    plan_from_json,
)
from mixwright_runtime.facts.pipelines import PipelineFacts, Stage, pipeline_facts, steps_of
from mixwright_runtime.facts.reports import reviews_in, step_reports
from mixwright_runtime.store.counts import model_calls, selected
from mixwright_runtime.store.records import RunRecord
from mixwright_runtime.store.status import PipelineStatus, QuotaStatus, Status, StepStatus
from mixwright_runtime.store.store import Store
from mixwright_runtime.verifiers.reviewed import review_words


def status_of(store: Store, run: RunRecord) -> Status:
    """The run's status from what is stored; of the summary (`mixwright_runtime/run/ending.py`) what rows do not tell.

    That is: the seconds the run worked, requests answered from the store, dollars, rows wanted, why it stopped.
    """
    plan = plan_from_json(run.plan)
    summary: dict[str, Any] = json.loads(run.summary) if run.summary else {}
    calls = model_calls(store, run.run_id)
    failed = sum(one.failed for one in calls)
    last = max((one.last_ended for one in calls), default=0)
    status: Status = {
        "run_id": run.run_id,
        "spec": run.spec,
        "command": run.command,
        "state": cast(Any, run.status or "killed"),
        "started": run.started,
        "elapsed_s": summary.get("seconds", max(0.0, (run.ended or last or run.started) - run.started)),
        "pipelines": _pipelines(store, run.run_id, plan, summary),
        "quotas": _quotas(store, run.run_id, plan, summary),
        "requests": {
            "misses": sum(one.answered for one in calls) + failed,
            "failed": failed,
            "in_flight": 0,
        },
        "tokens": {
            "prompt": sum(one.prompt_tokens for one in calls),
            "output": sum(one.output_tokens for one in calls),
        },
    }
    if "reused" in summary:
        status["requests"]["hits"] = summary["reused"]
    if summary.get("cost"):
        status["cost"] = summary["cost"]
    if summary.get("cluster"):
        status["cluster"] = summary["cluster"]
    if summary.get("addresses"):
        status["addresses"] = summary["addresses"]
    if summary.get("stopped_by"):
        status["message"] = summary["stopped_by"]
    return status


def _pipelines(store: Store, run_id: int, plan: Plan, summary: dict[str, Any]) -> list[PipelineStatus]:
    wanted = {name: entry.get("wanted") for name, entry in summary.get("pipelines", {}).items()}
    reviews = reviews_in(step_reports(store, run_id))
    found: list[PipelineStatus] = []
    for name, facts in pipeline_facts(store, plan, run_id).items():
        if facts.stages:
            steps = [_step(plan, facts, stage) for stage in facts.stages]
            for step in steps:
                if figures := reviews.get(f"{name}.{step['id']}"):
                    step["note"] = review_words(figures)
            started = facts.stages[0].rows_in
            entry: PipelineStatus = {"name": name, "started": started, "kept": facts.kept, "steps": steps}
            if name in wanted:
                entry["wanted"] = wanted[name]
            found.append(entry)
        elif facts.kept:
            found.append({"name": name, "kept": facts.kept, "steps": []})
    order = [pipeline.name for pipeline in plan.pipelines_in_order()]
    return sorted(found, key=lambda entry: (entry["name"] not in order, _rank(order, entry["name"])))


def _step(plan: Plan, facts: PipelineFacts, stage: Stage) -> StepStatus:
    drops = [drop for drop in facts.drops if drop.step == stage.step]
    return {
        "id": stage.step,
        "operation": _operation(plan, facts.name, stage.step),
        "rows_in": stage.rows_in,
        "rows_out": stage.rows_out,
        "forked": stage.forked,
        "unfinished": stage.unfinished,
        "dropped": {drop.reason: drop.rows for drop in drops if not drop.quarantined},
        "quarantined": {drop.reason: drop.rows for drop in drops if drop.quarantined},
    }


def _rank(order: list[str], name: str) -> tuple[int, str]:
    return (order.index(name), "") if name in order else (len(order), name)


def _operation(plan: Plan, pipeline: str, step_id: str) -> str:
    return next((step.operation for step in steps_of(plan, pipeline) if step.id == step_id), "")


def _quotas(store: Store, run_id: int, plan: Plan, summary: dict[str, Any]) -> list[QuotaStatus]:
    got: dict[tuple[str, str], int] = {}
    for taken in selected(store, run_id):
        of = (taken.mixture, taken.component)
        got[of] = got.get(of, 0) + taken.rows
    noted = {
        (mixture, component): entry.get("wanted")
        for mixture, found in summary.get("mixtures", {}).items()
        for component, entry in found.get("components", {}).items()
    }
    quotas: list[QuotaStatus] = []
    for mixture in plan.mixtures.values():
        if not any(name == mixture.name for name, _ in (*got, *noted)):
            continue
        for component in mixture.components:
            wanted: int | None = None
            match component.quota:
                case CountQuota(count=count) | TakeQuota(count=count) | MaxQuota(count=count):
                    wanted = count
                case ShareQuota(share=share) if mixture.total is not None:
                    wanted = round(share * mixture.total)
            key = (mixture.name, component.rows)
            quotas.append(
                {
                    "mixture": mixture.name,
                    "component": component.rows,
                    "wanted": noted.get(key, wanted),
                    "got": got.get(key, 0),
                }
            )
    return quotas
