"""What an attack could find on the host, were it to get out: a file, a secret, and listening sockets."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Traps:
    """Where they are."""

    file: Path
    tcp_port: int
    udp_port: int
    abstract_name: str


@contextmanager
def traps() -> Iterator[Traps]:
    """Set them up on this machine, for as long as the block lasts; only 127.0.0.1 is listened on."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mixwright-canary-")))
        directory.chmod(0o755)
        file = directory / "readable"
        file.write_text("readable by everybody")
        file.chmod(0o644)
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        name = f"\0mixwright-canary-{os.getpid()}-{file.parent.name}"
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(name)
        abstract.listen()
        yield Traps(file, tcp.getsockname()[1], udp.getsockname()[1], name)
