"""Judges and guards in whole runs: against the project's fake server, and against scripted models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from spec_runs import HEAD, SpecRuns
from virtual import ScriptedEngine, ScriptedScorer

import mixwright
from benchmarks.fake_server import ThreadedServer
from mixwright.commands.explain import rendered
from mixwright_runtime.engines.protocol import Answer, Fault, Finish, Scores
from mixwright_runtime.errors import CalibrationFailed
from mixwright_runtime.facts.row import row_facts
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store

SPEC = """
model second openai {{ base_url = "http://localhost:1/v1", model = "second" }}
model third openai {{ base_url = "http://localhost:1/v1", model = "third" }}
source answers inline {{ rows = [{{ q = "2 + 2", a = "four", b = "five" }}, {{ q = "2 + 3", a = "six", b = "five" }}] }}
template grade {{ user = "Grade <{{{{ a }}}}> for {{{{ q }}}}" }}
template compare {{ user = "For {{{{ q }}}}: A <{{{{ a }}}}> B <{{{{ b }}}}>" }}
pipeline judged {{
  from answers
  verify {verify}
}}
"""


def said(**verdict: Any) -> str:
    return json.dumps({"reason": "Because.", **verdict})


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[SpecRuns]:
    made = SpecRuns(tmp_path, lambda prompt: said(score=9 if "<four>" in prompt else 3))
    yield made
    made.store.close()


def verify(text: str) -> str:
    return SPEC.format(verify=text)


ONE = "judge {{ response = a, rubric = grade, models = [teacher], min = {min} }}"


def test_a_score_below_the_threshold_fails_and_its_reason_is_told(runs: SpecRuns) -> None:
    runs.run(verify(ONE.format(min=8)))
    assert sorted((s, r, c["a"]) for s, r, c in runs.rows()) == [
        ("dropped", "judge: below min", "six"),
        ("kept", "", "four"),
    ]
    (row_id,) = runs.store.sql("SELECT hex(row_id) FROM row_outcome WHERE status = 'dropped'")[0]
    text = rendered(row_facts(runs.store, row_id.lower()), limit=None)
    assert (
        "| opinions:\n    |   - judge: teacher\n" in text and "score: 3.0\n    |     reason: Because." in text
    )


def test_the_engine_gets_the_form_of_the_verdict(runs: SpecRuns) -> None:
    runs.run(verify(ONE.format(min=8)))
    request = runs.engine.requests[0]
    assert request.sampling["schema"]["required"] == ["reason", "score"]
    assert request.messages[-1]["content"].endswith('"score": a whole number from 1 to 10}')


def test_moving_the_threshold_or_the_combination_asks_nobody(runs: SpecRuns) -> None:
    runs.run(verify(ONE.format(min=8)))
    asked = len(runs.prompts)
    runs.run(verify(ONE.format(min=2)))
    assert [status for status, _, _ in runs.rows()] == ["kept", "kept"]
    runs.run(verify(ONE.format(min=2).replace("min", "combine = majority, min")))
    assert len(runs.prompts) == asked == 2


def run_panel(runs: SpecRuns, spec: str, **by_model: str) -> None:
    """A run in which each judge has an answer of its own."""
    path = runs.directory / "spec.mix"
    path.write_text(HEAD + spec, encoding="utf-8")
    engines = {
        name: ScriptedEngine(lambda _, __, text=text: Answer(text, Finish.STOP), latency_s=0)
        for name, text in by_model.items()
    }
    plan = mixwright.plan(path)
    run_plan(plan, store=runs.store, options=RunOptions(exports=False), engines=engines)


@pytest.mark.parametrize(
    ("combine", "score", "status"),
    [("mean", 19 / 3, "kept"), ("majority", 8, "kept"), ("unanimous", 2, "dropped")],
)
def test_a_panel(runs: SpecRuns, combine: str, score: float, status: str) -> None:
    panel = f"""judge {{
        response = a, rubric = grade, models = [teacher, second, third], combine = {combine}, min = 6
      }}"""
    run_panel(runs, verify(panel), teacher=said(score=9), second=said(score=8), third=said(score=2))
    assert [found for found, _, _ in runs.rows()] == [status] * 2
    found = runs.scores()[0]["verify_judge"]
    assert found["score"] == pytest.approx(score)
    assert found["evidence"]["judges"] == {"teacher": 9, "second": 8, "third": 2}


@pytest.mark.parametrize(("quorum", "status"), [(1, "kept"), (2, "quarantined")])
def test_a_quorum_is_enough(runs: SpecRuns, quorum: int, status: str) -> None:
    text = f"judge {{ response = a, rubric = grade, models = [teacher, second], quorum = {quorum}, min = 8 }}"
    run_panel(runs, verify(text), teacher="no JSON", second=said(score=9))
    assert [found for found, _, _ in runs.rows()] == [status] * 2


def test_a_comparison_is_asked_in_both_orders(runs: SpecRuns) -> None:
    """The judge prefers `five` wherever it stands."""
    runs.answers = lambda prompt: said(winner="A" if "A <five>" in prompt else "B")
    runs.run(
        verify(
            "judge { response = b, against = a, rubric = compare_b, models = [teacher], min = 0.75 }\n}\n"
            'template compare_b { user = "For {{ q }}: A <{{ b }}> B <{{ a }}>" '
        )
    )
    assert sorted(runs.prompts)[0].startswith("For 2 + 2: A <five> B <four>")
    assert sorted(runs.prompts)[1].startswith("For 2 + 2: A <four> B <five>")
    assert [status for status, _, _ in runs.rows()] == ["kept", "kept"]


def test_a_judge_who_names_what_stands_first_says_nothing(runs: SpecRuns) -> None:
    runs.answers = lambda prompt: said(winner="A")
    runs.run(verify("judge { response = a, against = b, rubric = compare, models = [teacher], min = 0.6 }"))
    assert {reason for _, reason, _ in runs.rows()} == {"judge: below min"}
    found = runs.scores()[0]["verify_judge"]
    assert (found["score"], found["evidence"]["changed_with_order"]) == (0.5, ["teacher"])


def test_what_cannot_be_read_is_asked_again_and_then_an_error(runs: SpecRuns) -> None:
    runs.answers = lambda prompt: (
        "I like it!" if "<six>" in prompt or sum("<four>" in p for p in runs.prompts) < 2 else said(score=9)
    )
    runs.run(verify(ONE.format(min=8)))
    statuses = sorted((status, reason) for status, reason, _ in runs.rows())
    assert statuses == [("kept", ""), ("quarantined", "verifier error")]
    seeds = [request.seed for request in runs.engine.requests]
    assert len(seeds) == len(set(seeds)), "each attempt has a seed of its own"
    assert {request.sampling["temperature"] for request in runs.engine.requests} == {0.0, 0.7}


def test_a_failing_row_is_asked_for_again_with_the_judges_reason(runs: SpecRuns) -> None:
    def answer(prompt: str) -> str:
        if prompt.startswith("Grade"):
            return said(score=9 if "better" in prompt else 2)
        return "better" if "Because." in prompt else "worse"

    runs.answers = answer
    runs.run("""
