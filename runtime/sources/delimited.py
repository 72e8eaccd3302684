"""Source kind `csv`: comma- or tab-separated text."""

from __future__ import annotations

from runtime.plugin import REQUIRED, attribute, declare
from runtime.sources.attributes import COMMON


@declare(
    "source",
    "csv",
    attributes=(
        attribute("path", "path", "the file, or a glob; `.gz` is read as is", default=REQUIRED),
        attribute(
            "delimiter", "text", 'what separates fields, one character; `"\\t"` for a TSV', default=","
        ),
        attribute("header", "bool", "the first line names the columns", default=True),
        attribute(
            "names", "list[text]", "column names, for files whose first line is a row (`header = false`)"
        ),
        *COMMON,
    ),
)
class Delimited:
    """Rows from delimited text (RFC 4180). Every column is `text`; use `int(...)` or `float(...)` in a `derive`.

    With a tab as delimiter quotes are ordinary characters (IANA text/tab-separated-values), with any other a field
    may be quoted with `"` and hold line breaks. An empty field is an empty text. A line with too few or too many
    fields stops the run with its file and line number.
    """
