"""`mixwright test`: tests of a spec are run, told and counted, and change nothing of its plan."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

import mixwright
from mixwright.cli import main
from mixwright_compiler.plan.fingerprint import pipeline_row_hashes
from tests.checkout import IMPORT_PATH, ROOT

HEAD = """edition 2026

model teacher openai { base_url = "http://localhost:1/v1", model = "tiny" }
source people inline { rows = [{ name = "Ada", age = 36 }, { name = "Tom", age = 6 }], license = "mit" }
template hello { system = "Be brief.", user = "Greet {{ name }}." }
pipeline adults {
  from people { where = age >= 18 }
  generate greeting { prompt = hello, model = teacher, samples = 2, parse = after(":"), on_fail = retry(1) }
  verify where { expr = greeting != "no", pick = first }
  chat { user = name, assistant = greeting }
}
mixture main { seed = 1, adults = 1 }
"""

Told = Callable[..., tuple[int, str]]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Told:
    """The exit status of `mixwright test` on a spec with these tests, and what it prints."""
    (tmp_path / ".mixwright").mkdir()
    monkeypatch.chdir(tmp_path)

    def run(tests: str, *options: str) -> tuple[int, str]:
        (tmp_path / "spec.mix").write_text(HEAD + tests, encoding="utf-8")
        status = main(["test", *options])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return run


PASSES = """
test "adults are greeted" of adults {
  given = people
  answers = { generate_greeting = ["hm", "A: no", "A: hello"] }
  expect = [kept(1), dropped(from, 1), dropped(verify_where, 1), { greeting = "hello" }]
}
"""


def test_candidates_take_answers_in_their_order_and_then_further_attempts(told: Told) -> None:
    # The first candidate is answered with what cannot be read, the second with `no`, and the first once more.
    status, text = told(PASSES)
    assert status == 0 and "ok      adults are greeted" in text and "1 test: 1 passed" in text


def test_a_failure_has_its_place_what_was_found_and_what_became_of_the_row(told: Told) -> None:
    status, text = told(
        'test "all stay" of adults { given = people, answers = { generate_greeting = "A: no" }, '
        'expect = [kept, greeting == "hello"] }'
    )
    assert status == 1
    assert "error[MIX973]: expected every row to be kept" in text and "spec.mix:13:" in text
    assert "row 1 was dropped by `verify_where`" in text and "row 2 was dropped by `from`, where" in text
    assert "no row was kept, so nothing can be said of it" in text and "1 test: 1 failed" in text
    _, text = told('test "big" { given = { a = 1 }, filter { where = a > 1 }, expect = kept }')
    assert "the row was dropped by `filter`\n" in text


def test_a_text_that_differs_in_its_last_line_end_alone_is_shown(told: Told) -> None:
    status, said = told(
        'test "t" {\n  given = { a = "x" }\n  derive { b = a + "" }\n  expect = { b = "x\\n" }\n}\n'
    )
    assert status == 1
    assert r'expected "x\n"' in said and 'found    "x"' in said


def test_a_request_without_an_answer_is_printed_as_it_would_be_asked(told: Told) -> None:
    spec = 'test "t" of adults {{ given = take(people, 1){} expect = kept }}'
    status, text = told(spec.format(","))
    assert status == 1 and "`generate_greeting` asks `teacher`, and no answer is recorded for it" in text
    assert "note: system: Be brief." in text and "note: user: Greet Ada." in text
    _, text = told(spec.format(', answers = { generate_greeting = ["A: a"] },'))
    assert "request 2" in text and 'write one more: `generate_greeting = ["A: a", "…"]`' in text
    _, text = told(spec.format(', answers = { generate_greeting = ["A: a", "A: b", "A: c"] },'))
    assert "`generate_greeting` did not ask for 1 of its recorded answers" in text


def test_an_answer_that_is_cut_off_quarantines_the_row(told: Told) -> None:
    status, text = told(
        'test "t" of adults.generate_greeting { given = { name = "Ada" }, answers = { generate_greeting = '
        '{ text = "A: he", finish = "length" } }, expect = [quarantined(generate_greeting, because = "length"), '
        'name == "Ada"] }'
    )
    assert status == 0, text


def test_every_kind_of_question_has_a_kind_of_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", str(Path(__file__).with_name("recorded_answers.mix"))]) == 0, capsys.readouterr()


def test_an_answer_of_another_kind_is_told(told: Told) -> None:
    status, text = told(
        'model rater openai { base_url = "http://localhost:1", model = "r", task = reward }\n'
        'test "t" { given = people, verify reward { request = name, response = name, model = rater }, '
        'answers = { verify_reward = "good" }, expect = kept }'
    )
    assert status == 1 and "error[MIX974]: `verify_reward` asks for a number" in text


CALLS = """
model embedder openai { base_url = "http://localhost:1", model = "e", task = embed }
model base transformers { path = "m", context = 384 }
tool calculator arithmetic { }
template sums { user = "Add calls: {{ name }}" }
test "t" {
  given = { name = "One and one is 2." }
  %s
  expect = kept
}
"""


@pytest.mark.parametrize(
    ("answers", "hint"),
    [
        ("", '[{ token_at = [["and", 0.9]] }]'),
        ('[{ token_at = [["is", 0.9]] }, "calculator(1)"]', '{ losses = 0.7, prefix = "", at = "is" }]'),
        ('{ token_at = [["is", 0.9]] }', '[{ token_at = [["is", 0.9]] }, "…"]'),
        ('{ token_at = [["was", 0.9]] }', "asks for a place in the text: `was` is not in it, or ends it"),
        ("{ token_at = 0.9 }", "a part of the text and a probability each"),
        (
            '[{ token_at = [["is", 0.9]] }, "calculator(1)", { losses = -1 }]',
            "of each token how hard it is, in nats",
        ),
    ],
)
def test_what_is_not_recorded_of_how_likely_tokens_are_is_told(told: Told, answers: str, hint: str) -> None:
    written = f"answers = {{ call_tools_x = {answers} }}" if answers else ""
    step = "call_tools x { from = name, model = base, use calculator { prompt = sums, calls = 1 } }"
    status, text = told(CALLS % f"{step}\n  {written}")
    assert status == 1 and "error[MIX974]: `call_tools_x` asks" in text and hint in text


def test_a_missing_vector_is_asked_for_as_a_vector(told: Told) -> None:
    step = "dedup semantic { on = name, model = embedder }"
    _, text = told(CALLS % step)
    assert "add `answers = { dedup_semantic = [[1, 0]] }`" in text


def test_golden_files_are_compared_and_written(told: Told, tmp_path: Path) -> None:
    spec = 'test "t" { given = people, expect = golden("g/p.txt", render(hello, user)) }'
    status, text = told(spec)
    assert status == 1 and "`g/p.txt` is not there" in text and "+Greet Ada." in text
    assert told(spec, "--update")[0] == 0
    assert (tmp_path / "g/p.txt").read_text() == "Greet Ada.\n---\nGreet Tom.\n"
    assert told(spec)[0] == 0
    (tmp_path / "g/p.txt").write_text("Greet Bob.\n---\nGreet Tom.\n")
    status, text = told(spec)
    assert status == 1 and "-Greet Bob." in text and "+Greet Ada." in text


def test_rows_of_a_file_stand_in_for_a_pipeline_that_is_drawn_from(told: Told, tmp_path: Path) -> None:
    (tmp_path / "given.jsonl").write_text('{"q": "a"}\n\n{"q": "b"}\n')
    status, text = told(
        'test "t" { given = file("given.jsonl"), rows = { adults = [{ name = "Eve", greeting = "hi" }] }, '
        'draw picked { from = adults }, expect = [kept(2), picked.name == "Eve"] }'
    )
    assert status == 0, text


def test_json_and_junit_hold_what_others_wrote_as_its_code(told: Told, tmp_path: Path) -> None:
    status, text = told(
        'test "t" of adults { given = take(people, 1), answers = { generate_greeting = "A: \\u001b[31m\\u202e" }, '
        'expect = { greeting = "x" } }',
        "--json",
        "--junit",
        "out.xml",
    )
    found = json.loads(text)
    assert status == 1 and found["command"] == "test" and found["summary"]["failed"] == 1
    assert found["tests"][0]["failures"][0]["code"] == "MIX973"
    suites = ElementTree.fromstring((tmp_path / "out.xml").read_bytes())
    assert suites.attrib["tests"] == suites.attrib["failures"] == "1"
    failure = suites.find("testsuite/testcase/failure")
    assert failure is not None and "\x1b" not in str(failure.text) and "\\u001b" in str(failure.text)


def test_tests_are_chosen_by_their_names(told: Told) -> None:
    two = PASSES + 'test "names are known" { given = people, expect = len(name) == 3 }\n'
    assert "1 test: 1 passed" in told(two, "-k", "KNOWN")[1]
    status, text = told(two, "-k", "nowhere")
    assert status == 2 and "no test whose name holds 'nowhere'" in text


def test_what_has_errors_or_no_test_is_told_by_the_status(told: Told) -> None:
    status, text = told("")
    assert status == 2 and "no test; write one" in text
    status, text = told('test "t" of adult { given = people, expect = kept }')
    assert status == 2 and "error[MIX101]" in text


def test_tests_of_an_imported_file_run_when_it_is_named(told: Told, tmp_path: Path) -> None:
    (tmp_path / "lib.mix").write_text('edition 2026\ntest "of lib" { given = { n = 1 }, expect = n == 1 }\n')
    spec = 'import "lib.mix" as lib\n' + PASSES
    assert "of lib" not in told(spec, "spec.mix")[1]
    assert "of lib" in told(spec, "lib.mix")[1]


def test_a_test_changes_nothing_of_the_plan_but_the_text_of_the_spec(told: Told, tmp_path: Path) -> None:
    spec = tmp_path / "spec.mix"
    spec.write_text(HEAD, encoding="utf-8")
    without = mixwright.plan(spec)
    told(PASSES)
    with_it = mixwright.plan(spec)
    assert pipeline_row_hashes(without) == pipeline_row_hashes(with_it)
    differing = {"files"}
    assert without.model_dump(exclude=differing) == with_it.model_dump(exclude=differing)
    assert list((tmp_path / ".mixwright").iterdir()) == [], "nothing is stored"


def test_the_tests_of_the_specs_that_ship_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", str(ROOT / "specs")]) == 0
    assert "quickstart.mix" in capsys.readouterr().out


def test_an_interrupt_ends_it_without_a_trace(tmp_path: Path) -> None:
    (tmp_path / ".mixwright").mkdir()
    (tmp_path / "slow.py").write_text(
        "from mixwright.plugin import STEP, Apply, declare\n"
        '@declare("step", "stuck", attributes=(*STEP,))\n'
        "class Stuck(Apply):\n"
        '    """Interrupts the process that runs it."""\n\n'
        "    def apply(self, row):\n"
        "        import os, signal\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        return row\n"
    )
    (tmp_path / "spec.mix").write_text(
        'edition 2026\nimport python "slow.py"\ntest "t" { given = { n = 1 }, stuck { }, expect = n == 1 }\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "mixwright", "test"],
        cwd=tmp_path,
        env={"PYTHONPATH": IMPORT_PATH, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 130 and "Traceback" not in done.stderr, done.stderr
