"""Personas: people that can be, and instructions that are asked for with an example of one of their constraints."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import mixwright
from mixwright_dsl.nodes import Attribute, Block, ListNode, ObjectNode, Ref
from mixwright_dsl.parser import parse
from mixwright_dsl.source import SourceFile
from mixwright_runtime.engines.protocol import Answer, Finish, Request
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store
from tests.checkout import ROOT

LIBRARY = ROOT / "specs" / "lib" / "persona.mix"
HEAD = 'edition 2026\nimport "std:persona" as persona\n'


def rows_of(source: str) -> list[dict[str, Any]]:
    """The rows of one of the library's tables."""
    body = parse(SourceFile(LIBRARY.name, LIBRARY.read_text(encoding="utf-8"))).file.body
    blocks = [b for b in body if isinstance(b, Block) and b.kind == "source"]
    [block] = [b for b in blocks if isinstance(b.labels[0], Ref) and b.labels[0].name == source]
    [rows] = [a.value for a in block.body if isinstance(a, Attribute) and a.name.name == "rows"]
    assert isinstance(rows, ListNode)
    found = []
    for row in rows.items:
        assert isinstance(row, ObjectNode)
        cells = [a for a in row.body if isinstance(a, Attribute)]
        found.append({a.name.name: a.value.value for a in cells if hasattr(a.value, "value")})
    return found


class Model:
    """Follows nothing, and remembers what it was asked."""

    slots = 8

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def start(self) -> None:
        return

    async def close(self) -> None:
        return

    async def complete(self, request: Request) -> Answer:
        self.asked.append(str(request.messages[-1]["content"]))
        return Answer("User instruction: do it.", Finish.STOP)


def run(directory: Path, text: str) -> tuple[list[dict[str, Any]], list[str]]:
    path = directory / "spec.mix"
    path.write_text(HEAD + text)
    model = Model()
    engines: dict[str, Any] = {"small": model} if "model small" in text else {}
    with Store.open(directory / "store") as store:
        run_plan(mixwright.plan(path), store=store, options=RunOptions(exports=False), engines=engines)
        rows = store.sql("SELECT columns FROM row_outcome")
    return [json.loads(columns) for (columns,) in rows], model.asked


@pytest.mark.parametrize("suffix", ["", "_zh"])
def test_people_are_drawn_that_can_be(tmp_path: Path, suffix: str) -> None:
    tables = (
        "" if not suffix else "homes = persona.homes_zh, works = persona.works_zh, moods = persona.moods_zh"
    )
    rows, _ = run(
        tmp_path,
        f"pipeline people {{ from nothing {{ repeat = 650 }}, use persona.sampled {{ {tables} }} }}\n",
    )
    works = {row["work"]: row for row in rows_of(f"works{suffix}")}
    assert len(rows) == 650
    assert all(works[row["work"]]["youngest"] <= row["age"] <= works[row["work"]]["oldest"] for row in rows)
    # Ages are dealt out evenly, and every home and every work comes up.
    assert set(Counter(row["age"] for row in rows).values()) == {50}
    assert {row["home"] for row in rows} == {row["home"] for row in rows_of(f"homes{suffix}")}
    assert {row["work"] for row in rows} == set(works)


@pytest.mark.parametrize("suffix", ["", "_zh"])
def test_an_instruction_is_asked_for_with_an_example_of_one_of_its_constraints(
    tmp_path: Path, suffix: str
) -> None:
    rows, asked = run(
        tmp_path,
        f"""model small openai {{ base_url = "http://localhost:1/v1", model = "tiny" }}
source people inline {{ rows = [{{ persona = "a nurse on night shifts" }}] }}
pipeline precise {{
  from people {{ repeat = 60 }}
  draw wanted {{ from = constraints(ifeval, least = 1), count = 3 }}
  use persona.precise {{
    model = small
    by = persona.instruction{suffix}
    respond_by = persona.follow{suffix}
    examples = persona.examples{suffix}
    samples = 1
  }}
}}
""",
    )
    examples = {row["text"]: row["id"] for row in rows_of(f"examples{suffix}")}
    shown = [prompt for prompt in asked if "User instruction:" in prompt]
    named = {
        wanted[0]["id"]: {constraint["id"] for constraint in wanted}
        for wanted in (row["wanted"] for row in rows)
    }
    assert len(shown) == 60 and len(named) > 10
    for prompt in shown:
        [example] = [text for text in examples if text in prompt]
        assert examples[example] in named


@pytest.mark.parametrize("source", ["examples", "examples_zh"])
def test_there_is_an_example_of_each_kind(source: str) -> None:
    found = [row["id"] for row in rows_of(source)]
    assert len(found) == len(set(found)) == 25
    assert set(found) == {row["id"] for row in rows_of("examples")}
