"""The data files of an export: JSON lines from Python, Parquet from them by DuckDB. One example in memory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.mixture.rows import MixtureRow

SHARD = "train-00000-of-00001"
"""Name of the one data file: `datasets` finds the split in it."""

_COLUMNS = {
    "messages": "STRUCT(role VARCHAR, content VARCHAR)[]",
    "id": "VARCHAR",
    "component": "VARCHAR",
    "source": "VARCHAR",
}

_READ_BYTES = 16 << 20
"""DuckDB's JSON reader holds some buffers of this size; a longer example raises it for its own export."""


def write_jsonl(path: Path, rows: Iterable[MixtureRow]) -> int:
    """Write one example a line; returns how many. A lone surrogate, which UTF-8 cannot hold, becomes U+FFFD."""
    return _write_lines(path, rows)[0]


def _write_lines(path: Path, rows: Iterable[MixtureRow]) -> tuple[int, int]:
    """Write JSON lines; returns how many, and the bytes of the longest."""
    count = longest = 0
    with path.open("wb") as file:
        for row in rows:
            example = {
                "messages": row.messages,
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
            count += 1
            longest = max(longest, len(line) + 1)
    return count, longest


def write_parquet(path: Path, rows: Iterable[MixtureRow]) -> int:
    """Write zstd Parquet in the rows' order; returns how many. JSON lines beside it are made and removed."""
    import duckdb

    lines, spill = path.with_suffix(".jsonl.tmp"), path.with_suffix(".spill")
    try:
        count, longest = _write_lines(lines, rows)
        columns = ", ".join(f"{name}: '{type}'" for name, type in _COLUMNS.items())
        connection = duckdb.connect()
        try:
            connection.execute("SET threads = 1")  # with more, DuckDB holds a row group for each
            connection.execute("SET memory_limit = '1GB'")
            connection.execute(f"SET temp_directory = {_quoted(spill)}")
            connection.execute(
                f"COPY (SELECT * FROM read_json({_quoted(lines)}, format = 'newline_delimited', "
                f"columns = {{{columns}}}, maximum_object_size = {max(_READ_BYTES, longest + 1)})) "
                f"TO {_quoted(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 16384)"
            )
        finally:
            connection.close()
    finally:
        lines.unlink(missing_ok=True)
        shutil.rmtree(spill, ignore_errors=True)
    return count


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
