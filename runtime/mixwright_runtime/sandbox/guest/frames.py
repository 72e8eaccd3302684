"""Frames on a socket: a length of four bytes, then JSON. Inside the box; blocking."""

from __future__ import annotations

import json
import os
from typing import Any

_encode = json.JSONEncoder(separators=(",", ":")).encode


def read(descriptor: int) -> Any:
    """The next frame's value.

    Raises:
        EOFError: the other side has closed.
    """
    return json.loads(read_bytes(descriptor, int.from_bytes(read_bytes(descriptor, 4), "little")))


def read_bytes(descriptor: int, size: int) -> bytes:
    pieces = []
    while size:
        piece = os.read(descriptor, min(size, 1 << 20))
        if not piece:
            raise EOFError
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def write(descriptor: int, value: object) -> None:
    body = _encode(value).encode()
    write_bytes(descriptor, len(body).to_bytes(4, "little") + body)


def write_bytes(descriptor: int, body: bytes) -> None:
    view = memoryview(body)
    while view:
        view = view[os.write(descriptor, view) :]
