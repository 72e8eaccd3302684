"""Reads and inspects sources: the rows of a `source` block after its `columns`, `where` and `limit`.

Rows stream: nothing here holds more than a batch of them, except for the digests of SQL results (16 bytes a row).
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mixwright_compiler.plan.plan import SourceSpec
from mixwright_runtime.errors import RunError, SourceChanged
from mixwright_runtime.plugins.declare import implementation
from mixwright_runtime.sources.column_types import ColumnTypes
from mixwright_runtime.sources.digests import digest_of_files
from mixwright_runtime.values.rows import canonical_json, digest

_MODULES = {
    "jsonl": "jsonl",
    "json": "json_document",
    "csv": "delimited",
    "parquet": "parquet",
    "duckdb": "sql",
    "sql": "sql",
    "inline": "inline",
    "nothing": "nothing",
    "hf": "hub",
    "natural_instructions": "natural_instructions",
}

TOLD_EVERY = 1_000
"""Rows between two words of how far the reading is."""


@dataclass(frozen=True)
class SourceRow:
    """A row and where it stands: `file:line`, `file:row` for Parquet, `inline:N` or `query:N`; empty for nowhere."""

    columns: dict[str, Any]
    ref: str


@dataclass(frozen=True)
class SourceInspection:
    """What the lock file pins of a source.

    digest: sha256 (hex) of the file; of several files, of their digests and names; of a query or inline rows, of the
        rows in any order. `columns`, `where` and `limit` do not enter it.
    rows: after `where` and `limit`.
    columns: name -> type, after the mapping.
    revision: the commit, for a dataset of the hub.
    """

    digest: str
    rows: int
    columns: dict[str, str]
    revision: str = ""


class OpenSource(Protocol):
    """What implements a source kind: built as `Kind(spec, directory)`.

    files: what the rows are read from; empty when only the rows themselves can be digested.
    revision: the commit that was found, for a hub; else empty.
    """

    revision: str
    files: Sequence[Path]

    def rows(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Rows as they stand in the source, with their places.

        Raises:
            RunError: the source cannot be read; the message names file and line.
        """


def read_rows(spec: SourceSpec, directory: Path) -> Iterator[SourceRow]:
    """Rows of a source in their order in it, with exactly the columns of its schema; a missing value is None.

    Relative paths start at `directory`.

    Raises:
        SourceChanged: the lock file pins other bytes. For files this comes before the first row, for a query after
            the last one.
        RunError: the source cannot be read; the message names file and line.
    """
    source = open_source(spec, directory)
    pin = spec.pin.digest if spec.pin else ""
    check_pin(spec, source)
    select = _selection(spec)
    is_kept = _condition(spec)
    floating = _floating(spec)
    limit = spec.attributes.get("limit")
    row_digests = RowDigests() if pin and not source.files else None
    count = 0
    for raw, ref in source.rows():
        if row_digests is not None:
            row_digests.add(raw)
        if limit is not None and count >= limit:
            if row_digests is None:
                return
            continue
        columns = select(raw)
        for name in floating:
            if type(columns[name]) is int:
                columns[name] = float(columns[name])
        if is_kept is None or is_kept(columns) is True:
            count += 1
            yield SourceRow(columns, ref)
    if row_digests is not None and row_digests.hexdigest() != pin:
        raise _changed(spec)


