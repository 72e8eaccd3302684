"""Stages of bringing open tags to fewer: which of them are the same by rule, the same in meaning, or always together.

Each stage is a function of how many rows have a tag, or of which tags a row has, to what becomes of each tag; one that is
not named stays.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from mixwright_runtime.steps.components import Components
from mixwright_runtime.steps.near_vectors import NearVectors
from mixwright_runtime.values.stems import stem_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Counts = Mapping[str, int]
AT_ONCE = 4_000_000
"""Pairs of tags that are counted at once: 32 MB."""


def counted(rows: Iterable[Iterable[str]]) -> Counts:
    """Tag -> how many rows have it; each row's tags are different."""
    counts: Counter[str] = Counter()
    for tags in rows:
        counts.update(tags)
    return counts


def by_rule(counts: Counts, *, is_stemmed: bool) -> dict[str, str]:
    """Tags that are the same but for capitals, signs and, of English words, endings: to the most frequent of them."""
    groups: dict[str, list[str]] = {}
    for tag in counts:
        groups.setdefault(_plain_form(tag, is_stemmed), []).append(tag)
    return _to_most_frequent(groups.values(), counts)


def _plain_form(tag: str, is_stemmed: bool) -> str:
    folded = unicodedata.normalize("NFKC", tag).casefold()
    words = "".join(c if c.isalnum() else " " for c in folded).split()
    if is_stemmed:
        words = [stem_of(word) for word in words]
    return " ".join(words) or folded


def by_meaning(
    tags: Sequence[str], vectors: NDArray[np.float32], counts: Counts, near: NearVectors
) -> dict[str, str]:
    """Tags whose vectors hang together: to the most frequent of them."""
    parts = Components(len(tags))
    parts.join_near(near, vectors, range(len(tags)))
    groups: dict[int, list[str]] = {}
    for tag, first in zip(tags, parts.first_of().tolist(), strict=True):
        groups.setdefault(first, []).append(tag)
    return _to_most_frequent(groups.values(), counts)


def by_company(
    rows: Iterable[Iterable[str]],
    counts: Counts,
    *,
    support: int,
    confidence: float,
    between: Callable[[], None],
) -> dict[str, str]:
    """Tags that hardly ever come without another, at least as frequent one: to that one.

    Of the rows with a tag at least `support` and a share of at least `confidence` have the other one too.
    """
    import numpy as np

    frequent = sorted(tag for tag, count in counts.items() if count >= support)
    numbers = {tag: number for number, tag in enumerate(frequent)}
    known = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    pairs: list[int] = []
    for tags in rows:
        held = sorted(numbers[tag] for tag in tags if tag in numbers)
        pairs += (one * len(frequent) + other for one, other in combinations(held, 2))
        if len(pairs) >= AT_ONCE:
            between()
            known, pairs = _added(known, pairs), []
    together = dict(zip(*(part.tolist() for part in _added(known, pairs)), strict=True))
    best: dict[str, tuple[float, int, str]] = {}
    for pair, count in together.items():
        one, other = (frequent[number] for number in divmod(pair, len(frequent)))
        for tag, into in ((one, other), (other, one)):
            # Of two that are equally frequent the first by name stays, so that nothing goes round in a circle.
            is_larger = (counts[into], tag) > (counts[tag], into)
            # A little less: 99 of 100 are 99%, whatever their floats are.
            if count >= support and is_larger and count / counts[tag] >= confidence - 1e-9:
                best[tag] = max(best.get(tag, (0.0, 0, "")), (count / counts[tag], counts[into], into))
    return {tag: into for tag, (_, _, into) in best.items()}


def _added(
    known: tuple[NDArray[np.int64], NDArray[np.int64]], pairs: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs and how often they come, with further ones."""
    import numpy as np

    fresh, times = np.unique(np.asarray(pairs, dtype=np.int64), return_counts=True)
    every, places = np.unique(np.concatenate([known[0], fresh]), return_inverse=True)
    return every, np.bincount(places, weights=np.concatenate([known[1], times]), minlength=len(every)).astype(
        np.int64
    )


def _to_most_frequent(groups: Iterable[Sequence[str]], counts: Counts) -> dict[str, str]:
    found = {}
    for group in groups:
        into = min(group, key=lambda tag: (-counts[tag], tag))
        found.update({tag: into for tag in group if tag != into})
    return found


def followed(steps: Mapping[str, str], tag: str) -> str:
    """Where a tag ends that goes into another one, which may go on."""
    while tag in steps:
        tag = steps[tag]
    return tag
