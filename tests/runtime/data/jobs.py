"""Functions that tests run in worker processes."""

from __future__ import annotations

import os
import signal
from typing import Any


def echo(value: Any) -> Any:
    print("noise that must not reach the results")
    return value


def hang() -> None:
    while True:
        pass


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    raise ValueError("no good")


def variables() -> list[str]:
    return sorted(os.environ)


def allocate() -> int:
    return len(bytearray(1 << 40))


def process_id() -> int:
    return os.getpid()
