"""Pairs of a better and a worse answer: for a row that was picked among candidates, which of the others is the worse.

Pure functions of what a run stored: other settings measure nothing and ask nothing again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mixwright_compiler.catalog.groups import among
from mixwright_compiler.plan.plan import Plan, Step
from mixwright_runtime.mixture.record import pipelines_of
from mixwright_runtime.store.candidates import Beside, LostCandidate, beside_selected
from mixwright_runtime.store.store import Store
from mixwright_runtime.values.rows import order_key
from mixwright_runtime.verifiers.verdicts import is_lower_better, thresholds_of

NOT_PICKED = ": not picked"
"""How the reason of a candidate ends that passed, and was not the one that goes on."""


@dataclass(frozen=True)
class Rejects:
    """Which candidates may be the worse one, and which of these is.

    judges: pipeline -> the verifiers that look at its candidates, of which one drops each that is rejected. by: the one
    whose score counts; empty for that one. among: `failed` by a verifier, or `all`, also those that passed and were not
    picked. rejected: `worst`, one by chance (`random`), or `all`. margin: by how much the score of the one that was taken
    must be the better.
    """

    judges: Mapping[str, Mapping[str, Step]]
    by: str = ""
    among: Literal["failed", "all"] = "failed"
    rejected: Literal["worst", "random", "all"] = "worst"
    margin: float | None = None
    seed: int = 0

    def of(self, beside: Beside) -> list[tuple[LostCandidate, float | None]]:
        """The worse candidates of a row, each with how much better the score is of the one that was taken; None where
        the verifier did not measure both."""
        taken = json.loads(beside.scores)
        found = []
        for other in beside.lost:
            if other.step not in self.judges.get(other.pipeline, ()) or not other.columns:
                continue
            if self.among == "failed" and other.reason.endswith(NOT_PICKED):
                continue
            gap = self._gap(other, taken)
            if self.margin is None or (gap is not None and gap >= self.margin):
                found.append((other, gap))
        if self.rejected == "all":
            return found
        if self.rejected == "random":
            return sorted(found, key=self._by_chance)[:1]
        return sorted(found, key=self._badness)[:1]

    def _badness(self, one: tuple[LostCandidate, float | None]) -> tuple[int, bool, float, int]:
        """Lowest is worst: what an earlier verifier dropped, then what it could not measure, then by its score."""
        other, gap = one
        at = 0 if self.by else list(self.judges[other.pipeline]).index(other.step)
        return at, gap is not None, -(gap or 0.0), self._by_chance(one)

    def _gap(self, other: LostCandidate, taken: Mapping[str, Any]) -> float | None:
        step = self.by or other.step
        ours, theirs = ((scores.get(step) or {}).get("score") for scores in (taken, json.loads(other.scores)))
        if not isinstance(ours, int | float) or not isinstance(theirs, int | float):
            return None
        gap = float(ours - theirs)
        return -gap if is_lower_better(*thresholds_of(self.judges[other.pipeline][step].attributes)) else gap

    def _by_chance(self, one: tuple[LostCandidate, float | None]) -> int:
        return order_key(self.seed, one[0].row_id)


@dataclass(frozen=True)
class CandidatesOf:
    """The candidates that a run made beside the rows of a mixture."""

    store: Store
    plan: Plan
    run_id: int
    mixture: str

    def beside(self) -> Iterator[Beside]:
        """For each row, in the mixture's order."""
        return beside_selected(self.store, self.run_id, self.mixture)

    def judges(self, column: str) -> dict[str, dict[str, Step]]:
        """Pipeline -> the verifiers that look at candidates of a column, by id."""
        return judges_of(self.plan, pipelines_of(self.plan, self.plan.mixtures[self.mixture]), column)


def judges_of(plan: Plan, pipelines: Collection[str], column: str) -> dict[str, dict[str, Step]]:
    """Pipeline -> the verifiers that look at candidates of a column, by id, the one that closes their group last."""
    found: dict[str, dict[str, Step]] = {}
    for name in pipelines:
        steps = {step.id: step for step in plan.pipelines[name].steps}
        for group in plan.pipelines[name].groups:
            if not group.closed_by:
                continue
            ids = among(list(steps), group.opened_by, group.closed_by)
            if any(column in steps[id].makes for id in ids):
                found[name] = {id: steps[id] for id in ids if steps[id].operation.startswith("verify.")}
    return found
