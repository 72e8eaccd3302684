"""Step `cluster`: which rows' texts mean nearly the same."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mixwright_compiler.catalog.catalog import Asks
from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import STEP
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import StepContext, VectorResult
from mixwright_runtime.plugins.shapes import Place
from mixwright_runtime.steps.by_vectors import ByVectors
from mixwright_runtime.steps.components import Components
from mixwright_runtime.steps.embedded import EMBEDDER, unembedded
from mixwright_runtime.values.row_ids import RowIds
from mixwright_runtime.values.rows import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
        self._joins_any = attributes.get("link") == "any"
        self._facts: dict[str, Any] = {}

    async def table(self, rows: Sequence[Row]) -> Iterator[Place]:
        """Called once, with all rows."""
        import numpy as np

        groups = Components(len(rows))
        held = array("q")
        """The row of each vector that is held."""
        failures: dict[int, VectorResult] = {}
        async for places, vectors, failed, _ in self._vectors(rows, range(len(rows))):
            if self._joins_any:
                held.extend(places)
                await asyncio.to_thread(groups.join_near, self._near, vectors, held)
            else:
                for at, near in zip(
                    places, await asyncio.to_thread(self._near.admit, vectors, "earliest"), strict=True
                ):
                    if near is None:
                        held.append(at)
                    else:
                        groups.join(held[near[0]], at)
            failures |= failed
        firsts = groups.first_of()
        sizes = np.bincount(np.delete(firsts, list(failures)), minlength=len(rows))
        self._facts = {
            "rows": len(rows),
            "groups": int((sizes > 0).sum()),
            "alone": int((sizes == 1).sum()),
            "largest": int(sizes.max(initial=0)),
            "compared": self._near.compared,
        }
        return self._grouped(rows, firsts, sizes, failures)

    def _grouped(
        self,
        rows: Sequence[Row],
        firsts: NDArray[np.intp],
        sizes: NDArray[np.intp],
        failures: Mapping[int, VectorResult],
    ) -> Iterator[Place]:
        """Rows with their groups. A group's first stands before all others of it."""
        ids = RowIds()
        name, size = self._step.label, f"{self._step.label}.size"
        for at, row in enumerate(rows):
            ids.extend((row.row_id,))
            if at in failures:
                yield unembedded(row, self._step.id, failures[at])
            else:
                first = int(firsts[at])
                yield row.with_columns(**{name: ids[first].hex(), size: int(sizes[first])})

    def report(self) -> dict[str, Any]:
        """Rows, groups, groups of one row, rows of the largest, and how many pairs had to be compared whole."""
        return self._facts
