"""Candidates of a row as groups: which step opens one, which verifiers look at it as a whole, which one closes it.

    generate { samples = 8 }     opens a group of 8
    verify { … }                 looks at each candidate by itself
    verify { agree = 5 }         compares them: looks at all of them together, and those that pass stay a group
    verify { pick = best }       closes the group: one of them goes on, as the row
    dedup …                      decides on all rows: from here on every candidate is a row of its own

Groups nest: what is opened last is looked at, and closed, first. The compiler checks by these rules and the runtime
runs by them; what a step does with candidates is declared with it (`compiler.traits`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod

from compiler.traits import NO_TRAITS, Traits


@dataclass(frozen=True)
class Part:
    """One step, as far as groups go: the column with its label, and whether it decides on all rows."""

    traits: Traits = NO_TRAITS
    column: str = ""
    breaker: bool = False

    @property
    def samples(self) -> int:
        """Candidates that it makes of a row."""
        return self.traits.candidates


@dataclass(frozen=True)
class Group:
    """Candidates of a row. opened_by: the steps that make them, by position: several where each does so under a
    condition of its own. samples: how many there are at most."""

    opened_by: tuple[int, ...]
    samples: int


@dataclass(frozen=True)
class Groups:
    """Of the steps of one pipeline.

    open_at: the groups open in front of each step, the innermost last.
    ended_by: for each step, where none is open: the step before it that closed or scattered the last one; else None.
    fanout: rows that one row becomes when nothing is dropped: candidates that nobody picks from stay rows.
    """

    open_at: tuple[tuple[Group, ...], ...]
    ended_by: tuple[int | None, ...]
    fanout: int
    parts: tuple[Part, ...]

    def gathered_at(self, position: int) -> tuple[int, ...]:
        """The verifiers that look at what the sampling step at `position` makes as a whole, up to the closing one."""
        return tuple(
            at
            for at, part in enumerate(self.parts)
            if part.traits.gathers and self.open_at[at] and position in self.open_at[at][-1].opened_by
        )

    def closed_at(self, position: int) -> int | None:
        """The verifier that closes the group of the sampling step at `position`."""
        return next((at for at in self.gathered_at(position) if self.parts[at].traits.picks), None)

    def looked_at(self, position: int) -> int:
        """How many candidates the verifier at `position` sees together; 1 where no group is open."""
        return self.open_at[position][-1].samples if self.open_at[position] else 1


def groups_of(parts: Iterable[Part]) -> Groups:
    """The groups of a pipeline's steps, in order."""
    known = tuple(parts)
    open_now: list[Group] = []
    ended: int | None = None
    fanout = 1
    open_at: list[tuple[Group, ...]] = []
    ended_by: list[int | None] = []
    for at, part in enumerate(known):
        open_at.append(tuple(open_now))
        ended_by.append(None if open_now else ended)
        if part.breaker and open_now:
            ended = at
            fanout *= prod(group.samples for group in open_now)
            open_now.clear()
        elif part.traits.picks and open_now:
            open_now.pop()
            ended = at
        elif part.samples > 1:
            _open(open_now, at, part, known)
    fanout *= prod(group.samples for group in open_now)
    return Groups(tuple(open_at), tuple(ended_by), fanout, known)


def _open(open_now: list[Group], at: int, part: Part, known: Sequence[Part]) -> None:
    """A group more; or more of the innermost, where another step makes the same column of other rows."""
    if open_now and known[open_now[-1].opened_by[-1]].column == part.column:
        last = open_now.pop()
        open_now.append(
            replace(last, opened_by=(*last.opened_by, at), samples=max(last.samples, part.samples))
        )
    else:
        open_now.append(Group((at,), part.samples))
