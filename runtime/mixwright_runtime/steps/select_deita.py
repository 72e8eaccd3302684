"""Step `select deita`: rows with high scores that are not like those taken before."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Any

from mixwright_compiler.catalog.catalog import Asks
from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import STEP
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import StepContext, VectorResult
from mixwright_runtime.plugins.shapes import Place
from mixwright_runtime.steps.by_vectors import ByVectors
from mixwright_runtime.steps.choosing import HOW_MANY, ONE_OF_THEM, Ranking, chosen, wanted_of
from mixwright_runtime.steps.embedded import EMBEDDER, unembedded
from mixwright_runtime.values.row_ids import RowIds
from mixwright_runtime.values.rows import Dropped, Row
from mixwright_runtime.values.texts import whole_text_of


@declare(
    "select",
    "deita",
    breaker=True,
    needs_all_rows=True,
    one_of=ONE_OF_THEM,
    rules=("alone",),
    asks=(Asks("model"),),
    attributes=(
        attribute(
            "by", "expr:float", "a row's score: rows are looked at from the highest down", default=REQUIRED
        ),
        attribute(
            "on",
            "column",
            "the column that is compared: text, or a chat, of which every message counts",
            default=REQUIRED,
        ),
        EMBEDDER,
        attribute(
            "max_similarity",
            "float",
            "a row is left out when its cosine with one taken before is more than this",
            default=0.9,
            cls="set",
            minimum=-1.0,
            maximum=1.0,
        ),
        *HOW_MANY,
        *STEP,
    ),
)
class SelectDeita(ByVectors):
    """Keeps the rows with the highest scores, each only if it is not too like one taken before (DEITA, Liu et al. 2024).

    ```mix
    pipeline chosen {
      from scored
      select deita {
        by = complexity.score * quality.score
        on = messages
        model = embedder
        count = 6k
      }
    }
    ```

    The row with the highest score is taken; then, downwards, each whose greatest cosine with a taken row is not above
    `max_similarity`, until there are enough. Of equal scores those that started earlier come first. Rows without a score,
    or without a text, are dropped; one whose text the model cannot embed is quarantined. Vectors are asked for as far
    down as is looked, and kept in the store. The kept rows stay in their order and are not sorted. All rows are started.

    A row that was itself left out leaves nobody out, as in the reference code with its batch of one; with larger batches
    that code compares a batch's rows with each other whether or not they are taken.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        most = attributes.get("max_similarity")
        super().__init__(
            step, context, "select deita", cosine=0.9 if most is None else float(most), is_strict=True
        )
        self._step = step
        self._by = context.expression(attributes["by"])
        self._facts: dict[str, Any] = {}

    async def table(self, rows: Sequence[Row]) -> Iterator[Place]:
        """Called once, with all rows."""
        ranking = await asyncio.to_thread(Ranking, rows, self._by)
        wanted = wanted_of(self._step, len(rows))
        seen = _Seen(ranking)
        taken, similar = array("q"), 0
        async with aclosing(self._vectors(rows, ranking.places if wanted else ())) as parts:
            async for places, vectors, failed, textless in parts:
                found = await asyncio.to_thread(self._near.admit, vectors, "nearest")
                for at, near in zip(places, found, strict=True):
                    if near is None:
                        taken.append(at)
                        seen.taken.extend((rows[at].row_id,))
                    elif len(taken) < wanted:
                        similar += 1
                        seen.is_similar(at, *near)
                seen.unreadable |= failed
                seen.textless.update(textless)
                if len(taken) >= wanted:
                    break
        kept = taken[:wanted]
        self._facts = {
            "rows": len(rows),
            "kept": len(kept),
            "too_similar": similar,
            "without_a_score": len(rows) - len(ranking.places),
        }
        if kept:
            self._facts |= {"highest": ranking.values[kept[0]], "lowest_kept": ranking.values[kept[-1]]}
        return self._decided(rows, kept, seen)

    def _text(self, row: Row) -> str | None:
        return whole_text_of(row.columns.get(self._column))

    def _decided(self, rows: Sequence[Row], kept: Iterable[int], seen: _Seen) -> Iterator[Place]:
        for at, place in enumerate(chosen(self._step, rows, kept, seen.why)):
            if isinstance(place, Dropped) and at in seen.unreadable:
                yield unembedded(place.row, self._step.id, seen.unreadable[at])
            else:
                yield place

    def report(self) -> dict[str, Any]:
        """Rows seen and kept, those left out as too similar to a better one, and between which scores the kept lie."""
        return self._facts


class _Seen:
    """What was seen of rows, and why some are dropped: 16 bytes of memory each, and 16 of one that is taken."""

    def __init__(self, ranking: Ranking) -> None:
        self.taken = RowIds()
        """Rows whose vectors are held, in their order."""
        self.textless: set[int] = set()
        self.unreadable: dict[int, VectorResult] = {}
        """Rows whose text has no vector."""
        self._ranking = ranking
        self._like = array("q", [-1]) * len(ranking.values)
        """Of a row that is too like another: which of those that are taken that is."""
        self._cosines = array("d", [0.0]) * len(ranking.values)

    def is_similar(self, at: int, to: int, cosine: float) -> None:
        """The row at this place is too like the one that was taken as number `to`."""
        self._like[at], self._cosines[at] = to, cosine

    def why(self, at: int) -> tuple[str, Any]:
        """Why the row at this place is dropped."""
        if self._like[at] >= 0:
            of = self.taken[self._like[at]].hex()
            return "too similar", {
                "of": of,
                "cosine": self._cosines[at],
                "score": self._ranking.values[at],
            }
        return ("no text", None) if at in self.textless else self._ranking.why(at, "score")
