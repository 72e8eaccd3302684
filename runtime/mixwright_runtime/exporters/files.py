"""The data files of an export: JSON lines from Python, Parquet from them by DuckDB. One example in memory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright_runtime.mixture.messages import ChatError

if TYPE_CHECKING:
    from mixwright_runtime.mixture.rows import MixtureRow

SHARD = "train-00000-of-00001"
"""Name of the one data file: `datasets` finds the split in it."""

_MESSAGE = {
    "role": "VARCHAR",
    "content": "VARCHAR",
    "reasoning_content": "VARCHAR",
    "tool_calls": 'STRUCT(id VARCHAR, type VARCHAR, "function" STRUCT(name VARCHAR, arguments VARCHAR))[]',
    "tool_call_id": "VARCHAR",
    "name": "VARCHAR",
    "weight": "BIGINT",
}
"""Keys that a message may have; the first two it always has, and a file has a column for those that occur."""

_READ_BYTES = 16 << 20
"""DuckDB's JSON reader holds some buffers of this size; a longer example raises it for its own export."""


def write_jsonl(path: Path, rows: Iterable[MixtureRow]) -> int:
    """Write one example a line; returns how many. A lone surrogate, which UTF-8 cannot hold, becomes U+FFFD."""
    return _write_lines(path, rows).count


@dataclass
class _Written:
    """JSON lines: how many, the bytes of the longest, the keys of their messages, and whether any has tools."""

    count: int = 0
    longest: int = 0
    keys: set[str] = field(default_factory=lambda: {"role", "content"})
    has_tools: bool = False

    def columns(self) -> dict[str, str]:
        """The Parquet type of each column."""
        keys = ", ".join(f"{key} {type}" for key, type in _MESSAGE.items() if key in self.keys)
        columns = {"messages": f"STRUCT({keys})[]"} | ({"tools": "VARCHAR"} if self.has_tools else {})
        return {**columns, "id": "VARCHAR", "lineage": "VARCHAR", "component": "VARCHAR", "source": "VARCHAR"}


def example_of(row: MixtureRow) -> dict[str, Any]:
    """A row as a line holds it."""
    return {"messages": row.messages, **schemas_of(row), **names_of(row)}


def schemas_of(row: MixtureRow) -> dict[str, str]:
    """The tools of a row, where it has any, as JSON text: their schemas have no common type, and trainers read it."""
    return {"tools": json.dumps(row.tools, ensure_ascii=False)} if row.tools else {}


def names_of(row: MixtureRow) -> dict[str, str]:
    """What a line says of where its row comes from."""
    return {"id": row.id, "lineage": row.lineage, "component": row.component, "source": row.source}


class LineFile:
    """The lines of a format that cannot hold every row, written while rows are gone through.

    lines: those of a row, raising ChatError for one that it cannot hold. count: rows gone through; problems: (row id,
    reason) of those.
    """

    def __init__(self, path: Path, lines: Callable[[MixtureRow], Iterable[dict[str, Any]]]) -> None:
        self.path = path
        self.lines = lines
        self.count = 0
        self.problems: list[tuple[str, str]] = []

    def written(self, rows: Iterable[MixtureRow]) -> Iterator[MixtureRow]:
        """The rows whose lines are written, each when they are."""
        self.path.parent.mkdir()
        with self.path.open("wb") as file:
            for row in rows:
                self.count += 1
                try:
                    for line in self.lines(row):
                        file.write(line_of(line))
                except ChatError as error:
                    self.problems.append((row.id, str(error)))
                    continue
                yield row


def line_of(example: dict[str, Any]) -> bytes:
    """A JSON line; a lone surrogate, which UTF-8 cannot hold, becomes U+FFFD."""
    text = json.dumps(example, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode() + b"\n"


def _write_lines(path: Path, rows: Iterable[MixtureRow]) -> _Written:
    written = _Written()
    with path.open("wb") as file:
        for row in rows:
            line = line_of(example_of(row))
            file.write(line)
            written.count += 1
            written.longest = max(written.longest, len(line))
            written.keys.update(*row.messages)
            written.has_tools |= bool(row.tools)
    return written


def write_parquet(path: Path, rows: Iterable[MixtureRow]) -> int:
    """Write zstd Parquet in the rows' order; returns how many. JSON lines beside it are made and removed."""
    lines = path.with_suffix(".jsonl.tmp")
    try:
        written = _write_lines(lines, rows)
        lines_to_parquet(lines, path, written.columns(), longest=written.longest)
    finally:
        lines.unlink(missing_ok=True)
    return written.count


def lines_to_parquet(lines: Path, path: Path, columns: dict[str, str], *, longest: int) -> None:
    """Turn JSON lines into zstd Parquet, in order. columns: DuckDB's types; longest: bytes of the longest line."""
    import duckdb

    spill = path.with_suffix(".spill")
    typed = ", ".join(f"{name}: {_text(type)}" for name, type in columns.items())
    connection = duckdb.connect()
    try:
        connection.execute("SET threads = 1")  # with more, DuckDB holds a row group for each
        connection.execute("SET memory_limit = '1GB'")
        connection.execute(f"SET temp_directory = {_quoted(spill)}")
        connection.execute(
            f"COPY (SELECT * FROM read_json({_quoted(lines)}, format = 'newline_delimited', "
            f"columns = {{{typed}}}, maximum_object_size = {max(_READ_BYTES, longest + 1)})) "
            f"TO {_quoted(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 16384)"
        )
    finally:
        connection.close()
        shutil.rmtree(spill, ignore_errors=True)


def _quoted(path: Path) -> str:
    return _text(str(path))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
