"""Source kind `parquet`."""

from __future__ import annotations

from runtime.plugin import REQUIRED, attribute, declare
from runtime.sources.attributes import COMMON


@declare(
    "source",
    "parquet",
    attributes=(
        attribute("path", "path", "the file, or a glob such as `data/train-*.parquet`", default=REQUIRED),
        *COMMON,
    ),
)
class Parquet:
    """Rows from Parquet files, in file name and row order.

    Structs, lists and maps keep their nesting; decimals become `float`, dates and times ISO 8601 `text`. The place of
    a row is reported as `file:row`, counted from 1.
    """
