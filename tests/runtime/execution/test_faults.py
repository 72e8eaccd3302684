"""The retry table and the breaker, under virtual time."""

from __future__ import annotations

import asyncio
import random

import pytest
from virtual import Bench, MemoryStore, ScriptedEngine, run_virtually

from mixwright_runtime.calls.admission import AnswerLengths
from mixwright_runtime.calls.fault import Gate, RetryPolicy
from mixwright_runtime.engines.protocol import Answer, EngineFault, Fault, Finish
from mixwright_runtime.errors import EngineUnavailable, RunStopped

RETRIED = [Fault.SERVER, Fault.CONNECTION, Fault.MALFORMED]


@pytest.mark.parametrize("fault", [*RETRIED, Fault.TIMEOUT])
def test_a_passing_fault_costs_nothing_but_time(fault: Fault) -> None:
    async def job() -> None:
        bench = Bench(ScriptedEngine(lambda text, before: fault if before < 2 else None))
        assert (await bench.ask("a")).ok
        assert len(bench.engine.requests) == 3
        assert len({request.seed for request in bench.engine.requests}) == 1

    run_virtually(job())


@pytest.mark.parametrize(
    ("fault", "tries"), [*((f, 5) for f in RETRIED), (Fault.TIMEOUT, 3), (Fault.BAD_REQUEST, 1)]
)
def test_a_poisoned_row_fails_after_its_tries_and_the_others_go_on(fault: Fault, tries: int) -> None:
    async def job() -> None:
        bench = Bench(ScriptedEngine(lambda text, before: fault if text == "poison" else None))
        results = await bench.ask_all(["poison", *map(str, range(50))])
        assert (results[0].ok, results[0].reason) == (False, fault.value)
        assert all(result.ok for result in results[1:])
        assert sum(r.messages[0]["content"] == "poison" for r in bench.engine.requests) == tries

    run_virtually(job())


def test_four_poisoned_rows_fail_alone_when_nothing_else_is_left_to_ask() -> None:
    async def job() -> None:
        bench = Bench(ScriptedEngine(lambda text, before: Fault.SERVER))
        results = await bench.ask_all(["a", "b", "c", "d"])
        assert [result.reason for result in results] == ["server"] * 4
        assert bench.stop.reason == ""

    run_virtually(job())


@pytest.mark.parametrize("fault", [Fault.SERVER, Fault.CONNECTION, Fault.TIMEOUT, Fault.UNREACHABLE])
@pytest.mark.parametrize("slots", [4, 50])
def test_an_outage_opens_the_breaker_and_blames_no_row(fault: Fault, slots: int) -> None:
    async def job() -> None:
        answered = 0

        def script(text: str, before: int) -> Fault | None:
            nonlocal answered
            if answered >= 100:
                return fault
            answered += 1
            return None

        bench = Bench(ScriptedEngine(script, slots=slots, latency_s=0.05))
        results = await bench.ask_all([str(n) for n in range(200)])
        assert isinstance(bench.stop.failure, EngineUnavailable)
        assert sum(not isinstance(result, BaseException) and result.ok for result in results) == 100
        assert sum(isinstance(result, RunStopped) for result in results) == 100
        assert [r.status for r in bench.store.calls] == ["ok"] * 100
        assert 10 <= asyncio.get_running_loop().time() < 30

    run_virtually(job())


def test_a_server_that_restarts_within_ten_seconds_stops_nothing() -> None:
    async def job() -> None:
        def script(text: str, before: int) -> Fault | None:
            now = asyncio.get_running_loop().time()
            return Fault.UNREACHABLE if 2 < now < 10 else None

        bench = Bench(ScriptedEngine(script, slots=10, latency_s=0.5))
        results = await bench.ask_all([str(n) for n in range(200)])
        assert all(result.ok for result in results)

    run_virtually(job())


def test_mostly_failing_for_ten_seconds_opens_the_breaker() -> None:
    async def job() -> None:
        chance = random.Random(1)
        engine = ScriptedEngine(
            lambda text, before: Fault.SERVER if chance.random() < 0.8 else None, slots=30
        )
        bench = Bench(engine)
        await bench.ask_all([str(n) for n in range(3000)])
        assert isinstance(bench.stop.failure, EngineUnavailable)

    run_virtually(job())


def test_one_failure_in_ten_opens_nothing() -> None:
    async def job() -> None:
        chance = random.Random(1)
        engine = ScriptedEngine(
            lambda text, before: Fault.SERVER if chance.random() < 0.1 else None, slots=30
        )
        bench = Bench(engine)
        results = await bench.ask_all([str(n) for n in range(3000)])
        assert sum(result.ok for result in results) >= 2999
        assert bench.stop.reason == ""

    run_virtually(job())


def test_poisoned_rows_are_told_from_an_outage_by_a_probe() -> None:
    async def job() -> None:
        bench = Bench(
            ScriptedEngine(lambda text, before: None if text == "Say ok." else Fault.SERVER, slots=30)
        )
        results = await bench.ask_all([str(n) for n in range(40)])
        assert [result.reason for result in results] == ["server"] * 40
        assert bench.stop.reason == ""

    run_virtually(job())


