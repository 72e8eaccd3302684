"""`verify rubric`: criteria asked about one by one, added up by their weights; and handed on to a trainer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from spec_runs import SpecRuns

import mixwright
from mixwright_compiler.catalog.criteria import criteria_in
from mixwright_runtime.exporters.write import write_exports
from mixwright_runtime.verifiers.judging.rubric_prompts import is_chinese

VERDICTS = {"names": 2, "long": 1, "rude": 0, "用中文": 2, "loud": 2}
"""What the grader says of a criterion that holds the word."""
SPEC = """
source answers inline {{ rows = [{{ q = "Capital of France?", a = "Paris.", n = 1, wanted = {wanted} }}] }}
pipeline graded {{
  from answers
  chat {{ user = q, assistant = a }}
  verify rubric {{ response = a, request = q, model = teacher, as = grade, {text} }}
}}
"""
OWN = """[{ criterion = "It names a city", weight = "essential" }, { text = "It is long", weight = "Optional" },
    { description = "Does not say anything rude", weight = "pitfall" }, "It is loud"]"""


def grader(prompt: str) -> str:
    criterion = prompt.rpartition("<criterion>")[2].partition("</criterion>")[0]
    found = next((score for word, score in VERDICTS.items() if word in criterion), None)
    if found is None:
        return "I would rather not."
    return json.dumps(
        {"reason": "Because.", "score": found} if "0 " in prompt else {"reason": "", "pass": found > 1}
    )


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[SpecRuns]:
    made = SpecRuns(tmp_path, grader)
    yield made
    made.store.close()


def spec(text: str = "criteria = wanted", wanted: str = OWN) -> str:
    return SPEC.format(text=text, wanted=wanted)


def found(runs: SpecRuns) -> dict[str, Any]:
    [scores] = runs.scores()
    return scores["verify_rubric"]


def test_the_score_is_the_share_of_the_weights(runs: SpecRuns) -> None:
    """1 * 2/2 + 0.3 * 1/2 + 0.9 * 0/2 + 1 * 2/2 of 1 + 0.3 + 0.9 + 1."""
    runs.run(spec())
    assert found(runs)["score"] == pytest.approx(2.15 / 3.2)
    [(status, _, columns)] = runs.rows()
    assert status == "kept" and columns["grade"]["score"] == pytest.approx(2.15 / 3.2)
    told = found(runs)["evidence"]["criteria"]
    assert [(one["weight"], one["met"]) for one in told] == [(1.0, 1.0), (0.3, 0.5), (0.9, 0.0), (1.0, 1.0)]
    assert len(runs.prompts) == 4
    assert all(
        "Capital of France?" in p and "Paris." in p and p.count("<criterion>") == 1 for p in runs.prompts
    )


def test_another_threshold_asks_nothing_again_and_another_criterion_only_for_itself(runs: SpecRuns) -> None:
    runs.run(spec())
    runs.run(spec("criteria = wanted, min = 0.7"))
    assert [(status, reason) for status, reason, _ in runs.rows()] == [("dropped", "rubric: below min")]
    assert len(runs.prompts) == 4
    runs.run(spec(wanted=OWN.replace('"It is loud"', '"It is loud", "It names France"')))
    assert len(runs.prompts) == 5


def test_what_is_bad_to_do_counts_against(runs: SpecRuns) -> None:
    runs.run(spec('criteria = [{ criterion = "names", weight = 2 }, { criterion = "loud", weight = -3 }]'))
    assert found(runs)["score"] == 0.0  # 2 - 3 of 2
    runs.run(spec('criteria = [{ criterion = "names", weight = 4 }, { criterion = "loud", weight = -1 }]'))
    assert found(runs)["score"] == 0.75


def test_a_scale_of_one_is_yes_or_no(runs: SpecRuns) -> None:
    runs.run(spec('criteria = ["names", "long"], scale = 1'))
    assert found(runs)["score"] == 0.5
    assert all('"pass": true or false' in prompt for prompt in runs.prompts)


def test_chinese_criteria_are_asked_about_in_chinese(runs: SpecRuns) -> None:
    runs.run(spec('criteria = ["回答是用中文写的", "It names a city"]'))
    assert found(runs)["score"] == 1.0
    assert ["只输出一个 JSON 对象" in prompt for prompt in sorted(runs.prompts)] == [False, True]
    assert (
        is_chinese("写出 Python 程序的结果")
        and not is_chinese("Uses the word 你好 once")
        and not is_chinese("")
    )


def test_a_missing_verdict_makes_it_unmeasurable_and_says_which(runs: SpecRuns) -> None:
    runs.run(spec('criteria = ["names", "unheard of"], retries = 1'))
    assert (found(runs)["outcome"], found(runs)["evidence"]["reason"]) == ("unmeasurable", "no verdict")
    first, second = found(runs)["evidence"]["criteria"]
    assert first["met"] == 1.0 and second["error"].endswith("I would rather not.")
    assert [(status, reason) for status, reason, _ in runs.rows()] == [
        ("dropped", "rubric: nothing to judge")
    ]
    assert len(runs.prompts) == 3


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ('"1. It names a city"', "no list of criteria"),
        ("[]", "no criteria"),
        ("null", "no list of criteria"),
        ("[1]", "criterion 1 has no text"),
        ('["names", { weight = 1 }]', "criterion 2 has no text"),
        ('[{ criterion = "names", weight = "vital" }]', "criterion 1 has no weight that counts"),
        ('[{ criterion = "names", weight = true }]', "criterion 1 has no weight that counts"),
        ('[{ criterion = "names", weight = 0 }]', "no criterion counts for a response"),
        ("[" + ", ".join(f'"names {n}"' for n in range(51)) + "]", "too many criteria"),
    ],
)
def test_criteria_that_a_model_made_badly_are_no_verdict(runs: SpecRuns, wanted: str, why: str) -> None:
    rows = json.dumps([{"q": "Capital?", "a": "Paris.", "raw": _json(wanted)}], ensure_ascii=False)
    (runs.directory / "rows.json").write_text(rows)
    runs.run(
        re.sub(
            r"source answers.*", 'source answers json { path = "rows.json" }', spec("criteria = raw", "[]")
        )
    )
    assert found(runs)["outcome"] == "unmeasurable" and runs.prompts == []
    assert found(runs)["evidence"]["reason"].startswith(why)


def _json(written: str) -> Any:
    return json.loads(re.sub(r"(\w+) = ", r'"\1": ', written))


def test_weights_beyond_all_measure_are_none() -> None:
    for weight in (float("nan"), float("inf"), -float("inf"), 1e300, 10**400):
        with pytest.raises(ValueError, match="no weight"):
            criteria_in([{"criterion": "x", "weight": weight}])


def test_a_prompt_of_ones_own_takes_the_place_of_ours(runs: SpecRuns) -> None:
    own = 'template mine { system = "Be strict.", user = "Judge <{{ a }}>" }\n'
    runs.run(own + spec('criteria = ["names"], prompt = mine'))
    [prompt] = runs.prompts
    assert prompt.startswith("Judge <Paris.>\n\n<criterion>\nnames\n</criterion>")
    assert runs.engine.requests[0].messages[0] == {"role": "system", "content": "Be strict."}


def test_criteria_are_what_a_trainer_checks_answers_against(runs: SpecRuns) -> None:
    text = spec() + "mixture m { seed = 1\n graded = all }\n"
    text += 'export rl of m { format = rlvr, ground_truth = wanted, dataset = "rubric", path = "out/rl", card = false }\n'
    runs.run(text)
    plan = mixwright.plan(runs.directory / "spec.mix")
    write_exports(plan, runs.store, 1, "m")
    [file] = (runs.directory / "out/rl").rglob("*.jsonl")
    [line] = map(json.loads, file.read_text().splitlines())
    assert line["messages"] == [{"role": "user", "content": "Capital of France?"}]
    assert (line["dataset"], len(json.loads(line["ground_truth"]))) == ("rubric", 4)