source tasks inline { rows = [{ q = "2 + 2" }] }
model judge_b openai { base_url = "http://localhost:1/v1", model = "b" }
template solve { user = "{{ q }}" }
template grade { user = "Grade {{ a }}" }
template fix { user = "{{ q }} again: {{ verdict.evidence.opinions[0].reason }}" }
pipeline p {
  from tasks
  generate a { prompt = solve, model = teacher }
  verify judge { response = a, rubric = grade, models = [judge_b], min = 8, on_fail = repair(fix) }
}
""")
    assert [(status, columns["a"]) for status, _, columns in runs.rows()] == [("kept", "better")]


LABELLED = """
source labelled inline {{ rows = [
  {{ q = "1 + 1", a = "<good>", right = true }}, {{ q = "1 + 2", a = "<good>", right = true }},
  {{ q = "1 + 3", a = "<bad>", right = false }}, {{ q = "1 + 4", a = "<fair>", right = false }}
] }}
source answers inline {{ rows = [{{ q = "2 + 2", a = "<good>" }}] }}
template grade {{ user = "Grade {{{{ a }}}} for {{{{ q }}}}" }}
pipeline judged {{
  from answers
  verify judge {{
    response = a
    rubric = grade
    models = [teacher]
    min = {min}
    calibrate {{ rows = labelled, label = right, precision = 100% }}
  }}
}}
"""


def test_a_judge_is_held_against_people(runs: SpecRuns) -> None:
    runs.answers = lambda prompt: said(score=9 if "<good>" in prompt else 6 if "<fair>" in prompt else 2)
    report = runs.run(LABELLED.format(min=8))
    figures = report.summary["calibrations"]["judged.verify_judge"]
    assert (figures["precision"], figures["recall"], figures["auc"]) == (1.0, 1.0, 1.0)
    asked = len(runs.prompts)
    with pytest.raises(CalibrationFailed, match="`min = 9` would meet it"):
        runs.run(LABELLED.format(min=5))
    assert len(runs.prompts) == asked, "another threshold asks no judge"


# Guards.


def test_a_guard_is_given_the_conversation(runs: SpecRuns) -> None:
    runs.answers = lambda text: "unsafe\nS1" if text == "six" else "safe"
    runs.run(verify("safety { response = a, request = q, model = teacher }"))
    assert [m["role"] for m in runs.engine.requests[0].messages] == ["user", "assistant"]
    assert sorted((s, r) for s, r, _ in runs.rows()) == [("dropped", "safety: unsafe"), ("kept", "")]
    evidence = [scores["verify_safety"]["evidence"] for scores in runs.scores()]
    assert sorted(e["categories"] for e in evidence) == [[], ["S1"]]


def test_categories_may_be_ignored_and_the_direction_turned(runs: SpecRuns) -> None:
    runs.answers = lambda text: "unsafe\nS1" if text == "six" else "unsafe\nS1,S2"
    runs.run(
        verify('safety { response = a, request = q, model = teacher, ignore = ["s1"], expect = unsafe }')
    )
    assert sorted((s, r, c["a"]) for s, r, c in runs.rows()) == [
        ("dropped", "safety: safe", "six"),
        ("kept", "", "four"),
    ]


def test_a_guard_that_refuses_to_say_lets_nothing_pass(runs: SpecRuns) -> None:
    runs.answers = lambda text: "I would rather not."
    runs.run(verify("safety { response = a, model = teacher, prompt = grade, retries = 1 }"))
    assert [(s, r) for s, r, _ in runs.rows()] == [("quarantined", "verifier error")] * 2
    assert len(runs.prompts) == 4


CLASSIFIED = """
model moderator openai {{ base_url = "http://localhost:1/v1", model = "m", task = classify }}
source answers inline {{ rows = [{{ q = "2 + 2", a = "four" }}] }}
pipeline judged {{
  from answers
  verify safety {{ response = a, model = moderator{more} }}
}}
"""


@pytest.mark.parametrize(
    ("shares", "more", "score", "status"),
    [
        ((0.9, 0.1), "", 0.9, "kept"),
        ((0.2, 0.8), "", 0.2, "dropped"),
        ((0.1, 0.2, 0.7), ", labels = [0, 1]", 0.7, "kept"),
        ((0.1, 0.2, 0.7), ", labels = [3]", None, "quarantined"),
        ((0.8,), ", request = q, expect = unsafe", 0.8, "kept"),
    ],
)
def test_a_guard_that_classifies(
    runs: SpecRuns, shares: tuple[float, ...], more: str, score: float | None, status: str
) -> None:
    path = runs.directory / "spec.mix"
    path.write_text(HEAD + CLASSIFIED.format(more=more), encoding="utf-8")
    scorer = ScriptedScorer(Scores(shares, 7))
    run_plan(
        mixwright.plan(path),
        store=runs.store,
        options=RunOptions(exports=False),
        engines={"moderator": scorer},
    )
    assert [found for found, _, _ in runs.rows()] == [status]
    measured = runs.scores()[0]["verify_safety"]["score"]
    assert measured == (score if score is None else pytest.approx(score))
    asked = scorer.scored[0]
    assert (len(asked.messages), asked.texts) == ((2, ()) if "request" in more else (0, ("four",)))


@pytest.mark.parametrize(
    ("fault", "reason"), [(Fault.TIMEOUT, "verifier timeout"), (Fault.BAD_REQUEST, "verifier error")]
)
def test_a_judge_that_does_not_answer_is_no_verdict(runs: SpecRuns, fault: Fault, reason: str) -> None:
    # A plain request gets through: the judge takes what it is asked, and not this question.
    runs.engine.script = lambda text, before: None if text == "Say ok." else fault
    runs.run(verify(ONE.format(min=8).replace("min", "retries = 0, min")))
    assert {(status, why) for status, why, _ in runs.rows()} == {("quarantined", reason)}


@pytest.mark.parametrize(
    "verifier",
    [
        ONE.format(min=8),
        "safety { response = a, model = teacher }",
    ],
    ids=["judge", "guard"],
)
def test_a_question_longer_than_the_model_takes_cannot_be_judged_and_is_no_error(
    runs: SpecRuns, verifier: str
) -> None:
    runs.engine.script = lambda text, before: Fault.TOO_LONG
    runs.run(verify(verifier))
    kind = verifier.partition(" ")[0]
    assert {(status, why) for status, why, _ in runs.rows()} == {("dropped", f"{kind}: too long")}
    # The limit is the server's: with another one the next run measures.
    runs.engine.script = lambda text, before: Answer(
        said(score=9) if kind == "judge" else "safe", Finish.STOP
    )
    runs.run(verify(verifier))
    assert {status for status, _, _ in runs.rows()} == {"kept"}


def test_explain_prints_what_a_judge_was_asked_and_what_it_said(runs: SpecRuns) -> None:
    runs.run(verify(ONE.format(min=8)))
    (row_id,) = runs.store.sql("SELECT hex(row_id) FROM row_outcome WHERE status = 'dropped'")[0]
    facts = row_facts(runs.store, row_id.lower())
    [call] = facts.verifier_calls
    assert call.key == facts.scores[0].evidence["opinions"][0]["call"]
    text = rendered(facts, limit=None)
    assert f"key {call.key}" in text and ".verify_judge, model teacher, attempt 1, ok" in text
    assert "Grade <six>" in call.messages[0]["content"] and f"    | {call.text}" in text


# Over HTTP.


def test_the_method_spec_runs_against_a_server(tmp_path: Path, server: ThreadedServer) -> None:
    root = Path(__file__).resolve().parents[3]
    text = (root / "specs/methods/judge.mix").read_text(encoding="utf-8")
    (tmp_path / "judge.mix").write_text(
        text.replace("http://localhost:8000/v1", server.url), encoding="utf-8"
    )
    server.fake.use(
        {
            "lists": None,
            "rules": [
                {"match": "Rate the answer", "fault": "text", "text": said(accuracy=9, clarity=8)},
                {"match": "Answer A:", "fault": "text", "text": said(winner="A")},
                {"match": "Task: say", "fault": "text", "text": "safe"},
                {"match": "paper boat", "fault": "text", "text": "I'm sorry, but I can't help with that."},
                {
                    "match": "",
                    "fault": "text",
                    "text": "Light from the sun is scattered by the air, and blue most.",
                },
            ],
        }
    )
    plan = mixwright.plan(tmp_path / "judge.mix")
    with Store.open(tmp_path / "store") as store:
        report = run_plan(plan, store=store, options=RunOptions(exports=False))
        rows = store.sql("SELECT status, reason, scores FROM outcome ORDER BY position, candidate")
        found = [(status, reason, json.loads(scores)) for status, reason, scores in rows]
    assert report.exit_code == 0
    assert (
        sorted(reason for _, reason, _ in found if reason)
        == ["judge: not picked"] * 2 + ["refusal: refused"] * 2
    )
    kept = [scores for status, _, scores in found if status == "kept"]
    assert [
        (s["panel"]["score"], s["beats_reference"]["score"], s["verify_safety"]["evidence"]["said"])
        for s in kept
    ] == [(8.5, 0.5, "safe")] * 2
    assert set(kept[0]["panel"]["evidence"]["judges"]) == {"judge_a", "judge_b", "judge_c"}
