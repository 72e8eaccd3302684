"""How often candidates of a row pass a verifier, over all rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import comb
from typing import Any, TypedDict


class Rated(TypedDict):
    """How many candidates of a row pass: `pass_at` by how many are drawn."""

    rows: int
    candidates: int
    rate: float
    pass_at: dict[str, float]


def rates_of(passing: Mapping[tuple[int, int], int]) -> Rated | None:
    """The figures of rows by (how many of their candidates pass, how many they have); None where none has several.

    rows, candidates (the most of a row), rate (mean over rows), pass_at: number of candidates as text -> `pass_at_k`.
    """
    rows = sum(passing.values())
    most = max((of for _, of in passing), default=0)
    if most < 2:
        return None
    rate = sum(count * found / of for (found, of), count in passing.items()) / rows
    figures = {str(k): round(pass_at_k(passing, k), 6) for k in _sizes(most)}
    return {"rows": rows, "candidates": most, "rate": round(rate, 6), "pass_at": figures}


def pass_at_k(passing: Mapping[tuple[int, int], int], k: int) -> float:
    """The probability that of `k` candidates of a row, drawn without returning them, at least one passes: the mean over
    rows that have so many of 1 - C(n - c, k) / C(n, k), where c of n pass.

    Source: Chen et al. 2021, Evaluating Large Language Models Trained on Code, section 2.1.
    """
    rows = {key: count for key, count in passing.items() if key[1] >= k}
    found = sum(count * (1 - comb(of - passed, k) / comb(of, k)) for (passed, of), count in rows.items())
    return found / (sum(rows.values()) or 1)


def _sizes(most: int) -> Iterator[int]:
    """1, 2, 4, 8 … and the most there are."""
    k = 1
    while k < most:
        yield k
        k *= 2
    yield most


def rates_line(node: str, found: Mapping[str, Any]) -> str:
    """The figures as one line of text."""
    at = ", ".join(f"pass@{k} {share:.1%}" for k, share in found["pass_at"].items())
    return f"{node} rated {found['rows']:,} rows of {found['candidates']} candidates: {at}"
