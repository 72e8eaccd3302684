"""Rows that are made from nothing: from the spec to the card, and back to where they came from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mixwright.cli import main

SPEC = """edition 2026
pipeline tasks {
  from nothing { repeat = 20 }
  draw topic { values = ["rivers", "trains", "stars", "wells"] }
  chat { user = topic, assistant = topic }
}
mixture main { seed = 1
  tasks = 12
}
policy clean { licenses = ["mit"] }
export hub of main { path = "out" }
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / ".mixwright").mkdir()
    path = tmp_path / "tasks.mix"
    path.write_text(SPEC)
    return path


def test_every_replica_of_the_empty_row_is_a_row_of_its_own(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(spec)]) == 0
    lines = (spec.parent / "out/data/train-00000-of-00001.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len({row["lineage"] for row in rows}) == 12
    assert {row["source"] for row in rows} == {"nothing"}
    assert len({row["messages"][0]["content"] for row in rows}) > 2, "each replica draws for itself"


def test_nothing_is_neither_locked_nor_asked_for_a_license(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lock", str(spec)]) == 0
    assert "the spec reads no source and no model" in capsys.readouterr().out
    assert json.loads(spec.with_suffix(".lock").read_text())["sources"] == {}
    assert main(["check", str(spec)]) == 0
    assert main(["plan", str(spec)]) == 0
    printed = capsys.readouterr().out
    assert "not locked" not in printed
    assert "from nothing" in printed
    assert main(["plan", str(spec), "--graph", "mermaid"]) == 0
    assert "nothing" in capsys.readouterr().out


def test_the_card_has_no_terms_of_a_source_that_has_no_text(spec: Path) -> None:
    assert main(["run", str(spec)]) == 0
    card = (spec.parent / "out/README.md").read_text()
    assert "No row started from a source with anything in it." in card
    assert "not stated" not in card
    assert "not locked" not in card


def test_explain_says_what_the_row_started_from(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(spec)]) == 0
    row = json.loads((spec.parent / "out/data/train-00000-of-00001.jsonl").read_text().splitlines()[0])
    capsys.readouterr()
    assert main(["explain", row["id"], "--store", str(spec.parent / ".mixwright")]) == 0
    printed = capsys.readouterr().out
    assert "\nfrom nothing (row " in printed
    assert "  one row without columns: all in it was made by the pipeline\n" in printed
    assert "tasks.mix:3: from nothing { repeat = 20 }" in printed
    assert main(["explain", "source.nothing"]) == 0
    assert "needs no declaration" in capsys.readouterr().out


def test_a_shorter_quota_takes_the_beginning_of_a_longer_one(spec: Path) -> None:
    def topics(count: int) -> list[str]:
        spec.write_text(SPEC.replace("tasks = 12", f"tasks = {count}"))
        assert main(["run", str(spec)]) == 0
        lines = (spec.parent / "out/data/train-00000-of-00001.jsonl").read_text().splitlines()
        return sorted(json.loads(line)["lineage"] for line in lines)

    assert set(topics(5)) <= set(topics(12))
