"""Source kinds `duckdb` and `sql`: rows from a query over declared files."""

from __future__ import annotations

from runtime.plugin import REQUIRED, attribute, declare
from runtime.sources.attributes import COMMON

_ATTRIBUTES = (
    attribute("sql", "text", "one SELECT statement in DuckDB's dialect", default=REQUIRED),
    attribute(
        "inputs",
        "map[path]",
        "the files that the query may read, by the view name it reads them under: `.jsonl`, `.json`, `.csv`, `.tsv` "
        "(also `.gz`) and `.parquet`, or a glob",
        default={},
    ),
    attribute(
        "names",
        "map[list[text]]",
        "column names by view name, for `.csv` and `.tsv` inputs whose first line is a row",
        default={},
    ),
    *COMMON,
)


@declare("source", "duckdb", attributes=_ATTRIBUTES)
class DuckdbQuery:
    """Rows of a SELECT over the files in `inputs`.

    The query runs in a separate in-memory DuckDB that can open those files and nothing else: no other path, network,
    extension, ATTACH, COPY or setting. It must be a single SELECT, is interrupted after 600 seconds and may use 2 GB of
    memory. Each view also has a column `filename`. Results should be ordered or not depend on order: the lock file
    pins the rows whatever order they come in.
    """


@declare("source", "sql", attributes=_ATTRIBUTES)
class SqlQuery(DuckdbQuery):
    """The same as `duckdb`: rows of a SELECT over the files in `inputs`, in DuckDB's dialect."""
