"""A pipeline that draws from its own rows: what a row sees follows from its place alone.

Each row here asks for a list of numbers and shows the model two rows that were kept before. A filter and a `dedup`
decide which numbers stay, so that the pool hangs on answers, and the answers on the pool.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from hashlib import blake2b
from pathlib import Path
from typing import Any

import duckdb
import pytest
from virtual import ScriptedEngine, run_plan_virtually, run_virtually

import mixwright
from mixwright_compiler.plan.diff import differences
from mixwright_compiler.plan.fingerprint import pipeline_row_hashes
from mixwright_runtime.engines.protocol import Answer, EngineFault, Fault, Finish, Request
from mixwright_runtime.errors import EngineUnavailable
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store
from mixwright_runtime.stream.pool import Pool, bound_of
from mixwright_runtime.values.rows import Row
from tests.killing import killing

SPEC = """edition 2026
model teacher openai { base_url = "http://localhost:1/v1", model = "tiny", max_in_flight = WIDTH }
source seeds inline { rows = [{ number = "1" }, { number = "2" }, { number = "3" }] }
template more { user = "{% for x in human %}{{ x }} {% endfor %}{% for x in made %}{{ x }} {% endfor %}" }

pipeline numbers {
  from nothing { repeat = 2000 }
  draw made { from = numbers, column = number, count = 2, fewer = ok, lag = 64 }
  draw human { from = seeds, column = number, count = 4 - len(made), fewer = ok }
  generate listed { prompt = more, model = teacher }
  each number { of = split(listed, " ") }
  filter { where = not ends_with(number, "7") }
  dedup exact { on = number }
}
mixture main { seed = 1
  numbers = WANTED }
