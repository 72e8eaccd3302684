"""Task files of Super-NaturalInstructions as rows, whatever form each of them has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mixwright_compiler.plan.plan import Origin, SourceSpec
from mixwright_runtime.errors import RunError
from mixwright_runtime.sources.reader import inspect_source, read_rows

TASK: dict[str, Any] = {
    "Contributors": ["somebody"],
    "Source": ["made up"],
    "URL": [],
    "Categories": ["Counting"],
    "Reasoning": [],
    "Definition": ["Count the letters.", "Write a number."],
    "Input_language": ["English"],
    "Output_language": "English",
    "Instruction_language": ["English"],
    "Domains": ["Words"],
    "Positive Examples": [{"input": "tree", "output": "4", "explanation": "t, r, e, e"}],
    "Negative Examples": [{"input": "tree", "output": ["five"]}],
    "Instances": [
        {"id": "task9-a", "input": "stone", "output": ["5", "five"]},
        {"input": "ox", "output": "2"},
        {"input": "elephant", "output": ["8"]},
    ],
}


def source(directory: Path, task: Any, **attributes: Any) -> SourceSpec:
    (directory / "task009_letters.json").write_text(json.dumps(task), encoding="utf-8")
    return SourceSpec(
        name="niv2",
        kind="natural_instructions",
        columns={},
        attributes={"path": "*.json", **attributes},
        origin=Origin(file="a.mix", line=1, column=1),
    )


def test_a_row_for_each_instance(tmp_path: Path) -> None:
    rows = list(read_rows(source(tmp_path, TASK), tmp_path))
    assert [r.columns["id"] for r in rows] == ["task9-a", "task009_letters-1", "task009_letters-2"]
    assert rows[1].ref == "task009_letters.json#Instances[1]"
    first = rows[0].columns
    assert (first["task"], first["definition"]) == ("task009_letters", "Count the letters.\nWrite a number.")
    assert (first["input"], first["output"], first["outputs"]) == ("stone", "5", ["5", "five"])
    assert rows[1].columns["outputs"] == ["2"]
    assert first["positive"] == [{"input": "tree", "output": "4", "explanation": "t, r, e, e"}]
    assert first["negative"] == [{"input": "tree", "output": "five", "explanation": ""}]
    assert (first["categories"], first["reasoning"], first["output_language"]) == (
        ["Counting"],
        [],
        ["English"],
    )


def test_the_first_instances_of_each_task(tmp_path: Path) -> None:
    assert len(list(read_rows(source(tmp_path, TASK, most=2), tmp_path))) == 2


def test_its_columns_are_locked_with_their_types(tmp_path: Path) -> None:
    found = inspect_source(source(tmp_path, TASK), tmp_path)
    assert found.columns["positive"] == "list[struct{input: text, output: text, explanation: text}]"
    assert (found.rows, found.columns["outputs"], found.columns["definition"]) == (3, "list[text]", "text")


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({**TASK, "Definition": []}, "no `Definition`; is it a task file"),
        ({**TASK, "Instances": {"input": "a"}}, "`Instances` is no list of objects"),
        ({**TASK, "Instances": [{"input": "a", "output": []}]}, r"#Instances\[0\]: an instance needs"),
        ([TASK, TASK], "more than one value, or none"),
        ("words", "no JSON object"),
    ],
)
def test_what_is_no_task_file_is_told(tmp_path: Path, task: Any, said: str) -> None:
    with pytest.raises(RunError, match=rf"source 'niv2': task009_letters.json.*{said}"):
        list(read_rows(source(tmp_path, task), tmp_path))
