"""Scalars in TensorBoard's event files. Written here: the package that does it brings a web server along.

A file is a row of records `length, crc, data, crc`; the data is a protocol buffer `Event { wall_time = 1, step = 2,
file_version = 3, summary = 5 { value = 1 { tag = 1, simple_value = 2 } } }`. Checksums are CRC-32C, masked as TensorFlow
does.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import cache
from pathlib import Path

VERSION = b"brain.Event:2"


class EventFile:
    """An event file of a directory, appended to line by line; a reader may follow it."""

    def __init__(self, directory: Path, *, started_at: float) -> None:
        """started_at: seconds since 1970; it is in the name, and newer files of a directory go on from older ones."""
        directory.mkdir(parents=True, exist_ok=True)
        self._file = (directory / f"events.out.tfevents.{int(started_at)}.mixwright").open("ab")
        self._put(_double(1, started_at) + _bytes(3, VERSION))

    def scalars(self, step: int, wall_time: float, values: Mapping[str, float]) -> None:
        """Write the values of a step, by tag; visible to readers at once."""
        summary = b"".join(
            _bytes(1, _bytes(1, tag.encode()) + _float(2, value)) for tag, value in values.items()
        )
        self._put(_double(1, wall_time) + _integer(2, step) + _bytes(5, summary))

    def close(self) -> None:
        self._file.close()

    def _put(self, data: bytes) -> None:
        length = struct.pack("<Q", len(data))
        self._file.write(length + _masked(length) + data + _masked(data))
        self._file.flush()


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def crc32c(data: bytes) -> int:
    """CRC with the Castagnoli polynomial (RFC 3720, B.4)."""
    crc = 0xFFFFFFFF
    table = _table()
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


@cache
def _table() -> tuple[int, ...]:
    found = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        found.append(number)
    return tuple(found)


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value
