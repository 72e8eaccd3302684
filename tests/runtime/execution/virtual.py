"""Virtual time, a scripted engine and a store in memory: hours of faults in milliseconds, the same every time."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from plans import model

from benchmarks.virtual_loop import VirtualLoop, WholeRunLoop
from mixwright_compiler.plan.plan import Plan
from mixwright_runtime.calls.budget import Budget, Spending
from mixwright_runtime.calls.calls import Calls
from mixwright_runtime.calls.stop import StopSignal
from mixwright_runtime.engines.measured import unit_vectors
from mixwright_runtime.engines.protocol import (
    Answer,
    EmbedRequest,
    EngineFault,
    Fault,
    Finish,
    Request,
    ScoreRequest,
    Scores,
    Vectors,
)
from mixwright_runtime.plugins.protocol import CallResult
from mixwright_runtime.run.execute import execute
from mixwright_runtime.run.run import Run, RunOptions, RunReport
from mixwright_runtime.store.records import CallRecord, FoundCall
from mixwright_runtime.store.store import Store


class VirtualClock:
    """`mixwright_runtime.calls.fault.Clock` on the running loop's time, with seeded chance."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return 1.8e9 + self.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def random(self) -> float:
        return self._random.random()


def run_virtually(job: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine under virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(job)


def run_plan_virtually(
    plan: Plan, *, store: Store, watch: Callable[[Run], Any], engine: ScriptedEngine
) -> RunReport:
    """A whole run under virtual time; every model of the plan is `engine`."""
    job = execute(
        plan,
        store=store,
        options=RunOptions(exports=False, watch=watch),
        engines=dict.fromkeys(plan.models, engine),
        clock=VirtualClock(),
    )
    with asyncio.Runner(loop_factory=WholeRunLoop) as runner:
        return runner.run(job)


class MemoryStore:
    """What `Calls` needs of a store, and what it was told."""

    def __init__(self) -> None:
        self.calls: list[CallRecord] = []

    def put_call(self, record: CallRecord) -> None:
        self.calls.append(record)

    async def find_calls(self, keys: Sequence[bytes]) -> dict[bytes, FoundCall]:
        return {r.key: FoundCall.of(r) for r in self.calls if r.is_final and r.key in keys}


Script = Callable[[str, int], Answer | Fault | EngineFault | None]
"""(last user message, how often it came before) -> an answer or fault; None for a plain answer."""


class ScriptedEngine:
    """An engine that answers after `latency_s` of virtual time, as its script says."""

    def __init__(self, script: Script | None = None, *, slots: int = 8, latency_s: float = 1.0) -> None:
        self.slots = slots
        self.script = script or (lambda text, before: None)
        self.latency_s = latency_s
        self.requests: list[Request] = []
        self.sent_at: list[float] = []
        self.in_flight = self.most_in_flight = self.starts = 0
        self._came: Counter[str] = Counter()

    async def start(self) -> None:
        self.starts += 1

    async def complete(self, request: Request) -> Answer:
        text = str(request.messages[-1]["content"])
        before = self._came[text]
        self._came[text] += 1
        self.requests.append(request)
        self.sent_at.append(asyncio.get_running_loop().time())
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.latency_s)
        finally:
            self.in_flight -= 1
        found = self.script(text, before)
        if isinstance(found, EngineFault):
            raise found
        if isinstance(found, Fault):
            raise EngineFault(found, f"scripted {found.value}")
        return found or Answer(f"answer to {text} with {request.seed}", Finish.STOP, 10, 5)

    async def close(self) -> None:
        return


class ScriptedScorer:
    """Scores a chat by its length and embeds a text by its letters, or does what `faults` says first."""

    slots = 8

    def __init__(self, *faults: Fault | Scores | Vectors, refused: str = "") -> None:
        self.faults = list(faults)
        self.refused = refused
        self.scored: list[ScoreRequest] = []
        self.embedded: list[tuple[str, ...]] = []

    async def start(self) -> None:
        return

    async def complete(self, request: Request) -> Answer:
        raise AssertionError("a scorer is asked for text")

    async def score(self, request: ScoreRequest) -> Scores:
        self.scored.append(request)
        await asyncio.sleep(1)
        if isinstance(found := self._fault(), Scores):
            return found
        texts = [*request.texts, *(m["content"] for m in request.messages)]
        return Scores((float(sum(map(len, texts))),), 7)

    async def embed(self, request: EmbedRequest) -> Vectors:
        self.embedded.append(request.texts)
        await asyncio.sleep(1)
        if isinstance(found := self._fault(), Vectors):
            return found
        if self.refused in request.texts:
            raise EngineFault(Fault.BAD_REQUEST, "a text is too long")
        rows = [[float(text.count(letter)) + 1 for letter in "abc"] for text in request.texts]
        return Vectors(unit_vectors(rows, "scripted"), len(request.texts))

    def _fault(self) -> Scores | Vectors | None:
        found = self.faults.pop(0) if self.faults else None
        if isinstance(found, Fault):
            raise EngineFault(found, f"scripted {found.value}")
        return found

    async def close(self) -> None:
        return


class Bench:
    """Calls on a scripted engine, ready to ask."""

    def __init__(self, engine: Any, *, store: MemoryStore | None = None, **options: Any) -> None:
        self.engine = engine
        self.store = store or MemoryStore()
        self.stop = StopSignal()
        clock = VirtualClock(options.pop("seed", 0))
        spec = model("http://nowhere", **options.pop("attributes", {}))
        self.calls = Calls(
            {"teacher": spec},
            {"teacher": engine},
            self.store,
            run_id=1,
            spending=Spending(options.pop("budget", Budget()), clock),
            stop=self.stop,
            clock=clock,
            **options,
        )
        self.sampling = {"temperature": 1.0, "max_tokens": 64}

    async def ask(self, text: str, **options: Any) -> CallResult:
        stated = {"replica": 0, "sample": 0, "attempt": 0, "node": "p.answer", **options}
        return await self.calls.ask("teacher", [{"role": "user", "content": text}], self.sampling, **stated)

    async def ask_all(self, texts: Sequence[str]) -> list[CallResult | BaseException]:
        return await asyncio.gather(*(self.ask(text) for text in texts), return_exceptions=True)
