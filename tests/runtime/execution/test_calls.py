"""A call is asked once, stored before it is read, and its failures are told apart."""

from __future__ import annotations

import asyncio

import pytest
from virtual import Bench, MemoryStore, ScriptedEngine, run_virtually

from mixwright_compiler.plan.plan import Budget
from mixwright_runtime.calls.keys import call_key, call_seed
from mixwright_runtime.engines.protocol import Answer, Fault, Finish
from mixwright_runtime.errors import RunStopped
from mixwright_runtime.values.rows import canonical_json, digest


def test_key_is_the_digest_of_the_canonical_request() -> None:
    messages = [{"role": "user", "content": "größer \u2028 \ud800"}]
    sampling = {"max_tokens": 3, "temperature": 0.5}
    whole = {
        "model": 'id"1',
        "messages": messages,
        "sampling": sampling,
        "replica": 1,
        "sample": 2,
        "attempt": 3,
    }
    key = call_key('id"1', canonical_json(messages), canonical_json(sampling), replica=1, sample=2, attempt=3)
    assert key == digest("mixwright.call.v1", canonical_json(whole))


def test_key_and_seed_are_pinned() -> None:
    key = call_key("m", '[{"content":"hi","role":"user"}]', "{}", replica=0, sample=0, attempt=0)
    assert (key.hex(), call_seed(key)) == ("a64ebaaa4670e8514acc3e390f3350cc", 716852902)


def test_the_same_call_in_flight_is_sent_once() -> None:
    async def job() -> None:
        bench = Bench(ScriptedEngine())
        first, second = await asyncio.gather(bench.ask("a"), bench.ask("a"))
        assert first == second
        assert len(bench.engine.requests) == 1
        assert len(bench.store.calls) == 1

    run_virtually(job())


def test_a_waiter_asks_itself_when_the_first_asker_is_cancelled() -> None:
    async def job() -> None:
        bench = Bench(ScriptedEngine())
        first = asyncio.ensure_future(bench.ask("a"))
        second = asyncio.ensure_future(bench.ask("a"))
        await asyncio.sleep(0.5)
        first.cancel()
        assert (await second).ok

    run_virtually(job())


def test_a_stored_answer_is_not_asked_again_and_the_engine_never_starts() -> None:
    async def job() -> None:
        store = MemoryStore()
        answer = await Bench(ScriptedEngine(), store=store).ask("a")
        again = Bench(ScriptedEngine(), store=store)
        assert await again.ask("a") == answer
        assert (again.engine.requests, again.engine.starts) == ([], 0)

    run_virtually(job())


@pytest.mark.parametrize("change", [{"replica": 1}, {"sample": 1}, {"attempt": 1}])
def test_replica_sample_and_attempt_are_other_calls_with_other_seeds(change: dict[str, int]) -> None:
    async def job() -> None:
        bench = Bench(ScriptedEngine())
        await bench.ask("a")
        await bench.ask("a", **change)
        assert len({request.seed for request in bench.engine.requests}) == 2

    run_virtually(job())


@pytest.mark.parametrize("finish", [Finish.LENGTH, Finish.EMPTY, Finish.REFUSED, Finish.MALFORMED])
def test_a_bad_answer_is_recorded_as_failed_and_its_text_goes_no_further(finish: Finish) -> None:
    async def job() -> None:
        bench = Bench(ScriptedEngine(lambda text, before: Answer("half of an ans", finish)))
        result = await bench.ask("a")
        assert (result.ok, result.text, result.reason) == (False, "", finish.value)
        (record,) = bench.store.calls
        assert (record.status, record.text, record.finish) == ("failed", "half of an ans", finish.value)
        assert len(bench.engine.requests) == 1

    run_virtually(job())


def test_an_attempt_that_failed_before_is_passed_over_when_a_later_one_is_stored() -> None:
    async def job() -> None:
        store = MemoryStore()
        await Bench(ScriptedEngine(), store=store).ask("a", attempt=1)
        bench = Bench(ScriptedEngine(), store=store)
        assert not (await bench.ask("a", attempt=0, later=1)).ok
        assert (await bench.ask("a", attempt=1)).ok
        assert bench.engine.requests == []

    run_virtually(job())


def test_the_request_budget_is_never_exceeded() -> None:
    async def job() -> None:
        bench = Bench(ScriptedEngine(), budget=Budget(requests=5))
        results = await bench.ask_all([str(n) for n in range(20)])
        assert len(bench.engine.requests) == 5
        assert sum(isinstance(result, RunStopped) for result in results) == 15
        assert "5 requests" in bench.stop.reason

    run_virtually(job())


def test_the_money_budget_counts_what_answers_cost() -> None:
    async def job() -> None:
        # 10 prompt and 5 output tokens an answer: 20 dollars each.
        prices = {"price_in": 1e6, "price_out": 2e6}
        bench = Bench(ScriptedEngine(slots=1), budget=Budget(cost=60.0), attributes=prices)
        await bench.ask_all([str(n) for n in range(20)])
        # Two were in flight (1.1 slots) when the third answer spent the rest.
        assert bench.calls.spending.cost <= 80.0
        assert "$60" in bench.stop.reason

    run_virtually(job())


def test_no_request_is_sent_after_a_stop_but_those_in_flight_are_recorded() -> None:
    async def job() -> None:
        bench = Bench(ScriptedEngine(slots=2))
        asking = asyncio.ensure_future(bench.ask_all([str(n) for n in range(10)]))
        await asyncio.sleep(0.5)
        bench.stop.stop("interrupted")
        results = await asking
        assert len(bench.engine.requests) == 3
        assert [r.status for r in bench.store.calls] == ["ok"] * 3
        assert sum(isinstance(result, RunStopped) for result in results) == 7

    run_virtually(job())


def test_a_fault_is_recorded_with_what_the_server_said() -> None:
    async def job() -> None:
        bench = Bench(ScriptedEngine(lambda text, before: Fault.BAD_REQUEST if text == "a" else None))
        result = await bench.ask("a")
        assert (result.reason, result.detail) == ("bad_request", "scripted bad_request")
        assert [(r.status, r.reason) for r in bench.store.calls] == [("failed", "bad_request")]

    run_virtually(job())
