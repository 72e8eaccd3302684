"""Show what a run would do and cost, and write plan.json.

The plan is printed step by step with expected rows, requests and tokens, then what the store already has of it, what
differs from the last run of the spec, and which packages are missing. Figures without a run behind them take every
row to survive; see 'mixwright_compiler/plan/estimate.py' for the formulas. A `train` block whose `cluster` names its
GPUs is forecast as well: memory by part, the fewest GPUs, steps, hours, dollars.

With `--emit` a stage of the compiler is printed, and nothing else is done: `program`, names and columns bound;
`logical`, each step by its shape in the order in which it is done, and which pass moved it; `plan`, what is run.

With `--graph` the plan is drawn: `mermaid` and `dot` for other tools, `svg` as a file of its own that a browser
shows, light or dark. The edges tell rows and yields: expected ones, with the yields that the last run of the spec
measured where the store has one.

  mixwright plan tulu3.mix --graph svg > tulu3.svg

Exit status: 0 planned; 1 errors in the spec, or a training job that cannot fit; 2 misuse, or a plan that cannot be
written.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from mixwright.params_option import add_params_option
from mixwright.terminal import number_of

if TYPE_CHECKING:
    from mixwright.changes.facts import ChangeReport
    from mixwright.compiling import Compiled
    from mixwright.recorded import Anew, MovedThreshold, Recorded
    from mixwright.rehearsal import Answered
    from mixwright.training_forecast import ForecastReport, NoForecast, Unforeseen
    from mixwright_compiler.plan.plan import Plan
    from mixwright_runtime.training.planning.job_of import TrainForecast


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", type=Path, metavar="FILE", help="a .mix file")
    add_params_option(parser)
    parser.add_argument("--variant", metavar="NAME", help="plan this variant in the place of its mixture")
    parser.add_argument("--json", action="store_true", help="print plan, estimates and comparison as JSON")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where plan.json goes (.mixwright/plan.json)"
    )
    stage = parser.add_mutually_exclusive_group()
    stage.add_argument(
        "--emit",
        choices=("program", "logical", "plan"),
        help="print one stage of the compiler instead: what is bound, what the passes leave, what is run; with --json "
        "as JSON",
    )
    stage.add_argument(
        "--graph",
        choices=("mermaid", "dot", "svg"),
        help="print the plan as a picture instead, rows on its edges",
    )
    parser.add_argument("--store", type=Path, metavar="DIR", help="the store to compare with (.mixwright)")


def run(arguments: argparse.Namespace) -> int:
    """Print and write the plan; returns the exit status."""
    from mixwright.compiling import Misuse, compiled

    result = compiled(arguments.spec, arguments.params, variant=arguments.variant)
    if result is None:
        return 1
    plan = result.plan
    if arguments.emit is not None:
        if arguments.out or arguments.store:
            raise Misuse("--emit writes no plan and reads no store; leave --out and --store away")
        print(emitted(arguments.emit, result, arguments.variant, as_json=arguments.json), end="")
        return 0
    from mixwright.recorded import recorded
    from mixwright_compiler.load.project_root import store_directory

    store = store_directory(plan.root, arguments.store)
    found = recorded(plan, store, result.characters, looks_up=arguments.graph is None)
    plan = plan.model_copy(update={"estimates": found.estimates or plan.estimates})
    if arguments.graph is not None:
        print(pictured(plan, arguments.graph, found), end="")
        return 0
    from mixwright.training_forecast import Unforeseen, training_forecasts

    forecasts = training_forecasts(plan, store)
    out = arguments.out or store_directory(plan.root) / "plan.json"
    try:
        write_plan(plan, out)
    except OSError as error:
        raise Misuse(f"{out} cannot be written: {error.strerror}; '--out FILE' puts it elsewhere") from None
    if arguments.json:
        from mixwright.json_output import document_text

        sys.stdout.write(document_text("plan", plan_report(plan, found, forecasts)))
    else:
        print(report_text(plan, found, store, out, forecasts), end="")
    return 0 if all(isinstance(each, Unforeseen) or each.found.fits for each in forecasts) else 1


def pictured(plan: Plan, form: str, found: Recorded) -> str:
    """The plan as a picture, with the yields that its last run measured where there is one."""
    from mixwright_compiler.plan.graph import dot, graph_of, mermaid
    from mixwright_compiler.plan.svg import svg

    if found.note:
        print(found.note, file=sys.stderr)
    graph = graph_of(plan, f"run {found.last_run_id}" if found.last_run_id else "")
    return {"mermaid": mermaid, "dot": dot, "svg": svg}[form](graph)


def emitted(stage: str, result: Compiled, variant: str | None, *, as_json: bool) -> str:
    """One stage of the compiler, as text or as JSON; what the store knows is no part of it, and nothing is written."""
    from mixwright.plan_text import plan_text
    from mixwright.recorded import Recorded
    from mixwright_compiler.logical.build import build
    from mixwright_compiler.logical.passes import optimised
    from mixwright_compiler.logical.program_text import program_json, program_text
    from mixwright_compiler.logical.reach import reach
    from mixwright_compiler.logical.text import logical_json, logical_text

    program, plan = result.program, result.plan
    match stage:
        case "program":
            return _json(program_json(program)) if as_json else program_text(program)
        case "logical":
            logical = optimised(build(program, reach(program, variant)))
            return _json(logical_json(logical)) if as_json else logical_text(logical)
        case _:
            return _json(plan.model_dump(mode="json")) if as_json else plan_text(plan, Recorded())


def _json(document: Any) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def write_plan(plan: Plan, path: Path) -> None:
    """Replace `path` with the plan at once: a reader never sees half of it.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(plan.model_dump_json(indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class StoreReport(TypedDict):
    """What the store has of a plan, by node `pipeline.step`; `rows_kept` by pipeline."""

    runs: int
    note: str
    answers_at_most: dict[str, int]
    answers_looked_up: dict[str, Answered]
    asked_anew: Anew | None
    thresholds: dict[str, MovedThreshold]
    rows_kept: dict[str, dict[Literal["run", "rows"], int]]


class MissingReport(TypedDict):
    """Packages that the plan needs and that are not installed, and what installs them."""

    extra: str
    modules: list[str]
    command: str


class PlanReport(TypedDict):
    """What a run would do. estimated_cost: dollars. compared_with_run: the run that `changes` are against."""

    plan: Plan
    estimated_cost: float | None
    training: list[ForecastReport | NoForecast]
    store: StoreReport
    compared_with_run: int | None
    changes: list[ChangeReport]
    missing_extras: list[MissingReport]


def plan_report(
    plan: Plan, found: Recorded, forecasts: Sequence[TrainForecast | Unforeseen] = ()
) -> PlanReport:
    """What `--json` prints."""
    from mixwright.changes.facts import changes_report
    from mixwright.extras import missing_extras
    from mixwright.recorded import asked_anew
    from mixwright.training_forecast import forecast_report
    from mixwright_compiler.plan.diff import differences
    from mixwright_compiler.plan.forecast import forecast_of

    changes = differences(found.last_plan, plan) if found.last_plan else ()
    anew = asked_anew(plan, found)
    return {
        "plan": plan,
        "estimated_cost": forecast_of(plan).cost,
        "training": [forecast_report(forecast) for forecast in forecasts],
        "store": {
            "runs": found.runs,
            "note": found.note,
            "answers_at_most": dict(found.answers),
            "answers_looked_up": dict(found.answered),
            "asked_anew": anew,
            "thresholds": dict(found.thresholds),
            "rows_kept": {n: {"run": k.run_id, "rows": k.rows} for n, k in found.kept.items()},
        },
        "compared_with_run": found.last_run_id or None,
        "changes": [changes_report(change) for change in changes],
        "missing_extras": [
            {"extra": m.extra, "modules": list(m.modules), "command": m.command} for m in missing_extras(plan)
        ],
    }


def report_text(
    plan: Plan, found: Recorded, store: Path, out: Path, forecasts: Sequence[TrainForecast | Unforeseen] = ()
) -> str:
    """What the command prints: the plan, its training jobs, the store, the changes, what is missing."""
    from mixwright.extras import missing_extras
    from mixwright.plan_text import plan_text
    from mixwright.training_forecast import forecast_text

    lines = [plan_text(plan, found), *(forecast_text(forecast) + "\n" for forecast in forecasts)]
    if found.note:
        lines.append(found.note)
    elif not found.runs:
        lines.append(f"store: nothing in {store} yet")
    else:
        lines.append(f"store: {number_of(found.runs, 'run')} in {store}")
    lines += _changes(plan, found)
    lines += [_moved(node, moved) for node, moved in found.thresholds.items()]
    lines += [f"missing: {missing}" for missing in missing_extras(plan)]
    lines.append(f"wrote {out}")
    return "\n".join(lines) + "\n"


def _moved(node: str, moved: MovedThreshold) -> str:
    """`threshold essays.fresh: max 0.4 -> 0.7, 24 of 30 stored scores pass, 15 before; none is measured again`."""
    bounds = [
        f"{name} {_bound(was)} -> {_bound(now)}"
        for name, was, now in zip(("min", "max"), moved.was, moved.now, strict=True)
        if was != now
    ]
    return (
        f"threshold {node}: {', '.join(bounds)}; {moved.passes:,} of {moved.scores:,} stored scores pass, "
        f"{moved.passed:,} before; none is measured again"
    )


def _bound(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"


def _changes(plan: Plan, found: Recorded) -> list[str]:
    from mixwright_compiler.plan.diff import differences, first_changed_step

    if found.last_plan is None:
        return []
    changes = differences(found.last_plan, plan)
    if not changes:
        return [f"nothing changed since run {found.last_run_id}"]
    lines = [f"changed since run {found.last_run_id}:", *(f"  {change}" for change in changes)]
    for name in plan.pipelines:
        step = first_changed_step(found.last_plan, plan, name)
        if step is not None:
            where = "its start" if step == "from" else f"step '{step}'"
            lines.append(f"  rows of pipeline {name} are made again from {where} on")
    return lines
