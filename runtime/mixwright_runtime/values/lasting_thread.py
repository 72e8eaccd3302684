"""A thread that comes to its end, whoever waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable


class LastingThread(threading.Thread):
    """Holds what must not be closed under it."""

    def __init__(self, work: Callable[[], None], name: str) -> None:
        super().__init__(target=work, name=name, daemon=True)
        self._has_ended = threading.Event()

    def run(self) -> None:
        """See `Thread.run`."""
        try:
            super().run()
        finally:
            self._has_ended.set()

    def end(self) -> KeyboardInterrupt | None:
        """Return when it has ended, with the last signal that came meanwhile."""
        # Not `join`: in Python 3.11 one that is interrupted takes the thread for ended.
        interrupt: KeyboardInterrupt | None = None
        while not self._has_ended.is_set():
            try:
                self._has_ended.wait()
            except KeyboardInterrupt as again:
                interrupt = again
        return interrupt
