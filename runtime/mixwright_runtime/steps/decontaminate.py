"""Step `decontaminate ngram`: removes rows that overlap evaluation sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import STEP
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.range_apply import RangeApply
from mixwright_runtime.steps.ngram_ranges import Shares, ngram_work
from mixwright_runtime.steps.ngrams import NgramIndex
from mixwright_runtime.values.ranges import RangeWork
from mixwright_runtime.values.rows import Dropped, Row
from mixwright_runtime.values.texts import text_of

EXAMPLES = 5
EXAMPLE_CHARACTERS = 200


@declare(
    "decontaminate",
    "ngram",
    apart_from="against",
    attributes=(
        attribute(
            "against",
            "list[ref:source]",
            "the evaluation sets: every text column of their rows is compared",
            default=REQUIRED,
        ),
        attribute(
            "on",
            "column",
            "the column to check; without it every text column, and the user messages of a chat",
        ),
        attribute("n", "count", "tokens in an n-gram", default=8, minimum=1),
        attribute(
            "overlap",
            "share",
            "a row is removed when more than this share of an evaluation row's tokens is found in it",
            default=0.5,
            cls="set",
            minimum=0.0,
            maximum=1.0,
        ),
        *STEP,
    ),
)
class NgramDecontamination(RangeApply):
    """Removes rows that repeat an evaluation set, and reports per set what was found.

    As Tülu 3 does (Lambert et al. 2024, section 3.2), with an exact index: texts are lower-cased and cut into tokens
    (words; characters in scripts without spaces); an evaluation row's token is covered when it lies in an n-gram that
    it shares with the row, and the row is contaminated by it when more than `overlap` of its tokens are covered. Each
    column of an evaluation row counts by itself (Tülu 3 takes their mean, which hides a copied question beside a long
    answer). An evaluation text shorter than `n` tokens counts when its tokens are all of the row's text, and not at
    all below four.

    The report gives for each evaluation set its rows, how many of them were matched, the rows removed, and examples.
    A paraphrase or a translation is not found.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._step_id = step.id
        self._rows_of, self._beside = context.rows_of, context.beside
        self._against = [str(name) for name in attributes["against"]]
        self._column: str | None = attributes.get("on")
        self._n = int(attributes.get("n") or 8)
        overlap = attributes.get("overlap")
        self._overlap = 0.5 if overlap is None else float(overlap)
        self._name = f"{context.pipeline}.{step.id}"
        self._index: NgramIndex | None = None
        self._looks: RangeWork[Sequence[Row], Sequence[Shares]] | None = None
        self._found = {name: _Found() for name in self._against}

    async def prepare(self) -> None:
        """Index the evaluation sets."""
        await self._beside(self.looks)

    def looks(self) -> RangeWork[Sequence[Row], Sequence[Shares]]:
        """Which evaluation texts are in each row, and how much of each."""
        if self._looks is None:
            table = self._indexed().table()
            self._looks = ngram_work(f"n-grams of step '{self._name}'", table, self._texts)
        return self._looks

    def apply_found(self, row: Row, found: Shares) -> Row | Dropped:
        """The row, or which evaluation row it overlaps most and by how much."""
        index = self._indexed()
        matches = [index.match(number, overlap) for number, overlap in found if overlap > self._overlap]
        if not matches:
            return row
        texts = self._texts(row)
        for name in {match.text.set_name for match in matches}:
            self._found[name].removed += 1
        for match in matches:
            seen = self._found[match.text.set_name]
            seen.matched.add(match.text.row)
            if len(seen.examples) < EXAMPLES:
                seen.examples.append(
                    {
                        "evaluation_row": match.text.row,
                        "evaluation_text": match.text.start,
                        "row": row.row_id.hex(),
                        "row_text": max(texts, key=len)[:EXAMPLE_CHARACTERS],
                        "overlap": round(match.overlap, 4),
                    }
                )
        worst = max(matches, key=lambda match: match.overlap)
        detail = {
            "set": worst.text.set_name,
            "evaluation_row": worst.text.row,
            "evaluation_text": worst.text.start,
            "overlap": round(worst.overlap, 4),
        }
        return Dropped(row, self._step_id, "contaminated", detail)

    def report(self) -> dict[str, Any]:
        """For each evaluation set: its rows, how many and which share of them were matched, rows removed, examples."""
        # A set without rows is in no index.
        sizes = dict.fromkeys(self._against, 0) | self._indexed().rows
        return {
            name: {
                "rows": sizes[name],
                "matched": len(found.matched),
                "share": round(len(found.matched) / sizes[name], 4) if sizes[name] else 0.0,
                "removed": found.removed,
                "examples": found.examples,
            }
            for name, found in self._found.items()
        }

    def _indexed(self) -> NgramIndex:
        if self._index is None:
            self._index = NgramIndex(self._n)
            for name in self._against:
                for number, columns in enumerate(self._rows_of(name)):
                    self._index.add(name, number, _texts_in(columns))
        return self._index

    def _texts(self, row: Row) -> list[str]:
        if self._column is None:
            return _texts_in(row.columns)
        text = text_of(row.columns.get(self._column))
        return [text] if text else []


@dataclass
class _Found:
    """What was found of one evaluation set."""

    removed: int = 0
    matched: set[int] = field(default_factory=set)
    examples: list[dict[str, Any]] = field(default_factory=list)


def _texts_in(columns: Mapping[str, object]) -> list[str]:
    """The different texts of a row's columns."""
    found = (text_of(value) for value in columns.values())
    return list(dict.fromkeys(text for text in found if text))
