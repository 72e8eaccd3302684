"""What a selection holds of each row that it took."""

from __future__ import annotations

import tracemalloc
from array import array

import numpy as np

from mixwright_compiler.plan.plan import AllQuota, Component, Mixture, Origin
from mixwright_runtime.mixture import Candidates, select
from mixwright_runtime.values.repeated import Repeated, held
from mixwright_runtime.values.row_ids import RowIds
from mixwright_runtime.values.rows import digest

HERE = Origin(file="m.mix", line=1, column=1)


def mixture(name: str, *components: Component) -> Mixture:
    return Mixture(name=name, seed=1, components=components, columns={}, origin=HERE)


def test_a_selection_holds_few_bytes_a_row() -> None:
    count = 20_000
    ids = RowIds(digest("test", number) for number in range(count))
    web = Component(rows="web", kind="source", quota=AllQuota(), origin=HERE)
    tracemalloc.start()
    try:
        selection = select(mixture("all", web), {"web": Candidates(ids)})
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(selection) == count and sorted(selection.row_ids) == sorted(ids)
    assert now < 30 * count, now / count
    assert peak < 90 * count, peak / count


def test_rows_of_a_nested_mixture_are_known_by_what_holds_them() -> None:
    parts = {name: RowIds(digest(name, number) for number in range(3)) for name in ("web", "books")}
    inner = mixture(
        "inner", *(Component(rows=n, kind="source", quota=AllQuota(), origin=HERE) for n in parts)
    )
    chosen = select(inner, {name: Candidates(ids) for name, ids in parts.items()})
    outer = mixture("outer", Component(rows="inner", kind="mixture", quota=AllQuota(), origin=HERE))
    entries = list(select(outer, {"inner": chosen.as_candidates()}).entries())
    assert sorted(entries) == sorted((name, row_id, 0) for name, ids in parts.items() for row_id in ids)
    assert sorted(entries) == sorted(chosen.entries())


def test_numbers_and_texts_in_few_bytes_are_what_they_were() -> None:
    for most, kind in ((255, "B"), (256, "I"), (2**32, "q")):
        found = held(np.array([0, most], dtype=np.int64))
        assert found == array(kind, [0, most]) and found.typecode == kind
    texts = Repeated(("a", "b"), held(np.array([1, 0, 1], dtype=np.uint32)))
    assert (list(texts), texts[0], list(texts[1:]), len(texts)) == (["b", "a", "b"], "b", ["a", "b"], 3)
