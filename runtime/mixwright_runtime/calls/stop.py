"""Tells everyone in a run that it is stopping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mixwright_runtime.errors import RunStopped


class StopSignal:
    """Says to everyone in a run that nothing more is to be started, and why."""

    def __init__(self) -> None:
        self.reason = ""
        """Empty while the run goes on."""
        self.failure: Exception | None = None
        """What went wrong, where it is a failure that stops the run."""
        self.signal: int | None = None
        """The signal that interrupted the run."""
        self._event = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    def on_stop(self, listener: Callable[[], None]) -> None:
        """Call `listener` when the run is told to stop."""
        self._listeners.append(listener)

    def stop(self, reason: str, failure: Exception | None = None) -> None:
        """Stop; the first reason stays."""
        if not self.reason:
            self.reason = reason
            self.failure = failure
            self._event.set()
            for listener in self._listeners:
                listener()

    def interrupt(self, signal: int) -> None:
        """Stop because of a signal."""
        self.signal = signal
        self.stop("interrupted")

    @property
    def is_cut_short(self) -> bool:
        """Whether the run is to end as soon as it can: it was interrupted, or failed. One that has spent its budget still
        selects of what it has."""
        return self.signal is not None or self.failure is not None

    def check(self) -> None:
        """Raise RunStopped if the run is stopping."""
        if self.reason:
            raise RunStopped(self.reason)

    def check_cut_short(self) -> None:
        """Raise RunStopped if the run is to end as soon as it can."""
        if self.is_cut_short:
            raise RunStopped(self.reason)

    async def wait(self) -> None:
        """Return when the run is stopping."""
        await self._event.wait()
