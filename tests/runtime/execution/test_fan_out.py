"""Pipelines that several others read: each consumer sees every row, in order, whoever else reads and asks how fast."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import plans
import pytest
import steps_for_tests
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import AT, generate, numbered, step
from virtual import ScriptedEngine

from mixwright_compiler.plan.plan import AllQuota, CountQuota, Expression, From, Pipeline
from mixwright_runtime.calls.fault import RetryPolicy
from mixwright_runtime.engines.protocol import Answer, EngineFault, Fault, Finish, Request
from mixwright_runtime.errors import RunError
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions, RunReport
from mixwright_runtime.store.store import Store
from mixwright_runtime.values.rows import order_key, source_row_id


def chance(*parts: Any) -> int:
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=4).digest(), "big")


class UnevenEngine(ScriptedEngine):
    """Answers `[prompt]`, after as many turns of the event loop as the prompt's hash says."""

    async def complete(self, request: Request) -> Answer:
        text = str(request.messages[-1]["content"])
        self.requests.append(request)
        for _ in range(chance(text, len(self.requests)) % 12):
            await asyncio.sleep(0)
        return Answer(f"[{text}]", Finish.STOP, 10, 5)


@dataclass(frozen=True)
class Spec:
    """One pipeline of a random graph. `reads` is an earlier one, None the source. `wanted`: None is `all`, 0 nothing.

    least: `where` lets through numbers from this on. keeps: of 4 texts the dropping step lets 2 + keeps through.
    """

    reads: int | None
    wanted: int | None
    least: int = 0
    keeps: int = 1
    samples: int = 1
    limit: int | None = None
    repeat: int = 1
    is_deduplicated: bool = False
    """Ends in a step that sees all rows in start order."""

    def where(self) -> Expression:
        tree = ["op", ">=", ["col", "n"], ["lit", self.least]]
        return Expression(sql="", tree=tree, type="bool", columns=("n",))

    def lets_through(self, columns: dict[str, Any]) -> bool:
        return chance(columns["said"]) % 4 < self.keeps + 2


def pipelines_of(specs: Sequence[Spec]) -> list[Pipeline]:
    made = []
    for at, spec in enumerate(specs):
        start = From(
            rows="topics" if spec.reads is None else f"p{spec.reads}",
            kind="source" if spec.reads is None else "pipeline",
            where=spec.where(),
            limit=spec.limit,
            repeat=spec.repeat,
            origin=AT,
        )
        prompt = "first" if spec.reads is None else "next"
        steps = [generate("said", prompt=prompt, samples=spec.samples)]
        function = steps_for_tests.named(
            lambda columns, spec=spec: {} if spec.lets_through(columns) else False
        )
        steps.append(step("step.test_call", id="drop", function=function))
        if spec.is_deduplicated:
            steps.append(step("dedup.test_first", id="dedup", on="said"))
        made.append(plans.pipeline(*steps, name=f"p{at}", start=start))
    return made


def expected_rows(specs: Sequence[Spec], count: int) -> list[list[tuple[int, str]]]:
    """(number, text) of every row of each pipeline, made one by one as the language says."""
    source = sorted(range(count), key=lambda n: order_key(0, source_row_id({"n": n}, 0)))
    made: list[list[tuple[int, str]]] = []
    for spec in specs:
        rows = [(n, "") for n in source] if spec.reads is None else made[spec.reads]
        rows = [(n, said) for n, said in rows if n >= spec.least]
        found: list[tuple[int, str]] = []
        for n, said in rows[: spec.limit] * spec.repeat:
            answer = f"[{n}]" if spec.reads is None else f"[{said}]"
            if spec.lets_through({"said": answer}):
                found += [(n, answer)] * spec.samples
        made.append(list(dict.fromkeys(found)) if spec.is_deduplicated else found)
    return made


class Graph:
    """Runs pipelines that read each other, all in one mixture."""

    def __init__(self, directory: Path, engine: ScriptedEngine | None = None) -> None:
        self.directory = directory
        self.engine = engine or UnevenEngine(slots=4)
        self.store = Store.open(directory / "store")

    def run(self, specs: Sequence[Spec], rows: int, **options: Any) -> RunReport:
        quotas = [
            (f"p{at}", "pipeline", AllQuota() if spec.wanted is None else CountQuota(count=spec.wanted))
            for at, spec in enumerate(specs)
            if spec.wanted != 0
        ]
        plan = plans.plan(
            self.directory,
            models=[plans.model("http://nowhere")],
            sources=[numbered(rows)],
            templates=[plans.template("{{ n }}", "first"), plans.template("{{ said }}", "next")],
            pipelines=pipelines_of(specs),
            mixtures=[plans.mixture(*quotas, shortfall="warn")],
        )
        options = RunOptions(exports=False, **options)
        return run_plan(plan, store=self.store, options=options, engines={"teacher": self.engine})

    def kept(self, at: int) -> list[tuple[int, str]]:
        """The rows that survived pipeline number `at`, in its order."""
        return self._rows(
            "SELECT columns FROM row_outcome WHERE pipeline = ? AND status = 'kept' ORDER BY position, row_id",
            at,
        )

    def taken(self, at: int) -> list[tuple[int, str]]:
        """The rows of pipeline number `at` that the mixture took, in the pipeline's order."""
        return self._rows(
            "SELECT columns FROM selection s JOIN row_outcome r USING (run_id, pipeline, row_id) "
            "WHERE pipeline = ? AND status = 'kept' ORDER BY r.position, row_id",
            at,
        )

    def _rows(self, query: str, at: int) -> list[tuple[int, str]]:
        found = [json.loads(columns) for (columns,) in self.store.sql(query, [f"p{at}"])]
        return [(columns["n"], columns["said"]) for columns in found]


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    made = Graph(tmp_path)
    yield made
    made.store.close()


