"""`verify constraints` and `draw` from `constraints(…)`, as steps: rows in, measurements and columns out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made import built, candidates, row

from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.protocol import Measurement
from mixwright_runtime.values.rows import Dropped
from mixwright_runtime.verifiers import verify_constraints as module
from mixwright_runtime.workers.pool import WorkerPool

COMMA: dict[str, Any] = {"id": "punctuation:no_comma"}
WORDS: dict[str, Any] = {
    "id": "length_constraints:number_words",
    "kwargs": {"num_words": 4, "relation": "less than"},
}


def measured(step: Any, **columns: Any) -> Measurement:
    return asyncio.run(step.measure(row(**columns)))


def with_workers(run: Callable[[WorkerPool], Any]) -> Any:
    async def body() -> Any:
        pool = WorkerPool(1)
        try:
            return await run(pool)
        finally:
            await pool.close()

    return asyncio.run(body())


def test_the_score_is_the_share_and_the_evidence_what_broke() -> None:
    step = built("verify.constraints", response="answer", constraints=[COMMA, WORDS])
    found = measured(step, answer="One, two, three, four, five.")
    assert (found.outcome, found.score) == ("measured", 0.0)
    assert found.evidence == {
        "followed": 0,
        "of": 2,
        "broken": [
            {"id": "punctuation:no_comma", "kwargs": {}, "found": 4},
            {"id": WORDS["id"], "kwargs": WORDS["kwargs"], "found": 5},
        ],
    }
    assert measured(step, answer="One, two.").score == 0.5
    assert measured(step, answer="One. Two.").score == 1.0


def test_all_must_be_followed_unless_min_says_less() -> None:
    half, full = row(0, answer="One, two."), row(1, answer="One. Two.")
    for attributes, passes in (
        ({}, [False, True]),
        ({"min": 0.5}, [True, True]),
        ({"min": 1.0}, [False, True]),
    ):
        step = built("verify.constraints", response="answer", constraints=[COMMA, WORDS], **attributes)
        found = [asyncio.run(step.measure(one)) for one in (half, full)]
        decided = step.decide([half, full], found)
        assert [not isinstance(one, Dropped) for one in decided] == passes
    dropped = step.decide([half], found[:1])[0]
    assert isinstance(dropped, Dropped) and dropped.reason == "constraints: not followed"


def test_the_best_of_several_candidates_goes_on() -> None:
    rows = candidates("answer", ["One, two, three, four.", "One, two.", "One. Two.", "Three. Four."])
    step = built("verify.constraints", response="answer", constraints=[COMMA, WORDS], pick="best")
    found = [asyncio.run(step.measure(one)) for one in rows]
    kept = [one for one in step.decide(rows, found) if not isinstance(one, Dropped)]
    assert [one.columns["answer"] for one in kept] == ["One. Two."]


@pytest.mark.parametrize(
    ("constraints", "kwargs"),
    [
        ([COMMA, WORDS], None),
        (json.dumps([COMMA, WORDS]), None),
        ([json.dumps(COMMA), json.dumps(WORDS)], None),
        (["punctuation:no_comma", WORDS["id"]], [{}, WORDS["kwargs"]]),
        (["punctuation:no_comma", WORDS["id"]], json.dumps([{"num_words": None}, WORDS["kwargs"]])),
        (
            [
                {**COMMA, "sentence": "No commas."},
                {"id": WORDS["id"], "num_words": 4, "relation": "less than"},
            ],
            None,
        ),
    ],
    ids=["objects", "JSON", "JSON each", "IFEval's columns", "kwargs as JSON", "arguments beside the id"],
)
def test_a_column_may_hold_constraints_in_several_forms(constraints: Any, kwargs: Any) -> None:
    attributes = {"kwargs": "given"} if kwargs is not None else {}
    step = built("verify.constraints", response="answer", constraints="wanted", **attributes)
    columns = {"wanted": constraints, "given": kwargs}
    assert measured(step, answer="One, two.", **columns).score == 0.5


@pytest.mark.parametrize(
    ("columns", "outcome", "reason"),
    [
        ({"answer": None, "wanted": [COMMA]}, "unmeasurable", "no text"),
        ({"answer": 7, "wanted": [COMMA]}, "unmeasurable", "no text"),
        ({"answer": "x", "wanted": []}, "unmeasurable", "no constraints"),
        ({"answer": "x", "wanted": None}, "unmeasurable", "no constraints"),
        ({"answer": "x", "wanted": [{"id": "no:such"}]}, "error", "no kind of constraint `no:such`"),
        (
            {"answer": "x", "wanted": [{"kwargs": {}}]},
            "error",
            "a constraint is an id, or an object with an `id`",
        ),
        ({"answer": "x", "wanted": 3}, "error", "constraints are a list"),
        ({"answer": "x", "wanted": "{broken"}, "error", "not JSON: {broken"),
        ({"answer": "x", "wanted": [{"id": WORDS["id"]}]}, "error", f"{WORDS['id']}: `relation` is missing"),
        ({"answer": "", "wanted": [COMMA]}, "measured", None),
    ],
)
def test_what_cannot_be_measured_is_never_a_verdict(
    columns: dict[str, Any], outcome: str, reason: Any
) -> None:
    found = measured(built("verify.constraints", response="answer", constraints="wanted"), **columns)
    assert (found.outcome, found.evidence.get("reason")) == (outcome, reason)
    assert (found.score is None) == (outcome != "measured")


def test_evidence_is_short() -> None:
    prompt = "word " * 10_000
    wanted = [{"id": "copy:copy", "kwargs": {"prompt_to_repeat": prompt}}]
    found = measured(built("verify.constraints", response="answer", constraints=wanted), answer="x" * 15_000)
    assert found.score == 0 and len(json.dumps(found.evidence)) < 2_000


def test_a_pattern_that_explodes_is_too_hard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEADLINE_S", 0.5)
    bomb = [{"id": "keywords:existence", "kwargs": {"keywords": ["(a+)+$"]}}]

    async def run(pool: WorkerPool) -> list[Measurement]:
        step = built("verify.constraints", response="answer", constraints=bomb, compat="google", workers=pool)
        return [await step.measure(row(answer=text)) for text in ("a" * 40 + "b", "aaa")]

    slow, fast = with_workers(run)
    assert (slow.outcome, slow.evidence["reason"]) == ("unmeasurable", "too hard")
    assert (fast.outcome, fast.score) == ("measured", 1.0)


def test_by_meaning_a_keyword_is_never_a_pattern() -> None:
    bomb = [{"id": "keywords:existence", "kwargs": {"keywords": ["(a+)+$"]}}]
    step = built("verify.constraints", response="answer", constraints=bomb)
    assert measured(step, answer="a" * 15_000 + "b").score == 0.0
    assert measured(step, answer="It matches (a+)+$ here").score == 1.0


def test_a_broken_pattern_is_an_error_in_a_worker_too() -> None:
    broken = [{"id": "keywords:existence", "kwargs": {"keywords": ["a(b"]}}]

    async def run(pool: WorkerPool) -> Measurement:
        step = built(
            "verify.constraints", response="answer", constraints=broken, compat="google", workers=pool
        )
        found: Measurement = await step.measure(row(answer="a(b"))
        return found

    found = with_workers(run)
    assert found.outcome == "error" and "is not a regular expression" in found.evidence["reason"]


IFEVAL: list[dict[str, Any]] = [
    {"id": "keywords:existence", "keywords": ["oak"]},
    {"id": "keywords:frequency", "keyword": "oak", "frequency": 2, "relation": "at least"},
    {"id": "keywords:forbidden_words", "forbidden_words": ["oak"]},
    {"id": "keywords:letter_frequency", "letter": "z", "let_frequency": 2, "let_relation": "at least"},
    {"id": "language:response_language", "language": "en"},
    {"id": "length_constraints:number_sentences", "num_sentences": 2, "relation": "at least"},
    {"id": "length_constraints:number_paragraphs", "num_paragraphs": 2},
    {"id": "length_constraints:number_words", "num_words": 2, "relation": "at least"},
    {
        "id": "length_constraints:nth_paragraph_first_word",
        "num_paragraphs": 2,
        "nth_paragraph": 1,
        "first_word": "a",
    },
    {"id": "detectable_content:number_placeholders", "num_placeholders": 2},
    {"id": "detectable_content:postscript", "postscript_marker": "P.S."},
    {"id": "detectable_format:number_bullet_lists", "num_bullets": 2},
    {"id": "detectable_format:constrained_response"},
    {"id": "detectable_format:number_highlighted_sections", "num_highlights": 2},
    {"id": "detectable_format:multiple_sections", "section_spliter": "Section", "num_sections": 2},
    {"id": "detectable_format:json_format"},
    {"id": "detectable_format:title"},
    {"id": "combination:two_responses"},
    {"id": "combination:repeat_prompt", "prompt_to_repeat": "Name a river."},
    {"id": "startend:end_checker", "end_phrase": "Any other questions?"},
    {"id": "change_case:capital_word_frequency", "capital_frequency": 2, "capital_relation": "at least"},
    {"id": "change_case:english_capital"},
    {"id": "change_case:english_lowercase"},
    {"id": "punctuation:no_comma"},
    {"id": "startend:quotation"},
]

HOSTILE = {
    "one letter": "a" * 1_000_000,
    "line feeds": "\n" * 1_000_000,
    "spaces": ". " + " " * 1_000_000 + "x",
    "brackets": "[" * 300_000,
    "angles": "<<" * 150_000,
    "asterisks": "*" * 300_000,
    "quotes": "\"'" * 150_000,
    "periods": "a. " * 60_000,
    "Han": "春" * 300_000,
}


def test_long_hostile_responses_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every IFEval kind on each, in time that grows with the length; the deadline here allows for a busy machine."""
    monkeypatch.setattr(module, "DEADLINE_S", 300)

    async def run(pool: WorkerPool) -> dict[str, str]:
        step = built(
            "verify.constraints",
            response="answer",
            constraints=IFEVAL,
            compat="google",
            mode="loose",
            workers=pool,
        )
        return {name: (await step.measure(row(answer=text))).outcome for name, text in HOSTILE.items()}

    assert with_workers(run) == dict.fromkeys(HOSTILE, "measured")


