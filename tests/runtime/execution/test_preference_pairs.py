"""Pairs for preference tuning come out of what a run stored: the picked answer, and one that was not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from spec_runs import SpecRuns

from mixwright_runtime.errors import RunError
from mixwright_runtime.exporters.write import write_exports
from mixwright_runtime.plugins.declare import implementation

SAMPLES = [
    {"text": "It is 4.", "reward": 0.2},
    {"text": "It is 5.", "reward": 0.9},
    {"text": "Four: 4", "reward": 0.7},
    {"text": "Who knows", "reward": -1.0},
]
IMPORTED = f"""
source sums inline {{ rows = [
  {{ problem = "2 + 2", answer = "4", completions = {json.dumps(SAMPLES)} }},
  {{ problem = "3 + 3", answer = "6", completions = [{{ text = "6", reward = 0.1 }}, {{ text = "6!", reward = 0.3 }}] }}
] }}
pipeline solved {{
  from sums
  each sample {{ of = completions }}
  derive {{ solution = sample.text }}
  verify math {{ response = solution, answer = answer }}
  verify value {{ of = sample.reward, pick = best }}
  chat {{ user = problem, assistant = solution }}
}}
mixture main {{ seed = 1, solved = all }}
""".replace('"text":', "text =").replace('"reward":', "reward =")
"""Candidates that somebody else sampled and rated: a list column."""


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[SpecRuns]:
    made = SpecRuns(tmp_path, lambda prompt: f"on {prompt}")
    yield made
    made.store.close()


def exported(
    runs: SpecRuns, export: str, spec: str = IMPORTED
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The lines of an export of `main`, in the order of their prompts, and its manifest."""
    runs.run(f'{spec}\nexport tried of main {{ path = "out", {export} }}')
    run = runs.store.last_run()
    write_exports(runs.plan, runs.store, run.run_id, "main", force=True)
    lines = (runs.directory / "out/data/train-00000-of-00001.jsonl").read_text(encoding="utf-8").splitlines()
    manifest = json.loads((runs.directory / "out/manifest.json").read_text(encoding="utf-8"))
    return sorted(
        map(json.loads, lines), key=lambda line: str(line.get("prompt") or line.get("messages"))
    ), manifest


def said(messages: list[dict[str, str]]) -> list[str]:
    return [message["content"] for message in messages]


def test_what_a_verifier_failed_is_the_worse_answer(runs: SpecRuns) -> None:
    """Of those that are wrong the one without an answer was not measured, and is the worst."""
    lines, manifest = exported(runs, "format = preference, group = solution")
    (pair,) = lines
    assert said(pair["prompt"]) == ["2 + 2"]
    assert pair["chosen"] == [{"role": "assistant", "content": "Four: 4"}]
    assert pair["rejected"] == [{"role": "assistant", "content": "Who knows"}]
    # The other row has two right answers: the one that was not picked is not worse.
    assert (manifest["rows"], manifest["pairs"]) == (2, 1)
    assert manifest["without_pair"] == {"no candidate that is worse": 1}


def test_what_passed_may_be_worse_by_its_score(runs: SpecRuns) -> None:
    lines, _ = exported(
        runs, "format = preference, group = solution, among = all, by = verify_value, margin = 0.15"
    )
    assert [(said(line["chosen"]), said(line["rejected"]), line["margin"]) for line in lines] == [
        (["Four: 4"], ["It is 4."], pytest.approx(0.5)),
        (["6!"], ["6"], pytest.approx(0.2)),
    ]


def test_all_worse_answers_make_a_pair_each(runs: SpecRuns) -> None:
    lines, manifest = exported(runs, "format = preference, group = solution, rejected = all")
    assert [said(line["rejected"]) for line in lines] == [["It is 5."], ["Who knows"]]
    assert len({line["id"] for line in lines}) == 1
    assert manifest["pairs"] == 2


def test_one_by_chance_is_the_same_one_in_every_run(runs: SpecRuns) -> None:
    first, _ = exported(runs, "format = preference, group = solution, rejected = random")
    again, _ = exported(runs, "format = preference, group = solution, rejected = random")
    assert first == again
    assert said(first[0]["rejected"])[0] in ("It is 5.", "Who knows")


