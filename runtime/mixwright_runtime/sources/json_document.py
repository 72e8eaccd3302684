"""Source kind `json`: JSON documents that hold rows."""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import SourceSpec
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.attributes import SOURCE
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.sources.files import SOURCE_LIMIT_BYTES, cleaned, decoder, files_of, named, open_bytes

VALUE_LIMIT = 256 * 1024 * 1024
"""Characters in one object at the top of a document. Elements of an array are bounded by it too."""
CHUNK_BYTES = 1024 * 1024

_SPACE = re.compile(r"[ \t\n\r]*")


@declare(
    "source",
    "json",
    attributes=(
        attribute(
            "path",
            "path",
            "the file, or a glob such as `data/*.json`; `.gz` is read as is",
            default=REQUIRED,
        ),
        *SOURCE,
    ),
)
class JsonDocuments:
    """Rows from JSON documents.

    A document may be an array of objects, one object that holds a single array of objects (`{"examples": [...]}`), one
    object that is a row, or several objects or arrays after one another. Arrays are read element by element, so a file
    may be larger than memory. Otherwise as `jsonl`; the reported line is the one on which the row begins.
    """

    revision = ""

    def __init__(self, spec: SourceSpec, directory: Path) -> None:
        self.what = f"source '{spec.name}'"
        self.directory = directory
        self.files = files_of(str(spec.attributes["path"]), directory, self.what)

    def rows(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Each row with its place, `file:line`."""
        for file in self.files:
            yield from rows_of_document(file, named(file, self.directory), self.what)


def rows_of_document(file: Path, name: str, what: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Rows of one JSON file with their places.

    Raises:
        RunError: the file is not JSON, or its rows cannot be told.
    """
    reader = _Document(file)
    try:
        alone: tuple[dict[str, Any], int] | None = None
        is_first = True
        for value, line, is_element in reader.values():
            if not isinstance(value, dict):
                raise ValueError(f"a row must be an object, found {type(value).__name__}")
            if is_first and not is_element:
                alone = (value, line)
            else:
                if alone is not None:
                    yield cleaned(alone[0]), f"{name}:{alone[1]}"
                    alone = None
                yield cleaned(value), f"{name}:{line}"
            is_first = False
        if alone is not None:
            yield from _rows_of_object(alone[0], name, alone[1])
    except (ValueError, RecursionError, OSError, EOFError, zlib.error) as error:
        raise RunError(f"{what}: {name}:{reader.line}: {_problem(error)}") from None


def document_of(file: Path, name: str, what: str) -> dict[str, Any]:
    """A JSON file that is one object, whole.

    Raises:
        RunError: it is something else, or cannot be read.
    """
    reader = _Document(file)
    try:
        documents = [value for value, _, _ in islice(reader.values(), 2)]
    except (ValueError, RecursionError, OSError, EOFError, zlib.error) as error:
        raise RunError(f"{what}: {name}:{reader.line}: {_problem(error)}") from None
    if len(documents) != 1:
        raise RunError(f"{what}: {name}: more than one value, or none")
    if not isinstance(documents[0], dict):
        raise RunError(f"{what}: {name}: no JSON object")
    return documents[0]


def _problem(error: Exception) -> str:
    return "nested too deep" if isinstance(error, RecursionError) else str(error)


def _rows_of_object(document: dict[str, Any], name: str, line: int) -> Iterator[tuple[dict[str, Any], str]]:
    lists = {
        key: value
        for key, value in document.items()
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value)
    }
    others = [key for key, value in document.items() if isinstance(value, dict)]
    if len(lists) == 1 and not others:
        (key, rows) = next(iter(lists.items()))
        for number, row in enumerate(rows):
            yield cleaned(row), f"{name}:{line}#{key}[{number}]"
    elif len(lists) > 1:
        raise ValueError(f"several lists of objects ({', '.join(lists)}): which are the rows?")
    else:
        yield cleaned(document), f"{name}:{line}"


class _Document:
    """A JSON text read in pieces. `line` is where the value being read begins."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.line = 1
        self._buffer = ""
        self._at = 0
        self._line_after = 1

    def values(self) -> Iterator[tuple[Any, int, bool]]:
        """Values at the top of the document and elements of arrays there, their line, and whether they are elements."""
        decode = codecs.getincrementaldecoder("utf-8-sig")()
        raw_decode = decoder().raw_decode
        with open_bytes(self.file) as stream:
            total = 0

            def more() -> bool:
                nonlocal total
                chunk = stream.read(max(CHUNK_BYTES, len(self._buffer) - self._at))
                total += len(chunk)
                if total > SOURCE_LIMIT_BYTES:
                    raise ValueError(f"more than {SOURCE_LIMIT_BYTES} bytes")
                text = decode.decode(chunk, final=not chunk)
                self._buffer = self._buffer[self._at :] + text
                self._at = 0
                if len(self._buffer) > VALUE_LIMIT:
                    raise ValueError(f"a value longer than {VALUE_LIMIT} characters")
                return bool(chunk)

            def peek() -> str:
                while True:
                    self._skip(_SPACE.match(self._buffer, self._at))
                    if self._at < len(self._buffer):
                        return self._buffer[self._at]
                    if not more():
                        return ""

            def value() -> Any:
                while True:
                    try:
                        found, end = raw_decode(self._buffer, self._at)
                    except ValueError:
                        if not more():
                            raise
                        continue
                    # A number at the end of the buffer may go on in the next piece.
                    if end == len(self._buffer) and self._buffer[end - 1] not in '}]"' and more():
                        continue
                    self._line_after = self.line + self._buffer.count("\n", self._at, end)
                    self._at = end
                    return found

            while first := peek():
                if first != "[":
                    yield value(), self.line, False
                    self.line = self._line_after
                    continue
                self._at += 1
                separator = ","
                while peek() != "]":
                    if separator != ",":
                        raise ValueError("expected a comma or the end of the array")
                    yield value(), self.line, True
                    self.line = self._line_after
                    separator = peek()
                    if separator == ",":
                        self._at += 1
                        if peek() == "]":
                            raise ValueError("a comma before the end of the array")
                    elif not separator:
                        raise ValueError("the array does not end")
                self._at += 1

    def _skip(self, space: re.Match[str] | None) -> None:
        if space is not None and space.end() > self._at:
            self.line += self._buffer.count("\n", self._at, space.end())
            self._at = space.end()