def test_nltks_parameters_are_read_from_its_own_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mixwright_runtime.verifiers.constraints import english, text

    for cached in (text.punkt, text._prose_punkt, text._parameters, english.installed_nltk_parameters):
        cached.cache_clear()
    monkeypatch.setenv("NLTK_DATA", str(tmp_path))
    monkeypatch.setattr(english, "nltk_data_directories", lambda: [tmp_path])
    sentences = [{"id": "length_constraints:number_sentences", "num_sentences": 2, "relation": "less than"}]
    step = built(
        "verify.constraints", response="answer", constraints=sentences, compat="google", nltk_data=True
    )
    with pytest.raises(RunError, match=r"python -m nltk\.downloader punkt_tab"):
        asyncio.run(step.prepare())

    tables = tmp_path / "tokenizers" / "punkt_tab" / "english"
    tables.mkdir(parents=True)
    (tables / "abbrev_types.txt").write_text("blurb\n")
    (tables / "collocations.tab").write_text("")
    (tables / "sent_starters.txt").write_text("the\n")
    (tables / "ortho_context.tab").write_text("it\t36\n")
    asyncio.run(step.prepare())
    # With these parameters `blurb.` is an abbreviation, which our own do not know.
    assert measured(step, answer="See the blurb. Xerxes wrote.").score == 1.0
    own = built("verify.constraints", response="answer", constraints=sentences, compat="google")
    assert measured(own, answer="See the blurb. Xerxes wrote.").score == 0.0


def test_a_draw_of_constraints_makes_a_list_that_verify_reads() -> None:
    draw = built(
        "step.draw",
        label="wanted",
        seed=3,
        count=3,
        **{"from": {"call": "constraints", "args": ["ifeval"], "keywords": {"least": 1}}},
    )
    rows = [draw.apply(row(i, task="t")) for i in range(40)]
    lengths = {len(one.columns["wanted"]) for one in rows}
    assert lengths == {1, 2, 3}
    assert draw.apply(row(5, task="t")).columns == rows[5].columns
    assert len({json.dumps(one.columns["wanted"]) for one in rows}) > 35
    step = built("verify.constraints", response="task", constraints="wanted")
    assert all(asyncio.run(step.measure(one)).outcome == "measured" for one in rows)


def test_one_constraint_is_a_list_too() -> None:
    draw = built(
        "step.draw", label="wanted", count=1, **{"from": {"call": "constraints", "args": [], "keywords": {}}}
    )
    drawn = draw.apply(row(task="t")).columns["wanted"]
    assert [sorted(one) for one in drawn] == [["id", "kwargs", "sentence"]]
