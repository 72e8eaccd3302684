"""How many requests at once an endpoint of unknown size gets, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import plans
import pytest
from virtual import ScriptedEngine, VirtualClock, run_virtually

from mixwright_runtime.calls.budget import Budget, Spending
from mixwright_runtime.calls.fault import BreakerPolicy, Gate, RetryPolicy
from mixwright_runtime.calls.service import Service
from mixwright_runtime.calls.stop import StopSignal
from mixwright_runtime.calls.width import FIRST, WidthSearch
from mixwright_runtime.engines.openai import MOST_IN_FLIGHT, OpenAIEngine
from mixwright_runtime.engines.protocol import Answer, EngineEnvironment, EngineFault, Fault, Request
from mixwright_runtime.engines.sockets import sockets_for


class Endpoint(ScriptedEngine):
    """Works on `capacity` requests at once, each for a second; more of them slow each other down. Refuses above
    `refuses_above`."""

    is_limit = True
    is_width_unknown = True

    def __init__(self, capacity: int, *, refuses_above: int = 10_000) -> None:
        super().__init__(slots=256)
        self.capacity = capacity
        self.refuses_above = refuses_above

    async def complete(self, request: Request) -> Answer:
        if self.in_flight >= self.refuses_above:
            raise EngineFault(Fault.RATE_LIMITED, "too many")
        self.latency_s = max(1.0, (self.in_flight + 1) / self.capacity)
        return await super().complete(request)


def asked(endpoint: Any, rows: int, at_once: int) -> tuple[Service, float]:
    """The service after so many requests, of which `at_once` wait for it, and the seconds they took."""

    async def job() -> tuple[Service, float]:
        clock = VirtualClock()
        service = Service(
            plans.model("http://nowhere"),
            endpoint,
            spending=Spending(Budget(), clock),
            stop=StopSignal(),
            clock=clock,
            retry=RetryPolicy(),
            breaker=BreakerPolicy(),
        )
        left = iter(range(rows))

        async def worker() -> None:
            for n in left:
                messages = ({"role": "user", "content": str(n)},)
                await service.answer(Request(b"%d" % n, messages, {"max_tokens": 64}, 0), {})

        await asyncio.gather(*(worker() for _ in range(at_once)))
        return service, clock.monotonic()

    return run_virtually(job())  # type: ignore[no-any-return]


@pytest.mark.parametrize("capacity", [20, 50, 100])
def test_the_width_grows_while_that_helps_and_then_stays(capacity: int) -> None:
    endpoint = Endpoint(capacity)
    service, seconds = asked(endpoint, 6_000, 300)
    assert service.admission.search is not None and service.admission.search.is_settled
    assert capacity <= service.admission.gate.most <= 2 * capacity
    assert 6_000 / seconds > 0.85 * capacity, "nearly all that the endpoint can do"


def test_it_goes_up_to_the_limit_where_that_helps() -> None:
    endpoint = Endpoint(10_000)
    service, _ = asked(endpoint, 8_000, 300)
    assert (service.admission.gate.most, endpoint.most_in_flight) == (256, 256)


def test_without_demand_nothing_is_tried() -> None:
    endpoint = Endpoint(10_000)
    service, _ = asked(endpoint, 2_000, 10)
    assert service.admission.gate.most == FIRST
    assert endpoint.most_in_flight == 10


def test_a_refusal_ends_the_search() -> None:
    endpoint = Endpoint(10_000, refuses_above=40)
    service, _ = asked(endpoint, 4_000, 300)
    assert service.admission.search is not None and service.admission.search.is_settled
    assert service.admission.gate.most == 64
    assert endpoint.most_in_flight == 40


def test_a_width_that_is_stated_is_used_from_the_start() -> None:
    environment = EngineEnvironment(directory=".", secrets={})  # type: ignore[arg-type]
    stated = OpenAIEngine(plans.model("http://nowhere", max_in_flight=100), environment)
    unstated = OpenAIEngine(plans.model("http://nowhere", max_in_flight=None), environment)
    assert (stated.slots, stated.is_width_unknown) == (100, False)
    assert (unstated.slots, unstated.is_width_unknown) == (sockets_for(MOST_IN_FLIGHT), True)
    endpoint = Endpoint(10_000)
    endpoint.is_width_unknown = False
    service, _ = asked(endpoint, 500, 300)
    assert service.admission.search is None
    assert endpoint.most_in_flight == 256


def test_one_slow_round_is_no_verdict() -> None:
    """Rounds at one width differ; only two that bring nothing end the search."""
    now = 0.0
    gate = Gate(256, lambda: now)
    search = WidthSearch(gate, 256, lambda: now)

    def round_of(rate: float) -> None:
        nonlocal now
        gate.in_use = search.width
        for _ in range(search.width):
            search.answered(1)
        for _ in range(2 * search.width):
            now += 1 / rate
            search.answered(1)

    for rate, width in ((10.0, 32), (10.1, 32), (20.0, 64), (19.0, 64), (20.0, 32)):
        round_of(rate)
        assert gate.most == width
    assert search.is_settled
