"""What a change of a spec does: to rows, quotas, licenses, requests, tokens and dollars. Plain data, shown by others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

from mixwright.changes.sides import Side
from mixwright.recorded import Anew, asked_anew, recorded
from mixwright.terminal import number_of
from mixwright_compiler.catalog.catalog import AttributeClass
from mixwright_compiler.load.project_root import store_directory
from mixwright_compiler.plan.diff import Difference, differences, first_changed_step
from mixwright_compiler.plan.forecast import forecast_of
from mixwright_compiler.plan.licenses import licenses_of
from mixwright_compiler.plan.plan import Plan
from mixwright_compiler.plan.quotas import quota_text
from mixwright_dsl.diagnostic import Diagnostic
from mixwright_dsl.json_report import DiagnosticReport, diagnostic_report

Status = Literal["same", "changed", "added", "removed", "broken", "open"]
"""`broken`: a side has errors. `open`: both want a param that has no value, and the spec was not named."""

OPEN = "MIX109"
"""A param without a value."""

EFFECTS: dict[AttributeClass, str] = {
    "row": "rows change, and are made again from there on",
    "set": "other rows are wanted; those that are made stay",
    "meta": "nothing in the data",
    "run": "how it is executed",
}
"""Class of an attribute -> what a change of it changes."""


@dataclass(frozen=True)
class Rerun:
    """A pipeline whose rows are made again, from step `step` on: `from` for its start, empty for a new pipeline.

    requests: of that step and those behind it, as the plan expects them; None where that is not known.
    """

    pipeline: str
    step: str
    steps: int
    requests: int | None


@dataclass(frozen=True)
class QuotaMove:
    """A line of a mixture whose quota or expected rows differ; both are None on a side that has no such line."""

    mixture: str
    component: str
    quotas: tuple[str | None, str | None]
    rows: tuple[int | None, int | None]


@dataclass(frozen=True)
class LicenseMove:
    """A license that rows of a mixture have on one side alone, and the sources and models that bring it."""

    mixture: str
    sign: Literal["+", "-"]
    license: str
    brought_by: tuple[str, ...]


@dataclass(frozen=True)
class Work:
    """What a plan asks models in all; `is_bound` when a part of it cannot be known.

    cost: dollars; None where no model has a price.
    """

    requests: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    is_bound: bool = False


@dataclass(frozen=True)
class SpecDiff:
    """One spec, before and after. `anew`: what a run of it would ask, with what the store has; `store`: what is known of
    the store, in words. `problems`: errors of either side, for which it cannot be compared; `was`: the
    spec's name before, where that was another."""

    spec: str
    status: Status
    changes: tuple[Difference, ...] = ()
    reruns: tuple[Rerun, ...] = ()
    quotas: tuple[QuotaMove, ...] = ()
    licenses: tuple[LicenseMove, ...] = ()
    work: tuple[Work, Work] = (Work(), Work())
    anew: Anew | None = None
    store: str = ""
    problems: tuple[Diagnostic, ...] = ()
    was: str = ""

    @property
    def differs(self) -> bool:
        return self.status in ("changed", "added", "removed")

    def counts(self) -> dict[str, int]:
        """How many nodes change in each class, and how many come and go."""
        found: dict[str, int] = {cls: sum(cls in each.classes for each in self.changes) for cls in EFFECTS}
        signs = [change.sign for change in self.changes]
        return {**found, "added": signs.count("+"), "removed": signs.count("-")}


def spec_diff(
    spec: str, old: Side, new: Side, store: Path | None = None, *, is_named: bool = True
) -> SpecDiff:
    """Compare two sides of a spec; with what the store at `store`, or in the project, has of it.

    is_named: somebody asked for this spec, so that what it wants must be given.

    Raises:
        StoreBroken: the store cannot be read.
    """
    if old.problems or new.problems:
        is_open = all(problem.code == OPEN for problem in (*old.problems, *new.problems))
        return SpecDiff(
            spec,
            "open" if is_open and not is_named else "broken",
            problems=(*old.problems, *new.problems),
        )
    if old.plan is None and new.plan is None:
        return SpecDiff(spec, "same")
    one = old.plan or _nothing(new.plan)
    other = new.plan or _nothing(old.plan)
    changes = differences(one, other, other.catalog if new.plan else one.catalog)
    if not changes:
        return SpecDiff(spec, "same")
    status: Status = "changed" if old.plan and new.plan else "added" if new.plan else "removed"
    one, _, _ = _forecast(one, old, store, looks_up=False)
    other, anew, words = _forecast(other, new, store, looks_up=True)
    return SpecDiff(
        spec,
        status,
        changes,
        tuple(_reruns(one, other)),
        tuple(_quotas(one, other)),
        tuple(_licenses(one, other)),
        (_work(one), _work(other)),
        anew,
        words,
    )


def _nothing(plan: Plan | None) -> Plan:
    """A plan of a spec that is not there, in the place of one that is."""
    assert plan is not None
    empty: dict[str, Any] = {
        name: {} for name in ("models", "sources", "templates", "pipelines", "mixtures", "trains", "exports")
    }
    return plan.model_copy(update={**empty, "policies": {}, "estimates": (), "plugins": {}})


