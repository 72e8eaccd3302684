"""Candidates of a row as groups: which step opens one, which verifiers look at it as a whole, which one closes it.

    generate { samples = 8 }     opens a group of 8
    verify { … }                 looks at each candidate by itself
    verify { agree = 5 }         compares them: looks at all of them together, and those that pass stay a group
    verify { band = { … } }      looks at all of them together: lets the group go on, or drops it
    verify { pick = best }       closes the group: one of them goes on, as the row
    each { of = list }           opens a group, too: a row for each item
    fold { n = count() }         closes a group: the row that it was made of goes on, with what is worked out from it
    dedup …                      decides on all rows: from here on every candidate is a row of its own

Groups nest: what is opened last is looked at, and closed, first. Inside a loop there are groups of its own: none that is
open outside can be looked at there, and none that is opened there can be looked at outside. The compiler checks by these
rules and the runtime runs by them; what a step does with candidates is declared with it
(`mixwright_compiler.catalog.traits`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import Any, TypeVar

from mixwright_compiler.catalog.traits import NO_TRAITS, Traits, further_answers
from mixwright_dsl.lazy_dataclass import dataclass, replace


@dataclass(frozen=True)
class Part:
    """One step, as far as groups go: the column with its label, and whether it decides on all rows; of a verifier the
    column that it looks at, and whether it has that answered again. inside: the loop whose body it is in."""

    traits: Traits = NO_TRAITS
    column: str = ""
    breaker: bool = False
    response: str = ""
    asks_again: bool = False
    inside: str = ""

    @property
    def samples(self) -> int:
        """Candidates that it makes of a row."""
        return self.traits.candidates

    @property
    def answers(self) -> bool:
        """It writes a model's answers into a column."""
        return any(question.writes for question in self.traits.asks)


def part_of(
    family: str,
    traits: Traits,
    values: Mapping[str, Any],
    *,
    column: str = "",
    breaker: bool = False,
    inside: str = "",
) -> Part:
    """The part of a step of this family with these attributes, plain."""
    if family != VERIFIERS:
        return Part(traits, column, breaker, inside=inside)
    asks_again = further_answers(values.get("on_fail")) > 0
    return Part(traits, column, breaker, str(values.get("response") or ""), asks_again, inside)


VERIFIERS = "verify"
"""The family of steps that measure, whose `on_fail` may have the answer that they look at given again."""


def is_in_band(passing: int, candidates: int, low: float, high: float) -> bool:
    """Whether so many of a row's candidates are a share from `low` to `high`, both inclusive."""
    # A little wider: 3 of 10 are 30%, whatever their floats are.
    return low - 1e-9 <= passing / candidates <= high + 1e-9


StepName = TypeVar("StepName", int, str)
"""A step of a pipeline, by its position or its id."""


def among(
    steps: Sequence[StepName], opened_by: Collection[StepName], closed_by: StepName | None
) -> Sequence[StepName]:
    """The steps that a group's candidates go through one by one, from the first that makes them to the one that closes
    the group; to the last where none does. What is made there, each candidate has for itself."""
    last = len(steps) if closed_by is None else steps.index(closed_by) + 1
    return steps[min(map(steps.index, opened_by)) : last]


@dataclass(frozen=True)
class Group:
    """Candidates of a row. opened_by: the steps that make them, by position: several where each does so under a
    condition of its own. samples: how many there are at most."""

    opened_by: tuple[int, ...]
    samples: int


