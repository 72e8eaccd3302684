"""Which verifiers look at a row's candidates together, and where there are none: `compiler.groups` and its checks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from front_specs import compiled, found

from compiler.catalog import builtin_catalog
from compiler.groups import Part, groups_of
from compiler.traits import Question, Traits, traits_of

HEAD = """edition 2026
model teacher openai { base_url = "http://localhost:1/v1", model = "tiny" }
source sums inline { rows = [{ problem = "1 + 1", answer = "2" }] }
template ask { user = "{{ problem }}" }
"""
MAKE = "generate solution { prompt = ask, model = teacher, samples = 8 }"

DECLARED = {
    "verify.agreement": ({}, Traits(compares=True, picks=True)),
    "verify.math": ({}, Traits(compares=True)),
    "verify.code": ({"agree": 2}, Traits(compares=True)),
    "verify.reward": ({"pick": "best"}, Traits(picks=True)),
    "select.less": ({}, Traits(needs_all_rows=True)),
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
    return Part(Traits(asks=(Question(("teacher",), candidates, writes=column),)), column)


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


def codes(tmp_path: Path, *steps: str, before: str = "", extra: str = "") -> list[str]:
    """Codes of what `check` finds in a pipeline of these steps; that nothing uses it is no matter here."""
    source, body = "made" if before else "sums", "\n".join(steps)
    pipeline = f"pipeline p {{ from {source}\n{body}\n}}\n"
    result = compiled(tmp_path, f"{HEAD}{extra}{before}{pipeline}")
    return [code for _, _, code in found(result) if code[:4] in ("MIX4", "MIX5", "MIX8")]


MATH = "verify math { response = solution, agree = 5 }"
MATH_PICKS = "verify math { response = solution, agree = 5, pick = first }"
AGREEMENT = "verify agreement { response = solution, agree = 5 }"


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        # What one comparing verifier leaves is a group still.
        ([MAKE, MATH, AGREEMENT], []),
        ([MAKE, MATH, MATH_PICKS], []),
        # Five that agree are five rows.
        ([MAKE, MATH], ["MIX415"]),
        ([MAKE, "verify math { response = solution, agree = 5, pick = all }"], []),
        # One was picked: there is nothing left to compare, or to pick from.
        ([MAKE, MATH_PICKS, AGREEMENT], ["MIX428"]),
        ([MAKE, AGREEMENT, MATH], ["MIX428"]),
        ([MAKE, MATH_PICKS, "verify refusal { response = solution, pick = first }"], ["MIX428"]),
        # A step over all rows made rows of them.
        ([MAKE, "dedup exact { on = solution }", MATH], ["MIX415", "MIX428"]),
        ([MAKE, "dedup exact { on = solution }", "verify refusal { response = solution, pick = first }"],
         ["MIX428"]),
        # Never several.
        (["verify agreement { response = answer }"], ["MIX502"]),
        (["verify math { response = answer }"], ["MIX502"]),
        ([MAKE.replace("8", "1"), "verify refusal { response = solution, pick = first }"], []),
        # The innermost group is looked at, whatever there is around it.
        ([MAKE.replace("solution", "draft"), MAKE.replace("8", "3"), MATH, MATH_PICKS],
             ["MIX415", "MIX501", "MIX501"]),
        # A new answer has nobody to agree with.
        ([MAKE, MATH, "verify refusal { response = solution, pick = first, on_fail = retry(2) }"], ["MIX841"]),
    ],
)  # fmt: skip
def test_what_cannot_work_is_found(tmp_path: Path, steps: list[str], expected: list[str]) -> None:
    assert codes(tmp_path, *steps) == expected


def test_candidates_of_another_pipeline_are_rows(tmp_path: Path) -> None:
    before = f"pipeline made {{ from sums\n{MAKE}\n}}\n"
    assert codes(tmp_path, MATH, before=before) == ["MIX415", "MIX502"]


@pytest.mark.parametrize(
    ("verifier", "expected"),
    [
        ("agreement { response = answer", ["MIX845"]),
        ("math { response = answer", ["MIX845"]),
        ("math { response = answer, answer = answer", []),
        # What most candidates' tests say is nothing that a row alone can be measured by.
        ("code { response = answer, tests = problem, agree = 2", ["MIX845"]),
        ("code { response = answer, tests = problem", []),
    ],
)
def test_what_compares_is_calibrated_on_groups(tmp_path: Path, verifier: str, expected: list[str]) -> None:
    before = 'source right inline { rows = [{ problem = "1 + 1", answer = "2", label = true }] }\n'
    step = f"verify {verifier}, calibrate {{ rows = right }} }}"
    assert [code for code in codes(tmp_path, step, extra=before) if code == "MIX845"] == expected
    if expected:
        grouped = step.replace("rows = right", "rows = right, group = problem")
        assert "MIX845" not in codes(tmp_path, grouped, extra=before)
