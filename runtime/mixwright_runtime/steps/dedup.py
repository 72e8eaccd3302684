"""Steps `dedup exact` and `dedup minhash`: breakers that keep the first of equal or similar rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.attributes import ON, STEP
from mixwright_runtime.plugins.declare import attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Keep
from mixwright_runtime.steps.minhash import BandIndex, ShingleStore, bands_of, jaccard
from mixwright_runtime.values.row_ids import RowIds
from mixwright_runtime.values.rows import Dropped, Row, digest
from mixwright_runtime.values.texts import folded, text_of

if TYPE_CHECKING:
    from mixwright_runtime.steps.sketch_ranges import Sketches

BATCH_ROWS = 500
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

    Memory for each row kept: 8 bytes a band and 24 more, 152 as it stands. Shingles are put aside on disk, and what is
    known of bands, too, where there are more than 2 million rows.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._step_id = step.id
        self._column = str(attributes["on"])
        self._threshold = float(attributes.get("threshold") or 0.8)
        from mixwright_runtime.steps.sketch_ranges import Sketching, sketch_work

        permutations = int(attributes.get("permutations") or 128)
        bands, rows = bands_of(self._threshold, permutations)
        how = Sketching(
            permutations, int(attributes.get("seed") or 0), int(attributes.get("ngram") or 5), bands, rows
        )
        self._how = how
        self._work = sketch_work(f"sketches of step '{context.pipeline}.{step.id}'", how, _Batch.compared)
        self._ranges = context.ranges
        self._index = BandIndex(bands, scratch=context.scratch)
        self._kept = RowIds()
        """Of the rows kept, by their number in the index; likewise their shingles."""
        self._shingles = ShingleStore(context.scratch, f"step '{step.id}'")
        self._rows = 0
        self._duplicates = 0

    def keep(self, rows: Sequence[Row]) -> list[Row | Dropped]:
        """Each row, or the kept row that it repeats and how similar they are."""
        batches = (self._batch(rows[start : start + BATCH_ROWS]) for start in range(0, len(rows), BATCH_ROWS))
        decided: list[Row | Dropped] = []
        for batch, sketches in self._ranges.each(self._work, batches):
            decided += self._keep_batch(batch.rows, list(batch.texts), sketches)
        return decided

    def _batch(self, rows: Sequence[Row]) -> _Batch:
        texts = ((i, text_of(row.columns.get(self._column))) for i, row in enumerate(rows))
        return _Batch(rows, {i: text for i, text in texts if text is not None and text.strip()})

    def _keep_batch(
        self, rows: Sequence[Row], compared: Sequence[int], sketches: Sketches
    ) -> list[Row | Dropped]:
        """compared: the places of rows that have a sketch."""
        import numpy as np

        self._rows += len(rows)
        decided: list[Row | Dropped] = list(rows)
        if not compared:
            return decided
        keys, shingles = sketches.keys, sketches.shingles
        before = self._index.candidates(keys)
        repeated = _repeated(keys)
        # Rows of this batch are not in the index yet: those kept so far, by band keys that several rows have.
        fresh: dict[int, list[int]] = {}
        kept_at: list[int] = []
        first = len(self._kept)
        for at, i in enumerate(compared):
            candidates = before.get(at, set())
            shared = [key for key in keys[at].tolist() if key in repeated] if repeated else []
            for key in shared:
                candidates.update(fresh.get(key, ()))
            original = None
            for number in sorted(candidates):
                of = shingles[kept_at[number - first]] if number >= first else self._shingles.of(number)
                similarity = jaccard(shingles[at], of)
                if similarity >= self._threshold:
                    original = number, similarity
                    break
            if original is not None:
                self._duplicates += 1
                detail = {"of": self._kept[original[0]].hex(), "similarity": round(original[1], 4)}
                decided[i] = Dropped(rows[i], self._step_id, "duplicate", detail)
                continue
            for key in shared:
                fresh.setdefault(key, []).append(len(self._kept))
            self._kept.extend((rows[i].row_id,))
            kept_at.append(at)
        try:
            self._index.add(keys[kept_at], np.arange(first, len(self._kept), dtype=np.uint32))
        except OSError as error:
            raise RunError(
                f"step '{self._step_id}': its sketches cannot be put aside: {error.strerror}"
            ) from None
        self._shingles.add([shingles[at] for at in kept_at])
        return decided

    def report(self) -> dict[str, Any]:
        """Rows seen, duplicates removed, and how sketches are cut."""
        return {
            "rows": self._rows,
            "duplicates": self._duplicates,
            "bands": self._how.bands,
            "rows_per_band": self._how.rows,
        }


@dataclass(frozen=True)
class _Batch:
    """Rows that are sketched together, and the text of each that has one, by its place."""

    rows: Sequence[Row]
    texts: dict[int, str]

    def compared(self) -> list[str]:
        """The texts, in order."""
        return list(self.texts.values())


def _repeated(keys: Any) -> set[int]:
    """Keys that are there more than once."""
    import numpy as np

    ordered = np.sort(keys, axis=None)
    return set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
