"""The inside of a worker, on whatever machine: the engines of a run, and leases answered by them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path

import mixwright_runtime
from mixwright_compiler.plan.plan import plan_from_json
from mixwright_compiler.plugins.files import files_of, identity_of
from mixwright_runtime.calls.models import engines_asked
from mixwright_runtime.cluster.exchanges import REQUESTS, answer_json, fault_json, request_in
from mixwright_runtime.cluster.leases import Item
from mixwright_runtime.cluster.protocol import Setup
from mixwright_runtime.engines.protocol import Engine, EngineFault
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.loading import fault_of, load_plugins

SHARE = 0.05
"""Of the time that an answer took it may wait for others to travel with; chosen."""
LEAST_HOLD_S, MOST_HOLD_S = 0.002, 0.25


def code_identity() -> str:
    """Identity of the code that runs here: answers of another version may be others."""
    return identity_of(files_of(Path(mixwright_runtime.__path__[0])))


class EngineHost:
    """Answers leases with engines of this process."""

    def __init__(self, engines: Mapping[str, Engine]) -> None:
        self._engines = engines
        self._starting: dict[str, asyncio.Future[None]] = {}

    @classmethod
    def of(cls, setup: Setup) -> EngineHost:
        """With an engine for each model that the run asks.

        Raises:
            RunError: other code than the run's, a plugin that is another one, a secret that is not set here.
        """
        code = code_identity()
        if code != setup.code:
            raise RunError(
                f"this worker runs other code of mixwright than the run ({code[:15]}, not {setup.code[:15]}); "
                "install the same version on every node"
            )
        plan = plan_from_json(setup.plan)
        load_plugins(plan)
        return cls(engines_asked(plan, {name: frozenset(needs) for name, needs in setup.needs.items()}))

    async def open(self, model: str) -> None:
        """Start a model's engine, once.

        Raises:
            RunError: it cannot be started.
        """
        if model not in self._starting:
            self._starting[model] = asyncio.ensure_future(self._engines[model].start())
        try:
            await asyncio.shield(self._starting[model])
        except RunError:
            raise
        except Exception as error:
            raise _told(error) from error

    async def answers(self, model: str, items: Sequence[Item]) -> AsyncGenerator[list[tuple[bytes, bytes]]]:
        """The answers to items, a few at a time: what is ready waits a little for more to travel with."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        jobs = [asyncio.ensure_future(self._answer(model, item)) for item in items]
        try:
            while jobs:
                await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
                if not all(job.done() for job in jobs):
                    hold_s = min(max(SHARE * (loop.time() - began), LEAST_HOLD_S), MOST_HOLD_S)
                    await asyncio.wait(jobs, timeout=hold_s)
                ready = [job.result() for job in jobs if job.done()]
                jobs = [job for job in jobs if not job.done()]
                yield ready
        finally:
            for job in jobs:
                job.cancel()

    async def close(self) -> None:
        """Close every engine that was started."""
        for model, starting in self._starting.items():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            await self._engines[model].close()

    async def _answer(self, model: str, item: Item) -> tuple[bytes, bytes]:
        try:
            if item.kind not in REQUESTS:
                raise RunError(f"engines are not asked to '{item.kind}'")
            asked = getattr(self._engines[model], item.kind)
            return item.key, answer_json(await asked(request_in(item.kind, item.body)))
        except (EngineFault, RunError) as fault:
            return item.key, fault_json(fault)
        except Exception as error:
            return item.key, fault_json(_told(error))


def _told(error: Exception) -> RunError:
    """An error that nobody expects, as one that can travel."""
    text = " ".join(str(error).split())[:1000]
    return fault_of(error) or RunError(f"the engine fails: {type(error).__name__}: {text}")
