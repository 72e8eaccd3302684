"""Which verifiers look at candidates together, and where there are none; `groups.cases` has what is told of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mixwright_compiler.catalog.catalog import builtin_catalog
from mixwright_compiler.catalog.groups import Part, groups_of
from mixwright_compiler.catalog.traits import RowRequests, Traits, traits_of

DECLARED = {
    "verify.agreement": ({}, Traits(compares=True, picks=True)),
    "verify.math": ({}, Traits(compares=True)),
    "verify.code": ({"agree": 2}, Traits(compares=True)),
    "verify.reward": ({"pick": "best"}, Traits(picks=True)),
    "select.less": ({}, Traits(needs_all_rows=True)),
    "step.cluster": ({}, Traits(needs_all_rows=True)),
    "step.fold_by": ({}, Traits(needs_all_rows=True)),
    "dedup.semantic": ({}, Traits()),
    "step.normalize": ({}, Traits(needs_all_rows=True)),
    "step.balance": ({"to": "equal"}, Traits(needs_all_rows=True)),
    "select.deita": ({}, Traits(needs_all_rows=True)),
    "select.diverse": ({}, Traits(needs_all_rows=True)),
    "select.random": ({}, Traits(needs_all_rows=True)),
    "select.top": ({}, Traits(needs_all_rows=True)),
}


@pytest.mark.parametrize("key", DECLARED)
def test_what_a_step_does_with_rows_is_declared_with_it(key: str) -> None:
    values, expected = DECLARED[key]
    assert replace(traits_of(builtin_catalog().entries[key], values), asks=()) == expected


def test_a_right_answer_needs_no_other_candidate() -> None:
    entry = builtin_catalog().entries["verify.math"]
    assert traits_of(entry, {"answer": "answer", "pick": "all"}) == Traits()


def test_a_majority_needs_the_others_and_the_best_does_not() -> None:
    entry = builtin_catalog().entries["verify.reward"]
    found = [traits_of(entry, {"pick": pick}).compares for pick in ("majority", "best", "first", "all")]
    assert found == [True, False, False, False]


def sampling(candidates: int, column: str) -> Part:
    return Part(Traits(asks=(RowRequests(("teacher",), candidates, writes=column),)), column)


def test_groups_nest_and_close_from_the_inside() -> None:
    compares, picks = Part(Traits(compares=True)), Part(Traits(picks=True))
    draft, answer = sampling(2, "draft"), sampling(3, "answer")
    groups = groups_of([draft, answer, compares, picks, compares, picks])
    assert [groups.gathered_at(at) for at in (0, 1)] == [(4, 5), (2, 3)]
    assert [groups.looked_at(at) for at in range(6)] == [1, 2, 3, 3, 2, 2]
    assert (groups.closed_at(0), groups.closed_at(1), groups.fanout) == (5, 3, 1)


def test_a_breaker_scatters_what_is_open() -> None:
    groups = groups_of([sampling(4, "answer"), Part(breaker=True), Part(Traits(picks=True))])
    assert (groups.gathered_at(0), groups.ended_by[2], groups.fanout) == ((), 1, 4)
