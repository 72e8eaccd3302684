"""Precise instructions of personas: what is drawn stands together and is drawn evenly, and what is kept is followed."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import mixwright
from mixwright_compiler.catalog.constraint_kinds import Constraint, first_conflict
from mixwright_runtime.engines.protocol import Answer, Finish, Request
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store
from mixwright_runtime.verifiers.constraints.check import check
from mixwright_runtime.verifiers.constraints.registry import schemas
from mixwright_runtime.verifiers.constraints.text import Rules
from tests.checkout import ROOT

sys.path.insert(0, str(ROOT / "tests" / "runtime" / "constraints"))

from kind_examples import EXAMPLES

IFEVAL = EXAMPLES[:25]
ROWS = 5_000

DRAWN = f"""edition 2026
source personas duckdb {{ sql = "SELECT 'person ' || i AS persona FROM range({ROWS}) AS t(i)" }}
pipeline wished {{
  from personas
  draw wanted {{ from = constraints(ifeval, least = 1), count = 3 }}
}}
"""

PRECISE = """edition 2026
import "std:persona" as persona
model small openai { base_url = "http://localhost:1/v1", model = "tiny" }
source wishes jsonl { path = "wishes.jsonl" }
template ask { user = "Here is a person: {{ persona }}" }
pipeline precise {
  from wishes
  use persona.precise { model = small, by = ask, samples = 1 }
}
"""


def chi_squared(counts: Iterable[int]) -> float:
    """Distance of counts from equal ones."""
    found = list(counts)
    even = sum(found) / len(found)
    return math.fsum((count - even) ** 2 / even for count in found)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    """What 5,000 personas get."""
    place = tmp_path_factory.mktemp("drawn")
    (place / "pyproject.toml").touch()
    (place / "spec.mix").write_text(DRAWN)
    mixwright.run(place / "spec.mix", store=place / "store")
    with Store.open(place / "store", read_only=True) as store:
        rows = store.sql("SELECT columns FROM row_outcome WHERE status = 'kept'")
    return [json.loads(columns)["wanted"] for (columns,) in rows]


def test_as_many_rows_have_one_two_and_three_constraints(drawn: list[list[dict[str, Any]]]) -> None:
    """Chi-squared below 13.8 in 999 of 1,000 cases."""
    numbers = Counter(map(len, drawn))
    assert sorted(numbers) == [1, 2, 3] and numbers.total() == ROWS
    assert chi_squared(numbers.values()) < 13.8


def test_constraints_stand_together(drawn: list[list[dict[str, Any]]]) -> None:
    for wanted in drawn:
        constraints = [Constraint(one["id"], one["kwargs"]) for one in wanted]
        assert first_conflict(constraints, schemas()) is None, wanted
        assert len({constraint.id for constraint in constraints}) == len(constraints)


def test_kinds_are_drawn_evenly(drawn: list[list[dict[str, Any]]]) -> None:
    """Of 24: `combination:repeat_prompt` has the prompt as its argument. Where one stands alone each is as likely (below
    49.7 in 999 of 1,000 cases). Beside others a kind comes less often the more kinds it excludes; the one that excludes
    all of them never does."""
    alone = Counter(wanted[0]["id"] for wanted in drawn if len(wanted) == 1)
    assert len(alone) == 24 and chi_squared(alone.values()) < 49.7
    beside = Counter(one["id"] for wanted in drawn if len(wanted) > 1 for one in wanted)
    assert set(alone) - set(beside) == {"detectable_format:constrained_response"}
    even = beside.total() / len(beside)
    assert all(0.4 * even < count < 1.4 * even for count in beside.values())
    free = [id for id in beside if not any(excludes(id, other) for other in beside)]
    assert len(free) > 4 and chi_squared(beside[id] for id in free) < 30


def excludes(one: str, other: str) -> bool:
    return (
        one != other and first_conflict([Constraint(one, {}), Constraint(other, {})], schemas()) is not None
    )


class Follower:
    """Writes an instruction of a persona's name, and the response that stands in the row."""

    slots = 16

    def __init__(self, responses: dict[str, str]) -> None:
        self.responses = responses

    async def start(self) -> None:
        return

    async def close(self) -> None:
        return

    async def complete(self, request: Request) -> Answer:
        text = str(request.messages[-1]["content"])
        if text.startswith("Here is a person: "):
            return Answer(f"User instruction: {text.partition(': ')[2].splitlines()[0]}", Finish.STOP)
        return Answer(self.responses[text], Finish.STOP)


def test_of_every_kind_what_is_followed_is_kept(tmp_path: Path) -> None:
    """Two rows of each of IFEval's kinds: a response that follows, and one that does not."""
    wishes, responses = [], {}
    for id, arguments, good, bad in IFEVAL:
        for name, response in (("good", good), ("bad", bad)):
            wanted = [{"id": id, "kwargs": arguments, "sentence": f"Follow {id}."}]
            wishes.append({"persona": f"{name} {id}", "wanted": json.dumps(wanted)})
            responses[f"{name} {id}"] = response
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "wishes.jsonl").write_text("".join(json.dumps(wish) + "\n" for wish in wishes))
    (tmp_path / "spec.mix").write_text(PRECISE)
    plan = mixwright.plan(tmp_path / "spec.mix")
    engines: dict[str, Any] = {"small": Follower(responses)}
    with Store.open(tmp_path / "store") as store:
        run_plan(plan, store=store, options=RunOptions(exports=False), engines=engines)
        ended = store.sql("SELECT status, reason, columns FROM row_outcome")
    kept = [json.loads(columns) for status, _, columns in ended if status == "kept"]
    assert {row["persona"] for row in kept} == {f"good {id}" for id, *_ in IFEVAL}
    assert {reason for status, reason, _ in ended if status != "kept"} == {"constraints: not followed"}
    assert len(ended) == 50
    for row in kept:
        (asked,) = json.loads(row["wanted"])
        (found,) = check(row["response"], [Constraint(asked["id"], asked["kwargs"])], Rules())
        assert found.follows
