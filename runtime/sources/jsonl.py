"""Source kind `jsonl`: one JSON object a line."""

from __future__ import annotations

from runtime.plugin import REQUIRED, attribute, declare
from runtime.sources.attributes import COMMON


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
        *COMMON,
    ),
)
class JsonLines:
    """Rows from a file of JSON objects, one a line.

    Nested objects become `struct` columns and arrays `list` columns; a key that a line lacks is null. Numbers must be
    finite. A file ending in `.gz` is decompressed while it is read. Empty lines are skipped; any other line that is
    not a JSON object in UTF-8 stops the run with its file and line number. Half surrogates and NUL characters, which
    no tokenizer accepts, are read as U+FFFD. A line may be at most 16 MiB.
    """
