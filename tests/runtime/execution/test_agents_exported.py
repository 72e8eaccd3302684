"""Trajectories that `std:agents` makes, in every export, and what of them is trained: the assistant's words and calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from test_tool_calling import Runs, agent, spec

from mixwright_runtime.errors import RunError
from tests.training.exported import exported

ONE = "What is 17 * 4?"
TWO = "What is 17 * 4, and what is 9 - 12?"
Trajectory = dict[str, Any]


@pytest.fixture(scope="module")
def trajectories(tmp_path_factory: pytest.TempPathFactory) -> list[Trajectory]:
    """One with a call, and one with two calls in a turn: as rows are for an export, with another column."""
    made = []
    for number, task in enumerate((ONE, TWO)):
        [(status, _, row)] = Runs(tmp_path_factory.mktemp(f"run{number}"), agent).run(spec(task))
        assert status == "kept"
        made.append({"messages": row["messages"], "tools": row["tools"], "total": "68", "weak": "Seventy."})
    return made


def lines(format: str, rows: list[Trajectory], to: Path, **attributes: Any) -> list[dict[str, Any]]:
    place = exported(format, rows, None, to / format, **attributes)
    text = (place / "data" / "train-00000-of-00001.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("format", ["messages", "trl", "axolotl"])
def test_a_trajectory_is_exported_as_it_is(
    trajectories: list[Trajectory], tmp_path: Path, format: str
) -> None:
    found = lines(format, trajectories, tmp_path)
    assert [line["messages"] for line in found] == [row["messages"] for row in trajectories]
    assert [json.loads(line["tools"]) for line in found] == [row["tools"] for row in trajectories]
    assert [[m["role"] for m in line["messages"]] for line in found] == [
        ["user", "assistant", "tool", "assistant"],
        ["user", "assistant", "tool", "tool", "assistant"],
    ]


def test_parquet_has_the_calls_and_the_tools(trajectories: list[Trajectory], tmp_path: Path) -> None:
    place = exported("parquet", trajectories, None, tmp_path / "parquet")
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT messages, tools FROM '{place}/data/*.parquet'").fetchall()
    said = [[{k: v for k, v in m.items() if v is not None} for m in messages] for messages, _ in found]
    assert said == [row["messages"] for row in trajectories]
    assert [json.loads(tools) for _, tools in found] == [row["tools"] for row in trajectories]


@pytest.mark.parametrize(
    ("format", "attributes", "before", "last"),
    [
        ("prompt_completion", {}, "prompt", "completion"),
        ("preference", {"against": "weak"}, "prompt", "chosen"),
        ("rlvr", {"ground_truth": "total", "dataset": "math"}, "messages", None),
    ],
)
def test_where_the_last_answer_is_apart_the_tools_go_along(
    trajectories: list[Trajectory],
    tmp_path: Path,
    format: str,
    attributes: dict[str, str],
    before: str,
    last: str | None,
) -> None:
    found = lines(format, trajectories, tmp_path, **attributes)
    assert [line[before] for line in found] == [row["messages"][:-1] for row in trajectories]
    assert last is None or [line[last] for line in found] == [row["messages"][-1:] for row in trajectories]
    assert [json.loads(line["tools"]) for line in found] == [row["tools"] for row in trajectories]


def test_llama_factory_holds_one_result_a_turn(trajectories: list[Trajectory], tmp_path: Path) -> None:
    one, two = trajectories
    [line] = lines("llama_factory", [one], tmp_path)
    assert [(m["role"], m["content"]) for m in line["messages"]] == [
        ("user", ONE),
        ("function_call", '[{"name": "calculator", "arguments": {"expression": "17 * 4"}}]'),
        ("observation", "68"),
        ("assistant", "It is 68."),
    ]
    assert [tool["name"] for tool in json.loads(line["tools"])] == ["calculator", "calendar"]
    with pytest.raises(RunError, match="message 4 is of role tool, where an assistant has to speak"):
        lines("llama_factory", [two], tmp_path)


@pytest.mark.parametrize(
    ("format", "attributes"),
    [("open_instruct", {}), ("preference", {"against": "weak", "shape": "open_instruct"})],
)
def test_open_instruct_has_no_place_for_tools(
    trajectories: list[Trajectory], tmp_path: Path, format: str, attributes: dict[str, str]
) -> None:
    with pytest.raises(RunError, match="reads no tools"):
        lines(format, trajectories, tmp_path, **attributes)


@pytest.mark.train
def test_of_a_trajectory_calls_and_answers_are_trained(
    trajectories: list[Trajectory], tmp_path: Path
) -> None:
    pytest.importorskip("transformers")
    from transformers import AutoTokenizer

    from mixwright_runtime.training.encode import IGNORED, EncodingCounts, encode
    from tests.checkout import ROOT
    from tests.training.chat_templates import QWEN3, SPECIAL, with_control_tokens

    small = AutoTokenizer.from_pretrained(ROOT / "specs" / "tiny" / "methods_model")
    tokenizer = with_control_tokens(small, SPECIAL)(QWEN3)
    rows = [{"id": str(n), "component": "c", **row} for n, row in enumerate(trajectories)]
    counts = EncodingCounts()
    one, two = encode(rows, tokenizer, context=4000, overlong="drop", counts=counts)
    for sequence, calls, answer in (
        (one, ["17 * 4"], "It is 68."),
        (two, ["17 * 4", "9 - 12"], "It is 68 and -3."),
    ):
        trained, read = (
            tokenizer.decode([t for t, label in zip(sequence.tokens, sequence.labels, strict=True)
                              if (label == IGNORED) == is_read])
            for is_read in (False, True)
        )  # fmt: skip
        said = [f'{{"name": "calculator", "arguments": {{"expression": "{call}"}}}}' for call in calls]
        assert trained == (
            "".join(f"\n<tool_call>\n{call}\n</tool_call>" for call in said) + f"<|im_end|>{answer}<|im_end|>"
        )
        # What the user asked, the tools and what they gave are read, and nothing of them is learned.
        assert "<tool_response>\n68\n</tool_response>" in read and '"name": "calendar"' in read
        assert answer not in read and "What is 17 * 4" in read


@pytest.mark.train
@pytest.mark.parametrize("family", ["qwen3", "calls before the text", "an opened block is asked with"])
def test_tokens_and_packed_sequences_learn_calls_and_answers_alone(
    trajectories: list[Trajectory], tmp_path: Path, family: str
) -> None:
    pytest.importorskip("transformers")
    from shutil import copytree

    from transformers import AutoTokenizer

    from mixwright_runtime.training.encode import IGNORED
    from tests.checkout import ROOT
    from tests.training import template_shapes
    from tests.training.chat_templates import QWEN3, SPECIAL, with_control_tokens
    from tests.training.conftest import small_train

    base = tmp_path / "base"
    copytree(ROOT / "specs" / "tiny" / "methods_model", base)
    template = QWEN3 if family == "qwen3" else template_shapes.WHOLE[family]
    special = dict.fromkeys((*SPECIAL, *template_shapes.SPECIAL))
    tokenizer = with_control_tokens(AutoTokenizer.from_pretrained(base), special)(template)
    tokenizer.save_pretrained(base)
    train = small_train(base, context=4000)

    def learned(format: str) -> list[str]:
        place = exported(format, trajectories, train, tmp_path / format)
        with duckdb.connect() as connection:
            found = connection.execute(f"SELECT input_ids, labels FROM '{place}/data/*.parquet'").fetchall()
        for tokens, labels in found:
            assert all(label in (IGNORED, token) for token, label in zip(tokens, labels, strict=True))
            read = tokenizer.decode([t for t, label in zip(tokens, labels, strict=True) if label == IGNORED])
            # What the user asked and what the tools gave is read, and nothing of it is learned.
            assert "What is 17 * 4" in read and "68" in read
        return [tokenizer.decode([t for t in labels if t != IGNORED]) for _, labels in found]

    one, two = learned("tokenized")
    for said, calls, answer in (
        (one, ["17 * 4"], "It is 68."),
        (two, ["17 * 4", "9 - 12"], "It is 68 and -3."),
    ):
        places = [said.index(part) for part in (*calls, answer)]
        assert places == sorted(places) and said.count("calculator") == len(calls)
        assert "What is" not in said and "calendar" not in said and "tool_response" not in said
    packed = "".join(learned("packed"))
    assert one in packed and two in packed
