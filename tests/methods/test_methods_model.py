"""What the small model of `specs/tiny/methods_model` can do, shape by shape, on rows that it was not trained on.

The rates are what the methods' specs rest on: right often enough to keep rows, wrong often enough to reject some.
Slow: one process imports torch, and the model writes some thousand short answers.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

import mixwright
from tests.checkout import ROOT

pytestmark = [pytest.mark.train, pytest.mark.slow]
pytest.importorskip("transformers")

TINY = ROOT / "specs" / "tiny"
Row = Mapping[str, Any]
HEAD = """edition 2026

import "methods.mix" as shapes

model small transformers { path = "model", context = 384, license = "apache-2.0" }
source tried jsonl { path = "tried.jsonl", license = "cc0-1.0" }
"""

PERSONS = ["nurse", "farmer", "baker", "pilot", "singer", "miner", "judge", "hunter"]
THINGS = ["eggs", "cups", "apples", "roses", "books", "lamps", "boats", "coins", "drums", "masks"]
ADJECTIVES = ["red", "old", "small", "new"]
MOODS = ["happy", "calm", "tired", "proud", "shy", "brave"]


def instruction(chance: random.Random) -> str:
    person, other = chance.sample(PERSONS, 2)
    thing, second = chance.sample(THINGS, 2)
    adjective, mood = chance.choice(ADJECTIVES), chance.choice(MOODS)
    return chance.choice(
        [
            f"Write a {chance.choice(['poem', 'letter', 'joke'])} about {adjective} {thing} for a {person}.",
            f"Explain to a {person} why {adjective} {thing} are good for a {other}.",
            f"Compare {adjective} {thing} with {second} for a {mood} {person}.",
            f"Invent a game with {adjective} {thing} and {second} for a {person}.",
            f"Tell a tale in which a {mood} {person} loses {adjective} {thing}.",
        ]
    )


def classifying(chance: random.Random) -> str:
    first, second = chance.sample(ADJECTIVES, 2)
    return f"Decide if the {chance.choice(THINGS)} of a {chance.choice(PERSONS)} are {first} or {second}."


def row_of(chance: random.Random) -> dict[str, Any]:
    """One row of columns that the shapes' prompts read, and what a right reply to them says."""
    person, (thing, second) = chance.choice(PERSONS), chance.sample(THINGS, 2)
    x, y, by = chance.randint(1, 20), chance.randint(1, 20), chance.randint(1, 9)
    u, v = chance.randint(100, 499), chance.randint(100, 499)
    plain, task = instruction(chance), chance.choice([instruction, classifying])(chance)
    copied = chance.random() < 0.5
    return {
        "plain": plain,
        "task": task,
        "shots": [instruction(chance) for _ in range(8)],
        "blocks": [
            {"text": instruction(chance), "input": "3 and 4", "output": "7", "answer": "7"} for _ in range(3)
        ],
        "second": plain if copied else f"{plain} Mention the garden once.",
        "copied": copied,
        "mood": chance.choice(MOODS),
        "person": person,
        "thing": thing,
        "other_thing": second,
        "persona": f"a {chance.choice(MOODS)} {person} who likes {thing}",
        "problem": f"A {person} has {x} {thing}. The {person} gets {y} more. How many {thing} are there now?",
        "x": x,
        "y": y,
        "by": by,
        "code_task": f"Write a function f that adds {by} to a number of {thing}.",
        "sentence": f"The {person} has {x} {chance.choice(ADJECTIVES)} {thing}.",
        "table": f"| thing | count |\n|---|---|\n| {thing} | {x} |\n| {second} | {y} |",
        "document": f"The {person} has {u} {thing} and gets {v} more, so there are {u + v} {thing}.",
        "call": f"[Calculator({u}+{v})→{u + v}]",
    }


def items(reply: str) -> list[str]:
    return [line.split(". ", 1)[1] for line in reply.splitlines() if re.match(r"\d+\. \S", line)]


def json_of(reply: str) -> Any:
    try:
        return json.loads(reply)
    except ValueError:
        return None


def adds(row: Row) -> bool:
    """Is the reply the task with more behind it?"""
    return str(row["reply"]).startswith(f"{row['plain']} ") and len(row["reply"]) > len(row["plain"]) + 10


def runs_right(row: Row) -> bool:
    return bool(row["reply"] == f"def f(x):\n    return x + {row['by']}")


def asserts_right(row: Row) -> bool:
    found = re.findall(r"^assert f\((\d+)\) == (\d+)$", row["reply"], re.MULTILINE)
    return len(found) == 4 and all(int(a) + row["by"] == int(b) for a, b in found)


PERSONA = re.compile(r"an? \w+ \w+ who likes \w+")
INSTRUCTION = re.compile(r"[A-Z][a-z]+ [^.]*\.( [A-Z][^.]*\.)*")


