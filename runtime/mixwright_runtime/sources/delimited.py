"""Source kind `csv`: comma- or tab-separated text."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import SourceSpec
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.attributes import SOURCE
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.sources.files import ROW_LIMIT_BYTES, files_of, lines_of, named


@declare(
    "source",
    "csv",
    attributes=(
        attribute("path", "path", "the file, or a glob; `.gz` is read as is", default=REQUIRED),
        attribute(
            "delimiter",
            "text",
            'what separates fields, one character; `"\\t"` for a TSV',
            default=",",
            holds="character",
        ),
        attribute("header", "bool", "the first line names the columns", default=True),
        attribute(
            "names",
            "list[text]",
            "column names, for files whose first line is a row (`header = false`)",
            given_when="without header",
        ),
        *SOURCE,
    ),
)
class Delimited:
    """Rows from delimited text (RFC 4180). Every column is `text`; use `int(...)` or `float(...)` in a `derive`.

    With a tab as delimiter quotes are ordinary characters (IANA text/tab-separated-values), with any other a field
    may be quoted with `"` and hold line breaks. An empty field is an empty text. A line with too few or too many
    fields stops the run with its file and line number.
    """

    revision = ""

    def __init__(self, spec: SourceSpec, directory: Path) -> None:
        self.what = f"source '{spec.name}'"
        self.directory = directory
        self.files = files_of(str(spec.attributes["path"]), directory, self.what)
        self.delimiter = str(spec.attributes.get("delimiter") or ",")
        if len(self.delimiter) != 1:
            raise RunError(f"{self.what}: the delimiter must be one character, not {self.delimiter!r}")
        self.names: Sequence[str] | None = spec.attributes.get("names")
        self.has_header = bool(spec.attributes.get("header", True))
        if not self.has_header and not self.names:
            raise RunError(f"{self.what}: header = false needs names = [...]")

    def rows(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Each row with its place, `file:line`."""
        for file in self.files:
            yield from rows_of_delimited(
                file,
                named(file, self.directory),
                self.what,
                delimiter=self.delimiter,
                names=self.names,
                has_header=self.has_header,
            )


def rows_of_delimited(
    file: Path, name: str, what: str, *, delimiter: str, names: Sequence[str] | None, has_header: bool
) -> Iterator[tuple[dict[str, Any], str]]:
    """Rows of one delimited file with their places; `names` replace those of a header.

    Raises:
        RunError: a line is not UTF-8, has another number of fields than there are columns, or a quote never ends.
    """
    # The module's own limit is 128 KiB a field; ours bounds the line that the field is in.
    csv.field_size_limit(ROW_LIMIT_BYTES)
    is_tab = delimiter == "\t"
    reader = csv.reader(
        _texts(file, name, what),
        delimiter=delimiter,
        quoting=csv.QUOTE_NONE if is_tab else csv.QUOTE_MINIMAL,
        strict=True,
    )
    columns = list(names) if names else None
    is_header = has_header
    line = 1
    try:
        for fields in reader:
            first, line = line, reader.line_num + 1
            if not fields:
                continue
            if is_header:
                is_header = False
                columns = columns or _columns(fields, name, what)
                continue
            if columns is None or len(fields) != len(columns):
                raise RunError(
                    f"{what}: {name}:{first}: {len(fields)} fields for {len(columns or ())} columns"
                    + (f" ({', '.join(columns)})" if columns else "")
                )
            yield dict(zip(columns, fields, strict=True)), f"{name}:{first}"
    except csv.Error as error:
        raise RunError(f"{what}: {name}:{line}: {error}") from None


def header_of(file: Path, delimiter: str, what: str) -> list[str]:
    """Column names in a file's first line.

    Raises:
        RunError: the file is empty, or the header has an empty or repeated name.
    """
    for line in _texts(file, file.name, what):
        if delimiter == "\t":
            return _columns(line.rstrip("\r\n").split("\t"), file.name, what)
        return _columns(next(csv.reader([line], delimiter=delimiter)), file.name, what)
    raise RunError(f"{what}: {file.name} is empty")


def _columns(fields: list[str], name: str, what: str) -> list[str]:
    columns = [field.strip() for field in fields]
    repeated = sorted({c for c in columns if columns.count(c) > 1})
    if repeated or "" in columns:
        problem = f"column {repeated[0]!r} twice" if repeated else "a column without a name"
        raise RunError(f"{what}: {name}:1: the header has {problem}; give names = [...]")
    return columns


def _texts(file: Path, name: str, what: str) -> Iterator[str]:
    for number, line in lines_of(file, name, what):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise RunError(f"{what}: {name}:{number}: not UTF-8: {error}") from None
        yield text.replace("\0", "\ufffd") if "\0" in text else text
