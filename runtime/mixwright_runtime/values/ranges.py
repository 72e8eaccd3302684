"""Work on many rows in ranges of them: a pure function of a range, done here, or by whoever a run has for that.

    ranges ─▶ Ranges.each ─▶ what the function makes of each, in their order

Where it is done decides nothing: what comes back is what `here` would have made. So who has others do it can always do it
alone, and does where they cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

R = TypeVar("R")
V = TypeVar("V")

LIMIT_S = 60.0
"""CPU seconds that a range may take: some hundred times what one takes that is not made to be hard. Chosen."""


@dataclass(frozen=True)
class RangeWork(Generic[R, V]):
    """A function of a range.

    what: whose it is, in words. here: the function itself. function: the same for another process, `module:function`; it
    is called with the path of a file of what `shared` makes, and with what `sent` makes of a range. came: reads what it
    returns, for that range. Both travel as JSON. prover: another such function, called with the path alone; where it
    returns something else than `proof` does, the process has other libraries or files than this one and gets no range.
    files: what ranges share besides and is too much for memory; where these are in the other process is told in a list
    behind the path of what is shared. limit_s: CPU seconds that a range or the proof may take. loads_model: the function
    has a model, and needs a GPU where there is one, and memory.
    """

    what: str
    here: Callable[[R], V]
    function: str
    sent: Callable[[R], object]
    came: Callable[[R, Any], V]
    prover: str
    proof: Callable[[], object]
    shared: Callable[[], bytes]
    files: tuple[Path, ...] = ()
    limit_s: float = LIMIT_S
    loads_model: bool = False


class Ranges(Protocol):
    """Who does such work."""

    def each(self, work: RangeWork[R, V], ranges: Iterable[R]) -> Iterator[tuple[R, V]]:
        """Each range with what is made of it, in their order; some ranges are taken ahead. Called in a thread, not in the
        event loop's. Raises what `here` raises."""

    async def one(self, work: RangeWork[R, V], given: R) -> V:
        """What it makes of one range; called in the event loop. Raises what `here` raises."""


class Here:
    """This process. See `Ranges`."""

    def each(self, work: RangeWork[R, V], ranges: Iterable[R]) -> Iterator[tuple[R, V]]:
        """See `Ranges.each`."""
        return ((given, work.here(given)) for given in ranges)

    async def one(self, work: RangeWork[R, V], given: R) -> V:
        """See `Ranges.one`."""
        return work.here(given)


HERE = Here()