EVERY = Spec(None, 0, keeps=2)
"""A pipeline over the source that drops nothing and is in no mixture itself."""


def test_two_readers_of_one_pipeline_both_see_every_row(graph: Graph) -> None:
    """The second one asks while the first one's only wave is under way."""
    left, right = Spec(0, None, keeps=2), Spec(0, None, keeps=2)
    report = graph.run([EVERY, left, right], rows=3)
    assert {
        name: found["got"] for name, found in report.summary["mixtures"]["mix"]["components"].items()
    } == {
        "p1": 3,
        "p2": 3,
    }
    assert all(pipeline["exhausted"] for pipeline in report.summary["pipelines"].values())


def test_a_reader_that_wants_all_of_a_limited_number_asks_for_no_more(graph: Graph) -> None:
    report = graph.run([EVERY, Spec(0, None, keeps=2, limit=5)], rows=900)
    assert len(graph.taken(1)) == 5
    assert report.summary["pipelines"]["p0"]["started"] < 50


def test_a_reader_that_has_enough_waits_for_no_wave_of_another(graph: Graph) -> None:
    """Three deep, repeated, with a count: what is there is read at once, what is missing is asked for."""
    chain = [EVERY, Spec(0, None, keeps=2), Spec(1, 7, keeps=2, repeat=3), Spec(1, None, keeps=2, repeat=2)]
    graph.run(chain, rows=20)
    whole = expected_rows(chain, 20)
    assert [len(graph.taken(at)) for at in (1, 2, 3)] == [20, 7, 40]
    assert graph.taken(3) == whole[3]


def test_a_pipeline_that_fails_stops_all_its_readers(tmp_path: Path) -> None:
    """Nothing is started any more once the machine has failed: neither by those who waited nor by those beside."""

    class Dead(ScriptedEngine):
        async def complete(self, request: Request) -> Answer:
            self.requests.append(request)
            raise EngineFault(Fault.DENIED, "no such model")

    graph = Graph(tmp_path, Dead(slots=1))
    with pytest.raises(RunError, match="no such model"):
        graph.run([EVERY, Spec(0, None), Spec(0, None), Spec(None, None)], rows=40, retry=RetryPolicy())
    assert graph.store.last_run().status == "failed"
    assert len(graph.engine.requests) <= 2
    graph.store.close()


@st.composite
def graphs(draw: st.DrawFn) -> list[Spec]:
    specs: list[Spec] = []
    for at in range(draw(st.integers(2, 6))):
        reads = draw(st.none() | st.integers(0, at - 1)) if at else None
        specs.append(
            Spec(
                reads,
                draw(st.none() | st.integers(0, 30)),
                least=draw(st.sampled_from([0, 0, 3, 9])),
                keeps=draw(st.sampled_from([0, 1, 2, 2])),
                samples=draw(st.sampled_from([1, 1, 2])),
                limit=draw(st.none() | st.integers(1, 12)),
                repeat=draw(st.sampled_from([1, 1, 2, 3])),
                is_deduplicated=draw(st.sampled_from([False, False, True])),
            )
        )
    if all(spec.wanted == 0 for spec in specs):
        specs.append(Spec(0, None))
    return specs


@settings(max_examples=20, deadline=None)
@given(specs=graphs(), rows=st.integers(1, 25), slots=st.sampled_from([1, 3, 16]))
def test_every_reader_of_any_graph_sees_the_rows_that_the_language_says(
    specs: list[Spec], rows: int, slots: int
) -> None:
    whole = expected_rows(specs, rows)
    with tempfile.TemporaryDirectory() as directory:
        graph = Graph(Path(directory), UnevenEngine(slots=slots))
        try:
            report = graph.run(specs, rows)
            components = report.summary["mixtures"]["mix"]["components"]
            for at, spec in enumerate(specs):
                kept = graph.kept(at)
                assert kept == whole[at][: len(kept)]
                if spec.wanted != 0:
                    wanted = len(whole[at]) if spec.wanted is None else min(spec.wanted, len(whole[at]))
                    assert components[f"p{at}"]["got"] == wanted
                    assert graph.taken(at) == whole[at][:wanted]
        finally:
            graph.store.close()
