"""Step `select deita`: rows with high scores that are not like those taken before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from mixwright_compiler.catalog.catalog import Asks
from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import STEP
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Place
from mixwright_runtime.steps.by_vectors import ByVectors
from mixwright_runtime.steps.choosing import HOW_MANY, ONE_OF_THEM, best_first, chosen, wanted_of
from mixwright_runtime.steps.embedded import EMBEDDER, unembedded
from mixwright_runtime.values.rows import Row
from mixwright_runtime.values.texts import whole_text_of

PART = 1024
"""Rows that are embedded at once. Chosen: more are not needed when enough were taken."""


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
        self._on = str(attributes["on"])
        self._facts: dict[str, Any] = {}

    async def table(self, rows: Sequence[Row]) -> list[Place]:
        """Called once, with all rows."""
        ranked, values = best_first(rows, self._by)
        ranks = {at: rank for rank, at in enumerate(ranked, 1)}
        why: dict[int, tuple[str, Any]] = {
            at: ("not selected", {"score": value, "rank": ranks[at]}) if at in ranks else ("no score", None)
            for at, value in enumerate(values)
        }
        wanted = wanted_of(self._step, len(rows))
        taken: list[int] = []
        similar = 0
        unreadable: dict[int, Place] = {}
        for start in range(0, len(ranked), PART):
            if len(taken) >= wanted:
                break
            part = ranked[start : start + PART]
            texts = [whole_text_of(rows[at].columns.get(self._on)) for at in part]
            why.update((at, ("no text", None)) for at, text in zip(part, texts, strict=True) if not text)
            async for places, vectors, failed in self._vectors(texts):
                found = await asyncio.to_thread(self._near.admit, vectors, "nearest")
                for place, near in zip(places, found, strict=True):
                    at = part[place]
                    if near is None:
                        taken.append(at)
                    elif len(taken) < wanted:
                        similar += 1
                        of = rows[taken[near[0]]].row_id.hex()
                        why[at] = ("too similar", {"of": of, "cosine": near[1], "score": values[at]})
                for place, result in failed.items():
                    unreadable[part[place]] = unembedded(rows[part[place]], self._step.id, result)
        kept = taken[:wanted]
        self._facts = {
            "rows": len(rows),
            "kept": len(kept),
            "too_similar": similar,
            "without_a_score": len(rows) - len(ranked),
        }
        if kept:
            self._facts |= {"highest": values[kept[0]], "lowest_kept": values[kept[-1]]}
        decided = chosen(self._step, rows, kept, why)
        for at, place_of in unreadable.items():
            decided[at] = place_of
        return decided

    def report(self) -> dict[str, Any]:
        """Rows seen and kept, those left out as too similar to a better one, and between which scores the kept lie."""
        return self._facts