def _forecast(plan: Plan, of: Side, store: Path | None, *, looks_up: bool) -> tuple[Plan, Anew | None, str]:
    """The plan with estimates from what its earlier runs measured, what a run would ask, and what the store is."""
    if of.plan is None:
        return plan, None, ""
    directory = store_directory(plan.root, store)
    found = recorded(plan, directory, of.characters, looks_up=looks_up)
    # A comment on a pull request is no place for a path of this machine.
    shown = os.path.relpath(directory, plan.root) if directory.is_relative_to(plan.root) else directory.name
    plan = plan.model_copy(update={"estimates": found.estimates or plan.estimates})
    if found.note:
        return plan, None, found.note
    if not found.runs:
        return plan, None, f"no store at {shown}: no step is taken to drop a row, and no answer to be there"
    return plan, asked_anew(plan, found), f"figures from {number_of(found.runs, 'run')} in {shown}"


def _reruns(old: Plan, new: Plan) -> Iterator[Rerun]:
    requests = {estimate.node: estimate.requests for estimate in new.estimates}
    for pipeline in new.pipelines_in_order():
        if f"{pipeline.name}.from" not in requests:
            continue  # no mixture takes rows of it
        if pipeline.name in old.pipelines:
            step = first_changed_step(old, new, pipeline.name)
            if step is None:
                continue
        else:
            step = ""
        ids = [each.id for each in pipeline.steps]
        # A step that is gone has no place: then all may be made again.
        again = ids[ids.index(step) :] if step in ids else ids
        counts = [requests.get(f"{pipeline.name}.{id}") for id in again]
        known = [count for count in counts if count is not None]
        yield Rerun(pipeline.name, step, len(again), sum(known) if len(known) == len(counts) else None)


def _quotas(old: Plan, new: Plan) -> Iterator[QuotaMove]:
    lines = [
        {(name, c.rows): quota_text(c) for name, mixture in plan.mixtures.items() for c in mixture.components}
        for plan in (old, new)
    ]
    rows = [{e.node: e.rows_out for e in plan.estimates} for plan in (old, new)]
    for mixture, component in dict.fromkeys((*lines[1], *lines[0])):
        node = f"{mixture}.{component}"
        quotas = lines[0].get((mixture, component)), lines[1].get((mixture, component))
        counts = rows[0].get(node), rows[1].get(node)
        if quotas[0] != quotas[1] or counts[0] != counts[1]:
            yield QuotaMove(mixture, component, quotas, counts)


def _licenses(old: Plan, new: Plan) -> Iterator[LicenseMove]:
    for name in dict.fromkeys((*new.mixtures, *old.mixtures)):
        before = licenses_of(old, name) if name in old.mixtures else {}
        after = licenses_of(new, name) if name in new.mixtures else {}
        for license, of in after.items():
            if license not in before:
                yield LicenseMove(name, "+", license, of)
        for license, of in before.items():
            if license not in after:
                yield LicenseMove(name, "-", license, of)


def _work(plan: Plan) -> Work:
    known = [e for e in plan.estimates if e.requests is not None]
    return Work(
        sum(e.requests or 0 for e in known),
        sum(e.prompt_tokens or 0 for e in known),
        sum(e.output_tokens or 0 for e in known),
        forecast_of(plan).cost,
        len(known) < len(plan.estimates),
    )


PartChange = TypedDict("PartChange", {"class": AttributeClass, "what": str})
"""What changed, and the class of attributes that says what a change of it changes."""

At = Literal["old", "new"]


class ChangeReport(TypedDict):
    """A part of the plan that differs: `+` is new, `-` is gone, `~` changed."""

    sign: str
    node: str
    changes: list[PartChange]


class QuotaReport(TypedDict):
    """A line of a mixture whose quota or expected rows differ."""

    mixture: str
    component: str
    quota: dict[At, str | None]
    rows: dict[At, int | None]


class SpecReport(TypedDict):
    """What differs of one spec. was: its name before, empty where that was the same;
    counts: changes by class; problems: errors for which it cannot be compared."""

    spec: str
    was: str
    status: Status
    counts: dict[str, int]
    changes: list[ChangeReport]
    made_again: list[Rerun]
    quotas: list[QuotaReport]
    licenses: list[LicenseMove]
    work: dict[At, Work]
    asked_anew: Anew | None
    store: str
    problems: list[DiagnosticReport]


class DiffReport(TypedDict):
    """What differs between two sides, each as it was given."""

    old: str
    new: str
    differs: bool
    specs: list[SpecReport]


def report(diffs: list[SpecDiff], old: str, new: str) -> DiffReport:
    """What `mixwright diff --format json` prints, without the contract's head."""
    return {
        "old": old,
        "new": new,
        "differs": any(diff.differs for diff in diffs),
        "specs": [_spec_report(diff) for diff in diffs],
    }


def _spec_report(diff: SpecDiff) -> SpecReport:
    return {
        "spec": diff.spec,
        "was": diff.was,
        "status": diff.status,
        "counts": diff.counts(),
        "changes": [changes_report(change) for change in diff.changes],
        "made_again": list(diff.reruns),
        "quotas": [
            {
                "mixture": move.mixture,
                "component": move.component,
                "quota": {"old": move.quotas[0], "new": move.quotas[1]},
                "rows": {"old": move.rows[0], "new": move.rows[1]},
            }
            for move in diff.quotas
        ],
        "licenses": list(diff.licenses),
        "work": {"old": diff.work[0], "new": diff.work[1]},
        "asked_anew": diff.anew,
        "store": diff.store,
        "problems": [diagnostic_report(problem) for problem in diff.problems],
    }


def changes_report(difference: Difference) -> ChangeReport:
    """A difference of two plans as JSON, in `plan --json` too."""
    return {
        "sign": difference.sign,
        "node": difference.node,
        "changes": [{"class": change.cls, "what": change.what} for change in difference.changes],
    }
