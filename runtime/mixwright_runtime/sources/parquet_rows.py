"""Parquet files read by columns: identities of all rows without making a row of any, and rows by their numbers.

DuckDB reads the columns that the schema has and no others, leaves out the rows that `where` does not let in, and finds
the rows that are wanted by their numbers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import Expression, SourceSpec
from mixwright_runtime.errors import RunError
from mixwright_runtime.sources.column_types import ColumnTypes, shape_of
from mixwright_runtime.sources.files import ROW_LIMIT_BYTES
from mixwright_runtime.sources.tables import json_value
from mixwright_runtime.sources.watched import Watched
from mixwright_runtime.values.rows import canonical_json
from mixwright_runtime.values.stored_text import clean_text

BATCH_ROWS = 2_048
MOST_ROWS = 4_096
BATCH_CHARACTERS = 8_000_000
"""Rows that are in Python at once: at first as many as DuckDB makes together, then as many as have about so many
characters, for each batch is fetched in a thread of its own (`watched.py`). Chosen."""
EXACT = ("VARCHAR", "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT")
"""Types whose values are in DuckDB what they are in a row. A DOUBLE may be NaN, which is null in a row."""
_SHAPES = {
    "VARCHAR": "text",
    "BOOLEAN": "bool",
    "DOUBLE": "float",
    "FLOAT": "float",
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT"), "int"),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"), "int"),
}

_quoted = json.encoder.encode_basestring
Numbers = list[int]
Columns = Sequence[Sequence[Any]]


class ParquetFiles:
    """Rows of Parquet files as a source's schema has them, numbered from 0 through all files."""

    def __init__(self, spec: SourceSpec, files: Sequence[tuple[Path, str]]) -> None:
        """`files`: each with its name in places."""
        self.names = tuple(spec.mapping or spec.columns)
        self._from = {name: spec.mapping.get(name, name) for name in self.names}
        self._floating = {name for name in self.names if spec.columns.get(name) == "float"}
        self._where = spec.where
        self._files = list(files)
        self._what = f"source '{spec.name}'"
        self.rows_made = 0
        """Rows that were made of columns so far."""

    @property
    def is_plain(self) -> bool:
        """False when columns lie in others, differ by case alone, or `where` reads what DuckDB sees otherwise: then rows
        are read one by one."""
        for there in self._types:
            if len({name.casefold() for name in there}) != len(there):
                return False
            if any("." in old and old not in there for old in self._from.values()):
                return False
        return bool(self.names) and (self._where is None or self.takes(self._where))

    def takes(self, where: Expression) -> bool:
        """Does a condition read nothing but what is in DuckDB what it is in a row?"""
        return not any(
            name in self._floating or there.get(self._from.get(name, "")) not in EXACT
            for there in self._types
            for name in where.columns
        )

    def canonical(self) -> Iterator[tuple[Sequence[int], list[bytes]]]:
        """Numbers, and canonical JSON (`values/rows.py`) of the rows that `where` lets in, in their order, in batches."""
        names = sorted(self.names)
        places = [self.names.index(name) for name in names]
        form = "{" + ",".join(canonical_json(name).replace("%", "%%") + ":%s" for name in names) + "}"
        for file, first in enumerate(self._first):
            if all(self._is_text(name, file) for name in self.names):
                yield from self._canonical_texts(file, first, names)
                continue
            encoders = [self._encoder(name, file) for name in self.names]
            query = f"SELECT * FROM {self._let_in(file, self._where)}"
            for numbers, columns in self._batches(file, query, []):
                texts = [encode(cells) for encode, cells in zip(encoders, columns, strict=True)]
                ordered = [texts[place] for place in places]
                yield (
                    [first + number for number in numbers],
                    [(form % row).encode("utf-8", "surrogatepass") for row in zip(*ordered, strict=True)],
                )

    def _let_in(self, file: int, where: Expression | None) -> str:
        """Of a file the rows that a condition lets in: their numbers, and the schema's columns."""
        rows = f"(SELECT file_row_number, {self._chosen(file)} FROM {_SCAN})"
        return rows if where is None else f"{rows} WHERE {where.sql}"

    def _is_text(self, name: str, file: int) -> bool:
        return self._types[file].get(self._from[name]) == "VARCHAR" and name not in self._floating

    def _canonical_texts(
        self, file: int, first: int, names: Sequence[str]
    ) -> Iterator[tuple[Sequence[int], list[bytes]]]:
        """`canonical` of a file of texts. DuckDB writes the JSON, in a third of the time that it takes here, and says
        which rows have to be looked at."""
        begins = [f"{',' if at else '{'}{canonical_json(name)}:" for at, name in enumerate(names)]
        cells = [
            f"${at}, coalesce(to_json({_identifier(name)})::VARCHAR, 'null')"
            for at, name in enumerate(names, 2)
        ]
        row = f"concat({', '.join(cells)}, '}}')"
        # Where all rows are let in their numbers follow from how many came, and a number a row takes long to fetch.
        number = "" if self._where is None else "file_row_number, "
        asked = rf"{number}contains(row, '\u00') OR strlen(row) > {ROW_LIMIT_BYTES}, encode(row)"
        query = f"SELECT {asked} FROM (SELECT file_row_number, {row} AS row FROM {self._let_in(file, self._where)})"
        for rows in self._fetched(file, query, begins):
            *numbers, is_odd, written = zip(*rows, strict=True)
            texts = list(written)
            if any(is_odd):
                texts = [
                    self._as_we_write(file, text) if odd else text
                    for odd, text in zip(is_odd, texts, strict=True)
                ]
            if numbers:
                yield [first + number for number in numbers[0]], texts
            else:
                yield range(first, first + len(texts)), texts
                first += len(texts)

    def _as_we_write(self, file: int, text: bytes) -> bytes:
        """Canonical JSON of a row of texts as DuckDB writes it. That differs where there is a control character: in the
        case of its number, and NUL characters are replaced here."""
        row = json.loads(text)
        cells = zip(map(_quoted, row), self._texts(file, list(row.values())), strict=True)
        return ("{" + ",".join(f"{name}:{cell}" for name, cell in cells) + "}").encode()

    def numbers(self, where: Expression) -> Iterator[Numbers]:
        """Numbers of the rows that a condition which `takes` holds for, in batches; no other column is read."""
        for file, first in enumerate(self._first):
            query = f"SELECT file_row_number FROM {self._let_in(file, where)} ORDER BY file_row_number"
            for rows in self._fetched(file, query, []):
                yield [first + number for (number,) in rows]

    def read(self, numbers: Sequence[int]) -> Iterator[tuple[dict[str, Any], str]]:
        """Rows by their numbers, which ascend: columns and place."""
        at = 0
        for file, first in enumerate(self._first):
            begin = at
            until = first + self._counts[file]
            while at < len(numbers) and numbers[at] < until:
                at += 1
            wanted = [int(number) - first for number in numbers[begin:at]]
            if not wanted:
                continue
            query = f"""SELECT file_row_number, {self._chosen(file)} FROM {_SCAN}
                WHERE file_row_number BETWEEN $2 AND $3 AND file_row_number IN (SELECT unnest($4::BIGINT[]))
                ORDER BY file_row_number"""
            makers = [self._made(name) for name in self.names]
            name = self._files[file][1]
            for found, columns in self._batches(file, query, [wanted[0], wanted[-1], wanted]):
                self.rows_made += len(found)
                cells = [map(make, column) for make, column in zip(makers, columns, strict=True)]
                for number, row in zip(found, zip(*cells, strict=True), strict=True):
                    yield dict(zip(self.names, row, strict=True)), f"{name}:{number + 1}"

    def inspected(self) -> tuple[int, dict[str, str]]:
        """How many rows there are, and each column's type, found from its values: of nested ones in Python, of others by
        whether there are any."""
        types = ColumnTypes()
        for file, there in enumerate(self._types):
            plain = [name for name, type in there.items() if type in _SHAPES]
            for name in there:
                types.met(name, None)
            asked = ", ".join(_asked_of(name, there[name]) for name in plain)
            if plain:
                ((_, *cells),) = self._rows(file, f"SELECT 0, {asked} FROM {_SCAN}", [])
                for name, any_there, longest in zip(plain, cells[::2], cells[1::2], strict=True):
                    self._check_length(file, longest)
                    if any_there:
                        types.met(name, _SHAPES[there[name]])
            if nested := [name for name in there if name not in plain]:
                chosen = ", ".join(map(_identifier, nested))
                for _, columns in self._batches(file, f"SELECT 0, {chosen} FROM {_SCAN}", []):
                    for name, column in zip(nested, columns, strict=True):
                        for cell in column:
                            types.met(name, shape_of(json_value(cell)))
        return sum(self._counts), types.written()

    def _check_length(self, file: int, longest: int | None) -> None:
        if longest is not None and longest > ROW_LIMIT_BYTES:
            raise RunError(
                f"{self._what}: {self._files[file][1]}: a text longer than {ROW_LIMIT_BYTES} characters"
            )

    @cached_property
    def _types(self) -> list[dict[str, str]]:
        """Of each file: its columns and their types."""
        query = "DESCRIBE SELECT * FROM read_parquet($1)"
        return [{row[0]: row[1] for row in self._rows(file, query, [])} for file in range(len(self._files))]

    @cached_property
    def _counts(self) -> list[int]:
        query = f"SELECT count(*) FROM {_SCAN}"
        return [int(next(self._rows(file, query, []))[0]) for file in range(len(self._files))]

    @property
    def _first(self) -> list[int]:
        """Number of each file's first row."""
        return list(accumulate(self._counts, initial=0))[:-1]

    def _chosen(self, file: int) -> str:
        """The schema's columns as the file has them; DuckDB takes `a` for `A`, a row does not."""
        there = self._types[file]
        return ", ".join(
            f"{_identifier(old) if old in there else 'NULL'} AS {_identifier(new)}"
            for new, old in self._from.items()
        )

    def _made(self, name: str) -> Callable[[Any], Any]:
        if name not in self._floating:
            return json_value

        def floating(cell: Any) -> Any:
            value = json_value(cell)
            return float(value) if type(value) is int else value

        return floating

    def _encoder(self, name: str, file: int) -> Callable[[Sequence[Any]], list[str]]:
        if self._is_text(name, file):
            return partial(self._texts, file)
        make = self._made(name)
        return lambda cells: [canonical_json(make(cell)) for cell in cells]

    def _texts(self, file: int, cells: Sequence[str | None]) -> list[str]:
        """Texts as JSON."""
        there = [cell for cell in cells if cell is not None]
        self._check_length(file, max(map(len, there), default=0))
        if "\0" in "".join(there):
            return [
                "null" if cell is None else _quoted(clean_text(cell) if "\0" in cell else cell)
                for cell in cells
            ]
        if len(there) == len(cells):
            return list(map(_quoted, there))
        return ["null" if cell is None else _quoted(cell) for cell in cells]

    def _batches(self, file: int, query: str, parameters: list[Any]) -> Iterator[tuple[Numbers, Columns]]:
        """Rows of a query by columns, of which the first is their number."""
        for rows in self._fetched(file, query, parameters):
            numbers, *columns = zip(*rows, strict=True)
            yield list(numbers), columns

    def _rows(self, file: int, query: str, parameters: list[Any]) -> Iterator[tuple[Any, ...]]:
        for rows in self._fetched(file, query, parameters):
            yield from rows

    def _fetched(self, file: int, query: str, parameters: list[Any]) -> Iterator[list[tuple[Any, ...]]]:
        import duckdb

        path, name = self._files[file]
        watched = Watched(connect(), math.inf)
        try:
            # The path is a parameter, and a glob's special characters in a real file name must not act as one.
            result = watched.execute(query, [literal(str(path)), *parameters])
            together = BATCH_ROWS
            while rows := result.fetchmany(together):
                sampled = rows[:: len(rows) // 16 + 1]
                length = sum(len(str(row)) for row in sampled) // len(sampled)
                together = max(16, min(MOST_ROWS, BATCH_CHARACTERS // length))
                yield rows
        except (duckdb.Error, ValueError) as error:
            raise RunError(f"{self._what}: {name}: {str(error).splitlines()[0]}") from None
        finally:
            watched.close()


_SCAN = "read_parquet($1, file_row_number = true)"


def connect() -> Any:
    """A connection that reads Parquet files, which lie on a disk of this machine: reading ahead of what is fetched saves
    no time there, and took 90 MB."""
    import duckdb

    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": 1,
            "memory_limit": "2GB",
            "autoinstall_known_extensions": False,
            "read_ahead_depth": 0,
        },
    )
    connection.execute("SET disable_parquet_prefetching = true")
    return connection


def literal(path: str) -> str:
    """A path in which DuckDB finds no glob."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


def _asked_of(name: str, type: str) -> str:
    """Is there any value that is not null in a row, and the longest text."""
    column = _identifier(name)
    if type in ("DOUBLE", "FLOAT"):
        return f"coalesce(bool_or(isfinite({column})), false), NULL"
    return f"count({column}) > 0, {f'max(length({column}))' if type == 'VARCHAR' else 'NULL'}"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
