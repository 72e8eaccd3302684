"""An exact index of the n-grams of evaluation texts: how much of each is found in a row."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mixwright_runtime.values.texts import ngram_hashes, tokens_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
        self._n = n
        self.rows: dict[str, int] = {}
        """Evaluation rows by set."""
        self._texts: list[IndexedText] = []
        self._whole: dict[tuple[str, ...], list[int]] = {}
        """Texts shorter than n, by their tokens."""
        self._pending: list[tuple[Any, int]] = []
        self._table: NgramTable | None = None

    def add(self, set_name: str, row: int, texts: Sequence[str]) -> None:
        """Add an evaluation row with its texts; each counts by itself."""
        self.rows[set_name] = max(self.rows.get(set_name, 0), row + 1)
        self._table = None
        for text in texts:
            tokens = tokens_of(text)
            number = len(self._texts)
            if len(tokens) >= self._n:
                self._pending.append((ngram_hashes(tokens, self._n), number))
            elif len(tokens) >= SHORT_TOKENS:
                self._whole.setdefault(tuple(tokens), []).append(number)
            else:
                continue
            self._texts.append(IndexedText(set_name, row, len(tokens), text[:START_CHARACTERS]))

    def match(self, number: int, overlap: float) -> Match:
        """What `NgramTable.shares` says of a text, with the text."""
        return Match(self._texts[number], overlap)

    def table(self) -> NgramTable:
        """What rows are looked up in, of the texts that were added so far."""
        import numpy as np

        if self._table is None:
            none = np.empty(0, dtype=np.uint64)
            hashes = np.concatenate([none, *(found for found, _ in self._pending)])
            counts = [len(found) for found, _ in self._pending]
            owners = np.repeat(np.array([number for _, number in self._pending], dtype=np.uint32), counts)
            positions = np.concatenate(
                [np.empty(0, dtype=np.uint32), *(np.arange(c, dtype=np.uint32) for c in counts)]
            )
            order = np.argsort(hashes, kind="stable")
            lengths = np.array([text.tokens for text in self._texts], dtype=np.uint32)
            self._table = NgramTable(
                self._n, hashes[order], owners[order], positions[order], lengths, self._whole
            )
        return self._table


@dataclass(frozen=True)
class NgramTable:
    """N-grams in ascending order of their hashes, with the number and the position of the text that each is in; how many
    tokens each text has; and texts shorter than n, by their tokens."""

    n: int
    hashes: NDArray[np.uint64]
    owners: NDArray[np.uint32]
    positions: NDArray[np.uint32]
    lengths: NDArray[np.uint32]
    whole: Mapping[tuple[str, ...], list[int]]

    def shares(self, texts: Sequence[str]) -> list[tuple[int, float]]:
        """The numbers of evaluation texts of which something is in the given texts of one row, ascending, and the share
        of each one's tokens."""
        import numpy as np

        hashes = self.hashes
        covered: dict[int, set[int]] = {}
        whole: set[int] = set()
        for text in texts:
            tokens = tokens_of(text)
            if self.whole and SHORT_TOKENS <= len(tokens) < self.n:
                whole.update(self.whole.get(tuple(tokens), ()))
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
                    self.owners[low:high].tolist(), self.positions[low:high].tolist(), strict=True
                ):
                    covered.setdefault(owner, set()).update(range(position, position + self.n))
        shares = {number: len(tokens) / int(self.lengths[number]) for number, tokens in covered.items()}
        shares |= dict.fromkeys(whole, 1.0)
        return sorted(shares.items())

    def to_bytes(self) -> bytes:
        """All of it, to be opened by `table_at`."""
        import numpy as np

        sizes = np.array([self.n, len(self.hashes), len(self.lengths)], np.uint64)
        whole = json.dumps([[list(tokens), numbers] for tokens, numbers in self.whole.items()])
        arrays = (sizes, self.hashes, self.owners, self.positions, self.lengths)
        return b"".join((*(array.tobytes() for array in arrays), whole.encode("ascii")))


def table_at(path: str) -> NgramTable:
    """The table in a file, which is mapped: processes of one machine share its memory."""
    import numpy as np

    data = np.memmap(path, np.uint8, "r")
    at = 24
    n, ngrams, texts = data[:at].view(np.uint64).tolist()
    parts: list[Any] = []
    for kind, count in (("u8", ngrams), ("u4", ngrams), ("u4", ngrams), ("u4", texts)):
        end = at + np.dtype(kind).itemsize * count
        parts.append(data[at:end].view(kind).view(np.ndarray))
        at = end
    hashes, owners, positions, lengths = parts
    whole = {tuple(tokens): numbers for tokens, numbers in json.loads(data[at:].tobytes())}
    return NgramTable(n, hashes, owners, positions, lengths, whole)
