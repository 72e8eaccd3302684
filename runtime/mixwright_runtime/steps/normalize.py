"""Step `normalize`: open tags, as models write them, brought to fewer that stand for the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from mixwright_compiler.catalog.catalog import Asks
from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import STEP
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Place, Table
from mixwright_runtime.steps.embedded import vectors_of
from mixwright_runtime.steps.near_vectors import NearVectors
from mixwright_runtime.steps.tag_stages import by_company, by_meaning, by_rule, counted, followed
from mixwright_runtime.values.rows import Row

SHOWN = 100
"""At most this many mergers of a stage stand in a report, those of the most frequent tags."""


@declare(
    "step",
    "normalize",
    label="new_column",
    makes={"{label}": "list[text]"},
    breaker=True,
    needs_all_rows=True,
    asks=(Asks("model"),),
    rules=("tags", "semantic"),
    attributes=(
        attribute(
            "from",
            "column",
            "the column with a row's tags: a list of texts, or of objects with a `tag`, as a model's JSON has them",
            default=REQUIRED,
        ),
        attribute("min_count", "count", "tags of fewer rows are left out", default=20, minimum=1),
        attribute(
            "stem",
            "enum:auto|none",
            "`auto`: words of small letters a to z count by their stems (Porter's), others as they are; `none`: all do",
            default="auto",
        ),
        attribute(
            "model",
            "ref:model",
            "the embedding model by whose vectors tags mean the same; without it that stage is left out",
            tasks=("embed",),
        ),
        attribute(
            "near",
            "float",
            "tags are the same whose vectors have at most this cosine distance, and those along a chain of them",
            default=0.05,
            minimum=0.0,
            maximum=2.0,
        ),
        attribute(
            "support", "count", "rows with both tags, for one to go into the other", default=40, minimum=1
        ),
        attribute(
            "confidence",
            "share",
            "of the rows with a tag, how many must have the other one",
            default=0.99,
            minimum=0.0,
            maximum=1.0,
        ),
        *STEP,
    ),
)
class Normalize(Table):
    """Brings open tags to fewer, in the four stages of InsTag (Lu et al. 2023).

    ```mix
    pipeline tagged {
      from pool
      generate raw { prompt = tags, model = teacher, temperature = 0, parse = json() }
      normalize tags { from = raw, model = embedder }
    }
    ```

    1. Frequency: tags of fewer than `min_count` rows are left out.
    2. Rules: capitals, signs between words and, with `stem`, endings of English words make no difference.
    3. Meaning: tags whose vectors are at most `near` apart are one, and so are those along a chain of such tags.
    4. Association: where `support` rows have a tag together with another, more frequent one, and those are a share of at
       least `confidence` of the rows with the tag, it goes into the other one.

    What is merged is called by the form that most rows have. `NAME` is the list of a row's tags that are left, each once,
    in the order in which the row had them; it may be empty. How many tags each stage leaves stands in the report with
    what was merged, and `mixwright explain` shows what became of each tag of a row. Frequencies are those of all rows, so
    all are started.

    A tag that the model cannot embed stays as it is, and is counted. Only pairs of tags make a rule of association, where
    the original also takes sets of several.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._step = step
        self._from = str(attributes["from"])
        self._min_count = int(attributes["min_count"])
        self._is_stemmed = attributes["stem"] == "auto"
        self._model: str | None = attributes.get("model")
        self._cosine = 1.0 - float(attributes["near"])
        self._support = int(attributes["support"])
        self._confidence = float(attributes["confidence"])
        self._calls = context.calls
        self._facts: dict[str, Any] = {}

    async def table(self, rows: Sequence[Row]) -> Iterator[Place]:
        """Called once, with all rows."""
        raw = await asyncio.to_thread(lambda: [tags_in(row.columns.get(self._from)) for row in rows])
        becomes: dict[str, str] = {}
        """Tag as it was written -> as it is after the stages so far; one that is left out is not in it."""
        counts = counted(raw)
        stages: dict[str, int] = {"raw": len(counts)}
        becomes = {tag: tag for tag, count in counts.items() if count >= self._min_count}
        stages["frequency"] = len(becomes)
        merged: dict[str, Any] = {}

        def apply(stage: str, steps: Mapping[str, str]) -> list[list[str]]:
            """Rows with their tags after a stage."""
            for tag, now in becomes.items():
                becomes[tag] = followed(steps, now)
            stages[stage] = len(set(becomes.values()))
            shown = sorted(steps, key=lambda tag: (-counts[tag], tag))[:SHOWN]
            merged[stage] = {tag: followed(steps, tag) for tag in shown}
            return [_different(becomes, tags) for tags in raw]

        now = [_different(becomes, tags) for tags in raw]
        now = apply("rules", by_rule(counted(now), is_stemmed=self._is_stemmed))
        unembedded = 0
        if self._model is not None:
            steps, unembedded = await self._by_meaning(self._model, now)
            now = apply("meaning", steps)
        steps = await asyncio.to_thread(
            by_company,
            now,
            counted(now),
            support=self._support,
            confidence=self._confidence,
            between=partial(self.stop_if_interrupted, "normalize"),
        )
        now = apply("association", steps)
        self._facts = {
            "rows": len(rows),
            "tags": stages,
            "merged": merged,
            "without_a_vector": unembedded,
            "rows_without_tags": sum(not tags for tags in now),
        }
        return (self._row(*found, becomes) for found in zip(rows, raw, now, strict=True))

    async def _by_meaning(self, model: str, rows: Sequence[Sequence[str]]) -> tuple[dict[str, str], int]:
        """What tags go into by their vectors, and how many have none."""
        import numpy as np

        counts = counted(rows)
        tags = sorted(counts)
        near = NearVectors(self._cosine, between=partial(self.stop_if_interrupted, "normalize"))
        sound: list[str] = []
        found: list[Any] = []
        try:
            async for places, vectors, *_ in vectors_of(
                self._calls, model, range(len(tags)), lambda some: map(tags.__getitem__, some)
            ):
                sound += (tags[at] for at in places)
                found.append(vectors)
            if not sound:
                return {}, len(tags)
            steps = await asyncio.to_thread(by_meaning, sound, np.concatenate(found), counts, near)
        finally:
            near.close()
        return steps, len(tags) - len(sound)

    def _row(self, row: Row, raw: Sequence[str], now: Sequence[str], becomes: Mapping[str, str]) -> Row:
        told = {tag: becomes.get(tag) for tag in raw}
        found = {"outcome": "measured", "score": float(len(now)), "evidence": {"tags": told}}
        return replace(
            row.with_columns(**{self._step.label: list(now)}), scores={**row.scores, self._step.id: found}
        )

    def report(self) -> dict[str, Any]:
        """Rows, how many different tags each stage left, what was merged, and rows that have no tag any more."""
        return self._facts


def tags_in(value: object) -> list[str]:
    """The different tags of a row, without white space around them, in their order."""
    found: dict[str, None] = {}
    for item in value if isinstance(value, list) else ():
        tag = item.get("tag") if isinstance(item, Mapping) else item
        if isinstance(tag, str) and tag.strip():
            found[" ".join(tag.split())] = None
    return list(found)


def _different(becomes: Mapping[str, str], tags: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(becomes[tag] for tag in tags if tag in becomes))
