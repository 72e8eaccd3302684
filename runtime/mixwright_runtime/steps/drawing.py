"""What may be drawn for a row, and choosing of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, overload

from mixwright_runtime.values.choices import Choices


@dataclass(frozen=True)
class Thing:
    """What may be drawn: `value` is put into the column, `whole` is what `where` sees, `stratum` the value of the column
    that `balance` names, `row_id` that of a source row."""

    value: Any
    whole: Any
    stratum: str = ""
    row_id: bytes = b""


class Things(Sequence[Thing]):
    """Rows as what may be drawn, each made when it is looked at: a pool is large, and few of it are drawn."""

    def __init__(self, rows: Sequence[Any], thing: Callable[[Any], Thing]) -> None:
        self._rows = rows
        self._thing = thing

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, at: int) -> Thing: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Thing]: ...
    def __getitem__(self, at: int | slice) -> Thing | Sequence[Thing]:
        if isinstance(at, slice):
            return Things(self._rows[at], self._thing)
        return self._thing(self._rows[at])


def strata_of(things: Iterable[Thing]) -> list[list[Thing]]:
    groups: dict[str, list[Thing]] = {}
    for thing in things:
        groups.setdefault(thing.stratum, []).append(thing)
    return [groups[key] for key in sorted(groups)]


def balanced(choices: Choices, strata: list[list[Thing]], count: int) -> list[Thing]:
    """Up to `count` different rows. Strata take turns in random order, so that while none is used up the numbers of rows
    drawn from each differ by one at most."""
    count = min(count, sum(map(len, strata)))
    wanted = [0] * len(strata)
    while (missing := count - sum(wanted)) > 0:
        able = [i for i, stratum in enumerate(strata) if len(stratum) > wanted[i]]
        for i in choices.sample(able, min(missing, len(able))):
            wanted[i] += 1
    drawn = [
        row for i, stratum in enumerate(strata) if wanted[i] for row in choices.sample(stratum, wanted[i])
    ]
    return choices.sample(drawn, len(drawn))


def run_of(items: list[Any], longest: int, least: int, choices: Choices) -> list[Any]:
    """From `least` to `longest` items that stand together; all of a list that has fewer than `least`."""
    starts = len(items) - least + 1
    if starts < 1:
        return items
    start = choices.below(starts)
    return items[start : start + least + choices.below(longest - least + 1)]
