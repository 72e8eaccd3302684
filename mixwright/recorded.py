"""What a store already has of a plan: answers per step, rows kept, and the last run to compare with.

Three kinds of figures, told apart in print. *Exact*: requests that can be rendered from sources and recorded answers
are looked up by key (`mixwright/rehearsal.py`). *Bound*: of the other steps the number of answers recorded for the
same model is the most that can be reused. *Rows kept*: those of the newest run whose pipeline had the same content
hash.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mixwright.rehearsal import Answered, rehearsed
from mixwright_compiler.plan.estimate import Observed, estimates
from mixwright_compiler.plan.fingerprint import pipeline_row_hashes
from mixwright_compiler.plan.plan import Estimate, Plan, Step, plan_from_json
from mixwright_compiler.plan.questions import questions_of

if TYPE_CHECKING:
    from mixwright_runtime.store.records import RunStart
    from mixwright_runtime.store.store import Store

RUNS_READ = 20
"""Earlier runs of the spec whose plans are compared; older ones are not looked at."""


@dataclass(frozen=True)
class KeptRows:
    """Rows that a pipeline of the same content hash kept in run `run_id`."""

    run_id: int
    rows: int


@dataclass(frozen=True)
class MovedThreshold:
    """A verifier whose `min` or `max` is another than in the last run, and what that does to the scores it stored.

    was, now: (min, max), None for no bound. scores: stored for the run's rows; passed: of these then; passes: now.
    """

    was: tuple[float | None, float | None]
    now: tuple[float | None, float | None]
    scores: int
    passed: int
    passes: int


@dataclass(frozen=True)
class Recorded:
    """What the store has. `answers` and `kept` are by node `pipeline.step` and by pipeline."""

    runs: int = 0
    answers: Mapping[str, int] = field(default_factory=dict)
    """Answers of the step's model that a run recorded at this step: a bound on what can be reused."""
    answered: Mapping[str, Answered] = field(default_factory=dict)
    """Steps whose requests could be looked up one by one."""
    kept: Mapping[str, KeptRows] = field(default_factory=dict)
    last_run_id: int = 0
    last_plan: Plan | None = None
    thresholds: Mapping[str, MovedThreshold] = field(default_factory=dict)
    """By node `pipeline.step`."""
    estimates: tuple[Estimate, ...] = ()
    """Of the plan, from what its earlier runs measured; empty when nothing was measured."""
    note: str = ""
    """Why the store was not read, empty when it was or there is none."""


@dataclass(frozen=True)
class Anew:
    """Requests that the store has no answer to: so many at least, and at most if rows are kept as the plan expects."""

    least: int
    most: int


def asked_anew(plan: Plan, recorded: Recorded) -> Anew | None:
    """What a run of the plan would ask; None where there was no run before, or a step's requests are not known.

    Requests that were looked up are counted exactly; where rows stopped before a step, all that is expected of it may be
    new. A pipeline whose content is that of an earlier run asks again for nothing that this one asked.
    """
    if not recorded.runs:
        return None
    requests = {estimate.node: estimate.requests for estimate in plan.estimates}
    least = most = 0
    for node in _asking(plan):
        if node not in requests:
            continue  # no mixture takes rows of it
        expected = requests[node]
        answered = recorded.answered.get(node)
        if answered is not None and answered.is_all:
            least, most = least + answered.asked - answered.hits, most + answered.asked - answered.hits
        elif expected is None:
            return None
        elif answered is not None:
            missing = answered.asked - answered.hits
            least, most = least + missing, most + max(missing, expected - answered.hits)
        else:
            missing = max(0, expected - recorded.answers.get(node, 0))
            is_same = node.partition(".")[0] in recorded.kept
            least, most = least + missing, most + (missing if is_same else expected)
    return Anew(least, most)


def recorded(
    plan: Plan,
    directory: Path,
    characters: Mapping[str, Mapping[str, float]] | None = None,
    *,
    looks_up: bool = True,
) -> Recorded:
    """What the store at `directory` has of a plan; an empty answer, with a note, while another process holds it.

    looks_up: also render requests and look for them one by one (`mixwright/rehearsal.py`), which reads sources.

    Raises:
        StoreBroken: the store cannot be read.
    """
    if not (directory / "store.duckdb").exists():
        return Recorded()
    from mixwright_runtime.errors import StoreLocked
    from mixwright_runtime.store.store import Store

    try:
        with Store.open(directory, read_only=True) as store:
            return _read(plan, store, characters or {}, looks_up)
    except StoreLocked as locked:
        return Recorded(note=f"the store was not read: {locked}")


