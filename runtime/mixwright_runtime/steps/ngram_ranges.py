"""Looking rows up among the n-grams of evaluation texts in ranges (`mixwright_runtime/values/ranges.py`)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from mixwright_runtime.steps.ngrams import NgramTable, table_at
from mixwright_runtime.values.ranges import RangeWork

R = TypeVar("R")
Shares = list[tuple[int, float]]
"""Of one row, as `NgramTable.shares` has it."""

_table_at = lru_cache(maxsize=4)(table_at)


def ngram_work(
    what: str, table: NgramTable, texts_of: Callable[[R], list[str]]
) -> RangeWork[Sequence[R], Sequence[Shares]]:
    """What of evaluation texts is in rows. what: whose, in words. texts_of: a row's texts."""
    return RangeWork(
        what=what,
        here=lambda rows: [table.shares(texts_of(row)) for row in rows],
        function="mixwright_runtime.steps.ngram_ranges:shares_of_range",
        sent=lambda rows: [texts_of(row) for row in rows],
        came=lambda _, value: value,
        prover="mixwright_runtime.steps.ngram_ranges:sizes_there",
        proof=lambda: _sizes(table),
        shared=table.to_bytes,
    )


def shares_of_range(place: str, rows: Sequence[Sequence[str]]) -> list[Shares]:
    """What is found of the rows of a range in a worker, by their texts."""
    table = _table_at(place)
    return [table.shares(texts) for texts in rows]


def sizes_there(place: str) -> list[Any]:
    """What a worker has of the table."""
    return _sizes(_table_at(place))


def _sizes(table: NgramTable) -> list[Any]:
    """The Unicode by which texts are folded, and how large the table is."""
    return [unicodedata.unidata_version, len(table.hashes), len(table.lengths), len(table.whole)]
