"""Texts as dedup and decontamination see them: folded, cut into tokens, and hashed as n-grams.

Hashes are BLAKE2b of a token and a polynomial over a token sequence, both of 64 bits and the same on every machine.
With a billion different n-grams the chance of any collision is about 3%, and a collision moves one similarity by one
n-gram.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from itertools import chain
from typing import TYPE_CHECKING, TypeGuard

from mixwright_compiler.catalog.scripts import UNSPACED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TOKEN = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")
_ASCII_TOKEN = re.compile(r"\w+", re.ASCII)
"""What `_TOKEN` is where there is nothing but ASCII, in a third of the time."""

TOKEN_CACHE_LIMIT = 60_000
"""Words of which the hash is remembered: 10 MB. Chosen."""
_MULTIPLIER = 0x9E3779B97F4A7C15
"""2^64 divided by the golden ratio, odd: the usual multiplier for spreading consecutive numbers (Knuth, 6.4)."""


class _TokenHashes(dict[str, int]):
    """Of each token its hash, those that were asked for last remembered."""

    def __missing__(self, token: str) -> int:
        if len(self) >= TOKEN_CACHE_LIMIT:
            self.clear()
        raw = blake2b(token.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        value = self[token] = int.from_bytes(raw, "little") or 1
        return value


_hash_of = _TokenHashes().__getitem__


def folded(text: str) -> str:
    """The text in NFKC, case-folded, with runs of white space as one space and none at its ends."""
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


def tokens_of(text: str) -> list[str]:
    """Words of a folded text; in scripts without spaces, characters. Punctuation is left out."""
    return _ASCII_TOKEN.findall(text.lower()) if text.isascii() else _TOKEN.findall(folded(text))


def text_of(value: object) -> str | None:
    """The text of a column: text as it is, a chat's user messages, a list's texts; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        if all(isinstance(turn, Mapping) and "content" in turn for turn in value):
            return "\n".join(str(turn["content"]) for turn in value if turn.get("role") == "user")
        if all(isinstance(item, str) for item in value):
            return "\n".join(value)
    return None


def whole_text_of(value: object) -> str | None:
    """As `text_of`, of a chat with every message."""
    if isinstance(value, list) and value and all(isinstance(t, Mapping) and "content" in t for t in value):
        return "\n".join(str(turn["content"]) for turn in value)
    return text_of(value)


def conversation_text(value: object) -> str | None:
    """A chat as people read it, each message behind its role, or a text as it is; None of what is neither, or empty."""
    if isinstance(value, str):
        return value if value.strip() else None
    return "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in value) if is_chat(value) else None


def is_chat(value: object) -> TypeGuard[list[Mapping[str, object]]]:
    """Is it a list of messages, and not an empty one?"""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(turn, Mapping) and {"role", "content"} <= turn.keys() for turn in value)
    )


def ngram_hashes(tokens: Sequence[str], n: int) -> NDArray[np.uint64]:
    """A hash for every run of `n` tokens, in order; empty when there are fewer.

    Returns:
        (max(0, len(tokens) - n + 1),) uint64.
    """
    import numpy as np

    count = len(tokens) - n + 1
    if count <= 0:
        return np.empty(0, dtype=np.uint64)
    hashes = np.fromiter(map(_hash_of, tokens), dtype=np.uint64, count=len(tokens))
    multiplier = np.uint64(_MULTIPLIER)
    result = hashes[:count].copy()
    for k in range(1, n):
        result *= multiplier
        result += hashes[k : k + count]
    return _mixed(result)


def ngram_sets(texts: Sequence[Sequence[str]], n: int) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    """The different `ngram_hashes` of many texts, each given as its tokens, of which there must be one.

    Returns:
        Those of all texts, (hashes,) uint64, of each text in ascending order and one text behind the other; a text of
        fewer than `n` tokens has one hash, of all of them. And where those of each text begin, (texts,) intp.
    """
    import numpy as np

    sizes = np.fromiter(map(len, texts), dtype=np.intp, count=len(texts))
    starts = np.cumsum(sizes) - sizes
    total = int(sizes.sum())
    hashes = np.fromiter(map(_hash_of, chain.from_iterable(texts)), dtype=np.uint64, count=total)
    result = hashes.copy()
    whole = []
    for k in range(min(n, int(sizes.max(initial=0)))):
        if k:
            result[: total - k] *= np.uint64(_MULTIPLIER)
            result[: total - k] += hashes[k:]
        ended = starts[sizes == k + 1] if k + 1 < n else starts[:0]
        whole.append((ended, result[ended]))
    for at, values in whole:
        result[at] = values
    result = _mixed(result)
    is_first = np.zeros(total, dtype=bool)
    counts = np.maximum(sizes - n + 1, 1)
    for start, end in zip(starts.tolist(), (starts + counts).tolist(), strict=True):
        own = result[start:end]
        own.sort()
        is_first[start] = True
        np.not_equal(own[1:], own[:-1], out=is_first[start + 1 : end])
    before = np.cumsum(is_first) - is_first
    return result[is_first], before[starts]


def _mixed(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    import numpy as np

    # The last token has weight 1 and would show in the low bits alone.
    hashes ^= hashes >> np.uint64(32)
    hashes *= np.uint64(_MULTIPLIER)
    hashes ^= hashes >> np.uint64(29)
    return hashes
