"""Passes that move a step which only lets rows go on or drops them to before others that cost something.

A step moves to the left, past one step after another, as far as this changes neither which rows are left at the end nor
what they hold. It does not move past

    a loop, into it or out of it: what is inside is done round by round
    a `fold`, and the step that makes the rows which it brings together: it counts what is left of them
    a breaker           it decides by the rows that reach it
    a step that makes a column it depends on; a verifier that has answers given again makes, as far as that goes, all
                        that is made from that answer on
    a verifier that looks at a row's candidates together, where it may tell these candidates apart: where it depends on
                        a column made since their group opened. Otherwise it keeps or drops them all

What does change is which step a row is dropped by, where two steps would have dropped it: the one that comes first
says so, and the other is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from mixwright_compiler.catalog.conditions import word_of
from mixwright_compiler.catalog.groups import asked_again, groups_of
from mixwright_compiler.logical.nodes import Apply, Flow, Fold, Keep, LogicalPlan, Loop, Measure, Scan, Work
from mixwright_compiler.program import Schema
from mixwright_dsl.lazy_dataclass import replace


def filters_first(plan: LogicalPlan) -> LogicalPlan:
    """A filter goes before the requests and measurements that it does not depend on: a row that it drops has none."""
    return plan.with_flows(
        {
            name: _moved(
                flow, _is_filter, lambda step: _asks(step) or isinstance(step, Measure), "filters_first"
            )
            for name, flow in plan.flows.items()
        }
    )


def verdicts_first(plan: LogicalPlan) -> LogicalPlan:
    """A verifier that asks no model and only drops rows goes before the requests that it does not depend on: what it
    fails is neither answered nor judged."""
    return plan.with_flows(
        {name: _moved(flow, _is_plain_verdict, _asks, "verdicts_first") for name, flow in plan.flows.items()}
    )


def _asks(step: Work) -> bool:
    return bool(step.traits.asks)


def _is_filter(step: Work) -> bool:
    return isinstance(step, Apply) and step.decl.entry.drops_only and bool(step.depends_on)


def _is_plain_verdict(step: Work) -> bool:
    """It has one row's columns to go by, and what fails ends there."""
    return (
        isinstance(step, Measure)
        and bool(step.depends_on)
        and not (_asks(step) or step.traits.gathers or step.decl.makes)
        and word_of(step.values.get("on_fail") or "drop") == "drop"
    )


def _moved(flow: Flow, moves: Callable[[Work], bool], costs: Callable[[Work], bool], by: str) -> Flow:
    """The flow with each step that `moves` before the first step that `costs` of those it may move past."""
    steps = list(flow.steps)
    for at, step in enumerate(flow.steps):
        if not moves(step):
            continue
        # Moves stay within what is in front, so that `at` is the step's place in both lists.
        before = _Before(steps[:at], _folded(flow.steps))
        target = at
        for position in range(at - 1, -1, -1):
            if before.stops(position, step):
                break
            if costs(steps[position]):
                target = position
        if target < at:
            del steps[at]
            steps.insert(target, replace(step, adds=_adds(step, flow.scan, steps[:target]), moved_by=by))
    return flow.with_steps(steps)


def _folded(steps: Sequence[Work]) -> set[str]:
    """The steps whose rows a `fold` brings together."""
    groups = groups_of(step.part for step in steps)
    found = set()
    for group in groups.every:
        closed = groups.closed_at(group.opened_by[0])
        if closed is not None and isinstance(steps[closed], Fold):
            found |= {steps[at].id for at in group.opened_by}
    return found


class _Before:
    """What stands before a step that may move."""

    def __init__(self, steps: Sequence[Work], folded: Collection[str]) -> None:
        self._steps = steps
        self._folded = folded
        parts = [step.part for step in steps]
        self._groups = groups_of(parts)
        self._made = [frozenset(step.decl.makes) for step in steps]
        for verifier, maker in asked_again(parts):
            self._made[verifier] |= frozenset().union(*self._made[maker:verifier])

    def stops(self, position: int, step: Work) -> bool:
        """Must `step` stay behind the step at `position`?"""
        passed = self._steps[position]
        if isinstance(passed, Keep | Fold | Loop) or passed.id in self._folded:
            return True
        if passed.decl.inside != step.decl.inside:
            return True
        since = position
        if passed.traits.gathers and self._groups.open_at[position]:
            since = min(self._groups.open_at[position][-1].opened_by)
        made = frozenset().union(*self._made[since : position + 1])
        return any(_is_of(column, name) for column in step.depends_on for name in made)


def _adds(step: Work, scan: Scan, before: Sequence[Work]) -> Schema:
    """Columns that rows have after the step as far as anything says so, and not before it: of rows of which little is
    known, those that it reads, which another step may have been the first to read."""
    known = set(scan.columns).union(*(other.adds for other in before))
    types = step.decl.columns
    return {name: types[name] for name in sorted(step.depends_on) if name in types and name not in known}


def _is_of(column: str, made: str) -> bool:
    """`answer.reasoning` is made with `answer`."""
    return column == made or column.startswith(f"{made}.")