def test_denied_stops_at_once() -> None:
    async def job() -> None:
        bench = Bench(ScriptedEngine(lambda text, before: Fault.DENIED, slots=4))
        results = await bench.ask_all([str(n) for n in range(100)])
        assert len(bench.engine.requests) <= 5
        assert all(isinstance(result, RunStopped) for result in results)
        assert isinstance(bench.stop.failure, EngineUnavailable)
        assert bench.store.calls == []

    run_virtually(job())


def test_retry_after_is_obeyed_by_everyone_and_costs_no_try() -> None:
    async def job() -> None:
        def script(text: str, before: int) -> EngineFault | None:
            limited = asyncio.get_running_loop().time() < 30
            return EngineFault(Fault.RATE_LIMITED, "slow down", 30.0) if limited else None

        bench = Bench(ScriptedEngine(script, slots=4))
        results = await bench.ask_all([str(n) for n in range(20)])
        assert all(result.ok for result in results)
        # One burst was refused; nobody came back before the server said so.
        refused = [at for at in bench.engine.sent_at if at < 30]
        assert len(refused) <= 5 and max(refused) < 1

    run_virtually(job())


def test_rate_limits_shrink_concurrency_and_answers_grow_it_again() -> None:
    async def job() -> None:
        def script(text: str, before: int) -> Fault | None:
            # The server takes four at a time.
            return Fault.RATE_LIMITED if bench.engine.in_flight >= 4 else None

        bench = Bench(ScriptedEngine(script, slots=64))
        results = await bench.ask_all([str(n) for n in range(300)])
        assert all(result.ok for result in results)
        assert bench.calls.services["teacher"].admission.gate.limit < 20

    run_virtually(job())


def test_rate_limited_for_ten_minutes_gives_up() -> None:
    async def job() -> None:
        bench = Bench(ScriptedEngine(lambda text, before: Fault.RATE_LIMITED))
        await bench.ask_all(["a", "b"])
        assert "rate limited for 600 s" in str(bench.stop.failure)

    run_virtually(job())


def test_a_wait_of_an_hour_is_said_instead_of_waited() -> None:
    async def job() -> None:
        bench = Bench(ScriptedEngine(lambda text, before: EngineFault(Fault.RATE_LIMITED, "quota", 3600.0)))
        await bench.ask_all(["a"])
        assert "asks to wait 3,600 s" in str(bench.stop.failure)
        assert asyncio.get_running_loop().time() < 10

    run_virtually(job())


def test_one_request_refused_while_others_pass_fails_alone() -> None:
    async def job() -> None:
        bench = Bench(
            ScriptedEngine(lambda text, before: Fault.RATE_LIMITED if text == "poison" else None, slots=2)
        )
        results = await bench.ask_all(["poison", *map(str, range(2000))])
        assert results[0].reason == "rate_limited"
        assert all(result.ok for result in results[1:])

    run_virtually(job())


def test_requests_in_flight_never_exceed_the_window() -> None:
    async def job() -> None:
        bench = Bench(ScriptedEngine(slots=10))
        await bench.ask_all([str(n) for n in range(200)])
        assert bench.engine.most_in_flight == 11

    run_virtually(job())


def test_waits_grow_with_full_jitter_up_to_a_cap() -> None:
    policy = RetryPolicy(base_s=1.0, cap_s=60.0)
    assert [policy.wait_s(n, 1.0) for n in (1, 2, 3, 7, 50)] == [1.0, 2.0, 4.0, 60.0, 60.0]
    assert policy.wait_s(5, 0.0) == 0.0


def test_a_cancelled_waiter_gives_its_place_on() -> None:
    async def job() -> None:
        gate = Gate(1, lambda: 0.0)
        await gate.enter()
        waiters = [asyncio.ensure_future(gate.enter()) for _ in range(3)]
        await asyncio.sleep(0)
        gate.leave()
        waiters[0].cancel()
        waiters[1].cancel()
        await asyncio.wait_for(waiters[2], 1)
        assert gate.in_use == 1

    run_virtually(job())


def test_open_requests_stay_under_the_servers_token_cache() -> None:
    async def job() -> None:
        gate = Gate(100, lambda: 0.0, most_tokens=1_000)
        most = 0

        async def request(tokens: int) -> None:
            nonlocal most
            await gate.enter(tokens)
            most = max(most, gate.tokens)
            assert gate.tokens <= 1_000 or gate.in_use == 1, "larger than the cache: alone"
            await asyncio.sleep(1)
            gate.leave(tokens)

        await asyncio.gather(*(request(tokens) for tokens in [400, 500, 300, 5_000, 100] * 20))
        assert (gate.in_use, gate.tokens) == (0, 0)
        assert most == 5_000

    run_virtually(job())


