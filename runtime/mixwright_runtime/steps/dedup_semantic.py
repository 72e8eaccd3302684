"""Step `dedup semantic`: keeps a row unless its text means nearly what one kept before does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mixwright_compiler.catalog.catalog import Asks
from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import ON, STEP
from mixwright_runtime.plugins.declare import attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Place
from mixwright_runtime.steps.by_vectors import ByVectors
from mixwright_runtime.steps.embedded import EMBEDDER, unembedded
from mixwright_runtime.values.row_ids import RowIds
from mixwright_runtime.values.rows import Dropped, Row


@declare(
    "dedup",
    "semantic",
    breaker=True,
    asks=(Asks("model"),),
    attributes=(
        ON,
        EMBEDDER,
        attribute(
            "distance",
            "float",
            "a row is dropped when one kept before is at most so far from it",
            default=0.05,
            cls="set",
            minimum=0.0,
            maximum=2.0,
        ),
        attribute(
            "metric",
            "enum:cosine|l2",
            "`cosine`: one less the cosine of the two vectors; `l2`: the squared length of their difference, which is "
            "twice that, and what FAISS calls L2",
            default="cosine",
            cls="set",
        ),
        *STEP,
    ),
)
class SemanticDedup(ByVectors):
    """Keeps the first of rows whose texts mean nearly the same, by the vectors of an embedding model.

    ```mix
    pipeline distinct {
      from instructions
      dedup semantic { on = instruction, model = embedder, distance = 0.05 }
    }
    ```

    Rows are compared in the order in which they were started, exactly, with every row kept before. A vector is asked for
    once for each text, kept in the store, and never becomes a column, so that moving `distance` asks nothing again. A row
    without a text passes; one whose text the model cannot embed is quarantined.

    The evidence of a dropped row is the nearest row that was kept, and their distance.

    Memory: for each row kept a part of its vector, 300 bytes for 384 numbers at the default distance; the vectors lie in
    a temporary file while the run lasts.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._step_id = step.id
        self._scale = 2.0 if attributes.get("metric") == "l2" else 1.0
        distance = attributes.get("distance")
        nearest = 1.0 - (0.05 if distance is None else float(distance)) / self._scale
        super().__init__(step, context, "dedup semantic", cosine=nearest)
        self._kept = RowIds()
        """The row of each vector that is held."""
        self._rows = self._similar = 0

    async def table(self, rows: Sequence[Row]) -> list[Place]:
        """Each row, or the one kept before that it is too near to."""
        decided: list[Place] = list(rows)
        self._rows += len(rows)
        async for places, vectors, failed, _ in self._vectors(rows, range(len(rows))):
            found = await asyncio.to_thread(self._near.admit, vectors, "nearest")
            for at, near in zip(places, found, strict=True):
                if near is None:
                    self._kept.extend((rows[at].row_id,))
                else:
                    place, cosine = near
                    distance = round(self._scale * (1.0 - cosine), 6)
                    detail = {"of": self._kept[place].hex(), "distance": distance}
                    decided[at] = Dropped(rows[at], self._step_id, "too similar", detail)
                    self._similar += 1
            for at, result in failed.items():
                decided[at] = unembedded(rows[at], self._step_id, result)
        return decided

    def report(self) -> dict[str, int]:
        """Rows seen, those too near to another, and how many pairs had to be compared whole."""
        return {"rows": self._rows, "too_similar": self._similar, "compared": self._near.compared}
