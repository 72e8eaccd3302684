"""Rules of the library that decide by a row alone: for each a row that it drops, and rows that all let through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import mixwright
from mixwright_runtime.store.store import Store


def ends_of(directory: Path, use: str, rows: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """The step that drops a row, or none, and its columns there; for each row of the end."""
    (directory / "pyproject.toml").touch()
    (directory / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (directory / "spec.mix").write_text(
        f"""edition 2026
import "std:self_instruct" as si
source given jsonl {{ path = "rows.jsonl" }}
pipeline p {{
  from given
  use {use}
}}
""",
        encoding="utf-8",
    )
    mixwright.run(directory / "spec.mix", store=directory / "store")
    with Store.open(directory / "store", read_only=True) as opened:
        ended = opened.sql("SELECT step, columns FROM row_outcome ORDER BY ALL")
    return [(step, json.loads(columns or "{}")) for step, columns in ended]


@pytest.mark.parametrize(
    ("task", "rule"),
    [
        ("Sort this list.", "usable.length"),
        ("Sort a long list of names " + "again " * 150, "usable.length"),
        ("Draw a picture of a cat.", "usable.keyword"),
        ("Go to the shop, then come back.", "usable.keyword"),
        ("Write a program that counts words.", "usable.program"),
        ('"Fast" has which synonyms in English?', "usable.punctuation"),
        ("Écris un poème pour un ami.", "usable.ascii"),
        ("Name three birds that cannot fly.", ""),
        ("Explain what cartography is about.", ""),
        ("Rewrite a program that counts words.", ""),
    ],
)
def test_a_task_that_no_text_model_can_be_given(tmp_path: Path, task: str, rule: str) -> None:
    ((step, _),) = ends_of(tmp_path, "si.usable { text = task }", [{"task": task}])
    assert step == rule


def examples_of(directory: Path, raw: str, by_label: bool) -> list[tuple[str, str, str]]:
    """(rule, input, output) of each part that was looked at for examples, those dropped for being blank aside."""
    use = "si.examples { raw = raw, by_label = by_label, most = 2 }"
    ended = ends_of(directory, use, [{"raw": raw, "by_label": by_label}])
    return [
        (step, columns.get("input", ""), columns.get("output", ""))
        for step, columns in ended
        if step != "examples.blank"
    ]


@pytest.mark.parametrize(
    ("raw", "by_label", "found"),
    [
        ("Example 1\nInput: 2 and 3\nOutput: 5", False, [("", "2 and 3", "5")]),
        ("Example 1\nOutput: A story.", False, [("", "", "A story.")]),
        ("Class label: hall\nInput: drums", True, [("", "drums", "hall")]),
        ("Example 1\nInput: 2 and 3", False, [("examples.no_output", "", None)]),
        ("Example 1\nInput: Drums\nOutput: drums", False, [("examples.copied", "Drums", "drums")]),
        ("Example 1\nInput: drums\nOutput: Labels:", False, [("examples.unfinished", "drums", "Labels:")]),
        ("Example 1\nInput: Drums:\nOutput: hall", False, [("examples.unfinished", "Drums:", "hall")]),
        (
            "Example 1\nOutput: a\nExample 2\nOutput: b\nExample 3\nOutput: c",
            False,
            [("", "", "a"), ("", "", "b"), ("examples.too_many", "", "c")],
        ),
    ],
)
def test_an_example_that_is_none(
    tmp_path: Path, raw: str, by_label: bool, found: list[tuple[str, str, str]]
) -> None:
    assert examples_of(tmp_path, raw, by_label) == found
