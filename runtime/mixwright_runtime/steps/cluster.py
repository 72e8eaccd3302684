"""Step `cluster`: which rows' texts mean nearly the same."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from mixwright_compiler.catalog.catalog import Asks
from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import STEP
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Place
from mixwright_runtime.steps.by_vectors import ByVectors
from mixwright_runtime.steps.components import Components
from mixwright_runtime.steps.embedded import EMBEDDER, unembedded
from mixwright_runtime.values.rows import Row
from mixwright_runtime.values.texts import text_of


@declare(
    "step",
    "cluster",
    label="new_column",
    makes={"{label}": "text", "{label}.size": "int"},
    breaker=True,
    needs_all_rows=True,
    asks=(Asks("model"),),
    attributes=(
        attribute(
            "on",
            "column",
            "the column with the text, or a chat, of which the user messages count",
            default=REQUIRED,
        ),
        EMBEDDER,
        attribute(
            "min",
            "share",
            "texts are near whose vectors have at least this cosine",
            default=0.9,
            minimum=0.0,
            maximum=1.0,
        ),
        attribute(
            "link",
            "enum:first|any",
            "`first`: a row joins a group when it is near the group's first row; `any`: when it is near any row of it, "
            "so that groups grow along chains",
            default="first",
        ),
        *STEP,
    ),
)
class ClusterRows(ByVectors):
    """Gives rows whose texts mean nearly the same the same value in a column, which `fold { by = … }` brings together.

    ```mix
    pipeline merged {
      from instructions
      cluster group { on = instruction, model = embedder, min = 0.9 }
      fold { by = group, members = list(instruction) }
    }
    ```

    A group is named by the identity of its first row, in the order in which rows were started; `NAME.size` says how many
    it has. With `link = first` a row joins the earliest group whose first row is near, so that two rows of a group are
    never far apart; with `link = any` the groups are the connected parts of the graph of near rows. Every pair is
    compared, exactly; vectors are asked for once for each text and kept in the store. A row without a text is a group of
    its own; one whose text the model cannot embed is quarantined.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        super().__init__(step, context, "cluster", cosine=float(attributes["min"]))
        self._step = step
        self._column = str(attributes["on"])
        self._joins_any = attributes.get("link") == "any"
        self._facts: dict[str, Any] = {}

    async def table(self, rows: Sequence[Row]) -> list[Place]:
        """Called once, with all rows."""
        texts = [text_of(row.columns.get(self._column)) for row in rows]
        groups = Components(len(rows))
        held: list[int] = []
        """The row of each vector that is held."""
        decided: list[Place] = list(rows)
        async for places, vectors, failed in self._vectors(texts):
            if self._joins_any:
                held += places
                await asyncio.to_thread(groups.join_near, self._near, vectors, held)
            else:
                for at, near in zip(
                    places, await asyncio.to_thread(self._near.admit, vectors, "earliest"), strict=True
                ):
                    if near is None:
                        held.append(at)
                    else:
                        groups.join(held[near[0]], at)
            for at, result in failed.items():
                decided[at] = unembedded(rows[at], self._step.id, result)
        first = groups.first_of()
        sizes = Counter(first[at] for at, place in enumerate(decided) if isinstance(place, Row))
        name, size = self._step.label, f"{self._step.label}.size"
        for at, place in enumerate(decided):
            if isinstance(place, Row):
                group = first[at]
                decided[at] = place.with_columns(**{name: rows[group].row_id.hex(), size: sizes[group]})
        self._facts = {
            "rows": len(rows),
            "groups": len(sizes),
            "alone": sum(count == 1 for count in sizes.values()),
            "largest": max(sizes.values(), default=0),
            "compared": self._near.compared,
        }
        return decided

    def report(self) -> dict[str, Any]:
        """Rows, groups, groups of one row, rows of the largest, and how many pairs had to be compared whole."""
        return self._facts
