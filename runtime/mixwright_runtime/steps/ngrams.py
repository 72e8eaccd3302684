"""An exact index of the n-grams of evaluation texts: how much of each is found in a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mixwright_runtime.values.texts import ngram_hashes, tokens_of

SHORT_TOKENS = 4
"""Texts with fewer tokens (`yes`, `42`) are in countless rows and prove nothing."""
START_CHARACTERS = 200


@dataclass(frozen=True)
class IndexedText:
    """One text of an evaluation row: its set, the row's number in it, its length, and how it starts."""

    set_name: str
    row: int
    tokens: int
    start: str


@dataclass(frozen=True)
class Match:
    """An evaluation text, and the share (0..1] of its tokens that a row covers."""

    text: IndexedText
    overlap: float


class NgramIndex:
    """N-grams of evaluation texts. Texts are added first, then rows are looked up.

    Memory: 16 bytes an n-gram.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self.rows: dict[str, int] = {}
        """Evaluation rows by set."""
        self._texts: list[IndexedText] = []
        self._whole: dict[tuple[str, ...], list[int]] = {}
        """Texts shorter than n, by their tokens."""
        self._pending: list[tuple[Any, int]] = []
        self._sorted: tuple[Any, Any, Any] | None = None

    def add(self, set_name: str, row: int, texts: Sequence[str]) -> None:
        """Add an evaluation row with its texts; each counts by itself."""
        self.rows[set_name] = max(self.rows.get(set_name, 0), row + 1)
        self._sorted = None
        for text in texts:
            tokens = tokens_of(text)
            number = len(self._texts)
            if len(tokens) >= self.n:
                self._pending.append((ngram_hashes(tokens, self.n), number))
            elif len(tokens) >= SHORT_TOKENS:
                self._whole.setdefault(tuple(tokens), []).append(number)
            else:
                continue
            self._texts.append(IndexedText(set_name, row, len(tokens), text[:START_CHARACTERS]))

    def matches(self, texts: Sequence[str]) -> list[Match]:
        """Evaluation texts of which something is in the given texts of one row, in the order they were added."""
        import numpy as np

        hashes, owners, positions = self._table()
        covered: dict[int, set[int]] = {}
        whole: set[int] = set()
        for text in texts:
            tokens = tokens_of(text)
            if self._whole and SHORT_TOKENS <= len(tokens) < self.n:
                whole.update(self._whole.get(tuple(tokens), ()))
            own = ngram_hashes(tokens, self.n)
            if not len(own) or not len(hashes):
                continue
            first = np.searchsorted(hashes, own, side="left")
            is_hit = hashes[np.minimum(first, len(hashes) - 1)] == own
            if not is_hit.any():
                continue
            found = np.unique(own[is_hit])
            lows = np.searchsorted(hashes, found, side="left")
            highs = np.searchsorted(hashes, found, side="right")
            for low, high in zip(lows.tolist(), highs.tolist(), strict=True):
                for owner, position in zip(
                    owners[low:high].tolist(), positions[low:high].tolist(), strict=True
                ):
                    covered.setdefault(owner, set()).update(range(position, position + self.n))
        shares = {number: len(tokens) / self._texts[number].tokens for number, tokens in covered.items()}
        shares |= dict.fromkeys(whole, 1.0)
        return [Match(self._texts[number], shares[number]) for number in sorted(shares)]

    def _table(self) -> tuple[Any, Any, Any]:
        """Hashes in ascending order, with the text and the position of each."""
        import numpy as np

        if self._sorted is None:
            none = np.empty(0, dtype=np.uint64)
            hashes = np.concatenate([none, *(found for found, _ in self._pending)])
            counts = [len(found) for found, _ in self._pending]
            owners = np.repeat(np.array([number for _, number in self._pending], dtype=np.uint32), counts)
            positions = np.concatenate(
                [np.empty(0, dtype=np.uint32), *(np.arange(c, dtype=np.uint32) for c in counts)]
            )
            order = np.argsort(hashes, kind="stable")
            self._sorted = (hashes[order], owners[order], positions[order])
        return self._sorted