def _read(
    plan: Plan, store: Store, characters: Mapping[str, Mapping[str, float]], looks_up: bool
) -> Recorded:
    from mixwright_runtime.store.counts import endings, node_answers
    from mixwright_runtime.store.runs import runs_begun

    begun = list(runs_begun(store))
    runs = _runs_of(plan, begun)
    nodes = _asking(plan)
    answers: dict[str, int] = {}
    prompt_tokens: dict[str, float] = {}
    output_tokens: dict[str, float] = {}
    for of in node_answers(store):
        if of.identity in nodes.get(of.node, ()):
            before = answers.get(of.node, 0)
            answers[of.node] = before + of.answers
            for means, mean in ((prompt_tokens, of.prompt_tokens), (output_tokens, of.output_tokens)):
                if mean is not None:
                    whole = means.get(of.node, mean) * before + mean * of.answers
                    means[of.node] = whole / answers[of.node]
    hashes = pipeline_row_hashes(plan)
    kept: dict[str, KeptRows] = {}
    for run_id, old in runs:
        old_hashes = pipeline_row_hashes(old)
        same = [name for name, found in hashes.items() if old_hashes.get(name) == found and name not in kept]
        if same:
            rows = {e.pipeline: e.rows for e in endings(store, run_id) if e.status == "kept"}
            kept |= {name: KeptRows(run_id, rows[name]) for name in same if name in rows}
    last_id, last_plan = runs[0] if runs else (0, None)
    yields = _yields(plan, last_plan, last_id, store) if last_plan else {}
    observed = Observed(yields, prompt_tokens, output_tokens)
    estimated = plan.model_copy(update={"estimates": estimates(plan, characters, observed)})
    return Recorded(
        runs=len(begun),
        answers=answers,
        kept=kept,
        last_run_id=last_id,
        last_plan=last_plan,
        thresholds=_moved_thresholds(plan, last_plan, last_id, store) if last_plan else {},
        estimates=estimated.estimates,
        answered=rehearsed(estimated, store, answers) if answers and looks_up else {},
    )


def _runs_of(plan: Plan, begun: Iterable[RunStart]) -> list[tuple[int, Plan]]:
    """Id and plan of the newest runs of the same spec file, newest first; plans that cannot be read are skipped."""
    name, place = Path(plan.spec).name, os.path.relpath(plan.directory, plan.root)
    found, moved = [], []
    for run in begun:
        if Path(run.spec).name != name:
            continue
        try:
            old = plan_from_json(run.plan)
        except ValueError:
            continue
        if old.directory == plan.directory:
            found.append((run.run_id, old))
        elif os.path.relpath(old.directory, old.root) == place:
            # By a project that stood elsewhere, which may be this one before it moved.
            moved.append((run.run_id, old))
        if len(found) == RUNS_READ:
            break
    return found or moved[:RUNS_READ]


def _asking(plan: Plan) -> dict[str, set[str]]:
    """Node of each step that asks models -> their identities."""
    return {
        f"{pipeline.name}.{step.id}": {plan.models[model].identity for model in models}
        for pipeline in plan.pipelines.values()
        for step in pipeline.steps
        if (models := {model for question in questions_of(plan, step) for model in question.models})
    }


def _moved_thresholds(plan: Plan, last: Plan, run_id: int, store: Store) -> dict[str, MovedThreshold]:
    """Verifiers that differ from the last run in `min` or `max`, and not in what they measure."""
    from mixwright_runtime.store.counts import has_verdicts, passes_between

    found: dict[str, MovedThreshold] = {}
    if not has_verdicts(store):
        return found
    before = {f"{p.name}.{s.id}": s for p in last.pipelines.values() for s in p.steps}
    for pipeline in plan.pipelines.values():
        for step in pipeline.steps:
            old = before.get(f"{pipeline.name}.{step.id}")
            if old is None or old.operation != step.operation or old.fingerprint.row != step.fingerprint.row:
                continue
            was, now = _bounds(old), _bounds(step)
            if was == now:
                continue
            counted = passes_between(store, run_id, pipeline.name, step.id, *now)
            if counted.scores:
                found[f"{pipeline.name}.{step.id}"] = MovedThreshold(
                    was, now, counted.scores, counted.passed, counted.passes
                )
    return found


def _bounds(step: Step) -> tuple[float | None, float | None]:
    return step.attributes.get("min"), step.attributes.get("max")


def _yields(plan: Plan, last: Plan, run_id: int, store: Store) -> dict[str, float]:
    """Rows out per row in of the steps that are as they were in the last run."""
    from mixwright_runtime.store.counts import tallies

    steps = {f"{p.name}.{s.id}": s for p in plan.pipelines.values() for s in p.steps}
    before = {f"{p.name}.{s.id}": s for p in last.pipelines.values() for s in p.steps}
    yields = {}
    for tally in tallies(store, run_id):
        node = f"{tally.pipeline}.{tally.step}"
        step, old = steps.get(node), before.get(node)
        if step and old and tally.rows_in:
            now, then = step.fingerprint, old.fingerprint
            if (now.row, now.set) == (then.row, then.set):
                yields[node] = tally.rows_out / tally.rows_in
    return yields
