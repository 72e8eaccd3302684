"""MinHash sketches of texts in ranges (`mixwright_runtime/values/ranges.py`), as `dedup minhash` compares them."""

from __future__ import annotations

import base64
import json
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mixwright_runtime.steps.minhash import Sketcher, band_keys
from mixwright_runtime.values.ranges import RangeWork
from mixwright_runtime.values.texts import folded, ngram_sets, tokens_of

R = TypeVar("R")
Texts = Sequence[str]
_SAMPLE = ("Ada has three pears, and Bo has four of them.", "Ⅳ 小明有三个梨 İ")


@dataclass(frozen=True)
class Sketches:
    """Of each text of a range: keys of its bands, (texts, bands), and its shingles, ascending."""

    keys: NDArray[np.uint64]
    shingles: Sequence[NDArray[np.uint64]]


@dataclass(frozen=True)
class Sketching:
    """What decides a sketch. bands and rows: how it is cut; the other two as `dedup minhash` says."""

    permutations: int
    seed: int
    ngram: int
    bands: int
    rows: int

    def of(self, texts: Texts) -> Sketches:
        """Those of texts that are not blank."""
        if not texts:
            return Sketches(np.empty((0, self.bands), np.uint64), ())
        # A text of punctuation or emoji alone has no words; then it is compared as a whole.
        flat, starts = ngram_sets([tokens_of(text) or [folded(text)] for text in texts], self.ngram)
        sketches = _sketcher(self.permutations, self.seed).sketches(flat, starts)
        return Sketches(band_keys(sketches, self.bands, self.rows), np.split(flat, starts[1:]))


def sketch_work(what: str, how: Sketching, texts_of: Callable[[R], Texts]) -> RangeWork[R, Sketches]:
    """Sketches of the texts of ranges. what: whose, in words."""
    return RangeWork(
        what=what,
        here=lambda given: how.of(texts_of(given)),
        function="mixwright_runtime.steps.sketch_ranges:sketches_of_range",
        sent=texts_of,
        came=lambda _, value: _came(how, value),
        prover="mixwright_runtime.steps.sketch_ranges:sample_there",
        proof=lambda: _sample(how),
        shared=lambda: json.dumps(vars(how)).encode(),
    )


def sketches_of_range(place: str, texts: Texts) -> list[str]:
    """The sketches of a range in a worker: keys, shingles, and of these how many each text has; as bytes in base64."""
    found = _told_at(place).of(texts)
    sizes = np.fromiter(map(len, found.shingles), "<i8", len(found.shingles))
    flat = np.concatenate([np.empty(0, np.uint64), *found.shingles])
    return [base64.b64encode(array.tobytes()).decode() for array in (found.keys, flat, sizes)]


def sample_there(place: str) -> list[str]:
    """What a worker makes of some texts."""
    return _sample(_told_at(place))


def _came(how: Sketching, value: list[str]) -> Sketches:
    keys, flat, sizes = (base64.b64decode(text) for text in value)
    ends = np.cumsum(np.frombuffer(sizes, "<i8"))
    shingles = np.split(np.frombuffer(flat, np.uint64), ends)[:-1]
    return Sketches(np.frombuffer(keys, np.uint64).reshape(-1, how.bands), shingles)


def _sample(how: Sketching) -> list[str]:
    """The Unicode by which texts are folded, and a digest of the keys of some."""
    keys = how.of(_SAMPLE).keys.tobytes()
    return [unicodedata.unidata_version, blake2b(keys, digest_size=8).hexdigest()]


@lru_cache(maxsize=8)
def _told_at(place: str) -> Sketching:
    return Sketching(**json.loads(Path(place).read_bytes()))


@lru_cache(maxsize=8)
def _sketcher(permutations: int, seed: int) -> Sketcher:
    return Sketcher(permutations, seed)
