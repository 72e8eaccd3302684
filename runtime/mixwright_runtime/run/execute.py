"""Executes a plan as a user starts it: alone or inside a running event loop, with signals that stop it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

from mixwright_compiler.plan.plan import Plan
from mixwright_runtime.calls.fault import Clock, SystemClock
from mixwright_runtime.cluster.named import cluster_named
from mixwright_runtime.cluster.protocol import Cluster
from mixwright_runtime.engines.protocol import Engine
from mixwright_runtime.errors import RunError, RunStopped
from mixwright_runtime.plugins.loading import load_plugins, plugin_faults
from mixwright_runtime.run.collecting import collecting_rarely
from mixwright_runtime.run.ending import finish
from mixwright_runtime.run.run import Run, RunOptions, RunReport

if TYPE_CHECKING:
    from mixwright_runtime.store.store import Store

SIGNALS_HEARD_EVERY_S = 0.25
"""Chosen: far within the second in which a run answers Ctrl-C."""


def run_plan(
    plan: Plan,
    *,
    store: Store,
    options: RunOptions | None = None,
    engines: Mapping[str, Engine] | None = None,
    clock: Clock | None = None,
) -> RunReport:
    """Execute a plan; everything is durable when this returns or raises.

    Args:
        engines: by model name, instead of those that the plan names; for tests.

    Raises:
        RunError: the machine failed or an engine is unavailable; the message says what was kept and how to go on.
    """
    run = partial(execute, plan, store=store, options=options, engines=engines, clock=clock)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(run())
    return _beside_a_loop(run)


def _beside_a_loop(run: Callable[..., Coroutine[Any, Any, RunReport]]) -> RunReport:
    """Run in a thread with a loop of its own: the one of this thread (a notebook's) waits in this very call.

    Signals come to the main thread alone, so it is the one that waits here that passes them on.
    """
    received: list[Callable[[int, FrameType | None], None]] = []
    ended: Future[RunReport] = Future()

    def work() -> None:
        try:
            ended.set_result(asyncio.run(run(on_begin=lambda begun: received.append(_receiver(begun)))))
        except BaseException as error:
            ended.set_exception(error)

    def pass_on(number: int, frame: FrameType | None) -> None:
        if received:
            received[0](number, frame)

    thread = threading.Thread(target=work, name="mixwright-run")
    with _handling(pass_on):
        thread.start()
        while thread.is_alive():
            # Not without end: a signal that arrives just before a wait, or at another thread, does not end it.
            thread.join(SIGNALS_HEARD_EVERY_S)
    return ended.result()


async def execute(
    plan: Plan,
    *,
    store: Store,
    options: RunOptions | None = None,
    engines: Mapping[str, Engine] | None = None,
    clock: Clock | None = None,
    cluster: Cluster | None = None,
    on_begin: Callable[[Run], None] | None = None,
) -> RunReport:
    """`run_plan` inside a running event loop. cluster: instead of the one that the options name; for tests. on_begin: is
    told of the run and sees to signals, which else come here."""
    load_plugins(plan)
    options = options or RunOptions()
    async with cluster_named(options.cluster) as named:
        run = Run(plan, store, options, engines, clock or SystemClock(), cluster or named)
        return await _executed(run, on_begin)


async def _executed(run: Run, on_begin: Callable[[Run], None] | None) -> RunReport:
    if on_begin is not None:
        on_begin(run)
    signals = contextlib.nullcontext() if on_begin is not None else _handling(_receiver(run))
    with signals, run.store.in_little_memory():
        try:
            with plugin_faults(), collecting_rarely():
                await run.work()
        except asyncio.CancelledError:
            if not run.is_abandoned:
                raise
        except RunStopped as stopped:
            run.stop.stop(str(stopped))
        except RunError as failed:
            run.stop.stop(str(failed), failed)
        finally:
            # Before the books are closed: what goes wrong in it is told with the rest.
            await run.close()
        try:
            return await finish(run)
        finally:
            if run.leased is not None:  # exports are made with it
                await run.leased.ranges.close()
            if run.stop.signal is not None:
                run.store.hurry()


def _receiver(run: Run) -> Callable[[int, FrameType | None], None]:
    """What signals do to a run, for use in its loop. First: stop cleanly. Second: at once. Third: leave."""
    loop = asyncio.get_running_loop()

    def received(number: int, _frame: FrameType | None) -> None:
        if run.stop.signal is None:
            run.stop.interrupt(number)
        elif not run.is_abandoned:
            run.abandon()
        else:
            os._exit(128 + number)
        loop.call_soon_threadsafe(lambda: None)  # a loop that waits for its sockets goes on

    return received


@contextlib.contextmanager
def _handling(received: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Signals that end a program go to `received` meanwhile, where this is the main thread."""
    # Handlers of the process and not of the loop, whose own run when it is idle: a loop that reads a source is not.
    before = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError):  # not the main thread
            before[number] = signal.signal(number, received)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
