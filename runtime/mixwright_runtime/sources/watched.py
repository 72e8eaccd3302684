"""A DuckDB connection that never holds a process up: its queries have a time limit, and end when a signal arrives.

A query computes in C, where Python hears no signal, and in the thread of the event loop, which hears none either. So it
computes in a thread of its own, and the one that asked waits in steps, between which signals are heard; where that is
not the main thread, which alone gets them, whoever waits for it is asked (`values/beside.py`).
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from mixwright_runtime.values.beside import go_on

STEP_S = 0.05
"""Between two looks at the clock and the signals."""
GRACE_S = 5.0
"""How long an interrupted query may take to end before it is left alone."""


class Watched:
    """A connection whose queries are interrupted when they have computed for `limit_s` seconds altogether."""

    def __init__(self, connection: Any, limit_s: float) -> None:
        self.connection = connection
        self._result = connection
        self._left_s = limit_s
        self.is_left_alone = False
        """A query did not end when it was interrupted: the connection must not be used any more, nor closed."""

    @property
    def description(self) -> Any:
        return self._result.description

    def execute(self, sql: str, parameters: list[Any] | None = None) -> Watched:
        """Run a statement, of which `fetchmany` then gives the rows.

        Raises:
            duckdb.Error: it failed, or was interrupted because the time is up.
            RunStopped: a signal arrived that stops a run, or it is stopped. Others do what they do: Ctrl-C raises
                KeyboardInterrupt.
        """
        self._result = self._timed(lambda: self.connection.execute(sql, parameters))
        return self

    def fetchmany(self, count: int) -> Any:
        """The next rows; an empty list at the end."""
        return self._timed(lambda: self._result.fetchmany(count))

    def close(self) -> None:
        if not self.is_left_alone:
            self.connection.close()

    def _timed(self, work: Callable[[], Any]) -> Any:
        ended = threading.Event()
        made: list[Any] = []
        failed: list[BaseException] = []

        def run() -> None:
            try:
                made.append(work())
            except BaseException as error:
                failed.append(error)
            finally:
                ended.set()

        began = time.monotonic()
        worker = threading.Thread(target=run, name="query", daemon=True)
        try:
            with _signals_heard() as heard:
                worker.start()
                while not ended.wait(min(STEP_S, max(self._left_s, 0.001))):
                    go_on()
                    if heard or time.monotonic() - began > self._left_s:
                        break
        finally:
            self._end(ended)
            self._left_s -= time.monotonic() - began
        if heard:
            from mixwright_runtime.errors import RunStopped

            raise RunStopped("interrupted")
        if failed:
            raise failed[0]
        if not made:
            import duckdb

            raise duckdb.InterruptException("the time is up, and the query does not end")
        return made[0]

    def _end(self, ended: threading.Event) -> None:
        """Interrupt what still computes, until it ends or the grace is over."""
        self.is_left_alone = True
        for _ in range(round(GRACE_S / STEP_S)):
            if ended.is_set():
                break
            self.connection.interrupt()
            ended.wait(STEP_S)
        self.is_left_alone = not ended.is_set()


@contextlib.contextmanager
def _signals_heard() -> Iterator[list[int]]:
    """The signals to stop that arrive inside, after their own handlers have run; nothing is lost of what they do."""
    heard: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield heard
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def hear(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        own = before[signal.Signals(number)]
        if callable(own):
            own(number, frame)

    for number, own in before.items():
        if own is not signal.SIG_IGN:
            signal.signal(number, hear)
    try:
        yield heard
    finally:
        for number, own in before.items():
            signal.signal(number, signal.SIG_DFL if own is None else own)
        for arrived in heard:
            if not callable(before[signal.Signals(arrived)]):
                signal.raise_signal(arrived)