@dataclass(frozen=True)
class Groups:
    """Of the steps of one pipeline.

    every: the groups there are, in the order in which they open, as they are at last.
    open_at: the groups open in front of each step, the innermost last.
    ended_by: for each step, where none is open: the step before it that closed or scattered the last one; else None.
    """

    every: tuple[Group, ...]
    open_at: tuple[tuple[Group, ...], ...]
    ended_by: tuple[int | None, ...]
    parts: tuple[Part, ...]

    @property
    def fanout(self) -> int:
        """Rows that one row becomes when nothing is dropped: candidates that nobody picks from stay rows."""
        return prod(group.samples for group in self.every if self.closed_at(group.opened_by[0]) is None)

    def gathered_at(self, position: int) -> tuple[int, ...]:
        """The verifiers that look at what the sampling step at `position` makes as a whole, up to the closing one."""
        return tuple(
            at
            for at, part in enumerate(self.parts)
            if part.traits.gathers and self.open_at[at] and position in self.open_at[at][-1].opened_by
        )

    def closed_at(self, position: int) -> int | None:
        """The step that closes the group of the sampling step at `position`."""
        return next((at for at in self.gathered_at(position) if self.parts[at].traits.closes), None)

    def open_after(self, inside: str = "") -> tuple[Group, ...]:
        """Groups that are open behind the last step, in the body of this loop, the innermost last."""
        return groups_of((*self.parts, Part(inside=inside))).open_at[-1]

    def looked_at(self, position: int) -> int:
        """How many candidates the verifier at `position` sees together; 1 where no group is open."""
        return self.open_at[position][-1].samples if self.open_at[position] else 1


def groups_of(parts: Iterable[Part]) -> Groups:
    """The groups of a pipeline's steps, in order."""
    known = tuple(parts)
    every: list[Group] = []
    open_in: dict[str, list[int]] = {}
    """Loop -> positions in `every`."""
    ended_in: dict[str, int | None] = {}
    open_at: list[tuple[Group, ...]] = []
    ended_by: list[int | None] = []
    for at, part in enumerate(known):
        open_now = open_in.setdefault(part.inside, [])
        open_at.append(tuple(every[group] for group in open_now))
        ended_by.append(None if open_now else ended_in.get(part.inside))
        if part.breaker and open_now:
            ended_in[part.inside] = at
            open_now.clear()
        elif part.traits.closes and open_now:
            open_now.pop()
            ended_in[part.inside] = at
        elif part.traits.opens:
            innermost = every[open_now[-1]] if open_now else None
            if (
                innermost is not None
                and not part.traits.spreads
                and known[innermost.opened_by[-1]].column == part.column
            ):
                # More of it: another step makes the same column of other rows.
                most = max(innermost.samples, part.samples)
                every[open_now[-1]] = replace(innermost, opened_by=(*innermost.opened_by, at), samples=most)
            else:
                open_now.append(len(every))
                every.append(Group((at,), part.samples))
    return Groups(tuple(every), tuple(open_at), tuple(ended_by), known)


def asked_again(parts: Iterable[Part]) -> Iterator[tuple[int, int]]:
    """Position of each verifier that has an answer given again, and of the step that gives it: the one that makes the
    column it looks at, else the last one before it. Left out where a step stands between that decides on several rows
    together, makes several of one or is a loop: what it let pass cannot be taken back."""
    known = tuple(parts)
    for at, verifier in enumerate(known):
        if not verifier.asks_again:
            continue
        makers = []
        for before in range(at - 1, -1, -1):
            traits = known[before].traits
            if known[before].inside != verifier.inside:
                continue
            if known[before].breaker or traits.compares or traits.folds or traits.spreads or traits.loops:
                break
            if known[before].answers:
                makers.append(before)
        of_column = (maker for maker in makers if known[maker].column == verifier.response)
        if makers:
            yield at, next(of_column, makers[0])


@dataclass(frozen=True)
class Gathering:
    """A group by the ids of its steps: those that open it, how many candidates there are at most, the verifiers that look
    at them together, one after the other, and that of these which lets one of them go on, if there is one."""

    opened_by: tuple[str, ...]
    samples: int
    looked_at_by: tuple[str, ...] = ()
    closed_by: str = ""


def gatherings_of(steps: Iterable[tuple[str, Part]]) -> tuple[tuple[Gathering, ...], dict[str, str]]:
    """The groups of these steps, which are named; and by verifier that has an answer given again, who gives it."""
    named = list(steps)
    ids = [id for id, _ in named]
    groups = groups_of(part for _, part in named)
    found = []
    for group in groups.every:
        looked_at = groups.gathered_at(group.opened_by[0])
        closed = groups.closed_at(group.opened_by[0])
        found.append(
            Gathering(
                tuple(ids[at] for at in group.opened_by),
                group.samples,
                tuple(ids[at] for at in looked_at),
                "" if closed is None else ids[closed],
            )
        )
    return tuple(found), {ids[at]: ids[maker] for at, maker in asked_again(groups.parts)}
