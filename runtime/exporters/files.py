"""The data files of an export: JSON lines from Python, Parquet from them by DuckDB. One example in memory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.mixture.rows import MixtureRow

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
        return {**columns, "id": "VARCHAR", "component": "VARCHAR", "source": "VARCHAR"}


def _write_lines(path: Path, rows: Iterable[MixtureRow]) -> _Written:
    """Write JSON lines. Tools are JSON text: their schemas have no common type, and trainers read it."""
    written = _Written()
    with path.open("wb") as file:
        for row in rows:
            tools = {"tools": json.dumps(row.tools, ensure_ascii=False)} if row.tools else {}
            example = {
                "messages": row.messages,
                **tools,
                "id": row.row_id.hex(),
                "component": row.component,
                "source": row.source,
            }
            text = json.dumps(example, ensure_ascii=False, separators=(",", ":"))
            try:
                line = text.encode()
            except UnicodeEncodeError:
                line = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
            file.write(line + b"\n")
            written.count += 1
            written.longest = max(written.longest, len(line) + 1)
            written.keys.update(*row.messages)
            written.has_tools |= bool(tools)
    return written


def write_parquet(path: Path, rows: Iterable[MixtureRow]) -> int:
    """Write zstd Parquet in the rows' order; returns how many. JSON lines beside it are made and removed."""
    import duckdb

    lines, spill = path.with_suffix(".jsonl.tmp"), path.with_suffix(".spill")
    try:
        written = _write_lines(lines, rows)
        columns = ", ".join(f"{name}: {_text(type)}" for name, type in written.columns().items())
        connection = duckdb.connect()
        try:
            connection.execute("SET threads = 1")  # with more, DuckDB holds a row group for each
            connection.execute("SET memory_limit = '1GB'")
            connection.execute(f"SET temp_directory = {_quoted(spill)}")
            connection.execute(
                f"COPY (SELECT * FROM read_json({_quoted(lines)}, format = 'newline_delimited', "
                f"columns = {{{columns}}}, maximum_object_size = {max(_READ_BYTES, written.longest + 1)})) "
                f"TO {_quoted(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 16384)"
            )
        finally:
            connection.close()
    finally:
        lines.unlink(missing_ok=True)
        shutil.rmtree(spill, ignore_errors=True)
    return written.count


def _quoted(path: Path) -> str:
    return _text(str(path))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
