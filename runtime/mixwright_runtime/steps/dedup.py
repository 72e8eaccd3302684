"""Steps `dedup exact` and `dedup minhash`: breakers that keep the first of equal or similar rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import ON, STEP
from mixwright_runtime.plugins.declare import attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Keep
from mixwright_runtime.steps.minhash import BandIndex, Sketcher, bands_of, jaccard
from mixwright_runtime.values.rows import Dropped, Row, digest
from mixwright_runtime.values.texts import folded, ngram_hashes, text_of, tokens_of

BATCH_ROWS = 1_000
"""Rows that are sketched together; no decision depends on it."""


@declare(
    "dedup",
    "exact",
    breaker=True,
    attributes=(
        ON,
        *STEP,
    ),
)
class ExactDedup(Keep):
    """Keeps the first of rows whose text is equal after folding.

    Folding is Unicode NFKC, case folding, and runs of white space to one space. Rows are compared in the order in which
    they were started, so the same row stays however many more are made. A null is never a duplicate. Memory: one
    16-byte digest per row kept.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        self._step_id = step.id
        self._column = str(step.attributes["on"])
        self._kept: dict[bytes, bytes] = {}
        self._rows = 0
        self._duplicates = 0

    def keep(self, rows: Sequence[Row]) -> list[Row | Dropped]:
        """Each row, or that it equals one kept before."""
        decided: list[Row | Dropped] = []
        for row in rows:
            self._rows += 1
            text = text_of(row.columns.get(self._column))
            if text is None:
                decided.append(row)
                continue
            key = digest("mixwright.exact.v1", folded(text))
            first = self._kept.get(key)
            if first is None:
                self._kept[key] = row.row_id
                decided.append(row)
            else:
                self._duplicates += 1
                decided.append(Dropped(row, self._step_id, "duplicate", {"of": first.hex()}))
        return decided

    def report(self) -> dict[str, Any]:
        """Rows seen and duplicates removed."""
        return {"rows": self._rows, "duplicates": self._duplicates}


@declare(
    "dedup",
    "minhash",
    breaker=True,
    attributes=(
        ON,
        attribute(
            "threshold",
            "share",
            "rows with at least this Jaccard similarity are the same",
            default=0.8,
            minimum=0.1,
            maximum=1.0,
        ),
        attribute(
            "permutations",
            "count",
            "hash functions in a sketch: more find more of the pairs near the threshold",
            default=128,
            minimum=16,
            maximum=1024,
        ),
        attribute("ngram", "count", "words in a shingle", default=5, minimum=1),
        attribute("seed", "count", "of the hash functions", default=1),
        *STEP,
    ),
)
class MinhashDedup(Keep):
    """Keeps the first of rows that share most of their word sequences (Broder 1997; Lee et al. 2022).

    A text is folded as in `dedup exact` and cut into words, in scripts without spaces (Chinese, Japanese, Thai ...) into
    characters; its shingles are the runs of `ngram` words (all of it, when it is shorter). Rows whose MinHash sketches
    share a band are candidates; a candidate is a duplicate when the exact Jaccard similarity of the shingle sets
    reaches `threshold`, so nothing is removed by chance. Bands and rows are chosen from `threshold` so that a pair
    at the threshold is found with probability of about 0.95 or more. Rows are compared, in start order, with rows
    that were kept: of a chain a~b~c the ends may both stay.

    Memory for each row kept: 8 bytes a shingle and 12 a band, about 1 kB for a text of 100 words.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._step_id = step.id
        self._column = str(attributes["on"])
        self._threshold = float(attributes.get("threshold") or 0.8)
        permutations = int(attributes.get("permutations") or 128)
        self._ngram = int(attributes.get("ngram") or 5)
        self._bands, self._band_rows = bands_of(self._threshold, permutations)
        self._sketcher = Sketcher(permutations, int(attributes.get("seed") or 0))
        self._index = BandIndex(self._bands, self._band_rows)
        self._kept: list[tuple[bytes, Any]] = []
        """Identity and shingles of the rows kept, by their number in the index."""
        self._rows = 0
        self._duplicates = 0

    def keep(self, rows: Sequence[Row]) -> list[Row | Dropped]:
        """Each row, or the kept row that it repeats and how similar they are."""
        decided: list[Row | Dropped] = []
        for start in range(0, len(rows), BATCH_ROWS):
            decided += self._keep_batch(rows[start : start + BATCH_ROWS])
        return decided

    def _keep_batch(self, rows: Sequence[Row]) -> list[Row | Dropped]:
        import numpy as np

        self._rows += len(rows)
        decided: list[Row | Dropped] = list(rows)
        shingled = [(i, self._shingles(row)) for i, row in enumerate(rows)]
        compared = [(i, shingles) for i, shingles in shingled if shingles is not None]
        if not compared:
            return decided
        sketches = np.stack([self._sketcher.sketch(shingles) for _, shingles in compared])
        keys = self._index.keys(sketches)
        before = self._index.candidates(keys)
        # Rows of this batch are not in the index yet: those kept so far, by band key.
        fresh: dict[int, list[int]] = {}
        kept_at: list[int] = []
        numbers: list[int] = []
        for at, ((i, shingles), candidates) in enumerate(zip(compared, before, strict=True)):
            own_keys = keys[at].tolist()
            for key in own_keys:
                candidates.update(fresh.get(key, ()))
            original = self._original(shingles, candidates)
            if original is not None:
                self._duplicates += 1
                detail = {"of": self._kept[original[0]][0].hex(), "similarity": round(original[1], 4)}
                decided[i] = Dropped(rows[i], self._step_id, "duplicate", detail)
                continue
            number = len(self._kept)
            self._kept.append((rows[i].row_id, shingles))
            kept_at.append(at)
            numbers.append(number)
            for key in own_keys:
                fresh.setdefault(key, []).append(number)
        self._index.add(keys[kept_at], np.array(numbers, dtype=np.uint32))
        return decided

    def _original(self, shingles: Any, candidates: set[int]) -> tuple[int, float] | None:
        """The first kept row that is similar enough, and how similar."""
        for number in sorted(candidates):
            similarity = jaccard(shingles, self._kept[number][1])
            if similarity >= self._threshold:
                return number, similarity
        return None

    def _shingles(self, row: Row) -> Any:
        """Sorted hashes of the row's different shingles; None when it has no text."""
        import numpy as np

        text = text_of(row.columns.get(self._column))
        if text is None or not text.strip():
            return None
        # A text of punctuation or emoji alone has no words; then it is compared as a whole.
        tokens = tokens_of(text) or [folded(text)]
        return np.unique(ngram_hashes(tokens, min(self._ngram, len(tokens))))

    def report(self) -> dict[str, Any]:
        """Rows seen, duplicates removed, and how sketches are cut."""
        return {
            "rows": self._rows,
            "duplicates": self._duplicates,
            "bands": self._bands,
            "rows_per_band": self._band_rows,
        }
