"""Step `select diverse`: rows with many tags first, and those whose tags are new."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import STEP
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Place, Table
from mixwright_runtime.steps.choosing import HOW_MANY, ONE_OF_THEM, chosen, not_selected, wanted_of
from mixwright_runtime.values.rows import Row


@declare(
    "select",
    "diverse",
    breaker=True,
    needs_all_rows=True,
    one_of=ONE_OF_THEM,
    rules=("alone", "tags"),
    attributes=(
        attribute("by", "column", "a column with the list of a row's tags", default=REQUIRED),
        *HOW_MANY,
        *STEP,
    ),
)
class SelectDiverse(Table):
    """Keeps rows with many tags that cover many tags (InsTag, Lu et al. 2023, algorithm 1).

    ```mix
    pipeline chosen {
      from tagged
      select diverse { by = tags, count = 6k }
    }
    ```

    Rows stand in the order of how many different tags they have, most first, and of equal ones those that started earlier
    first. A pass goes through those not yet taken and takes each that has a tag which the pass has not seen. When there
    are too few, another pass begins with no tag seen; one that takes nothing is the last, so that rows without tags are
    never taken, and fewer rows than `count` may be kept. The kept rows stay in their order. All rows are started.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        self._step = step
        self._by = str(step.attributes["by"])
        self._facts: dict[str, Any] = {}

    async def table(self, rows: Sequence[Row]) -> Iterator[Place]:
        """Called once, with all rows."""
        tags = await asyncio.to_thread(lambda: [tags_of(row.columns.get(self._by)) for row in rows])
        passes = await asyncio.to_thread(covering, tags, wanted_of(self._step, len(rows)))
        kept = [at for taken in passes for at in taken]
        self._facts = {
            "rows": len(rows),
            "kept": len(kept),
            "passes": [len(taken) for taken in passes],
            "tags": len(set().union(*tags)),
            "tags_kept": len(set().union(*(tags[at] for at in kept))),
        }
        return chosen(self._step, rows, kept, lambda at: not_selected(at) if tags[at] else ("no tags", None))

    def report(self) -> dict[str, Any]:
        """Rows seen and kept, how many each pass took, and how many different tags there were and are kept."""
        return self._facts


def tags_of(value: object) -> frozenset[str]:
    """The different tags in a column: a list's texts."""
    items = value if isinstance(value, list) else ()
    return frozenset(item for item in items if isinstance(item, str) and item)


def covering(tags: Sequence[frozenset[str]], count: int) -> list[list[int]]:
    """Places of at most `count` sets, those of each pass by themselves, in the order in which they are taken."""
    left = sorted(range(len(tags)), key=lambda at: -len(tags[at]))
    passes: list[list[int]] = []
    wanted = count
    while wanted:
        seen: set[str] = set()
        taken: list[int] = []
        rest: list[int] = []
        for at in left:
            if len(taken) < wanted and not tags[at] <= seen:
                seen |= tags[at]
                taken.append(at)
            else:
                rest.append(at)
        if not taken:
            break
        passes.append(taken)
        wanted -= len(taken)
        left = rest
    return passes
