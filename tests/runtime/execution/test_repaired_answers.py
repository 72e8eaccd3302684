"""`on_fail = repair(template)`: the model is shown what was wrong, and what it writes then is verified again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from spec_runs import SpecRuns

from mixwright.commands.explain import rendered
from mixwright.commands.run import report_text
from mixwright_runtime.facts.row import row_facts

SPEC = """
source sums inline { rows = [{ problem = "2 + 2", answer = "4" }, { problem = "2 + 3", answer = "5" }] }

template solve { user = "Solve {{ problem }}" }
template fix {
  user = "{{ problem }}: you wrote {{ verdict.response }}; {{ verdict.reason }} (round {{ verdict.round }}); " +
    "found {{ verdict.evidence.found }}"
}

pipeline solved {
  from sums
  generate solution { prompt = solve, model = teacher }
  verify math { response = solution, answer = answer, on_fail = ON_FAIL }
}
"""


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[SpecRuns]:
    """A model that says 4 to everything, and 5 when it is told that 4 is wrong."""
    made = SpecRuns(tmp_path, lambda prompt: r"\boxed{5}" if "wrong" in prompt else r"\boxed{4}")
    yield made
    made.store.close()


def spec(on_fail: str = "repair(fix)") -> str:
    return SPEC.replace("ON_FAIL", on_fail)


def test_a_wrong_answer_is_repaired_and_verified_again(runs: SpecRuns) -> None:
    runs.run(spec())
    assert runs.prompts[2:] == [
        r"2 + 3: you wrote \boxed{4}; math: wrong (round 1); found 4",
    ]
    assert sorted((status, columns["solution"]) for status, _, columns in runs.rows()) == [
        ("kept", r"\boxed{4}"),
        ("kept", r"\boxed{5}"),
    ]


def test_what_was_wrong_is_kept_with_the_row(runs: SpecRuns) -> None:
    runs.run(spec())
    repaired = next(s["verify_math"] for s in runs.scores() if "earlier" in s["verify_math"])
    (before,) = repaired["earlier"]
    assert (repaired["score"], before["score"], before["reason"], before["calls"]) == (
        1.0,
        0.0,
        "math: wrong",
        1,
    )
    assert before["evidence"]["gold"] == "5"


def test_explain_shows_the_repair(runs: SpecRuns) -> None:
    runs.run(spec())
    ((row_id,),) = runs.store.sql("SELECT row_id FROM outcome WHERE len(calls) = 2")
    text = rendered(row_facts(runs.store, row_id.hex()), limit=None)
    assert (
        "call 2: solved.verify_math, model teacher, attempt 2, ok; its answer replaces that of call 1" in text
    )
    assert "verify_math: measured 1\n" in text
    assert (
        "  call 1 before it: math: wrong, measured 0\n    | gold: 5\n    | found: 4\n    | by: number\n"
        in text
    )


def test_it_ends_after_n_rounds_with_the_verdict(runs: SpecRuns) -> None:
    runs.answers = lambda prompt: r"\boxed{6}"
    runs.run(spec("repair(fix, 3)"))
    assert len(runs.prompts) == 2 + 2 * 3
    assert [(status, reason) for status, reason, _ in runs.rows()] == [("dropped", "math: wrong")] * 2
    # The same wrong answer asks the same but for the round: each has a seed of its own all the same.
    assert len({request.seed for request in runs.engine.requests}) == 8


def test_calls_of_a_repair_are_counted_at_the_verifier(runs: SpecRuns) -> None:
    report = runs.run(spec())
    assert {node: counts["asked"] for node, counts in report.summary["calls"].items()} == {
        "solved.generate_solution": 2,
        "solved.verify_math": 1,
    }
    steps = report.summary["pipelines"]["solved"]["steps"]
    assert steps["verify_math"]["asked_again"] == {"rows": 1, "passed": 1}
    assert "  solved.verify_math asked the model again, rows: 1, passed then: 1\n" in report_text(report)


def test_a_second_run_asks_nothing(runs: SpecRuns) -> None:
    runs.run(spec())
    first, asked = runs.rows(), len(runs.prompts)
    runs.run(spec())
    assert (runs.rows(), len(runs.prompts)) == (first, asked)


def test_another_template_asks_only_for_the_repair(runs: SpecRuns) -> None:
    runs.run(spec())
    measured = runs.store.sql("SELECT count(*) FROM score")
    runs.run(spec().replace("you wrote", "you said"))
    assert runs.prompts[3:] == [r"2 + 3: you said \boxed{4}; math: wrong (round 1); found 4"]
    assert runs.store.sql("SELECT count(*) FROM score") == measured


def test_of_several_candidates_all_are_repaired_when_none_passes(runs: SpecRuns) -> None:
    both = (
        spec()
        .replace("model = teacher", "model = teacher, samples = 2")
        .replace("on_fail", "pick = first, on_fail")
    )
    runs.run(both)
    # 2 + 2 passes at once; both candidates of 2 + 3 are repaired, and one of them is picked.
    assert len(runs.prompts) == 4 + 2
    assert [(status, reason) for status, reason, _ in runs.rows()].count(("kept", "")) == 2


def test_a_template_that_cannot_be_rendered_quarantines_the_row(runs: SpecRuns) -> None:
    runs.answers = lambda prompt: "I do not know"  # nothing to measure: no score to show
    report = runs.run(spec().replace("{{ verdict.response }}", "{{ verdict.score }}"))
    assert report.exit_code == 1
    assert {(status, reason) for status, reason, _ in runs.rows()} == {("quarantined", "row error")}


def test_a_repair_that_brings_no_answer_leaves_the_verdict(runs: SpecRuns) -> None:
    runs.answers = lambda prompt: "no box here" if "wrong" in prompt else r"\boxed{4}"
    parsed = spec().replace("model = teacher", r'model = teacher, parse = regex("boxed.*")')
    runs.run(parsed)
    assert {(status, reason) for status, reason, _ in runs.rows()} == {
        ("kept", ""),
        ("dropped", "math: wrong"),
    }
    assert runs.store.sql("SELECT max(len(calls)) FROM outcome") == [(2,)]


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from spec_runs import SpecRuns
from test_repaired_answers import spec

kill_at = int(sys.argv[3])
runs = SpecRuns(Path(sys.argv[2]), lambda prompt: answer(prompt))
log = open(Path(sys.argv[2]) / "asked.log", "a", buffering=1)

def answer(prompt):
    if log.tell() and len(Path(log.name).read_text().splitlines()) == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    print(prompt, file=log)
    return r"\\\\boxed{5}" if "round 2" in prompt else r"\\\\boxed{6}"

runs.run(spec("repair(fix, 3)").replace('"4" }', '"5" }'))
print(*(status for status, *_ in runs.rows()))
"""


@pytest.mark.parametrize("kill_at", [3, 5])
def test_a_killed_run_goes_on_without_asking_again(tmp_path: Path, kill_at: int) -> None:
    """Killed when the model is asked for the first or second repair: all that it had answered stays answered."""

    def start(kill_at: int) -> subprocess.CompletedProcess[str]:
        here = Path(__file__).parent
        command = [sys.executable, "-c", KILLED, str(here), str(tmp_path), str(kill_at)]
        return subprocess.run(command, cwd=here.parents[2], capture_output=True, text=True, timeout=60)

    assert start(kill_at).returncode == -signal.SIGKILL
    finished = start(0)
    assert finished.stdout.split() == ["kept", "kept"], finished.stderr
    answered = (tmp_path / "asked.log").read_text().splitlines()
    assert len(answered) == len(set(answered)) == 6
    assert json.dumps(answered).count("round 2") == 2
