"""Source kind `json`: JSON documents that hold rows."""

from __future__ import annotations

from runtime.plugin import REQUIRED, attribute, declare
from runtime.sources.attributes import COMMON


@declare(
    "source",
    "json",
    attributes=(
        attribute(
            "path", "path", "the file, or a glob such as `data/*.json`; `.gz` is read as is", default=REQUIRED
        ),
        *COMMON,
    ),
)
class JsonDocuments:
    """Rows from JSON documents.

    A document may be an array of objects, one object that holds a single array of objects (`{"examples": [...]}`), one
    object that is a row, or several objects or arrays after one another. Arrays are read element by element, so a file
    may be larger than memory. Otherwise as `jsonl`; the reported line is the one on which the row begins.
    """