def inspect_source(
    spec: SourceSpec, directory: Path, told: Callable[[int], None] = lambda _: None
) -> SourceInspection:
    """Read a source once, whole, and tell what the lock file needs to know of it.

    Args:
        told: called with the number of rows that were read since the last call.

    Raises:
        RunError: the source cannot be read, or has no column that `columns` names.
    """
    source = open_source(spec, directory)
    if (found := _inspected_by_columns(spec, source)) is not None:
        told(found.rows)
        return found
    open_spec = spec.model_copy(update={"columns": {}})
    select = _selection(open_spec)
    is_kept = _condition(spec)
    limit = spec.attributes.get("limit")
    row_digests = None if source.files else RowDigests()
    found_names: dict[str, None] = {}
    types = ColumnTypes()
    count = 0
    mapped_raw = set(spec.mapping.values())
    for number, (raw, _ref) in enumerate(source.rows(), 1):
        if not number % TOLD_EVERY:
            told(TOLD_EVERY)
        if row_digests is not None:
            row_digests.add(raw)
        if limit is not None and count >= limit:
            if row_digests is None:
                break
            continue
        if mapped_raw and len(found_names) < 1000:
            found_names.update(dict.fromkeys(raw))
        columns = select(raw)
        if is_kept is not None and is_kept(columns) is not True:
            continue
        count += 1
        types.add(columns)
    written = types.written()
    if count:
        for new, old in spec.mapping.items():
            if old not in found_names and written.get(new) == "any":
                raise RunError(
                    f"source '{spec.name}': no column {old!r}; there are: {', '.join(found_names) or 'none'}"
                )
    hexdigest = row_digests.hexdigest() if row_digests else digest_of_files(list(source.files))
    return SourceInspection(hexdigest, count, written, source.revision)


def _inspected_by_columns(spec: SourceSpec, source: OpenSource) -> SourceInspection | None:
    """What Parquet files as they are say of themselves, read by columns; None for any other source, or a part of one."""
    files: Sequence[tuple[Path, str]] = getattr(source, "parquet_files", ())
    is_part = spec.mapping or spec.where is not None or spec.attributes.get("limit") is not None
    if not files or is_part:
        return None
    from mixwright_runtime.sources.parquet_rows import ParquetFiles

    rows, columns = ParquetFiles(spec, files).inspected()
    return SourceInspection(digest_of_files(list(source.files)), rows, columns, source.revision)


def check_pin(spec: SourceSpec, source: OpenSource) -> None:
    """Hold a source's files, where it has any, against what the lock file pins.

    Raises:
        SourceChanged: they are others.
    """
    pin = spec.pin.digest if spec.pin else ""
    if source.files and pin and digest_of_files(list(source.files)) != pin:
        raise _changed(spec)


def open_source(spec: SourceSpec, directory: Path) -> OpenSource:
    """The implementation of a source's kind, opened.

    Raises:
        RunError: there is no such kind, or no such file.
    """
    if spec.kind in _MODULES:
        importlib.import_module(f"mixwright_runtime.sources.{_MODULES[spec.kind]}")
    opened: OpenSource = implementation(f"source.{spec.kind}")(spec, directory)
    return opened


class RowDigests:
    """sha256 of a set of rows with repetitions, whatever their order."""

    def __init__(self) -> None:
        self._digests: list[bytes] = []

    def add(self, columns: Mapping[str, object]) -> None:
        self._digests.append(digest("mixwright.pinned_row.v1", canonical_json(columns)))

    def hexdigest(self) -> str:
        return hashlib.sha256(b"".join(sorted(self._digests))).hexdigest()


def _changed(spec: SourceSpec) -> SourceChanged:
    where = spec.attributes.get("path") or spec.attributes.get("repo") or "its rows"
    return SourceChanged(
        f"source '{spec.name}': {where} is not what the lock file pins; nothing was read. "
        "Restore it, or accept it with 'mixwright lock'"
    )


def _selection(spec: SourceSpec) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A function from a row as it stands in the source to the row of the schema."""
    if spec.mapping:
        paths = [(new, old, tuple(old.split("."))) for new, old in spec.mapping.items()]
        return lambda raw: {new: _reached(raw, old, path) for new, old, path in paths}
    names = tuple(spec.columns)
    if names:
        return lambda raw: {name: raw.get(name) for name in names}
    return lambda raw: raw


def _floating(spec: SourceSpec) -> tuple[str, ...]:
    """Columns of type float: JSON writes 5.0 as 5 at times, and a row must not depend on how."""
    return tuple(name for name, type in spec.columns.items() if type == "float")


def _reached(raw: dict[str, Any], name: str, path: tuple[str, ...]) -> Any:
    if name in raw or len(path) == 1:
        return raw.get(name)
    value: Any = raw
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _condition(spec: SourceSpec) -> Callable[[Mapping[str, Any]], Any] | None:
    if spec.where is None:
        return None
    from mixwright_runtime.values.expressions import compile_expression

    return compile_expression(spec.where)
