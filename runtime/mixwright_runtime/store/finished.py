"""The status of a run that has ended, or was killed, as the store tells it."""

from __future__ import annotations

import json
from typing import Any, cast

from mixwright_compiler.plan.plan import (
    CountQuota,
    MaxQuota,
    Plan,
    ShareQuota,
    Step,
    TakeQuota,
    plan_from_json,
)
from mixwright_runtime.store.records import RunRecord
from mixwright_runtime.store.status import PipelineStatus, QuotaStatus, Status, StepStatus
from mixwright_runtime.store.store import Store


def status_of(store: Store, run: RunRecord) -> Status:
    """The run's status from what is stored; of the summary (`mixwright_runtime/run/ending.py`) what rows do not tell.

    That is: the seconds the run worked, requests answered from the store, dollars, rows wanted, why it stopped.
    """
    plan = plan_from_json(run.plan)
    summary: dict[str, Any] = json.loads(run.summary) if run.summary else {}
    asked, failed, prompt_tokens, output_tokens, last = store.sql(
        """SELECT count(*), count(*) FILTER (status <> 'ok'), coalesce(sum(prompt_tokens), 0)::BIGINT,
            coalesce(sum(output_tokens), 0)::BIGINT, coalesce(max(ended), 0)
        FROM call WHERE run_id = ?""",
        [run.run_id],
    )[0]
    status: Status = {
        "run_id": run.run_id,
        "spec": run.spec,
        "command": run.command,
        "state": cast(Any, run.status or "killed"),
        "started": run.started,
        "elapsed_s": summary.get("seconds", max(0.0, (run.ended or last or run.started) - run.started)),
        "pipelines": _pipelines(store, run.run_id, plan, summary),
        "quotas": _quotas(store, run.run_id, plan, summary),
        "requests": {"misses": asked, "failed": failed, "in_flight": 0},
        "tokens": {"prompt": prompt_tokens, "output": output_tokens},
    }
    if "reused" in summary:
        status["requests"]["hits"] = summary["reused"]
    if summary.get("cost"):
        status["cost"] = summary["cost"]
    if summary.get("stopped_by"):
        status["message"] = summary["stopped_by"]
    return status


def _pipelines(store: Store, run_id: int, plan: Plan, summary: dict[str, Any]) -> list[PipelineStatus]:
    reasons: dict[tuple[str, str, str], dict[str, int]] = {}
    kept: dict[str, int] = {}
    for pipeline, step, status, reason, rows in store.sql(
        """SELECT pipeline, step, status, reason, count(*) FROM outcome WHERE run_id = ? GROUP BY ALL
        ORDER BY count(*) DESC, reason""",
        [run_id],
    ):
        if status == "kept":
            kept[pipeline] = kept.get(pipeline, 0) + rows
        else:
            reasons.setdefault((pipeline, step, status), {})[reason] = rows
    wanted = {name: entry.get("wanted") for name, entry in summary.get("pipelines", {}).items()}
    found: dict[str, PipelineStatus] = {}
    for pipeline, step, rows_in, rows_out, forked, unfinished in store.sql(
        """SELECT pipeline, step, rows_in, rows_out, forked, unfinished FROM current_tally WHERE run_id = ?
        ORDER BY pipeline, ordinal""",
        [run_id],
    ):
        entry = found.setdefault(
            pipeline, {"name": pipeline, "started": rows_in, "kept": kept.get(pipeline, 0), "steps": []}
        )
        if pipeline in wanted:
            entry["wanted"] = wanted[pipeline]
        status_of_step: StepStatus = {
            "id": step,
            "operation": _operation(plan, pipeline, step),
            "rows_in": rows_in,
            "rows_out": rows_out,
            "forked": forked,
            "unfinished": unfinished,
            "dropped": reasons.get((pipeline, step, "dropped"), {}),
            "quarantined": reasons.get((pipeline, step, "quarantined"), {}),
        }
        entry["steps"].append(status_of_step)
    for pipeline, rows in kept.items():
        found.setdefault(pipeline, {"name": pipeline, "kept": rows, "steps": []})
    order = [pipeline.name for pipeline in plan.pipelines_in_order()]
    return sorted(found.values(), key=lambda entry: (entry["name"] not in order, _rank(order, entry["name"])))


def _rank(order: list[str], name: str) -> tuple[int, str]:
    return (order.index(name), "") if name in order else (len(order), name)


def steps_of(plan: Plan, name: str) -> tuple[Step, ...]:
    """The steps that outcomes of this name passed: a pipeline's, or a mixture's for `mixture.component`."""
    if name in plan.pipelines:
        return plan.pipelines[name].steps
    for mixture in plan.mixtures.values():
        if name.startswith(f"{mixture.name}."):
            return mixture.steps
    return ()


def _operation(plan: Plan, pipeline: str, step_id: str) -> str:
    return next((step.operation for step in steps_of(plan, pipeline) if step.id == step_id), "")


def _quotas(store: Store, run_id: int, plan: Plan, summary: dict[str, Any]) -> list[QuotaStatus]:
    got = {
        (mixture, component): rows
        for mixture, component, rows in store.sql(
            "SELECT mixture, component, count(*) FROM selection WHERE run_id = ? GROUP BY ALL", [run_id]
        )
    }
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
