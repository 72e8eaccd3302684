"""The host's ends of a job's sockets and pipes: frames and bytes from untrusted senders, capped, without blocking."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class TooMuch(Exception):
    """The sender sent more than the job may."""


class Malformed(Exception):
    """What was sent is no frame."""


class Frames:
    """One end of a stream socket that carries frames: four bytes of length, then JSON."""

    def __init__(self, end: socket.socket, limit_bytes: int) -> None:
        end.setblocking(False)
        self._end = end
        self._left = limit_bytes
        self._buffer = bytearray()

    async def next_body(self) -> bytes | None:
        """The next frame's JSON text; None at the end.

        Raises:
            TooMuch: all frames together are larger than the limit.
        """
        head = await self._exactly(4)
        if head is None:
            return None
        size = int.from_bytes(head, "little")
        # By what is announced, before any of it is taken in: a length alone must cost no memory.
        if size > self._left:
            raise TooMuch
        self._left -= size
        return await self._exactly(size)

    async def next(self) -> Any:
        """The next frame's value; None at the end.

        Raises:
            TooMuch: as `next_body`.
            Malformed: not JSON.
        """
        body = await self.next_body()
        if body is None:
            return None
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise Malformed from None

    async def blob(self, size: int) -> bytes | None:
        """`size` bytes that follow a frame; None when the sender ends before."""
        if size > self._left:
            raise TooMuch
        self._left -= size
        return await self._exactly(size)

    def sent(self, body: bytes) -> bytes:
        """Send what fits at once; returns the rest."""
        try:
            return body[self._end.send(body) :]
        except BlockingIOError:
            return body
        except ConnectionError:
            return b""

    async def send(self, body: bytes) -> None:
        """Send; a receiver that is gone is not an error here: its end is seen by reading."""
        with contextlib.suppress(ConnectionError):
            await asyncio.get_running_loop().sock_sendall(self._end, body)

    async def _exactly(self, size: int) -> bytes | None:
        loop = asyncio.get_running_loop()
        while len(self._buffer) < size:
            try:
                piece = await loop.sock_recv(self._end, 1 << 16)
            except ConnectionError:
                piece = b""
            if not piece:
                return None
            self._buffer += piece
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def close(self) -> None:
        self._end.close()


@asynccontextmanager
async def beside(*coroutines: Coroutine[Any, Any, T]) -> AsyncIterator[list[asyncio.Task[T]]]:
    """Run coroutines beside the block; at its end they are cancelled, and over.

    A descriptor must not be closed while the event loop still watches it: its number may be another's by then.
    """
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def framed(value: object) -> bytes:
    body = json.dumps(value, separators=(",", ":")).encode()
    return len(body).to_bytes(4, "little") + body


async def read_pipe(descriptor: int, limit_bytes: int) -> bytes:
    """Everything until the pipe's end.

    Raises:
        TooMuch: more than the limit; `args[0]` has what came before.
    """
    loop = asyncio.get_running_loop()
    os.set_blocking(descriptor, False)
    taken = bytearray()
    while True:
        try:
            piece = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            await _readable(loop, descriptor)
            continue
        if not piece:
            return bytes(taken)
        taken += piece
        if len(taken) > limit_bytes:
            raise TooMuch(bytes(taken[:limit_bytes]))


async def _readable(loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
    waiting: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, _set, waiting)
    try:
        await waiting
    finally:
        loop.remove_reader(descriptor)


def _set(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
