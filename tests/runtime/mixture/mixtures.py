"""Small mixtures and candidates that the tests of this directory share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mixwright_compiler.plan.plan import (
    AllQuota,
    Cap,
    Component,
    CountQuota,
    MaxQuota,
    Mixture,
    Origin,
    Quota,
    RateQuota,
    ShareQuota,
    TakeQuota,
    WeightQuota,
)
from mixwright_runtime.mixture import Candidates
from mixwright_runtime.values.rows import digest

ORIGIN = Origin(file="m.mix", line=1, column=1)


def count(n: int) -> Quota:
    return CountQuota(count=n)


def share(s: float) -> Quota:
    return ShareQuota(share=s)


def weight(w: float) -> Quota:
    return WeightQuota(weight=w)


def rate(cap: int) -> Quota:
    return RateQuota(cap=cap)


def at_most(n: int) -> Quota:
    return MaxQuota(count=n)


def everything() -> Quota:
    return AllQuota()


def take(n: int, *, balance: str | None = None, repeat: int = 1, cap: tuple[str, int] | None = None) -> Quota:
    return TakeQuota(
        count=n, balance=balance, repeat=repeat, cap=None if cap is None else Cap(by=cap[0], max=cap[1])
    )


def mixture(
    quotas: Mapping[str, Quota], *, kinds: Mapping[str, str] | None = None, **attributes: Any
) -> Mixture:
    """A mixture `mix` over sources, or over what `kinds` says, with seed 42."""
    components = tuple(
        Component.model_validate(
            {"rows": name, "kind": (kinds or {}).get(name, "source"), "quota": quota, "origin": ORIGIN}
        )
        for name, quota in quotas.items()
    )
    return Mixture(
        **{
            "name": "mix",
            "seed": 42,
            "components": components,
            "columns": {"messages": "chat"},
            "origin": ORIGIN,
        }
        | attributes
    )


def ids(name: str, n: int) -> list[bytes]:
    return [digest("test.row", name, i) for i in range(n)]


def rows(name: str, n: int, *, complete: bool = True, **columns: Sequence[Any]) -> Candidates:
    """`n` candidates in start order."""
    return Candidates(ids(name, n), list(range(n)), columns, complete)
