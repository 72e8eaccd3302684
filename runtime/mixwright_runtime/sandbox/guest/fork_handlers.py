"""Keeps what modules want to do after a fork from the two forks of every job: `threading` alone costs 0.5 ms there.

None of it matters to a process with one thread that is about to run a program; the program's own forks get it back.
"""

from __future__ import annotations

import os
from typing import Any

_kept: list[dict[str, Any]] = []
_real = os.register_at_fork


def withhold() -> None:
    """From now on, keep the handlers that imported modules register."""
    os.register_at_fork = lambda **handlers: _kept.append(handlers)


def restore() -> None:
    """Handlers are registered again as they come."""
    os.register_at_fork = _real


def register_kept() -> None:
    """Register what was kept: called in the process that runs the untrusted code."""
    for handlers in _kept:
        _real(**handlers)
