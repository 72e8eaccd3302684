"""Source kind `parquet`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import SourceSpec
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.attributes import SOURCE
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.sources.files import files_of, named
from mixwright_runtime.sources.parquet_rows import connect, literal
from mixwright_runtime.sources.tables import json_rows
from mixwright_runtime.sources.watched import Watched


@declare(
    "source",
    "parquet",
    attributes=(
        attribute("path", "path", "the file, or a glob such as `data/train-*.parquet`", default=REQUIRED),
        *SOURCE,
    ),
)
class Parquet:
    """Rows from Parquet files, in file name and row order.

    Structs, lists and maps keep their nesting; decimals become `float`, dates and times ISO 8601 `text`. The place of
    a row is reported as `file:row`, counted from 1.
    """

    revision = ""

    def __init__(self, spec: SourceSpec, directory: Path) -> None:
        self.what = f"source '{spec.name}'"
        self.directory = directory
        self.files = files_of(str(spec.attributes["path"]), directory, self.what)
        self.parquet_files = [(file, named(file, directory)) for file in self.files]

    def rows(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Each row with its place, `file:row`."""
        for file in self.files:
            yield from rows_of_parquet(file, named(file, self.directory), self.what)


def rows_of_parquet(file: Path, name: str, what: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Rows of one Parquet file with their places.

    Raises:
        RunError: the file is not Parquet, is damaged, or holds a value beyond the limits.
    """
    import duckdb

    watched = Watched(connect(), math.inf)
    row = 0
    try:
        # The path is a parameter, and a glob's special characters in a real file name must not act as one.
        result = watched.execute("SELECT * FROM read_parquet($1)", [literal(str(file))])
        for row, columns in enumerate(json_rows(result, what), 1):
            yield columns, f"{name}:{row}"
    except (duckdb.Error, ValueError) as error:
        message = str(error).splitlines()[0]
        raise RunError(f"{what}: {name} after row {row}: {message}") from None
    finally:
        watched.close()
