"""Any row tells where it came from, and any missing row why it is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mixwright.cli import main
from mixwright_compiler.plan.plan import Fingerprint, From, Origin, Pipeline, Plan, SourceSpec, SpecFile, Step
from mixwright_runtime.store.records import CallRecord, OutcomeRecord, ScoreRecord, SelectionRecord
from mixwright_runtime.store.store import Store
from mixwright_runtime.values.rows import candidate_id, entry_id
from tests.runtime.store.conftest import key_of

SPEC = """\
source questions jsonl { path = "questions.jsonl" }
pipeline math {
  from questions
  generate solve { prompt = ask, model = teacher, samples = 2 }
  verify math check { response = solve, answer = gold }
}
"""
KEPT = candidate_id(key_of(1), "solve", 0)
WRONG = candidate_id(key_of(1), "solve", 1)


def spec_plan(plan: Plan) -> Plan:
    def at(line: int) -> Origin:
        return Origin(file="tiny.mix", line=line, column=1)

    def step(name: str, operation: str, line: int) -> Step:
        empty = Fingerprint(row="", set="", meta="")
        return Step(
            id=name,
            operation=operation,
            version=1,
            attributes={},
            columns={},
            fingerprint=empty,
            origin=at(line),
        )

    pipeline = Pipeline(
        name="math", start=From(rows="questions", kind="source", origin=at(3)), columns={}, origin=at(2),
        steps=(step("solve", "step.generate", 4), step("check", "verify.math", 5)),
    )  # fmt: skip
    source = SourceSpec(name="questions", kind="jsonl", attributes={}, columns={}, origin=at(1))
    return plan.model_copy(
        update={
            "files": (SpecFile(name="tiny.mix", sha256="", text=SPEC),),
            "pipelines": {"math": pipeline},
            "sources": {"questions": source},
        }
    )


@pytest.fixture
def run_store(
    tmp_path: Path, plan: Plan, call: Callable[..., CallRecord], outcome: Callable[..., OutcomeRecord]
) -> Path:
    with Store.open(tmp_path) as store:
        run = store.begin_run(spec_plan(plan), "run tiny.mix")
        request = json.dumps(
            {"messages": [{"role": "user", "content": "1 + 1?"}], "sampling": {"temperature": 1}}
        )
        store.put_call(call(11, text="two", request=request, engine='{"version": "0.9"}'))
        store.put_call(call(12, text="three\x1b[2J\r| forged", request=request, reasoning="hmm"))
        for row_id, status, key in ((KEPT, "kept", key_of(11)), (WRONG, "dropped", key_of(12))):
            store.put_score(
                ScoreRecord(
                    key_of(20 + len(status)), run, "math.check", row_id, "measured", 1.0, '{"gold": "2"}'
                )
            )
            dropped = status == "dropped"
            store.put_outcome(
                outcome(
                    1, row_id=row_id, status=status, parents=(key_of(1),), candidate=int(dropped), calls=(key,),
                    step="check" if dropped else "", reason="wrong" if dropped else "", columns='{"question": "1 + 1?"}',
                    detail='{"parsed": "3"}' if dropped else "",
                )
            )  # fmt: skip
        store.put_selection([SelectionRecord(run, "mix", 17, "math", "math", KEPT)])
        store.end_run(run, "done", {})
    return tmp_path


def test_a_kept_row_walks_back_to_its_source(run_store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", KEPT.hex()[:8], "--store", str(run_store)]) == 0
    assert (
        capsys.readouterr().out
        == f"""\
row {KEPT.hex()}
run 1 of tiny.mix (done)
mixture mix: position 17, as math, exported as {entry_id("math", KEPT, 0).hex()}

math: kept
   solve (step.generate)  tiny.mix:4: generate solve {{ prompt = ask, model = teacher, samples = 2 }}
   check (verify.math)  tiny.mix:5: verify math check {{ response = solve, answer = gold }}
  question: 1 + 1?

call 1: math.solve, model teacher, attempt 1, ok
  key {key_of(11).hex()}, made by run 1, 1 s, finish stop, 7 tokens in, 9 out, seed 11
  sampling {{"temperature": 1}}
  engine {{"version": "0.9"}}
  user:
    | 1 + 1?
  answer:
    | two

score of math.check: measured 1
    | gold: 2

made of: {key_of(1).hex()}
  candidate 1: {WRONG.hex()} dropped by check (wrong)

from questions at questions.jsonl:2 (row {key_of(1).hex()})
  tiny.mix:1: source questions jsonl {{ path = "questions.jsonl" }}
"""
    )


def test_a_dropped_row_tells_which_step_and_why_and_cannot_forge_the_screen(
    run_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", WRONG.hex().upper(), "--store", str(run_store)]) == 0
    shown = capsys.readouterr().out
    assert "math: dropped by step check: wrong\n    | parsed: 3\n" in shown
    assert " > check (verify.math)  tiny.mix:5" in shown
    assert "  reasoning:\n    | hmm\n" in shown
    assert "    | three\\u001b[2J\\u000d| forged\n" in shown


def test_a_piece_of_a_row_that_was_split_tells_of_the_row(
    run_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As exports of tokens name it."""
    assert main(["explain", f"{WRONG.hex()}/1", "--store", str(run_store)]) == 0
    assert "math: dropped by step check: wrong" in capsys.readouterr().out


def test_the_history_as_json(run_store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--json", WRONG.hex(), "--store", str(run_store)]) == 0
    history = json.loads(capsys.readouterr().out)
    assert history["outcomes"][0]["detail"] == {"parsed": "3"}
    assert history["calls"][0]["text"] == "three\x1b[2J\r| forged"
    assert [other["row_id"] for other in history["candidates"]] == [KEPT.hex()]


def test_a_row_that_was_split_names_the_rows_made_of_it(
    run_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", key_of(1).hex(), "--store", str(run_store)]) == 1
    error = capsys.readouterr().err
    assert "2 rows were made of it" in error and KEPT.hex() in error and WRONG.hex() in error


def test_unknown_rows_and_words_are_answered_plainly(
    run_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "ffff0000ffff", "--store", str(run_store)]) == 1
    assert "no row ffff0000ffff in the store" in capsys.readouterr().err
    assert main(["explain", "hello", "--store", str(run_store)]) == 2
    assert "'hello' is neither a row id (4 to 32 hex digits) nor a code" in capsys.readouterr().err
    assert main(["explain", KEPT.hex(), "--run", "9", "--store", str(run_store)]) == 1
    assert "run 9 has no row" in capsys.readouterr().err


def test_without_a_store_it_tells_where_it_looked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "ffff0000ffff", "--store", str(tmp_path / "none")]) == 2
    error = capsys.readouterr().err
    assert f"no store at {tmp_path / 'none'}; 'mixwright run' makes one" in error and "--store" in error
    assert main(["explain", "hello", "--store", str(tmp_path / "none")]) == 2
    assert "a code such as MIX401" in capsys.readouterr().err


def test_long_answers_are_cut_unless_asked_for(
    tmp_path: Path, plan: Plan, call: Callable[..., CallRecord], outcome: Callable[..., OutcomeRecord],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with Store.open(tmp_path) as store:
        store.begin_run(plan, "run tiny.mix")
        store.put_call(call(1, text="word " * 10_000))
        store.put_outcome(outcome(1))
    main(["explain", key_of(1).hex(), "--store", str(tmp_path)])
    assert "(48,000 more characters: --full)" in capsys.readouterr().out
    main(["explain", "--full", key_of(1).hex(), "--store", str(tmp_path)])
    assert len(capsys.readouterr().out) > 50_000