def test_a_models_kv_tokens_bound_what_is_in_flight() -> None:
    async def job() -> None:
        bench = Bench(ScriptedEngine(slots=100), attributes={"kv_tokens": 650})
        await bench.ask_all([str(n) for n in range(50)])
        # 90% of 650 tokens; a prompt of some characters and at most 64 tokens of answer each.
        assert bench.engine.most_in_flight == 9

    run_virtually(job())


def test_a_cancelled_request_lets_smaller_ones_behind_it_pass() -> None:
    async def job() -> None:
        gate = Gate(10, lambda: 0.0, most_tokens=1_000)
        await gate.enter(600)
        large, small = asyncio.ensure_future(gate.enter(500)), asyncio.ensure_future(gate.enter(300))
        await asyncio.sleep(0)
        assert not small.done(), "requests pass in order of arrival"
        large.cancel()
        await asyncio.wait_for(small, 1)
        assert gate.tokens == 900

    run_virtually(job())


def test_an_answers_expected_length_is_what_nine_of_ten_stay_under() -> None:
    lengths = AnswerLengths()
    assert lengths.bound(1_024) == 1_024, "nothing is known yet"
    for length in [*range(1, 91), *[900] * 10]:
        lengths.add(length)
    assert lengths.bound(1_024) == 87, "of the first 96 answers"
    assert lengths.bound(50) == 50


@pytest.mark.parametrize("seed", range(60))
def test_any_mixture_of_faults_ends_with_every_call_answered_once_or_failed(seed: int) -> None:
    """Random faults, hangs and bad answers, then a crash, then a second run over what was stored."""
    chance = random.Random(seed)
    kinds = [
        Fault.SERVER,
        Fault.CONNECTION,
        Fault.TIMEOUT,
        Fault.MALFORMED,
        Fault.RATE_LIMITED,
        Fault.BAD_REQUEST,
    ]

    def script(text: str, before: int) -> Answer | Fault | None:
        if chance.random() < 0.15:
            return chance.choice(kinds)
        return Answer("cut", Finish.LENGTH) if chance.random() < 0.02 else None

    store = MemoryStore()
    texts = [str(n) for n in range(60)]

    async def crash() -> int:
        bench = Bench(ScriptedEngine(script, slots=8), store=store, seed=seed)
        asking = asyncio.ensure_future(bench.ask_all(texts))
        await asyncio.sleep(4)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        return bench.engine.in_flight

    async def resume() -> tuple[list[object], int]:
        bench = Bench(ScriptedEngine(script, slots=8), store=store, seed=seed)
        known = sum(record.is_final for record in store.calls)
        results = await bench.ask_all(texts)
        asked = {request.key for request in bench.engine.requests}
        assert len(asked) == len(texts) - known
        return list(results), known

    assert run_virtually(crash()) == 0
    results, _ = run_virtually(resume())
    good = [record.key for record in store.calls if record.status == "ok"]
    assert len(good) == len(set(good))
    assert all(result.ok or result.reason for result in results)


def test_a_refusal_of_every_request_stops_the_run_in_the_servers_words() -> None:
    async def job() -> None:
        refusal = EngineFault(Fault.BAD_REQUEST, "HTTP 400: Unsupported parameter: 'top_p'")
        bench = Bench(ScriptedEngine(lambda text, before: refusal, slots=4))
        results = await bench.ask_all([str(n) for n in range(100)])
        # A window of them, one plain request that tells a setting from a row, and those sent before it was answered.
        assert len(bench.engine.requests) <= 5 + 1 + 5
        assert all(isinstance(result, RunStopped) for result in results)
        assert "HTTP 400: Unsupported parameter: 'top_p' (so it says of every request)" in str(
            bench.stop.failure
        )
        assert bench.store.calls == [], "no row is to blame"

    run_virtually(job())


def test_rows_that_are_refused_first_are_told_from_a_setting() -> None:
    async def job() -> None:
        def script(text: str, before: int) -> Fault | None:
            return Fault.BAD_REQUEST if text.isdigit() and int(text) < 50 else None

        bench = Bench(ScriptedEngine(script, slots=4))
        results = await bench.ask_all([str(n) for n in range(100)])
        assert [result.ok for result in results] == [False] * 50 + [True] * 50
        plain = [r for r in bench.engine.requests if r.messages[-1]["content"] == "Say ok."]
        assert [dict(request.sampling) for request in plain] == [bench.sampling]

    run_virtually(job())


def test_a_later_step_that_the_server_refuses_stops_the_run_as_well() -> None:
    async def job() -> None:
        bench = Bench(ScriptedEngine(slots=4))
        await bench.ask_all(["a", "b"])
        bench.engine.script = lambda text, before: Fault.BAD_REQUEST
        bench.sampling = {**bench.sampling, "schema": {"type": "object"}}
        await bench.ask_all([str(n) for n in range(50)])
        assert isinstance(bench.stop.failure, EngineUnavailable)
        assert len(bench.engine.requests) <= 2 + 5 + 1 + 5

    run_virtually(job())
