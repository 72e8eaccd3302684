"""Values that come out of DuckDB, as JSON values."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from mixwright_runtime.sources.files import ROW_LIMIT_BYTES
from mixwright_runtime.values.stored_text import clean_text

BATCH_ROWS = 512


def json_rows(result: Any, what: str) -> Iterator[dict[str, Any]]:
    """Rows of a DuckDB result as dictionaries of JSON values, fetched in batches.

    Raises:
        ValueError: a text is longer than ROW_LIMIT_BYTES characters, or two columns share a name.
    """
    names = [column[0] for column in result.description]
    if len(set(names)) != len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{what}: two columns are called {repeated!r}")
    while batch := result.fetchmany(BATCH_ROWS):
        for values in batch:
            yield {name: json_value(value) for name, value in zip(names, values, strict=True)}


def json_value(value: object) -> Any:
    """A JSON value: decimals become float, dates and times ISO 8601 text, bytes base64, NaN and infinity null."""
    match value:
        case str():
            if len(value) > ROW_LIMIT_BYTES:
                raise ValueError(f"a text longer than {ROW_LIMIT_BYTES} characters")
            return clean_text(value) if "\0" in value else value
        case bool() | int() | None:
            return value
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {str(k): json_value(v) for k, v in value.items()}
        case list() | tuple():
            return [json_value(v) for v in value]
        case Decimal():
            return json_value(float(value))
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes() | bytearray() | memoryview():
            return b64encode(value).decode("ascii")
        case UUID():
            return str(value)
        case _:
            return str(value)
