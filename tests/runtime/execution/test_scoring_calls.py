"""Scores and vectors are asked once, checked, stored compactly and found again."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from virtual import Bench, MemoryStore, ScriptedEngine, ScriptedScorer, run_virtually

from mixwright_runtime.calls.fault import RetryPolicy
from mixwright_runtime.calls.keys import score_key, vector_key
from mixwright_runtime.engines.measured import finite, scores_in, unit_vectors, vector_in, vector_text
from mixwright_runtime.engines.protocol import EngineFault, Fault, Scores, Vectors
from mixwright_runtime.errors import RunStopped
from mixwright_runtime.plugins.protocol import ScoreResult, VectorResult

CHAT = ({"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"})


def bench_of(engine: Any, task: str = "reward", **options: Any) -> Bench:
    return Bench(engine, attributes={"task": task}, **options)


async def score(bench: Bench, **request: Any) -> ScoreResult:
    return await bench.calls.score("teacher", node="p.rated", **(request or {"messages": CHAT}))


async def embed(bench: Bench, *texts: str) -> list[VectorResult]:
    return await bench.calls.embed("teacher", texts, node="p.alike")


def test_keys_are_pinned() -> None:
    chat = '[{"content":"hi","role":"user"}]'
    assert score_key("m", "reward", chat, (), "").hex() == "7297567d268dbf626b03021aa4ec301b"
    assert vector_key("m", "hi").hex() == "ae14bc3a29f7b6cff7ad60d28008dd68"


def test_whatever_decides_a_score_is_in_its_key() -> None:
    keys = {
        score_key("m", "reward", "[]", (), ""),
        score_key("n", "reward", "[]", (), ""),
        score_key("m", "classify", "[]", (), ""),
        score_key("m", "reward", "[1]", (), ""),
        score_key("m", "reward", "[]", ("a", "b"), ""),
        score_key("m", "reward", "[]", ("a,b",), ""),
        score_key("m", "reward", "[]", (), "<t>"),
    }
    assert len(keys) == 7


def test_a_score_is_asked_once_and_found_again() -> None:
    async def job() -> None:
        store, engine = MemoryStore(), ScriptedScorer()
        bench = bench_of(engine, store=store)
        first, second = await asyncio.gather(score(bench), score(bench))
        assert first == second == ScoreResult(first.key, (5.0,), True)
        assert len(engine.scored) == 1
        again = bench_of(ScriptedScorer(), store=store)
        assert await score(again) == first
        assert (again.engine.scored, again.calls.counts["p.rated"].reused) == ([], 1)
        [record] = store.calls
        assert (record.text, record.prompt_tokens, record.status) == ("[5.0]", 7, "ok")
        assert '"content":"1+1?"' in record.request

    run_virtually(job())


def test_two_texts_are_another_request_than_their_chat() -> None:
    async def job() -> None:
        engine = ScriptedScorer()
        bench = bench_of(engine)
        await score(bench)
        assert (await score(bench, texts=("eins", "one"))).values == (7.0,)
        assert [request.texts for request in engine.scored] == [(), ("eins", "one")]

    run_virtually(job())


@pytest.mark.parametrize(
    "values", [(), (float("nan"),), (float("inf"),), (1.0, 2.0), (True,), (None,), ("0.5",)]
)
def test_what_is_no_score_is_a_fault(values: tuple[Any, ...]) -> None:
    async def job() -> None:
        store = MemoryStore()
        engine = ScriptedScorer(Scores(values))
        result = await score(bench_of(engine, store=store, retry=RetryPolicy(tries=1)))
        assert (result.ok, result.values, result.reason) == (False, (), "malformed")
        assert [(r.status, r.text) for r in store.calls] == [("failed", "")]

    run_virtually(job())


@pytest.mark.parametrize(
    ("values", "steps", "is_good"),
    [((0.2, 0.9), 2, True), ((0.2,), 2, False), ((0.2, 1.4), 2, False), ((0.2, -0.1), 2, False)],
)
def test_a_process_model_answers_a_probability_for_each_step(
    values: tuple[float, ...], steps: int, is_good: bool
) -> None:
    async def job() -> None:
        bench = bench_of(ScriptedScorer(Scores(values)), "process_reward", retry=RetryPolicy(tries=1))
        messages = ({"role": "assistant", "content": "step<t>" * steps},)
        assert (await score(bench, messages=messages, step_tag="<t>")).ok is is_good

    run_virtually(job())


def test_a_fault_is_tried_again_and_the_outage_of_a_scorer_stops_the_run() -> None:
    async def job() -> None:
        bench = bench_of(ScriptedScorer(Fault.SERVER, Fault.CONNECTION))
        assert (await score(bench)).ok
        assert bench.calls.counts["p.rated"].faults == {"server": 1, "connection": 1}
        dead = bench_of(ScriptedScorer(*[Fault.UNREACHABLE] * 1000))
        with pytest.raises(RunStopped):
            await score(dead)

    run_virtually(job())


def test_a_generator_that_is_asked_for_a_score_stops_the_run() -> None:
    async def job() -> None:
        bench = bench_of(ScriptedEngine())
        with pytest.raises(RunStopped, match="cannot score"):
            await score(bench)

    run_virtually(job())


def test_equal_texts_are_embedded_once_and_found_again() -> None:
    async def job() -> None:
        store, engine = MemoryStore(), ScriptedScorer()
        bench = bench_of(engine, "embed", store=store)
        [a, b, c], [d] = await asyncio.gather(embed(bench, "a", "bb", "a"), embed(bench, "bb"))
        assert engine.embedded == [("a", "bb")]
        assert a.vector is not None and b.vector is not None
        np.testing.assert_array_equal(a.vector, c.vector)  # type: ignore[arg-type]
        np.testing.assert_array_equal(b.vector, d.vector)  # type: ignore[arg-type]
        assert float(a.vector @ a.vector) == pytest.approx(1, abs=1e-6)
        again = bench_of(ScriptedScorer(), "embed", store=store)
        found = await embed(again, "bb", "ccc")
        np.testing.assert_array_equal(found[0].vector, b.vector)  # type: ignore[arg-type]
        assert again.engine.embedded == [("ccc",)]
        counts = bench.calls.counts["p.alike"]
        assert (counts.asked, counts.reused, counts.answered) == (4, 2, 2)

    run_virtually(job())


def test_one_refused_text_fails_alone() -> None:
    async def job() -> None:
        engine = ScriptedScorer(refused="t70")
        texts = [f"t{n}" for n in range(100)]
        found = await embed(bench_of(engine, "embed"), *texts)
        assert [text for text, one in zip(texts, found, strict=True) if one.vector is None] == ["t70"]
        assert found[70].reason == "bad_request"
        assert [len(batch) for batch in engine.embedded][:2] == [64, 36]

    run_virtually(job())


def test_too_few_vectors_are_a_fault() -> None:
    async def job() -> None:
        engine = ScriptedScorer(Vectors(unit_vectors([[1.0]], "x")))
        found = await embed(bench_of(engine, "embed", retry=RetryPolicy(tries=1)), "a", "b")
        assert [one.reason for one in found] == ["malformed", "malformed"]

    run_virtually(job())


@pytest.mark.parametrize(
    "rows", [[[0.0, 0.0]], [[1.0, float("nan")]], [[1.0], [1.0, 2.0]], [[]], [["1"]], [[True]], [[None]]]
)
def test_what_is_no_vector_is_a_fault(rows: Any) -> None:
    with pytest.raises(EngineFault):
        unit_vectors(rows, "x")


def test_a_vector_comes_back_from_the_store_bit_by_bit() -> None:
    vector = unit_vectors(np.random.default_rng(0).normal(size=(1, 1024)), "x")[0]
    text = vector_text(vector)
    assert len(text) < 5_500
    np.testing.assert_array_equal(vector_in(text), vector)


def test_a_score_comes_back_from_the_store_exactly() -> None:
    from mixwright_runtime.engines.measured import scores_text

    values = finite([0.1 + 0.2, -4.28, 3, 1e-300], "x")
    assert scores_in(scores_text(values)) == values
