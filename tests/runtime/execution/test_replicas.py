"""Several addresses of one model: who gets a request, and what becomes of those whose server is gone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plans
import pytest
from test_run_faults import QUICK

from benchmarks.fake_server import ThreadedServer
from mixwright_runtime.engines.openai import OpenAIEngine
from mixwright_runtime.engines.protocol import EngineEnvironment, EngineFault, Fault, Request
from mixwright_runtime.engines.replicas import FAILURES, NEAR, Replicas, not_answering, openings
from mixwright_runtime.engines.secrets import discreet
from mixwright_runtime.errors import EngineUnavailable
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunReport
from mixwright_runtime.store.store import Store


class Site:
    """Endpoints `a`, `b`, …: each answers with its name, waits while it is held, or fails as it is told."""

    def __init__(self, names: str) -> None:
        self.now = 100.0
        self.replicas = Replicas(list(names), lambda: self.now)
        self.faults: dict[str, EngineFault] = {}
        self.held: dict[str, asyncio.Event] = {}
        self.sent: Counter[str] = Counter()

    async def send(self, name: str) -> str:
        self.sent[name] += 1
        if name in self.held:
            await self.held[name].wait()
        if name in self.faults:
            raise self.faults[name]
        return name

    async def ask(self, opening: tuple[bytes, ...] = ()) -> str:
        """Who answers, or which fault."""
        try:
            return await self.replicas.ask(self.send, opening)
        except EngineFault as fault:
            return fault.fault.value

    def asked(self, times: int, opening: tuple[bytes, ...] = ()) -> list[str]:
        async def all_of_them() -> list[str]:
            return [await self.ask(opening) for _ in range(times)]

        return asyncio.run(all_of_them())


def test_requests_go_to_the_least_loaded_and_take_turns() -> None:
    site = Site("abc")
    assert site.asked(6) == ["a", "b", "c"] * 2

    async def while_a_is_busy() -> list[str]:
        site.held["a"] = asyncio.Event()
        waiting = asyncio.ensure_future(site.ask())
        await asyncio.sleep(0)
        found = [await site.ask() for _ in range(4)]
        site.held["a"].set()
        return [*found, await waiting]

    assert asyncio.run(while_a_is_busy()) == ["b", "c", "b", "c", "a"]


def test_requests_that_begin_alike_stay_together_while_loads_are_near() -> None:
    site = Site("ab")
    assert set(site.asked(5, (b"x",))) == {"a"}
    # Both have read `y`, so it says nothing; `yz` is the longer beginning.
    site.replicas._readers |= {b"y": 0b11, b"yz": 0b10}
    assert set(site.asked(2, (b"y",))) == {"a", "b"}
    assert set(site.asked(3, (b"y", b"yz"))) == {"b"}

    async def crowded() -> list[str]:
        site.held["a"] = asyncio.Event()
        waiting = [asyncio.ensure_future(site.ask((b"x",))) for _ in range(NEAR + 2)]
        await asyncio.sleep(0)
        site.held["a"].set()
        return await asyncio.gather(*waiting)

    assert Counter(asyncio.run(crowded())) == {"a": NEAR + 1, "b": 1}


def test_a_beginning_is_named_at_each_doubling() -> None:
    long = "x" * 5000
    assert openings(["short"]) == []
    assert len(openings([long])) == 4
    shared = zip(openings([long + "1"]), openings([long + "2"]), strict=True)
    assert [one == other for one, other in shared] == [True, True, True, False]
    assert openings(["\ud800" * 999, "b"])


@pytest.mark.parametrize("fault", [Fault.UNREACHABLE, Fault.RATE_LIMITED])
def test_what_a_replica_did_not_take_is_asked_of_another_at_once(fault: Fault) -> None:
    site = Site("ab")
    site.faults["a"] = EngineFault(fault, "no")
    assert site.asked(4) == ["b"] * 4
    assert site.sent == {"a": 1, "b": 4}


def test_what_it_may_have_begun_is_the_callers_to_ask_again() -> None:
    site = Site("ab")
    site.faults["a"] = EngineFault(Fault.CONNECTION, "reset")
    assert site.asked(4) == ["connection", "b", "b", "b"]


def test_one_set_aside_is_tried_again_by_one_request_each_time_later() -> None:
    site = Site("ab")
    site.faults["a"] = EngineFault(Fault.UNREACHABLE, "gone")
    tried = []
    for second in range(101, 140):
        site.now = float(second)
        before = site.sent["a"]
        site.asked(5)
        if site.sent["a"] > before:
            tried.append((second, site.sent["a"] - before))
    assert tried == [(101, 1), (102, 1), (104, 1), (108, 1), (116, 1), (132, 1)]
    del site.faults["a"]
    site.now = 164.0
    assert site.asked(3)[0] == "a"
    assert not site.replicas.all[0].is_aside


def test_a_server_that_fails_at_once_draws_no_more_than_a_few() -> None:
    site = Site("ab")
    site.faults["a"] = EngineFault(Fault.SERVER, "HTTP 500")
    assert Counter(site.asked(40)) == {"server": FAILURES, "b": 40 - FAILURES}
    # Of one that answers in between some may fail: that is the rows' doing.
    del site.faults["a"]
    site.now += 60
    site.asked(10)
    site.faults["a"] = EngineFault(Fault.BAD_REQUEST, "HTTP 400")
    assert Counter(site.asked(20)) == {"bad_request": 10, "b": 10}


def test_a_rate_limited_one_rests_as_long_as_it_asks() -> None:
    site = Site("ab")

    async def job() -> None:
        site.held["a"] = asyncio.Event()
        open_before = asyncio.ensure_future(site.ask())
        await asyncio.sleep(0)
        site.replicas.all[0].failed(EngineFault(Fault.RATE_LIMITED, "HTTP 429", 30), site.now, site.now)
        site.held["a"].set()
        assert await open_before == "a"

    asyncio.run(job())
    # What it was still at is answered, and it is left alone all the same.
    assert set(site.asked(3)) == {"b"}
    site.now += 30
    assert site.asked(1) == ["a"]


def test_when_all_are_gone_the_fault_is_theirs_and_a_rate_limit_is_said_first() -> None:
    site = Site("ab")
    site.faults = {name: EngineFault(Fault.UNREACHABLE, "gone") for name in "ab"}
    assert site.asked(3) == ["unreachable"] * 3
    site = Site("ab")
    site.faults = {
        "a": EngineFault(Fault.UNREACHABLE, "gone"),
        "b": EngineFault(Fault.RATE_LIMITED, "HTTP 429"),
    }
    assert site.asked(1) == ["rate_limited"]


@pytest.fixture
def servers() -> Iterator[tuple[ThreadedServer, ThreadedServer]]:
    with ThreadedServer() as one, ThreadedServer() as other:
        yield one, other


def run_on(directory: Path, *urls: str, rows: int = 200, **model: Any) -> RunReport:
    plan = plans.plan(
        directory,
        models=[plans.model(urls, **model)],  # type: ignore[arg-type]
        sources=[plans.numbered(rows)],
        pipelines=[plans.pipeline(plans.generate())],
    )
    with Store.open(directory / "store") as store:
        return run_plan(plan, store=store, options=QUICK)


def test_one_killed_in_the_middle_loses_no_row_and_sends_no_more_again_than_it_had(
    tmp_path: Path, servers: tuple[ThreadedServer, ThreadedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    dying, other = servers
    in_flight = [0]
    completion = dying.fake.completion

    def last_words(*arguments: Any, **more: Any) -> bytes:
        if dying.fake.stats["answered"] == 40:
            in_flight.append(dying.fake.stats["in_flight"] + 1)  # and this one
            dying.cut()
        return completion(*arguments, **more)

    monkeypatch.setattr(dying.fake, "completion", last_words)
    report = run_on(tmp_path, dying.url, other.url)
    assert (report.exit_code, report.summary["rows"]["kept"]) == (0, 200)
    assert report.messages == (f"model 'teacher': 1 of 2 addresses do not answer: {dying.url}",)
    told = {found["address"]: found for found in report.summary["addresses"]}
    assert (told[dying.url]["answers"], told[other.url]["answers"]) == (False, True)
    assert sum(found["requests"] for found in told.values()) >= report.summary["requests"]
    sent = dying.fake.stats["chat"] + other.fake.stats["chat"]
    assert 1 <= sent - 200 <= max(in_flight) <= 16
    assert other.fake.stats["answered"] == 161
    with Store.open(tmp_path / "store") as store:
        assert store.sql("SELECT count(*), count(DISTINCT key) FROM call WHERE status = 'ok'") == [(200, 200)]


def test_adding_a_server_asks_nothing_again(
    tmp_path: Path, servers: tuple[ThreadedServer, ThreadedServer]
) -> None:
    one, other = servers
    assert run_on(tmp_path, one.url, rows=20).summary["rows"]["kept"] == 20
    report = run_on(tmp_path, one.url, other.url, rows=20)
    assert report.messages == ()
    assert report.summary["reused"] == 20
    assert other.fake.stats["chat"] == 0


def test_a_slow_one_gets_less(tmp_path: Path, servers: tuple[ThreadedServer, ThreadedServer]) -> None:
    slow, quick = servers
    slow.fake.use({"latency_ms": 200})
    quick.fake.use({"latency_ms": 20})
    run_on(tmp_path, slow.url, quick.url, rows=120)
    assert slow.fake.stats["chat"] + quick.fake.stats["chat"] == 120
    assert 8 <= slow.fake.stats["chat"] <= 40
    assert max(slow.fake.stats["max_in_flight"], quick.fake.stats["max_in_flight"]) <= 9


def started(*urls: str, **attributes: Any) -> OpenAIEngine:
    return OpenAIEngine(plans.model(urls, **attributes), EngineEnvironment(Path()))  # type: ignore[arg-type]


def asked_of(engine: OpenAIEngine, times: int = 4) -> None:
    async def job() -> None:
        await engine.start()
        try:
            for n in range(times):
                await engine.complete(Request(b"k", ({"role": "user", "content": str(n)},), {}, n))
        finally:
            await engine.close()

    asyncio.run(job())


def test_one_that_is_not_there_at_the_start_is_done_without(server: ThreadedServer) -> None:
    asked_of(started("http://127.0.0.1:9/v1", server.url))
    assert server.fake.stats["chat"] == 4
    with pytest.raises(EngineUnavailable, match="nor any other of its 2 addresses; start the server"):
        asked_of(started("http://127.0.0.1:9/v1", "http://127.0.0.1:10/v1"))


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ("qwen", "/v1 does not serve 'fake'; it lists 'qwen'"),
        (
            {"id": "fake", "root": "/models/snapshots/b2"},
            "/v1 serves 'fake' from b2, and http://127.0.0.1:.* from a1: all addresses",
        ),
        (
            {"id": "fake", "root": "elsewhere/a1", "max_model_len": 8192},
            "with max_model_len 8192, and http://127.0.0.1:.* with max_model_len 4096",
        ),
    ],
)
def test_one_that_serves_something_else_is_named(
    servers: tuple[ThreadedServer, ThreadedServer], lists: Any, message: str
) -> None:
    one, other = servers
    one.fake.use({"lists": {"id": "fake", "root": "/models/snapshots/a1", "max_model_len": 4096}})
    other.fake.use({"lists": lists})
    with pytest.raises(EngineUnavailable, match=message) as raised:
        asked_of(started(one.url, other.url))
    assert other.url in str(raised.value)


def test_another_model_behind_one_of_them_stops_the_run(
    servers: tuple[ThreadedServer, ThreadedServer],
) -> None:
    one, other = servers
    other.fake.use({"answer_as": "qwen"})
    with pytest.raises(EngineFault, match=f"{other.url} answers as 'qwen', and {one.url} answered as 'fake'"):
        asked_of(started(one.url, other.url))


def test_one_that_comes_back_is_looked_at_before_it_is_asked(
    servers: tuple[ThreadedServer, ThreadedServer],
) -> None:
    one, other = servers

    async def job() -> None:
        engine = started(one.url, other.url)
        now = [0.0]
        engine._replicas._now = lambda: now[0]
        await engine.start()
        try:
            request = Request(b"k", ({"role": "user", "content": "a"},), {}, 1)
            other.kill()
            for _ in range(6):
                try:
                    await engine.complete(request)
                except EngineFault as fault:
                    assert fault.fault is Fault.CONNECTION
            now[0] += 60
            await engine.complete(request)
            assert other.fake.stats["chat"] == 0
            other.fake.use({"lists": "qwen"})
            other.listen_again()
            now[0] += 60
            with pytest.raises(EngineFault, match="does not serve 'fake'; it lists 'qwen'") as raised:
                await engine.complete(request)
            assert raised.value.fault is Fault.DENIED
            assert other.fake.stats["chat"] == 0
        finally:
            await engine.close()

    asyncio.run(job())


def test_those_that_do_not_answer_are_told_past_the_door_of_secrets_too() -> None:
    engine = started("http://one/v1", "http://two/v1")
    guarded = discreet(engine, {"KEY": "a-key-of-some-length"})
    assert not_answering(guarded) == ""
    engine._replicas.lost(engine._endpoints[1], EngineFault(Fault.UNREACHABLE, "gone"))
    assert not_answering(guarded) == "1 of 2 addresses do not answer: http://two/v1"


def test_no_address_shows_a_password() -> None:
    engine = started("http://ada:secret@127.0.0.1:9/v1?key=hidden", "http://127.0.0.1:10/v1")
    with pytest.raises(EngineUnavailable, match=r"cannot reach http://127\.0\.0\.1:9/v1: ") as raised:
        asked_of(engine)
    assert "secret" not in str(raised.value) and "hidden" not in str(raised.value)
