"""Source kinds `duckdb` and `sql`: rows from a query over declared files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import SourceSpec
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.attributes import SOURCE
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.sources.delimited import header_of
from mixwright_runtime.sources.files import files_of
from mixwright_runtime.sources.tables import json_rows
from mixwright_runtime.sources.watched import Watched

LIMIT_S = 600.0
"""Seconds a query may compute."""
MEMORY_LIMIT = "2GB"

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
    *SOURCE,
)


@declare("source", "duckdb", attributes=_ATTRIBUTES)
class DuckdbQuery:
    """Rows of a SELECT over the files in `inputs`.

    The query runs in a separate in-memory DuckDB that can open those files and nothing else: no other path, network,
    extension, ATTACH, COPY or setting. It must be a single SELECT, is interrupted after 600 seconds or by Ctrl-C, and may
    use 2 GB of memory. Each view also has a column `filename`, without the folder. The lock file pins the rows whatever
    order they come in.
    """

    revision = ""
    files: tuple[Path, ...] = ()

    def __init__(self, spec: SourceSpec, directory: Path) -> None:
        attributes = spec.attributes
        self.what = f"source '{spec.name}'"
        self.sql = str(attributes["sql"])
        names: dict[str, list[str]] = attributes.get("names") or {}
        self._views = [
            (view, files_of(str(path), directory, f"{self.what}: input '{view}'"), names.get(view))
            for view, path in (attributes.get("inputs") or {}).items()
        ]

    def rows(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Each row with its place, `query:N`."""
        import duckdb

        watched = locked_connection(self._views, self.what)
        try:
            require_single_select(watched.connection, self.sql, self.what)
            for number, columns in enumerate(json_rows(watched.execute(self.sql), self.what), 1):
                yield columns, f"query:{number}"
        except (duckdb.Error, ValueError) as error:
            raise RunError(f"{self.what}: the query failed: {_first_line(error)}") from None
        finally:
            watched.close()


@declare("source", "sql", attributes=_ATTRIBUTES)
class SqlQuery(DuckdbQuery):
    """The same as `duckdb`: rows of a SELECT over the files in `inputs`, in DuckDB's dialect."""


def locked_connection(views: Sequence[tuple[str, list[Path], list[str] | None]], what: str) -> Watched:
    """An in-memory DuckDB with one view per input, that can open the inputs' files and nothing else.

    Raises:
        RunError: an input cannot be read.
    """
    import duckdb

    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": 1,
            "memory_limit": MEMORY_LIMIT,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "python_enable_replacements": False,
        },
    )
    watched = Watched(connection, LIMIT_S)
    try:
        paths = [str(file) for _, files, _ in views for file in files]
        connection.execute(f"SET allowed_paths = [{', '.join(map(_literal, paths))}]")
        # Spilling writes files; without a temporary directory a query that needs more memory stops instead.
        connection.execute("SET temp_directory = ''")
        connection.execute("SET enable_external_access = false")
        for view, files, names in views:
            # The name alone: a row, and with it the lock file's digest, must not depend on where the data lies.
            columns = "* REPLACE (parse_filename(filename) AS filename)"
            scan = _scan(files, names, what)
            # Reads an input to find its columns, all of it where that is JSON.
            watched.execute(f"CREATE TEMP VIEW {_identifier(view)} AS SELECT {columns} FROM {scan}")
        connection.execute("SET lock_configuration = true")
    except duckdb.Error as error:
        watched.close()
        raise RunError(f"{what}: an input cannot be read: {_first_line(error)}") from None
    except BaseException:
        watched.close()
        raise
    return watched


def require_single_select(connection: Any, sql: str, what: str) -> None:
    """Accept one SELECT statement, which cannot change anything.

    Raises:
        RunError: it is something else, or cannot be parsed.
    """
    import duckdb

    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise RunError(f"{what}: the query cannot be read: {_first_line(error)}") from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        found = ", ".join(statement.type.name for statement in statements) or "nothing"
        raise RunError(f"{what}: the query must be one SELECT statement, found {found}")


def _scan(files: list[Path], names: list[str] | None, what: str) -> str:
    """The table function that reads an input's files, by their ending."""
    paths = "[" + ", ".join(_literal(str(file)) for file in files) + "]"
    match files[0].name.removesuffix(".gz").rpartition(".")[2]:
        case "parquet":
            return f"read_parquet({paths}, filename = true, union_by_name = true)"
        case "jsonl":
            form = "format = 'newline_delimited', "
            return f"read_json({paths}, {form}sample_size = -1, filename = true, union_by_name = true)"
        case "json":
            return f"read_json({paths}, sample_size = -1, filename = true, union_by_name = true)"
        case ending:
            is_tab = ending == "tsv"
            columns = names or header_of(files[0], "\t" if is_tab else ",", what)
            types = ", ".join(f"{_literal(column)}: 'VARCHAR'" for column in columns)
            dialect = "delim = '\t', quote = '', escape = ''" if is_tab else "delim = ',', quote = '\"'"
            return (
                f"read_csv({paths}, {dialect}, header = {not names}, columns = {{{types}}}, auto_detect = false, "
                "filename = true)"
            )


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
