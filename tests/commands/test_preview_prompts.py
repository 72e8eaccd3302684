"""`mixwright preview --prompts`: what models would be asked, for real rows, without a model and without a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mixwright.cli import main
from tests.checkout import ROOT

SPEC = """edition 2026

model teacher openai { base_url = "http://localhost:1/v1", model = "m", price_in = $1, price_out = $2 }

source words inline {
  rows = [{ word = "ant", legs = 6 }, { word = "emu", legs = 2 }, { word = "bee", legs = 6 }]
}

template ask { system = "Be brief.", user = "Define {{ word }}." }
template rate { user = "Rate: {{ answer }} ({{ size }} characters)" }
template twice { user = "Again: {{ word }}, {{ rating }}" }

pipeline answers {
  from words
  filter { where = legs > 4 }
  generate answer { prompt = ask, model = teacher, samples = 2, max_tokens = 100, parse = after("Answer:") }
  derive { size = len(answer) }
  filter { where = size > 1000 }
  verify agreement { response = answer }
  generate rating { prompt = rate, model = teacher, max_tokens = 10 }
}

pipeline more {
  from answers { columns = [word, rating] }
  generate other { prompt = twice, model = teacher, max_tokens = 10 }
}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "words.mix"
    path.write_text(SPEC)
    return path


def requests(spec: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    assert main(["preview", str(spec), "--json", *more]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (document["format_version"], document["command"]) == ("1.1", "preview")
    return document


def test_every_step_that_asks_is_shown_with_real_rows(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = requests(spec, capsys, "--prompts", "5")
    found = [(r["node"], [m["content"] for m in r["messages"]], r["stood_for"]) for r in document["requests"]]
    asked = sorted(found[:2])
    assert asked == [
        ("answers.generate_answer", ["Be brief.", "Define ant."], []),
        ("answers.generate_answer", ["Be brief.", "Define bee."], []),
    ], "the row that a filter on its own columns drops is not asked"
    assert found[2] == ("answers.generate_rating", ["Rate: ⟨answer⟩ (8 characters)"], ["answer", "size"])
    assert sorted(content for _, (content,), _ in found[4:]) == [
        "Again: ant, ⟨rating⟩",
        "Again: bee, ⟨rating⟩",
    ]
    assert [r["samples"] for r in document["requests"]] == [2, 2, 1, 1, 1, 1]
    first = document["requests"][0]
    assert first["cost"] == pytest.approx(2 * (first["tokens"] * 1 + 100 * 2) / 1e6)
    assert document["total"]["output_tokens"] == 2 * 2 * 100 + 4 * 10
    assert not (spec.parent / ".mixwright").exists(), "no store and no plan is written"


def test_few_rows_and_one_pipeline(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nodes = [r["node"] for r in requests(spec, capsys, "--prompts", "1", "--pipeline", "more")["requests"]]
    assert nodes == ["more.generate_other"]
    assert main(["preview", str(spec), "--prompts", "1", "--pipeline", "none"]) == 2
    assert "it has answers, more" in capsys.readouterr().err


def test_the_text_says_what_is_guessed(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", str(spec), "--prompts", "1"]) == 0
    shown = capsys.readouterr().out
    assert "answers.generate_answer → teacher   request 1 of 1, row inline:" in shown
    assert "system:\n  Be brief.\nuser:\n  Define " in shown
    assert "≈ 13 tokens, answer up to 100; at most $0.0004; its chat template is on the server" in shown
    assert "⟨…⟩ stands for answer, size" in shown
    assert shown.endswith("nothing was asked\n")


@pytest.mark.train
def test_a_chat_template_of_this_machine_is_applied(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("transformers")
    document = requests(ROOT / "specs/quickstart.mix", capsys, "--prompts", "1")
    first, *_, last = document["requests"]
    assert first["prompt"].startswith("<|user|>Write a problem about ")
    assert first["prompt"].endswith("<|assistant|>") and first["is_exact"]
    assert (last["prompt"], last["stood_for"]) == ("<|user|>⟨longer⟩<|assistant|>", ["problem"])
