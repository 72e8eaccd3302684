"""`verify translation`: each part, what passes, and what the models are asked."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made import candidates, row, template

from mixwright_compiler.plan.plan import Fingerprint, Origin, Step
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.protocol import CallResult, Measurement, ScoreResult, StepContext, VectorResult
from mixwright_runtime.values.expressions import compile_expression
from mixwright_runtime.values.rows import Row
from mixwright_runtime.values.templates import compile_template
from mixwright_runtime.verifiers.math.written_numbers import compared, han_values, numbers_in, roman
from mixwright_runtime.verifiers.separation import separation, separation_of_vectors
from mixwright_runtime.verifiers.translation.checks import checked
from mixwright_runtime.verifiers.translation.chrf import chrf
from mixwright_runtime.verifiers.verify_translation import TranslationVerifier
from mixwright_runtime.workers.pool import WorkerPool, WorkerTimeout

# Parts.


def part(name: str, source: str, response: str, to: str = "de", from_: str = "en", terms: Any = ()) -> Any:
    return checked(source, response, from_, to, [name], terms).get(name)


def score(name: str, source: str, response: str, **options: Any) -> float | None:
    found = part(name, source, response, **options)
    return found and found["score"]


GOOD = [
    ("en", "de",
     "The old bridge was built in 1850 and is 1,234.5 metres long.",
     "Die alte Brücke wurde 1850 gebaut und ist 1.234,5 Meter lang."),
    ("en", "fr",
     "Only 12,500 people live on the island today.",
     "Seulement 12 500 personnes vivent aujourd'hui sur l'île."),
    ("en", "zh",
     "In the 1970s about 35,000 people worked in this harbour.",
     "在20世纪70年代，大约有3.5万人在这个港口工作。"),
    ("en", "ja",
     "The museum has three floors and opens at 9:30 every day.",
     "博物館は3階建てで、毎日9時30分に開きます。"),
    ("en", "ru",
     "My grandmother keeps 24 chickens behind the house.",
     "Моя бабушка держит 24 курицы за домом."),
    ("en", "ar",
     "The train leaves at 18:45 from the second platform.",
     "يغادر القطار في الساعة ١٨:٤٥ من الرصيف الثاني."),
    ("en", "hi",
     "The old temple is about 1,50,000 steps from the sea.",
     "पुराना मंदिर समुद्र से लगभग 1,50,000 कदम दूर है।"),
    ("de", "es",
     "Der Zug nach Bremen hat heute 25 Minuten Verspätung.",
     "El tren a Bremen lleva hoy 25 minutos de retraso."),
    ("zh", "en",
     "这座城市有三百二十万人口，其中一半住在河的北边。",
     "The city has 3.2 million inhabitants, half of whom live north of the river."),
]  # fmt: skip


@pytest.mark.parametrize(("from_", "to", "source", "response"), GOOD)
def test_a_good_translation_reaches_every_minimum(from_: str, to: str, source: str, response: str) -> None:
    step, rows = verifier(from_=from_, to=to), [row(en=source, zh=response)]
    found = measured(step, rows)
    assert verdicts(step, rows, found) == ["passes"], found[0].evidence
    assert (found[0].score or 0) > 0.75


@pytest.mark.parametrize(
    ("source", "response", "score_", "missing", "added"),
    [
        ("It costs 1,234.50 dollars.", "Es kostet 1.234,50 Dollar.", 1.0, [], []),
        ("It costs 1,234 dollars.", "Es kostet 1.324 Dollar.", 0.0, ["1,234"], ["1.324"]),
        ("12 of 40", "40 von 12", 1.0, [], []),
        ("12 of 40", "12 von ihnen", 0.5, ["40"], []),
        ("the 19th century", "das neunzehnte Jahrhundert", 1.0, [], []),
        ("the 19th century", "el siglo XIX", 1.0, [], []),
        ("seven ships", "7 Schiffe", 1.0, [], []),
        ("twenty-one ships", "21 Schiffe", 1.0, [], []),
        ("3.5 million people", "350万人", 1.0, [], []),
        ("200 million", "2亿", 1.0, [], []),
        ("the 1970s", "20世纪70年代", 1.0, [], []),
        ("on October 8, 2019", "2019年10月8日", 1.0, [], []),
        ("on 12/05/2020", "am 12.05.2020", 1.0, [], []),
        ("page 12", "صفحة ١٢", 1.0, [], []),
        ("a list:\n1. tea\n2. milk", "eine Liste:\n- Tee\n- Milch", None, None, None),
        ("no number", "keine Zahl", None, None, None),
        ("一个人", "one person", None, None, None),
        ("5 apples", "tres manzanas", 0.0, ["5"], []),
    ],
)
def test_numbers(source: str, response: str, score_: Any, missing: Any, added: Any) -> None:
    found = part("numbers", source, response)
    if score_ is None:
        assert found is None
    else:
        expected = {
            "score": score_,
            **({"missing": missing} if missing else {}),
            **({"added": added} if added else {}),
        }
        assert found == expected


def test_what_can_be_read_in_two_ways_agrees_with_either() -> None:
    assert {str(v) for v in numbers_in("1.234")[0].readings} == {"1.234", "1234"}
    assert compared("1.234", "1,234 and 5").score == 0.5
    assert numbers_in("0.500")[0].readings == numbers_in("0,5")[0].readings


def test_numerals() -> None:
    assert [han_values(n) for n in ("三百二十", "一万两千", "二〇二〇", "十")] == [
        {320},
        {12000},
        {0, 2, 2020},
        {10},
    ]
    assert [roman(n) for n in ("XIX", "MCMXLIV", "IIX", "C")] == [19, 1944, None, 100]


def test_a_number_of_any_length_is_read_in_no_time() -> None:
    assert compared("9" * 100_000, "8" * 100_000 + " " + "1,1" * 30_000).score == 0.0


@pytest.mark.parametrize(
    ("name", "source", "response", "expected"),
    [
        ("placeholders", "Hello {name}, you have %d files", "Hallo {name}, Sie haben %d Dateien", 1.0),
        ("placeholders", "Hello {{ name }}", "Hallo {{name}}", 1.0),
        ("placeholders", "Hello {name}", "Hallo {Name}", 0.0),
        ("placeholders", "Hello ${USER}", "Hallo", 0.0),
        ("placeholders", "50% off", "50% de descuento", None),
        ("urls", "See https://a.example/b.", "Siehe https://a.example/b/。", 1.0),
        ("urls", "See https://a.example/b", "Siehe https://a.example/c", 0.0),
        ("emails", "Mail me@a.example", "Schreib an ME@a.example", 1.0),
        ("emails", "Mail me@a.example", "Schreib an ich@a.example", 0.0),
        ("code", "Run `make test`", "Starte `make test`", 1.0),
        ("code", "Run `make test`", "Starte `mach test`", 0.0),
        ("code", "```py\nx = 1  # one\nprint('hi')\n```", "```py\nx = 1  # eins\nprint('hallo')\n```", 1.0),
        ("code", "```py\nx = 1\n```", "```py\ny = 1\n```", 0.0),
        ("code", "```py\nx = 1\n```", "x = 1", 0.0),
        ("markup", "<b>Hi</b> there<br>", "<b>Hallo</b><br>", 1.0),
        ("markup", "<b>Hi</b>", "Hallo", 0.0),
        ("markup", '<a href="x" title="Home">Home</a>', '<a href="x" title="Start">Start</a>', 1.0),
        ("markup", "# Tea\n\n- green\n- black\n", "# Tee\n\n- grün\n- schwarz\n", 1.0),
        ("markup", "# Tea\n\n- green\n- black\n", "## Tee\n\n- grün, schwarz\n", 0.25),
        ("markup", "1. tea\n2. milk", "1、茶\n2、牛奶", 1.0),
        ("markup", "plain", "schlicht", None),
    ],
)
def test_what_must_be_kept(name: str, source: str, response: str, expected: float | None) -> None:
    assert score(name, source, response) == expected


def test_the_evidence_says_what_is_missing() -> None:
    assert part("placeholders", "{a} {b}", "{a} {c}")["missing"] == ["{b}"]
    assert part("placeholders", "{a} {b}", "{a} {c}")["added"] == ["{c}"]


ENGLISH = "The farmer on the hill sells his apples in the village every Saturday morning, even when it rains."
GERMAN = "Der Bauer auf dem Hügel verkauft seine Äpfel jeden Samstagmorgen im Dorf, sogar bei Regen."


def test_length_is_compared_with_what_the_languages_need() -> None:
    chinese = "山上的农夫每周六早上在村里卖苹果，下雨天也不例外。"
    assert score("length", ENGLISH, chinese, to="zh") > 0.7
    assert (
        score("length", ENGLISH, ENGLISH + ENGLISH, to="de") == 0.0
        or score("length", ENGLISH, ENGLISH * 2) < 0.5
    )
    assert score("length", ENGLISH * 3, "Äpfel.") == 0.0
    found = part("length", ENGLISH, GERMAN)
    assert found["expected"] == 1.137 and found["ratio"] == pytest.approx(
        len(GERMAN) / len(ENGLISH), abs=0.001
    )
    assert part("length", "`x`", "`x`") is None
    assert score("length", "Say it", "`x`") == 0.0


def test_a_copy_of_the_source_is_no_translation() -> None:
    assert score("copied", ENGLISH, ENGLISH) == 0.0
    assert score("copied", ENGLISH, GERMAN) == 1.0
    assert score("copied", "他每天早上都去河边散步", "他每天早上都去河边散步", from_="zh", to="ja") == 0.0
    half = score("copied", ENGLISH, f"{GERMAN} {ENGLISH}")
    assert half is not None and 0.3 < half < 0.7
    assert score("copied", "OK", "OK") is None


def test_a_response_in_another_language_is_seen() -> None:
    assert score("language", ENGLISH, GERMAN, to="de") > 0.95
    assert score("language", ENGLISH, GERMAN, to="nl") < 0.1
    assert score("language", ENGLISH, "Äpfel") is None


@pytest.mark.parametrize(
    ("wanted", "response", "expected"),
    [
        (["maschinelles Lernen"], "Das maschinelle Lernen hilft.", 1.0),
        (["Maschinenlernen", "maschinelles Lernen"], "Beim maschinellen Lernen hilft es.", 1.0),
        (["maschinelles Lernen"], "Das Lernen hilft.", 0.0),
        (["机器学习"], "机器学习很有用。", 1.0),
        (["Tee"], "Der Teer klebt.", 0.0),
    ],
)
def test_glossary_terms_may_be_inflected(wanted: list[str], response: str, expected: float) -> None:
    assert (
        score("glossary", "Machine learning helps.", response, terms=[("machine learning", wanted)])
        == expected
    )


@pytest.mark.parametrize(
    "piece", ["{", "`a", "1,", "1 ", "<a ", "**", "1.\n", "| ", "#", "\\(", "一", "“", "/*", "'", "\ud800"]
)
def test_hostile_texts_are_checked_in_time_linear_in_their_length(piece: str) -> None:
    """Quadratic work would need minutes here."""
    names = ["length", "copied", "numbers", "placeholders", "code", "markup"]
    assert checked(f"```\n{piece * 5_000}\n```\n" + piece * 10_000, piece * 20_000, "en", "de", names, [])


# chrF and the AUC.


def test_chrf_is_that_of_sacrebleu() -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    texts = [
        ENGLISH,
        GERMAN,
        "The farmer sells apples.",
        "a",
        "ab",
        "",
        "  ",
        "山上的农夫在村里卖苹果",
        "the  the the",
    ]
    for hypothesis in texts:
        for reference in texts:
            expected = sacrebleu.sentence_chrf(hypothesis, [reference]).score / 100
            assert chrf(hypothesis, reference) == pytest.approx(expected, abs=1e-12), (hypothesis, reference)


def test_separation_counts_ties_half() -> None:
    found = separation([0.9, 0.5], [0.5, 0.1, 0.1, 0.1])
    assert found.auc == (4 + 3.5) / 8
    assert found.recall == 0.5 and 0.5 < found.threshold < 0.9


def test_pairs_that_share_a_text_are_not_shuffled_pairs() -> None:
    vectors = np.eye(3, dtype=np.float32)
    texts = [("a", "x"), ("b", "y"), ("a", "z")]
    found = separation_of_vectors(vectors, vectors, texts)
    assert (found.auc, found.true_pairs, found.shuffled_pairs) == (1.0, 3, 4)


# The verifier.


class InProcess:
    """A pool that runs functions here, for tests without processes."""

    async def run(self, function: str, args: list[Any], timeout_s: float) -> Any:
        module, _, name = function.partition(":")
        return getattr(importlib.import_module(module), name)(*args)


@dataclass
class Models:
    """Stands in for the calls: answers by tables, and keeps what it was asked."""

    answers: Mapping[str, str] = field(default_factory=dict)
    vectors: Mapping[str, Sequence[float]] = field(default_factory=dict)
    scores: Mapping[tuple[str, ...], tuple[float, ...]] = field(default_factory=dict)
    asked: list[Any] = field(default_factory=list)

    async def ask(self, model: str, messages: Any, sampling: Any, **options: Any) -> CallResult:
        prompt = messages[-1]["content"]
        self.asked.append((prompt, sampling["temperature"]))
        answer = self.answers.get(prompt)
        return CallResult(b"k", answer or "", "", answer is not None, "" if answer is not None else "timeout")

    async def embed(self, model: str, texts: Sequence[str]) -> list[VectorResult]:
        return [
            VectorResult(
                b"k", np.asarray(self.vectors[t], dtype=np.float32) if t in self.vectors else None, "too long"
            )
            for t in texts
        ]

    async def score(self, model: str, *, texts: Sequence[str] = (), **options: Any) -> ScoreResult:
        values = self.scores.get(tuple(texts), ())
        return ScoreResult(b"k", values, bool(values), "" if values else "server")


BACK = template("to_english", "Into English: {{ zh }}")


def verifier(
    *,
    from_: Any = "en",
    to: Any = "zh",
    models: Models | None = None,
    workers: Any = None,
    rows: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    task: str = "classify",
    **attributes: Any,
) -> Any:
    step = Step(
        id="step",
        operation="verify.translation",
        version=1,
        label="",
        attributes={
            "source": "en",
            "response": "zh",
            "from": _expression(from_),
            "to": _expression(to),
            **attributes,
        },
        columns={},
        fingerprint=Fingerprint(row="", set="", meta=""),
        origin=Origin(file="test.mix", line=1, column=1),
    )
    context = StepContext(
        plan=SimpleNamespace(models={"rater": SimpleNamespace(attributes={"task": task})}),  # type: ignore[arg-type]
        directory=None,  # type: ignore[arg-type]
        seed=0,
        expression=compile_expression,
        template=lambda name: compile_template(BACK),
        calls=models or Models(),
        workers=lambda: workers or InProcess(),
        rows_of=lambda name: iter((rows or {})[name]),
        pipeline="p",
    )
    return TranslationVerifier(step, context)


def _expression(value: Any) -> Any:
    tree = ["lit", value] if isinstance(value, str) else value
    return {"sql": "", "tree": tree, "type": "text", "columns": []}


def measured(step: Any, rows: Sequence[Row]) -> list[Measurement]:
    async def main() -> list[Measurement]:
        await step.prepare()
        return [await step.measure(one) for one in rows]

    return asyncio.run(main())


def verdicts(step: Any, rows: Sequence[Row], found: Sequence[Measurement]) -> list[str]:
    return ["passes" if isinstance(v, Row) else v.reason for v in step.decide(rows, found)]


def judged(step: Any, *pairs: tuple[Any, Any], **columns: Any) -> list[str]:
    rows = [row(n, en=source, zh=response, **columns) for n, (source, response) in enumerate(pairs)]
    return verdicts(step, rows, measured(step, rows))


SOURCE = "The library lends 25 books to every child in the town."
CHINESE = "图书馆借给镇上每个孩子25本书。"


def test_a_row_fails_by_the_first_part_that_does() -> None:
    found = judged(
        verifier(),
        (SOURCE, CHINESE),
        (SOURCE, SOURCE),
        (SOURCE, "Die Bibliothek leiht jedem Kind in der Stadt 25 Bücher."),
        (SOURCE, "图书馆借给镇上每个孩子52本书。"),
        (SOURCE, "25本书" * 30),
        (SOURCE, None),
        ("", CHINESE),
    )
    reasons = ["language", "language", "numbers", "length", "no text", "no text"]
    assert found == ["passes", *(f"translation: {reason}" for reason in reasons)]


def test_minimums_are_applied_to_what_was_measured() -> None:
    rows = [row(en=SOURCE, zh="图书馆借给镇上每个孩子25本书和5支笔。")]
    found = measured(verifier(), rows)
    assert found[0].evidence["parts"]["numbers"] == {"score": 0.5, "added": ["5"]}
    assert verdicts(verifier(), rows, found) == ["passes"]
    assert verdicts(verifier(least={"numbers": 1.0}), rows, found) == ["translation: numbers"]
    assert verdicts(verifier(min=0.99), rows, found) == ["translation: below min"]


def test_the_best_candidate_has_the_highest_mean() -> None:
    rows = candidates("zh", [CHINESE + "和5支笔", CHINESE, SOURCE], en=SOURCE)
    step = verifier(pick="best", checks=["language", "numbers"])
    reasons = verdicts(step, rows, measured(step, rows))
    assert reasons == ["translation: not picked", "passes", "translation: language"]


def test_languages_may_stand_in_columns() -> None:
    step = verifier(to=["col", "lang"])
    assert judged(step, (SOURCE, CHINESE), lang="zh-CN") == ["passes"]
    assert judged(step, (SOURCE, CHINESE), lang="ja") == ["translation: language"]
    assert judged(step, (SOURCE, CHINESE), lang="tlh") == ["translation: no language code"]


def test_the_glossary_asks_for_the_terms_of_the_source_alone() -> None:
    terms = [
        {"source": "Library", "target": "图书馆", "language": "zh"},
        {"source": "library", "target": "Bibliothek", "language": "de"},
        {"source": "museum", "target": "博物馆", "language": None},
        {"source": "town", "target": ["城镇", "镇"], "language": None},
        {"source": None, "target": "x"},
    ]
    step = verifier(glossary="terms", rows={"terms": terms})
    assert judged(step, (SOURCE, CHINESE), (SOURCE, "书店借给镇上每个孩子25本书。")) == [
        "passes",
        "translation: glossary",
    ]


def test_an_empty_glossary_stops_the_run() -> None:
    with pytest.raises(RunError, match="glossary 'terms' has no row with texts"):
        measured(verifier(glossary="terms", rows={"terms": [{"term": "x"}]}), [])


def test_a_back_translation_is_compared_with_the_source() -> None:
    models = Models(answers={f"Into English: {CHINESE}": "The library lends 25 books to each child in town."})
    step = verifier(back="to_english", back_model="m", models=models)
    found = measured(step, [row(en=SOURCE, zh=CHINESE)])[0]
    assert found.evidence["parts"]["back"]["score"] == pytest.approx(
        chrf("The library lends 25 books to each child in town.", SOURCE), abs=1e-4
    )
    assert models.asked == [(f"Into English: {CHINESE}", 0.0)]
    wrong = Models(answers={f"Into English: {CHINESE}": "My dog likes snow."})
    assert judged(verifier(back="to_english", back_model="m", models=wrong), (SOURCE, CHINESE)) == [
        "translation: back"
    ]


def test_a_model_that_does_not_answer_is_no_verdict() -> None:
    back = measured(verifier(back="to_english", back_model="m"), [row(en=SOURCE, zh=CHINESE)])[0]
    assert (back.outcome, back.evidence["part"]) == ("timeout", "back")
    quality = measured(verifier(quality="rater"), [row(en=SOURCE, zh=CHINESE)])[0]
    assert (quality.outcome, quality.evidence["error"]) == ("error", "server")


def test_texts_that_take_too_long_are_too_hard_and_no_verdict() -> None:
    class Late:
        async def run(self, *args: Any) -> Any:
            raise WorkerTimeout("no result after 20 s")

    found = measured(verifier(workers=Late()), [row(en=SOURCE, zh=CHINESE)])[0]
    assert (found.outcome, found.evidence["reason"]) == ("unmeasurable", "too hard")


def pairs_and_vectors(count: int, noise: float) -> tuple[list[dict[str, str]], dict[str, list[float]]]:
    """Parallel texts, and vectors that agree but for noise."""
    chance = np.random.default_rng(0)
    pairs, vectors = [], {}
    for n in range(count):
        pairs.append({"source": f"s{n}", "target": f"t{n}"})
        base = chance.normal(size=16)
        for name in (f"s{n}", f"t{n}"):
            noisy = base + noise * chance.normal(size=16)
            vectors[name] = list(noisy / np.linalg.norm(noisy))
    return pairs, vectors


def test_a_model_for_these_languages_is_calibrated_on_parallel_texts() -> None:
    pairs, vectors = pairs_and_vectors(40, noise=0.2)
    axis = [1.0, *[0.0] * 15]
    vectors |= {SOURCE: axis, CHINESE: axis, "北京的天气很好，适合25个人出去玩。": [0.0, 1.0, *[0.0] * 14]}
    step = verifier(
        similarity="e", pairs="parallel", models=Models(vectors=vectors), rows={"parallel": pairs}
    )
    found = judged(step, (SOURCE, CHINESE), (SOURCE, "北京的天气很好，适合25个人出去玩。"))
    assert found == ["passes", "translation: similarity"]
    report = step.report()["similarity"]
    assert report["auc"] > 0.99 and report["true_pairs"] == 40 and report["shuffled_pairs"] == 40 * 39
    assert 0.3 < report["least"] < 0.9 and report["true_pairs_passing"] > 0.95


def test_a_stated_minimum_of_similarity_needs_the_calibration_too() -> None:
    pairs, vectors = pairs_and_vectors(40, noise=4.0)
    step = verifier(
        similarity="english_only",
        pairs="parallel",
        least={"similarity": 0.5},
        models=Models(vectors=vectors),
        rows={"parallel": pairs},
    )
    with pytest.raises(
        RunError, match=r"model 'english_only' tells the 40 true pairs .* AUC of 0\.\d{3}, and 0\.95"
    ):
        measured(step, [])


def test_too_few_or_repeated_pairs_calibrate_nothing() -> None:
    pairs, vectors = pairs_and_vectors(10, noise=0.1)
    step = verifier(
        similarity="e", pairs="parallel", models=Models(vectors=vectors), rows={"parallel": pairs * 5}
    )
    with pytest.raises(RunError, match=r"'parallel' has 10 different pairs .* 20 are needed"):
        measured(step, [])


def test_a_text_that_cannot_be_embedded_is_no_verdict_and_in_the_pairs_a_stop() -> None:
    pairs, vectors = pairs_and_vectors(25, noise=0.1)
    step = verifier(
        similarity="e", pairs="parallel", models=Models(vectors=vectors), rows={"parallel": pairs}
    )
    assert measured(step, [row(en=SOURCE, zh=CHINESE)])[0].outcome == "error"
    del vectors["t3"]
    with pytest.raises(RunError, match="failed on a text of 'parallel': too long"):
        measured(step, [])


@pytest.mark.parametrize(("task", "value", "counts"), [("classify", 0.8, 0.8), ("reward", 3.0, 0.9526)])
def test_a_quality_estimate_is_taken_without_a_reference(task: str, value: float, counts: float) -> None:
    models = Models(scores={(SOURCE, CHINESE): (value,)})
    step = verifier(quality="rater", checks=[], least={"quality": 0.5}, models=models, task=task)
    found = measured(step, [row(en=SOURCE, zh=CHINESE)])[0]
    assert found.score == counts and found.evidence["parts"] == {"quality": {"score": value, "call": "6b"}}
    strict = verifier(quality="rater", checks=[], least={"quality": 3.5}, models=models, task=task)
    assert verdicts(strict, [row()], [found]) == ["translation: quality"]


def test_a_quality_model_with_several_labels_is_refused() -> None:
    models = Models(scores={(SOURCE, CHINESE): (0.1, 0.9)})
    found = measured(verifier(quality="rater", models=models), [row(en=SOURCE, zh=CHINESE)])[0]
    assert found.outcome == "error" and "2 numbers where one is due" in found.evidence["detail"]


@pytest.mark.slow
def test_checks_run_in_a_worker() -> None:
    """Slow: starts a process."""

    async def main() -> Measurement:
        pool = WorkerPool(1)
        try:
            step = verifier(workers=pool)
            await step.prepare()
            found: Measurement = await step.measure(row(en=SOURCE, zh=CHINESE))
            return found
        finally:
            await pool.close()

    assert asyncio.run(main()).outcome == "measured"