@dataclass(frozen=True)
class Shape:
    """template: what is asked. reads: how its columns come of a row's. right: is a reply what was asked for?

    least, most: the share of right replies. `most` under 1 where a method's rule must find something to reject.
    """

    template: str
    reads: str
    right: Callable[[Row], bool]
    least: float
    most: float = 1.0
    temperature: float = 0.7

    def written(self) -> str:
        derive = f"derive {{ {self.reads} }}\n" if self.reads else ""
        return (
            f"pipeline {self.template} {{\n  from tried\n  {derive}  generate reply {{\n    prompt = "
            f"shapes.{self.template}, model = small, max_tokens = 220, temperature = {self.temperature}\n  }}\n}}\n"
        )


THE_TASK = "instruction = plain"
SHAPES = [
    Shape(
        "numbered", "", lambda r: str(r["reply"]).startswith("9. ") and 3 <= len(items(r["reply"])) <= 5, 0.7
    ),
    Shape(
        "classifies",
        "instruction = task",
        lambda r: (r["reply"] == "Yes") == str(r["task"]).startswith("Decide"),
        0.9,
    ),
    Shape("input_first", THE_TASK, lambda r: str(r["reply"]).startswith("Example 1\nOutput: "), 0.9),
    Shape(
        "batch",
        "shots = blocks",
        lambda r: "4. Instruction: " in r["reply"] and "5. Output: " in r["reply"],
        0.3,
    ),
    Shape("constrain", THE_TASK, adds, 0.7, 0.97),
    Shape("deepen", THE_TASK, adds, 0.6, 0.97),
    Shape(
        "concretize", THE_TASK, lambda r: r["reply"] != r["plain"] and " from the " in r["reply"], 0.7, 0.97
    ),
    Shape("reason", THE_TASK, adds, 0.8, 0.99),
    Shape("complicate_input", THE_TASK, lambda r: adds(r) and "Use this data: " in r["reply"], 0.6, 0.97),
    Shape("rarer", THE_TASK, lambda r: bool(RARE.search(r["reply"])), 0.8, 0.99),
    Shape(
        "same", "instruction = plain, evolved = second", lambda r: (r["reply"] == "Equal") == r["copied"], 0.6
    ),
    Shape("answer", THE_TASK, lambda r: len(str(r["reply"]).split()) > 6, 0.7, 0.97),
    Shape("to_topic", THE_TASK + ', topic = "kitchen"', lambda r: bool(KITCHEN.search(r["reply"])), 0.1, 0.6),
    Shape("tags", THE_TASK, lambda r: isinstance(json_of(r["reply"]), list), 0.9),
    Shape("complexity", THE_TASK, lambda r: r["reply"] in {"1", "2"}, 0.9),
    Shape("quality", THE_TASK + ', response = "It is the."', lambda r: r["reply"] == "1", 0.9),
    Shape("own_turn", "", lambda r: bool(INSTRUCTION.fullmatch(r["reply"])), 0.9),
    Shape(
        "persona_problem",
        'sort = "one step"',
        lambda r: str(r["reply"]).startswith("Math problem: A "),
        0.9,
    ),
    Shape("solve", "", lambda r: str(r["reply"]).endswith(f"#### {r['x'] + r['y']}"), 0.0, 0.4),
    Shape("write_code", "", runs_right, 0.9),
    Shape("write_tests", "", asserts_right, 0.2, 0.8),
    Shape("related", 'relation = "friend"', lambda r: bool(PERSONA.fullmatch(r["reply"])), 0.9),
    Shape("to_chinese", "", lambda r: str(r["reply"]).endswith("。") and f"{r['x']}个" in r["reply"], 0.8),
    Shape(
        "table_question",
        "",
        lambda r: str(r["reply"]).startswith("How many ") and str(r["reply"]).endswith("?"),
        0.9,
    ),
    Shape("add_calls", "", lambda r: r["call"] in r["reply"], 0.9),
]
RARE = re.compile(r"lanterns|compasses|kites|mirrors|puppets|wagons|beehives|windmills")
KITCHEN = re.compile(r"eggs|cups|spoons|lemons|plates|pans")


@pytest.fixture(scope="module")
def replies(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[Row]]:
    """Forty replies to each shape."""
    place = tmp_path_factory.mktemp("shapes")
    (place / "pyproject.toml").touch()
    shutil.copy(TINY / "methods.mix", place)
    shutil.copytree(TINY / "methods_model", place / "model")
    chance = random.Random(5)
    (place / "tried.jsonl").write_text(
        "".join(json.dumps(row_of(chance)) + "\n" for _ in range(40)), encoding="utf-8"
    )
    (place / "t.mix").write_text(HEAD + "".join(shape.written() for shape in SHAPES), encoding="utf-8")
    mixwright.run(place / "t.mix")
    return {shape.template: list(mixwright.rows(place / ".mixwright", shape.template)) for shape in SHAPES}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.template)
def test_a_shape_is_right_as_often_as_methods_need(shape: Shape, replies: Mapping[str, list[Row]]) -> None:
    share = sum(shape.right(row) for row in replies[shape.template]) / 40
    assert shape.least <= share <= shape.most, (share, [row["reply"] for row in replies[shape.template][:5]])
