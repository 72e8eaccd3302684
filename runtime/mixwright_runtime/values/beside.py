"""Long work beside the event loop, which ends when the run does that it is for.

A thread cannot be ended from outside, and hears no signal. So what takes long asks now and then whether to go on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")


def _never() -> None:
    """Nobody ends it."""


_CHECK: ContextVar[Callable[[], None]] = ContextVar("check", default=_never)


async def beside(check: Callable[[], None], work: Callable[[], T]) -> T:
    """What `work` returns, while the event loop goes on. check: as `ended_by`."""

    def checked() -> T:
        with ended_by(check):
            return work()

    return await asyncio.to_thread(checked)


@contextlib.contextmanager
def ended_by(check: Callable[[], None]) -> Iterator[None]:
    """Inside, `go_on` asks `check`, which raises when the work is to end."""
    before = _CHECK.set(check)
    try:
        yield
    finally:
        _CHECK.reset(before)


def go_on() -> None:
    """Called by work that takes long, several times a second. Raises what whoever waits for it ends it with."""
    _CHECK.get()()
