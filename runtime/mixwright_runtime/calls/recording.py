"""Calls as the store has them: each is put down when it ends, and counted for the step that asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from mixwright_runtime.calls.fault import Clock
from mixwright_runtime.calls.service import Service
from mixwright_runtime.engines.protocol import EngineFault
from mixwright_runtime.store.lookup import KnownPart
from mixwright_runtime.store.records import CallRecord, FoundCall
from mixwright_runtime.values.rows import canonical_json
from mixwright_runtime.values.stored_text import clean_text


class CallStore(Protocol):
    """What calls need of the store (`mixwright_runtime.store.store.Store`)."""

    def put_call(self, record: CallRecord) -> None: ...

    async def find_calls(self, keys: Sequence[bytes]) -> dict[bytes, FoundCall]: ...

    def parts_of_calls(self, keys: Sequence[bytes]) -> AsyncIterator[KnownPart[FoundCall]]: ...


@dataclass
class CallCounts:
    """What became of one step's calls: asked = reused + answered + failed, but for those unfinished."""

    asked: int = 0
    reused: int = 0
    """Found in the store, or asked by another row at the same time."""
    answered: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    """Failed tries and bad answers by reason."""


class Asked(NamedTuple):
    """What is known of a call when it is sent; `request` is its JSON."""

    service: Service
    key: bytes
    request: str
    node: str
    counts: CallCounts
    started: float


class Recorder:
    """Puts down the calls of one run."""

    def __init__(self, store: CallStore, run_id: int, clock: Clock) -> None:
        self.counts: dict[str, CallCounts] = {}
        """By the step that asks."""
        self._store = store
        self._run_id = run_id
        self._clock = clock

    def counts_of(self, node: str) -> CallCounts:
        """What became of this step's calls so far."""
        counts = self.counts.get(node)
        if counts is None:
            counts = self.counts[node] = CallCounts()
        return counts

    def asked(self, service: Service, key: bytes, request: str, node: str, counts: CallCounts) -> Asked:
        """A call that is sent now."""
        return Asked(service, key, request, node, counts, self._clock.wall())

    def put(
        self,
        asked: Asked,
        *,
        finish: str,
        reason: str = "",
        text: str = "",
        reasoning: str = "",
        prompt_tokens: int = 0,
        output_tokens: int = 0,
        attempt: int = 0,
        seed: int = 0,
        engine: str = "{}",
    ) -> None:
        """Record how a call ended; with a `reason` it failed."""
        if reason:
            asked.counts.failed += 1
        else:
            asked.counts.answered += 1
        self._store.put_call(
            CallRecord(
                key=asked.key,
                run_id=self._run_id,
                node=asked.node,
                model=asked.service.spec.name,
                identity=asked.service.spec.identity,
                request=clean_text(asked.request),
                text=text,
                reasoning=reasoning,
                finish=finish,
                status="failed" if reason else "ok",
                reason=reason,
                prompt_tokens=prompt_tokens,
                output_tokens=output_tokens,
                attempt=attempt,
                seed=seed,
                started=asked.started,
                ended=self._clock.wall(),
                engine=engine,
            )
        )

    def put_fault(self, asked: Asked, fault: EngineFault, *, attempt: int = 0, seed: int = 0) -> str:
        """Record a call without an answer; returns the fault in words."""
        detail = clean_text(str(fault))
        reason = fault.fault.value
        self.put(
            asked,
            finish=reason,
            reason=reason,
            attempt=attempt,
            seed=seed,
            engine=canonical_json({"fault": detail}),
        )
        return detail
