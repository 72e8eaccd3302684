"""Ports for servers that a test starts elsewhere and must name before they listen."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack


def free_port(count: int = 1) -> int:
    """The first of so many ports in a row that nobody has: below those that the system gives to outgoing connections, of
    which one may come before the server listens. By chance, as tests run beside each other."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with ExitStack() as held:
            try:
                for each in range(port, port + count):
                    held.enter_context(socket.socket()).bind(("0.0.0.0", each))
            except OSError:
                continue
            return port
