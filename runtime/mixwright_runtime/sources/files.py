"""Files that hold rows: found by path or glob, digested, and read line by line within limits."""

from __future__ import annotations

import glob
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from mixwright_runtime.errors import RunError

ROW_LIMIT_BYTES = 16 * 1024 * 1024
"""Longest line or row; a compressed file can otherwise expand to any size in memory."""
SOURCE_LIMIT_BYTES = 256 * 1024**3
"""Most decompressed bytes of one file."""

_REPLACEMENT = "\ufffd"


def files_of(path: str, directory: Path, what: str) -> list[Path]:
    """The files that a path or glob names, sorted by name.

    Raises:
        RunError: there is none.
    """
    pattern = str(directory / path)
    if Path(pattern).is_file():
        return [Path(pattern)]
    found = sorted(Path(p) for p in glob.glob(pattern, recursive=True) if Path(p).is_file())
    if not found:
        raise RunError(f"{what}: no file {path} in {directory}")
    return found


def named(path: Path, directory: Path) -> str:
    """A file's name in messages and lineage: relative to the spec where it can be."""
    try:
        return path.relative_to(directory).as_posix()
    except ValueError:
        return path.as_posix()


def open_bytes(path: Path) -> IO[bytes]:
    """The file's bytes, decompressed when its name ends in `.gz`."""
    return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix == ".gz" else open(path, "rb")


def lines_of(path: Path, name: str, what: str) -> Iterator[tuple[int, bytes]]:
    """Numbered lines of a file, from 1, with their line ends; a byte order mark is left out.

    Raises:
        RunError: the file cannot be read or decompressed, a line is longer than ROW_LIMIT_BYTES, or the file than
            SOURCE_LIMIT_BYTES.
    """
    number, total = 0, 0
    try:
        with open_bytes(path) as file:
            while line := file.readline(ROW_LIMIT_BYTES + 1):
                number += 1
                total += len(line)
                if len(line) > ROW_LIMIT_BYTES:
                    raise RunError(f"{what}: {name}:{number}: line longer than {ROW_LIMIT_BYTES} bytes")
                if total > SOURCE_LIMIT_BYTES:
                    raise RunError(f"{what}: {name}: more than {SOURCE_LIMIT_BYTES} bytes")
                yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
    except (OSError, EOFError, zlib.error) as error:
        raise RunError(f"{what}: {name} cannot be read after line {number}: {error}") from None


def decoder() -> json.JSONDecoder:
    """A JSON decoder that refuses numbers that are not finite: no row can be stored with one."""
    return json.JSONDecoder(parse_float=_finite, parse_constant=_refuse)


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"number out of range: {digits[:40]}")
    return value


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def may_need_cleaning(raw: bytes) -> bool:
    """Can this JSON text hold an escaped NUL or half surrogate? A cheap test that spares most rows `cleaned`."""
    return b"\\u" in raw and (b"\\u0000" in raw or b"\\ud" in raw or b"\\uD" in raw)


def cleaned(value: object) -> Any:
    """A JSON value with NUL characters and half surrogates replaced by U+FFFD, in keys too."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(k): cleaned(v) for k, v in value.items()}
    if isinstance(value, list):
        return [cleaned(v) for v in value]
    return value


def clean_text(text: str) -> str:
    """A text without NUL characters and half surrogates: neither has a place in UTF-8 text or a tokenizer."""
    if "\0" in text:
        text = text.replace("\0", _REPLACEMENT)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "".join(_REPLACEMENT if "\ud800" <= c <= "\udfff" else c for c in text)
    return text