def test_pairs_of_a_strong_and_a_weak_model(runs: SpecRuns) -> None:
    spec = """
    source asked inline { rows = [{ q = "a" }, { q = "b" }] }
    template ask { user = "{{ q }}" }
    template asked_weakly { user = "hm {{ q }}" }
    pipeline both {
      from asked
      generate strong { prompt = ask, model = teacher }
      generate weak { prompt = asked_weakly, model = teacher }
      chat { user = q, assistant = strong }
    }
    mixture main { seed = 1, both = all }
    """
    lines, _ = exported(runs, "format = preference, against = weak, shape = open_instruct", spec)
    assert sorted((said(line["chosen"]), said(line["rejected"])) for line in lines) == [
        (["a", "on a"], ["a", "on hm a"]),
        (["b", "on b"], ["b", "on hm b"]),
    ]


def test_a_line_in_the_shape_of_smoltalk(runs: SpecRuns) -> None:
    (line,), _ = exported(runs, "format = preference, group = solution, shape = smoltalk")
    assert (line["prompt"], line["chat_template_kwargs"]) == ("2 + 2", {})
    assert said(line["rejected"]) == ["2 + 2", "Who knows"]


def test_a_chat_that_ends_otherwise_is_no_pair(runs: SpecRuns) -> None:
    spec = IMPORTED.replace("chat {", 'derive { told = "So: " + solution }\n  chat {').replace(
        "= solution }", "= told }"
    )
    with pytest.raises(RunError, match="does not end with `solution` as it was picked"):
        exported(runs, "format = preference, group = solution", spec)


def test_prompts_with_what_their_answers_are_checked_against(runs: SpecRuns) -> None:
    lines, _ = exported(runs, 'format = rlvr, ground_truth = answer, dataset = "math"')
    assert [(said(line["messages"]), line["ground_truth"], line["dataset"]) for line in lines] == [
        (["2 + 2"], "4", "math"),
        (["3 + 3"], "6", "math"),
    ]


def test_prompts_and_completions(runs: SpecRuns) -> None:
    lines, _ = exported(runs, "format = prompt_completion")
    assert [(said(line["prompt"]), said(line["completion"])) for line in lines] == [
        (["2 + 2"], ["Four: 4"]),
        (["3 + 3"], ["6!"]),
    ]


def test_best_first_and_majority_of_imported_candidates_are_what_was_published_of_them(
    runs: SpecRuns,
) -> None:
    """rm@4, maj@4 and pass@4 of stored samples, worked out by hand."""
    picked = {}
    for how, step in {
        "best": "verify value { of = sample.reward, pick = best }",
        "majority": "verify agreement { response = solution, equal = math, agree = 1, pick = majority }",
        "any": "fold { right = any(right.passes) }",
    }.items():
        marked = "verify math { response = solution, answer = answer, on_fail = keep, as = right }"
        spec = IMPORTED.replace("verify math { response = solution, answer = answer }", marked)
        spec = spec.replace("  verify value { of = sample.reward, pick = best }\n", f"  {step}\n")
        spec = spec.replace(
            "chat { user = problem, assistant = solution }", "chat { user = problem, assistant = answer }"
        )
        runs.run(spec)
        rows = [columns for status, _, columns in runs.rows() if status == "kept"]
        picked[how] = sorted(
            (columns["problem"], bool(columns["right"] if how == "any" else columns["right"]["passes"]))
            for columns in rows
        )
    assert picked == {
        "best": [("2 + 2", False), ("3 + 3", True)],
        "majority": [("2 + 2", True), ("3 + 3", True)],
        "any": [("2 + 2", True), ("3 + 3", True)],
    }


@pytest.mark.parametrize(("format", "has_columns"), [("messages", False), ("rlvr", True)])
def test_other_columns_come_with_formats_that_name_one(
    runs: SpecRuns, monkeypatch: pytest.MonkeyPatch, format: str, has_columns: bool
) -> None:
    """Some formats hold the whole mixture, and so would all that the rows have besides."""
    written, seen = implementation(f"export.{format}").write, []

    def write(job: Any, rows: Any) -> Any:
        seen.extend(listed := list(rows))
        return written(job, iter(listed))

    monkeypatch.setattr(implementation(f"export.{format}"), "write", staticmethod(write))
    named = ', ground_truth = answer, dataset = "math"' if has_columns else ""
    exported(runs, f"format = {format}{named}")
    assert {bool(row.columns) for row in seen} == {has_columns}
