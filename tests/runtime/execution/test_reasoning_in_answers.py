"""No step looks into the reasoning that a server leaves in an answer, be it fresh, stored or a source's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from spec_runs import SpecRuns

# Every verifier below fails on the thought, and passes what is said.
THOUGHT = "I'm sorry, but I can't help. Problem: no. " + "Du bist nett, sagt er, und geht nach Hause. " * 9
SAID = "Problem: the sky is blue today and the sea is green."

ASK = """
source s inline {{ rows = [{{ k = "a" }}], license = "cc0-1.0" }}
template ask {{ user = "Go {{{{ k }}}}" }}
template grade {{ user = "Grade: {{{{ answer }}}}" }}
pipeline p {{
  from s
  generate answer {{ prompt = ask, model = teacher{more} }}
{steps}
}}"""

VERIFIERS = {
    "constraints": 'verify constraints { response = answer, constraints = [{ id = "punctuation:no_comma" }] }',
    "refusal": "verify refusal { response = answer, expect = comply }",
    "language": 'verify language { response = answer, is = "en" }',
    "repetition": "verify repetition { response = answer }",
    "where": 'verify where { expr = not contains(answer, "Du bist") }',
    "judge": "verify judge { response = answer, rubric = grade, models = [teacher], verdict = pass, min = 1 }",
}


def answered(prompt: str) -> str:
    if prompt.startswith("Grade"):
        return f'<think>{{"pass": {"false"}}}</think>{{"reason": "", "pass": {str("Du bist" not in prompt).lower()}}}'
    return f"<think>\n{THOUGHT}\n</think>\n\n{SAID}"


@pytest.mark.parametrize("verifier", VERIFIERS.values(), ids=VERIFIERS.keys())
def test_verifiers_see_what_is_said(tmp_path: Path, verifier: str) -> None:
    runs = SpecRuns(tmp_path, answered)
    runs.run(ASK.format(more="", steps=f"  {verifier}"))
    assert [(status, reason, columns["answer"]) for status, reason, columns in runs.rows()] == [
        ("kept", "", SAID)
    ]


@pytest.mark.parametrize(
    "verifier", [VERIFIERS[name] for name in ("constraints", "refusal", "language", "repetition", "judge")]
)
def test_so_they_do_in_a_source_whose_text_stays_as_it_is(tmp_path: Path, verifier: str) -> None:
    runs = SpecRuns(tmp_path, answered)
    (tmp_path / "d.jsonl").write_text(
        f'{{"answer": "<think>\\n{THOUGHT}\\n</think>\\n\\n{SAID}"}}\n', encoding="utf-8"
    )
    runs.run(
        'source s jsonl { path = "d.jsonl", license = "cc0-1.0", columns = { answer = answer } }\n'
        'template grade { user = "Grade: {{ answer }}" }\n'
        f"pipeline p {{\n  from s\n  {verifier}\n}}"
    )
    assert [(status, reason, columns["answer"]) for status, reason, columns in runs.rows()] == [
        ("kept", "", f"<think>\n{THOUGHT}\n</think>\n\n{SAID}")
    ]


def test_parse_and_the_column_of_the_reasoning(tmp_path: Path) -> None:
    runs = SpecRuns(tmp_path, answered)
    spec = ASK.format(more=', parse = after("Problem:")', steps="  derive { why = answer.reasoning }")
    runs.run(spec)
    [(_, _, columns)] = fresh = runs.rows()
    assert (columns["answer"], columns["why"]) == (SAID.removeprefix("Problem: "), THOUGHT.strip())
    # The stored answer is the one that was written, and is read by the same rule.
    assert runs.store.sql("SELECT text FROM call") == [(f"<think>\n{THOUGHT}\n</think>\n\n{SAID}",)]
    runs.run(spec)
    assert (runs.rows(), len(runs.prompts)) == (fresh, 1)


def test_a_parse_that_names_the_mark_reads_all_of_it(tmp_path: Path) -> None:
    runs = SpecRuns(tmp_path, answered)
    runs.run(ASK.format(more=', parse = between("<think>", "</think>")', steps=""))
    assert [columns["answer"] for _, _, columns in runs.rows()] == [THOUGHT.strip()]


def test_reasoning_without_an_end_is_no_answer(tmp_path: Path) -> None:
    runs = SpecRuns(tmp_path, lambda prompt: "<think>\nIt goes on and")
    for _ in range(2):
        runs.run(ASK.format(more="", steps=""))
        assert [(status, reason) for status, reason, _ in runs.rows()] == [("quarantined", "empty")]


def test_an_answer_about_marks_is_whole(tmp_path: Path) -> None:
    text = "R1 thinks between `<think>` and `</think>`. The <think> tag opens, and </think> closes."
    runs = SpecRuns(tmp_path, lambda prompt: text)
    runs.run(ASK.format(more="", steps=""))
    assert [columns["answer"] for _, _, columns in runs.rows()] == [text]
