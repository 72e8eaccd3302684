"""The 24 programs that fool other judges do not fool this one, whichever way it tests them."""

from __future__ import annotations

from typing import Any

import pytest

from mixwright_runtime.sandbox.canaries.fakes import EXPECTED, FAKES, HONEST, INPUTS

PAIRS = list(zip(INPUTS, EXPECTED, strict=True))
TESTS: dict[str, Any] = {
    "rewritten": "\n".join(f"assert solve({n}) == {value}" for n, value in PAIRS),
    "helped": f"want = dict({PAIRS!r})\n" + "\n".join(f"assert solve({n}) == want[{n}]" for n in INPUTS),
    "exchanged": f"pairs = {PAIRS!r}\nwhile pairs:\n    n, value = pairs.pop()\n    assert solve(n) == value\n",
    "data": [{"args": [n], "expected": value} for n, value in PAIRS],
}


@pytest.mark.parametrize("form", TESTS)
@pytest.mark.parametrize("fake", FAKES)
def test_fakes_do_not_pass(judged: Any, fake: str, form: str) -> None:
    verdict = judged(FAKES[fake], TESTS[form], entry_point="solve", time_limit_s=1.0)
    assert verdict.outcome == "measured"
    assert verdict.score is not None and verdict.score < 1.0


@pytest.mark.parametrize("form", TESTS)
def test_an_honest_program_passes(judged: Any, form: str) -> None:
    grade = "second_job" if form == "exchanged" else "outside"
    evidence = judged(HONEST, TESTS[form], entry_point="solve", time_limit_s=1.0).evidence()
    assert (evidence["passed"], evidence["of"], evidence["grade"]) == (
        evidence["of"],
        1 if form == "exchanged" else 3,
        grade,
    )
