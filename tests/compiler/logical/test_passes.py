"""Every pass has a file of its name beside this one: specs, and what the pass makes of them by itself.

`pytest tests/compiler/logical --update` writes down what comes out now; the diff is reviewed like code.
"""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from pass_files import PassCase, cases_of, planned, rewrite

from mixwright_compiler.logical.passes import PASSES, Pass, optimised
from mixwright_compiler.logical.text import logical_text

HERE = Path(__file__).parent
CASES = [(each, case) for each in PASSES for case in cases_of(HERE / f"{each.__name__}.cases")]


@pytest.mark.parametrize(
    ("each", "case"), [pytest.param(p, c, id=f"{p.__name__}: {c.title}") for p, c in CASES]
)
def test_case(each: Pass, case: PassCase, update: bool, tmp_path: Path) -> None:
    plan = planned(case.text, tmp_path)
    for earlier in PASSES[:-1] if each is PASSES[-1] else ():  # the last one looks at what the others leave
        plan = earlier(plan)
    written, found = case.out, logical_text(each(plan))
    if written == found:
        return
    if update:
        rewrite(case, found)
        return
    diff = difflib.unified_diff(written.split("\n"), found.split("\n"), "as written", "as found", lineterm="")
    pytest.fail("\n".join(["", *diff, "", "'--update' accepts what is found"]), pytrace=False)


@pytest.mark.parametrize("each", PASSES, ids=[each.__name__ for each in PASSES])
def test_a_pass_says_in_a_sentence_what_it_is_for(each: Pass) -> None:
    reason = " ".join((each.__doc__ or "").split())
    assert reason.count(". ") == 0
    assert reason.endswith(".")


def test_every_case_is_of_a_pass() -> None:
    assert sorted(path.stem for path in HERE.glob("*.cases")) == sorted(each.__name__ for each in PASSES)


@pytest.mark.parametrize(("each", "case"), [pytest.param(p, c, id=c.title) for p, c in CASES])
def test_a_second_time_changes_nothing(each: Pass, case: PassCase, tmp_path: Path) -> None:
    once = optimised(planned(case.text, tmp_path))
    assert logical_text(optimised(once)) == logical_text(once)