"""


class Numbers(ScriptedEngine):
    """Three numbers, which follow from the request; how long they take follows from `seed` and the request."""

    def __init__(self, seed: int = 0, *, slots: int = 8, fails: str | tuple[str, ...] = "") -> None:
        super().__init__(slots=slots)
        self.seed = seed
        self.fails = fails

    async def complete(self, request: Request) -> Answer:
        text = str(request.messages[-1]["content"])
        said = blake2b(f"{text} {request.seed}".encode()).digest()
        # Long-tailed: one in ten takes up to ten times as long as the others.
        chance = random.Random(f"{self.seed} {said.hex()}")
        seconds = chance.random() + (chance.random() < 0.1) * 10 * chance.random()
        self.requests.append(request)
        await asyncio.sleep(seconds)
        if self.fails and said.hex().startswith(self.fails):
            raise EngineFault(Fault.BAD_REQUEST, "refused")
        return Answer(" ".join(str(said[at] * 256 + said[at + 1]) for at in (0, 2, 4)), Finish.STOP)


def spec(directory: Path, wanted: int, width: int) -> Any:
    path = directory / "spec.mix"
    path.write_text(SPEC.replace("WANTED", str(wanted)).replace("WIDTH", str(width)))
    return mixwright.plan(path)


def kept(store: Store) -> list[tuple[int, str]]:
    return [
        (position, json.loads(columns)["number"])
        for position, columns in store.sql(
            """SELECT position, columns FROM row_outcome WHERE status = 'kept' AND pipeline = 'numbers'
            AND run_id = (SELECT max(run_id) FROM run) ORDER BY position, candidate"""
        )
    ]


async def _nobody(_run: Any) -> None:
    """Looks at nothing."""


def run(directory: Path, engine: Numbers, wanted: int) -> list[tuple[int, str]]:
    directory.mkdir(exist_ok=True)
    with Store.open(directory / "store") as store:
        report = run_plan_virtually(
            spec(directory, wanted, engine.slots), store=store, watch=_nobody, engine=engine
        )
        assert report.status in ("done", "short")
        return kept(store)


def test_how_far_back_a_row_sees() -> None:
    assert [bound_of(i, 64) for i in (0, 4, 5, 6, 10, 40, 48, 100, 800)] == [0, 0, 0, 1, 5, 35, 42, 88, 736]
    # It never moves back, and no row sees what is started behind it.
    bounds = [bound_of(i, 64) for i in range(2000)]
    assert bounds == sorted(bounds)
    assert all(bound < i for i, bound in enumerate(bounds) if i)


def test_a_pool_closes_in_start_order() -> None:
    pool = Pool(lag=5)
    for position in (2, 0):
        pool.close(position, [Row(b"", {"n": position}, b"", position)])
    assert pool.closed == 1, "what is behind an open row is not seen yet"
    pool.close(1, [])
    assert [row["n"] for row in pool.before(8)] == [0, 2]
    assert len(pool.before(7)) == 1


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str]]:
    """What a run at a width of 16 keeps."""
    return run(tmp_path_factory.mktemp("pool"), Numbers(0, slots=16), 250)


@pytest.mark.parametrize("slots", [1, 8, 64, 256])
def test_width_and_latency_change_nothing(
    slots: int, tmp_path: Path, reference: list[tuple[int, str]]
) -> None:
    found = run(tmp_path, Numbers(slots, slots=slots), 250)
    # How many rows a last wave starts may differ; what it makes of them does not.
    assert found[: len(reference)] == reference[: len(found)]
    assert len({number for _, number in found}) >= 200


def test_prompts_show_rows_that_were_kept_before(tmp_path: Path) -> None:
    engine = Numbers()
    run(tmp_path, engine, 100)
    prompts = [str(request.messages[-1]["content"]).split() for request in engine.requests]
    assert all(set(prompt) <= {"1", "2", "3"} for prompt in prompts[:5]), "the first five see seeds alone"
    assert all(len(prompt) == 4 for prompt in prompts[30:])
    assert sum(any(len(number) > 1 for number in prompt) for prompt in prompts[30:]) == len(prompts[30:])


KILLS = 20


class Killed(Numbers):
    """Ends its process at the last of so many answers; 0 for never."""

    def __init__(self, left: int, **attributes: Any) -> None:
        super().__init__(left, **attributes)
        self.left = left

    async def complete(self, request: Request) -> Answer:
        answer = await super().complete(request)
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


def run_killed(directory: str, wanted: int, slots: int, until: int) -> None:
    run(Path(directory), Killed(until, slots=slots), wanted)


def test_twenty_kills_change_nothing(tmp_path: Path, reference: list[tuple[int, str]]) -> None:
    """Each run goes on from where the last one was killed, with other latencies and as often as not another width."""
    chance = random.Random(20)
    with killing("test_pool", "run_killed", Path(__file__).parent) as ended:
        for _ in range(KILLS):
            status = ended(tmp_path, 250, chance.choice((8, 16, 64)), chance.randint(2, 4))
            assert status == -signal.SIGKILL
    found = run(tmp_path, Numbers(21, slots=16), 250)
    assert found[: len(reference)] == reference[: len(found)] and len(found) >= 200
    with Store.open(tmp_path / "store") as store:
        assert store.sql("SELECT max(run_id) FROM run") == [(KILLS + 1,)]


def test_seven_hundred_have_five_hundred_in_them(tmp_path: Path) -> None:
    """On the same store, which asks for what is more alone, and on one that has nothing."""
    first, more, fresh = Numbers(1), Numbers(2), Numbers(3)
    few = run(tmp_path / "store", first, 500)
    many = run(tmp_path / "store", more, 700)
    assert len({number for _, number in few}) >= 500 and len({number for _, number in many}) >= 700
    assert many[: len(few)] == few
    anew = run(tmp_path / "fresh", fresh, 700)
    assert anew[: len(many)] == many[: len(anew)]
    assert not asked(first) & asked(more) and asked(first) | asked(more) >= asked(fresh)


def asked(engine: Numbers) -> set[bytes]:
    return {request.key for request in engine.requests}


def test_a_pool_that_is_another_one_is_told(tmp_path: Path) -> None:
    """An answer is gone from the store, and the model gives another one."""
    path = spec(tmp_path, 60, 8)
    with Store.open(tmp_path / "store") as store:
        report = run_plan_virtually(path, store=store, watch=_nobody, engine=Numbers(1))
        assert not any("other rows" in message for message in report.messages)
        again = run_plan_virtually(path, store=store, watch=_nobody, engine=Numbers(2))
        assert not any("other rows" in message for message in again.messages)
        [(lost, position)] = store.sql(
            """SELECT calls[1], position FROM outcome WHERE status = 'kept' AND run_id = 1 AND position >= 10
            ORDER BY position LIMIT 1"""
        )
    forget(tmp_path / "store", lost)
    with Store.open(tmp_path / "store") as store:
        report = run_plan_virtually(path, store=store, watch=_nobody, engine=Other(1))
    [told] = [message for message in report.messages if "other rows" in message]
    seeing = next(i for i in range(200) if bound_of(i, 64) > position)
    assert (
        f"than in run 2 from row {position} on" in told
        and f"rows from {seeing} on were asked otherwise" in told
    )


class Other(Numbers):
    """Says other numbers than a pool has."""

    async def complete(self, request: Request) -> Answer:
        await super().complete(request)
        return Answer("70001 70003 70005", Finish.STOP)


def forget(store: Path, key: bytes) -> None:
    """Takes an answer out of a store, as no command does."""
    with duckdb.connect(store / "store.duckdb") as database:
        database.execute("DELETE FROM call WHERE key = ?", [key])


def test_a_second_run_asks_for_nothing_again(tmp_path: Path) -> None:
    first = run(tmp_path, Numbers(1), 100)
    again = Numbers(2)
    assert run(tmp_path, again, 100) == first
    assert again.requests == []


def test_what_a_machine_lost_stays_lost(tmp_path: Path) -> None:
    """Were it answered by the second run, every later row would see another pool, and be asked anew."""
    first = run(tmp_path, Numbers(1, fails="7"), 100)
    healed = Numbers(1)
    assert run(tmp_path, healed, 100) == first
    assert healed.requests == []
    with Store.open(tmp_path / "store") as store:
        reasons = store.sql("SELECT DISTINCT reason FROM outcome WHERE run_id = 2 AND status = 'quarantined'")
    assert reasons == [("lost in run 1",)]


def test_what_nobody_saw_to_be_missing_is_tried_again(tmp_path: Path) -> None:
    """A server that refuses everything has decided nothing: when it is mended, its rows are as if asked for the first
    time."""
    refusing = Numbers(1, fails=tuple("0123456789abcdef"))
    with pytest.raises(EngineUnavailable):
        run(tmp_path, refusing, 30)
    assert run(tmp_path, Numbers(1), 30) == run(tmp_path / "whole", Numbers(1), 30)


def test_slots_are_busy_while_answers_take_long() -> None:
    """13,000 requests, 16 at once, the slowest of which takes almost 20 times as long as one does on average."""
    chance, slots, rows = random.Random(7), 16, 13_000
    seconds = [chance.lognormvariate(0, 0.8) for _ in range(rows)]
    pool = Pool(lag=256)

    async def everything() -> float:
        positions = iter(range(rows))

        async def worker() -> None:
            for position in positions:
                await pool.settled(position)
                await asyncio.sleep(seconds[position])
                pool.close(position, [])

        await asyncio.gather(*(worker() for _ in range(slots)))
        return asyncio.get_running_loop().time()

    assert sum(seconds) / slots > 0.9 * run_virtually(everything())


def test_another_pipeline_draws_its_first_rows(tmp_path: Path) -> None:
    path = tmp_path / "spec.mix"
    path.write_text(
        """edition 2026
        source letters inline { rows = [{ letter = "a" }, { letter = "b" }, { letter = "c" }, { letter = "d" }] }
        pipeline shots { from letters
          filter { where = letter != "b" } }
        pipeline asked { from letters
          draw shot { from = shots, column = letter, limit = 2 } }
        pipeline all { from letters
          draw shot { from = shots, column = letter, count = 3 } }"""
    )
    with Store.open(tmp_path / "store") as store:
        run_plan(mixwright.plan(path), store=store, options=RunOptions(exports=False))
        rows = {
            name: [
                json.loads(columns)
                for (columns,) in store.sql(
                    "SELECT columns FROM row_outcome WHERE status = 'kept' AND pipeline = ? ORDER BY position",
                    [name],
                )
            ]
            for name in ("shots", "asked", "all")
        }
    first = {row["letter"] for row in rows["shots"][:2]}
    assert {row["shot"] for row in rows["asked"]} <= first
    assert all(sorted(row["shot"]) == ["a", "c", "d"] for row in rows["all"])


def test_a_moved_threshold_in_a_pool_is_a_change_of_rows(tmp_path: Path) -> None:
    """Which rows are kept decides what later ones are asked; elsewhere such a change asks for nothing."""
    text = SPEC.replace("WANTED", "10").replace("WIDTH", "8").replace("dedup exact", "dedup rouge")
    (tmp_path / "spec.mix").write_text(text)
    before = mixwright.plan(tmp_path / "spec.mix")
    (tmp_path / "spec.mix").write_text(text.replace("{ on = number }", "{ on = number, threshold = 60% }"))
    after = mixwright.plan(tmp_path / "spec.mix")
    assert [str(change) for change in differences(before, after)] == [
        "~ pipeline.numbers.dedup_rouge (row: threshold 0.7 -> 0.6)"
    ]
    assert pipeline_row_hashes(before) != pipeline_row_hashes(after)


def test_a_step_that_leaves_a_loop_makes_other_rows(tmp_path: Path) -> None:
    head = 'edition 2026\nsource words inline { rows = [{ text = "a" }] }\n'
    inside = "pipeline p { from words\n rounds r { times = 1\n derive { n = 1 }\n derive { m = 2 } } }"
    outside = "pipeline p { from words\n rounds r { times = 1\n derive { n = 1 } }\n derive { m = 2 } }"
    plans = []
    for body in (inside, outside):
        (tmp_path / "spec.mix").write_text(head + body)
        plans.append(mixwright.plan(tmp_path / "spec.mix"))
    assert [str(change) for change in differences(*plans)] == [
        "~ pipeline.p.derive_2 (row: moved out of its loop)"
    ]
    assert len({pipeline_row_hashes(plan)["p"] for plan in plans}) == 2
