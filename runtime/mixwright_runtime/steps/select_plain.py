"""Steps `select top` and `select random`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import STEP
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Place, Table
from mixwright_runtime.steps.choosing import HOW_MANY, ONE_OF_THEM, Ranking, chosen, wanted_of
from mixwright_runtime.values.rows import Row, digest, order_key


@declare(
    "select",
    "top",
    breaker=True,
    needs_all_rows=True,
    one_of=ONE_OF_THEM,
    rules=("alone",),
    attributes=(
        attribute("by", "expr:float", "what rows are compared by: the largest are kept", default=REQUIRED),
        *HOW_MANY,
        *STEP,
    ),
)
class SelectTop(Table):
    """Keeps the rows of which a number is largest.

    ```mix
    pipeline longest {
      from instructions
      select top { by = len(response), count = 300k }
    }
    ```

    Of rows with equal numbers those that started earlier are kept. Rows without a number (null) are dropped. The kept
    rows stay in their order and are not sorted, so that a mixture which takes fewer of them takes any. All rows are
    started: which are the largest is known when all are there.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        self._step = step
        self._by = context.expression(step.attributes["by"])
        self._facts: dict[str, Any] = {}

    async def table(self, rows: Sequence[Row]) -> Iterator[Place]:
        """Called once, with all rows."""
        ranking = await asyncio.to_thread(Ranking, rows, self._by)
        kept = ranking.places[: wanted_of(self._step, len(rows))]
        self._facts = {
            "rows": len(rows),
            "kept": len(kept),
            "without_a_value": len(rows) - len(ranking.places),
        }
        if kept:
            self._facts |= {"largest": ranking.values[kept[0]], "smallest_kept": ranking.values[kept[-1]]}
        return chosen(self._step, rows, kept, partial(ranking.why, what="value"))

    def report(self) -> dict[str, Any]:
        """Rows seen and kept, and the numbers between which those that were kept lie."""
        return self._facts


@declare(
    "select",
    "random",
    breaker=True,
    needs_all_rows=True,
    one_of=ONE_OF_THEM,
    rules=("alone",),
    attributes=(
        *HOW_MANY,
        attribute("seed", "int", "with another one other rows are drawn [the pipeline's]", cls="set"),
        *STEP,
    ),
)
class SelectRandom(Table):
    """Keeps rows drawn at random, without replacement: the baseline of every other selection.

    ```mix
    pipeline baseline {
      from instructions
      select random { count = 6k, seed = 1 }
    }
    ```

    Which rows those are hangs on the seed and the rows' identities alone, so that a larger `count` keeps the same rows
    and more. All rows are started.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        self._step = step
        seed = step.attributes.get("seed")
        self._seed = context.seed if seed is None else int(seed)
        self._facts: dict[str, Any] = {}

    async def table(self, rows: Sequence[Row]) -> Iterator[Place]:
        """Called once, with all rows."""
        kept = (await asyncio.to_thread(self._drawn, rows))[: wanted_of(self._step, len(rows))]
        self._facts = {"rows": len(rows), "kept": len(kept)}
        return chosen(self._step, rows, kept)

    def _drawn(self, rows: Sequence[Row]) -> list[int]:
        # In a domain of its own: rows start by `order_key(seed, row_id)`, and a draw by the same would take the first.
        keys = [order_key(self._seed, digest("mixwright.random.v1", row.row_id)) for row in rows]
        return sorted(range(len(keys)), key=keys.__getitem__)

    def report(self) -> dict[str, Any]:
        """Rows seen and kept."""
        return self._facts
