"""What is too hard to measure is the text's doing: it is counted, and no error of the verifier that stops the run."""

from __future__ import annotations

from pathlib import Path

import pytest
from spec_runs import SpecRuns

BOMB = r"\int_0^1\int_0^1\int_0^1 e^{xyz\sin(x+y+z)} dx dy dz"
ROWS = 12

SPEC = """
source sums inline {{ rows = [{rows}] }}
template solve {{ user = "What is {{{{ n }}}}?" }}
pipeline solved {{
  from sums
  generate solution {{ prompt = solve, model = teacher }}
  verify math {{ response = solution, answer = n{more} }}
}}
"""


def spec(more: str = "") -> str:
    return SPEC.format(rows=", ".join(f'{{ n = "{n}" }}' for n in range(ROWS)), more=more)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixwright_runtime.verifiers.math.equivalence.FIRST_TRY_S", 0.02)
    monkeypatch.setattr("mixwright_runtime.verifiers.math.equivalence.PAIR_LIMIT_S", 0.04)


@pytest.mark.usefixtures("quick")
def test_a_model_that_writes_bombs_does_not_stop_the_run(tmp_path: Path) -> None:
    runs = SpecRuns(tmp_path, lambda prompt: rf"\boxed{{{BOMB}}}")
    runs.run(spec())
    assert [(status, reason) for status, reason, _ in runs.rows()] == [("dropped", "math: too hard")] * ROWS
    evidence = runs.scores()[0]["verify_math"]["evidence"]
    assert (evidence["reason"], evidence["detail"]) == ("too hard", "no result after 0.04 CPU seconds")
    # It is as final as any measurement: nothing is compared a second time.
    runs.run(spec())
    assert runs.store.sql("SELECT count(*), count(DISTINCT key) FROM score") == [(ROWS, ROWS)]


@pytest.mark.usefixtures("quick")
def test_a_bomb_is_asked_for_again_like_a_wrong_answer(tmp_path: Path) -> None:
    said: dict[str, int] = {}

    def answer(prompt: str) -> str:
        said[prompt] = said.get(prompt, 0) + 1
        number = prompt.removeprefix("What is ").removesuffix("?")
        return rf"\boxed{{{BOMB if said[prompt] == 1 else number}}}"

    runs = SpecRuns(tmp_path, answer)
    runs.run(spec(", on_fail = retry(1)"))
    assert {(status, reason) for status, reason, _ in runs.rows()} == {("kept", "")}
