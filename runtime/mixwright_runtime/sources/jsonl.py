"""Source kind `jsonl`: one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import SourceSpec
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.attributes import SOURCE
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.sources.files import cleaned, decoder, files_of, lines_of, may_need_cleaning, named


@declare(
    "source",
    "jsonl",
    attributes=(
        attribute(
            "path",
            "path",
            "the file, or a glob such as `data/*.jsonl`; `.gz` is read as is",
            default=REQUIRED,
        ),
        *SOURCE,
    ),
)
class JsonLines:
    """Rows from a file of JSON objects, one a line.

    Nested objects become `struct` columns and arrays `list` columns; a key that a line lacks is null. Numbers must be
    finite. A file ending in `.gz` is decompressed while it is read. Empty lines are skipped; any other line that is
    not a JSON object in UTF-8 stops the run with its file and line number. Half surrogates and NUL characters, which
    no tokenizer accepts, are read as U+FFFD. A line may be at most 16 MiB.
    """

    revision = ""

    def __init__(self, spec: SourceSpec, directory: Path) -> None:
        self.what = f"source '{spec.name}'"
        self.directory = directory
        self.files = files_of(str(spec.attributes["path"]), directory, self.what)

    def rows(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Each row with its place, `file:line`."""
        for file in self.files:
            yield from rows_of_lines(file, named(file, self.directory), self.what)


def rows_of_lines(file: Path, name: str, what: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Rows of one JSON Lines file with their places.

    Raises:
        RunError: a line is not a JSON object.
    """
    decode = decoder().decode
    for number, line in lines_of(file, name, what):
        if line.isspace():
            continue
        try:
            row = decode(line.decode("utf-8"))
        except RecursionError:
            raise RunError(f"{what}: {name}:{number}: JSON nested too deep") from None
        except ValueError as error:
            raise RunError(f"{what}: {name}:{number}: not JSON: {error}") from None
        if not isinstance(row, dict):
            raise RunError(f"{what}: {name}:{number}: not a JSON object but {type(row).__name__}")
        yield cleaned(row) if may_need_cleaning(line) else row, f"{name}:{number}"
