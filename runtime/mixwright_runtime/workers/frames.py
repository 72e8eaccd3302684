"""Frames on the pipes of a worker's process: four bytes of length, then the body."""

from __future__ import annotations

from collections.abc import Iterator

LENGTH = 4
"""Bytes of a body's length in front of it."""


class FrameTooLong(Exception):
    """A length that no honest frame has."""


def framed(body: bytes) -> bytes:
    """A body behind its length."""
    return len(body).to_bytes(LENGTH, "little") + body


def length_in(head: bytes | bytearray) -> int:
    """The length of the body behind a head of four bytes."""
    return int.from_bytes(head, "little")


class Arriving:
    """What came through a pipe so far and is no whole frame yet."""

    def __init__(self, limit_bytes: int | None = None) -> None:
        """`limit_bytes`: of a body; by what is announced, before it is there."""
        self._received = bytearray()
        self._limit_bytes = limit_bytes

    def bodies(self, data: bytes) -> Iterator[bytes]:
        """The bodies that are whole with more data, in their order.

        Raises:
            FrameTooLong: one is longer than the limit.
        """
        received = self._received
        received += data
        at = 0
        try:
            while len(received) - at >= LENGTH:
                length = length_in(received[at : at + LENGTH])
                if self._limit_bytes is not None and length > self._limit_bytes:
                    raise FrameTooLong
                end = at + LENGTH + length
                if len(received) < end:
                    break
                body = bytes(received[at + LENGTH : end])
                at = end
                yield body
        finally:
            del received[:at]
