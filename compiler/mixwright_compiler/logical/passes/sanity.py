"""The last pass: what no pass may have broken."""

from __future__ import annotations

from collections.abc import Sequence

from mixwright_compiler.logical.nodes import Flow, Fold, Keep, LogicalPlan, Work


class Unsound(Exception):
    """A pass has made a plan that would not make the rows of its spec: a fault of Mixwright, not of the spec."""


def check_sanity(plan: LogicalPlan) -> LogicalPlan:
    """Nothing changes: every column that a step reads is bound, no step is lost or has crossed a breaker, and every group
    and every second answer has its steps in their order; what is not so would be wrong rows, and stops here."""
    for flow in plan.flows.values():
        for problem in (*_columns(flow), *_segments(flow), *_groups(flow)):
            raise Unsound(f"pipeline {flow.name}: {problem}")
    return plan


def _columns(flow: Flow) -> list[str]:
    found = []
    bound = set(flow.scan.columns)
    written = {decl.id: place for place, decl in enumerate(flow.decl.steps)}
    for at, step in enumerate(flow.steps):
        behind = flow.steps[at + 1 :]
        # What a step makes that was written behind this one is not what this one reads: the rows have it before.
        earlier = [other for other in behind if written[other.id] < written[step.id]]
        later = {name for other in earlier for name in other.decl.makes}
        # A loop reads what its steps make, when a round is done.
        made_inside = {name for other in behind if other.decl.inside == step.id for name in other.decl.makes}
        for column in sorted(step.depends_on - bound - made_inside):
            # Of rows of which little is known a column may be there that no step makes.
            if not flow.scan.is_open or column in later:
                found.append(f"{step.id} reads {column}, which is not there yet")
        bound |= set(step.adds) | set(step.decl.makes)
        if isinstance(step, Fold):
            bound &= set(step.decl.columns)
    return found


def _segments(flow: Flow) -> list[str]:
    written = _between_breakers([(decl.id, decl.entry.breaker) for decl in flow.decl.steps])
    here = _between_breakers([(step.id, isinstance(step, Keep)) for step in flow.steps])
    if written != here:
        return ["a step is lost, or has crossed a breaker"]
    return [
        f"{step.id} is not in the body of {step.decl.inside}"
        for at, step in enumerate(flow.steps)
        if step.decl.inside
        and (not at or step.decl.inside not in (flow.steps[at - 1].id, *_around(flow, at - 1)))
    ]


def _around(flow: Flow, at: int) -> list[str]:
    """The loops that a step is in, from the inside out."""
    loops = {step.id: step.decl.inside for step in flow.steps}
    found, inside = [], flow.steps[at].decl.inside
    while inside:
        found.append(inside)
        inside = loops[inside]
    return found


def _between_breakers(steps: Sequence[tuple[str, bool]]) -> list[list[str]]:
    """The breakers, and what stands between them in the order of names."""
    found: list[list[str]] = [[]]
    for id, is_breaker in steps:
        if is_breaker:
            found += [[id], []]
        else:
            found[-1].append(id)
    return [sorted(part) for part in found]


def _groups(flow: Flow) -> list[str]:
    if flow.gatherings is None or flow.asks_again is None:
        return ["its groups are not placed"]
    place = {step.id: at for at, step in enumerate(flow.steps)}
    found = []
    for group in flow.gatherings:
        order = [place[id] for id in (group.opened_by[0], *group.looked_at_by)]
        if order != sorted(order) or (group.closed_by and group.closed_by != group.looked_at_by[-1]):
            found.append(f"the group of {group.opened_by[0]} is looked at before it is there")
        if _is_scattered(flow.steps[order[0] : order[-1]]):
            found.append(f"the group of {group.opened_by[0]} is looked at behind a breaker")
    for verifier, maker in flow.asks_again.items():
        if place[maker] > place[verifier] or _is_scattered(flow.steps[place[maker] : place[verifier]]):
            found.append(f"{verifier} would have {maker} answer again")
    return found


def _is_scattered(steps: Sequence[Work]) -> bool:
    return any(isinstance(step, Keep) for step in steps)
