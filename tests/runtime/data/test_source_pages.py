"""Sources that are read again when a row starts: the same rows, identities and order as if all were held."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixwright_compiler.plan.plan import Expression, Origin, SourceSpec
from mixwright_runtime.errors import RunError, SourceChanged
from mixwright_runtime.sources import pages as pages_module
from mixwright_runtime.sources import parquet_rows as parquet_module
from mixwright_runtime.sources.pages import SourcePages
from mixwright_runtime.sources.reader import inspect_source, open_source, read_rows
from mixwright_runtime.stream.supply import start_order
from mixwright_runtime.values import spool as spool_module
from mixwright_runtime.values.rows import SourceIds, canonical_json, order_key, source_row_id, source_row_ids

AT = Origin(file="s.mix", line=1, column=1)
ODD = """SELECT n, 'say "' || n || chr(92) || chr(10) || chr(1) || 'ü' AS text,
    CASE WHEN n % 3 = 0 THEN NULL ELSE n % 7 END AS small,
    CASE WHEN n % 5 = 0 THEN 'nan'::DOUBLE ELSE n / 4 END AS share, n % 2 = 0 AS flag,
    {'role': 'user', 'content': repeat('x', (n % 4)::INTEGER)} AS nested, [n, n + 1] AS many,
    DATE '2024-01-01' + n::INTEGER AS day, (n / 8)::DECIMAL(9, 3) AS exact, encode('b' || n) AS raw,
    'a' || chr(0) || 'b' AS nul, CASE WHEN n % 4 > 0 THEN chr(31) || '\\u00' || chr(127) END AS gap,
    NULL::VARCHAR AS nothing, [NULL::VARCHAR] AS hollow, 'nan'::DOUBLE AS never"""
COLUMNS = {
    "text": "text",
    "small": "float",
    "share": "float",
    "flag": "bool",
    "nested": "json",
    "many": "list[int]",
    "day": "text",
    "exact": "float",
    "raw": "text",
    "nul": "text",
    "nothing": "any",
    "absent": "any",
}


def made(folder: Path, rows: int = 900, *, name: str = "p", select: str = ODD, chosen: str = "*") -> None:
    duckdb.execute(
        f"""COPY (SELECT {chosen} FROM ({select} FROM range({rows}) r(n)))
        TO '{folder / name}.parquet' (FORMAT parquet, ROW_GROUP_SIZE 2048)"""
    )


def spec_of(columns: dict[str, str], **fields: Any) -> SourceSpec:
    attributes = {"path": "*.parquet", **fields.pop("attributes", {})}
    return SourceSpec(name="web", kind="parquet", attributes=attributes, columns=columns, origin=AT, **fields)


def held(spec: SourceSpec, folder: Path) -> list[tuple[bytes, dict[str, Any], str]]:
    ids = SourceIds()
    return [(ids.of(row.columns), row.columns, row.ref) for row in read_rows(spec, folder)]


def read(pages: SourcePages) -> list[tuple[bytes, dict[str, Any], str]]:
    return [(entry.row_id, entry.columns, entry.ref) for entry in pages.entries()]


THERE = Expression(
    sql="(a <> 'b')",
    tree=["op", "!=", ["col", "a"], ["lit", "b"]],
    type="bool",
    columns=("a",),
)
WHERE = Expression(
    sql='("n" > 700)',
    tree=["op", ">", ["col", "n"], ["lit", 700]],
    type="bool",
    columns=("n",),
)


@pytest.mark.parametrize(
    ("fields", "by_columns"),
    [
        ({"columns": COLUMNS}, True),
        ({"columns": {"b": "text", "a": "json"}, "mapping": {"b": "text", "a": "nested"}}, True),
        ({"columns": {"text": "text", "nul": "text", "gap": "text", "nothing": "any"}}, True),
        ({"columns": {"it's %s": "text", "a": "text"}, "mapping": {"it's %s": "text", "a": "gap"}}, True),
        ({"columns": {"a": "text"}, "mapping": {"a": "gap"}, "where": THERE}, True),
        ({"columns": {"said": "text"}, "mapping": {"said": "nested.content"}}, False),
        ({"columns": {"n": "int", "text": "text"}, "where": WHERE}, True),
        ({"columns": {"n": "float", "text": "text"}, "where": WHERE}, False),
        ({"columns": {"n": "int", "text": "text"}, "where": WHERE, "attributes": {"limit": 7}}, True),
        ({"columns": {"Text": "any", "nul": "text"}, "attributes": {"limit": 950}}, True),
    ],
)
def test_rows_are_those_that_are_read_one_by_one(
    tmp_path: Path, fields: dict[str, Any], by_columns: bool
) -> None:
    made(tmp_path)
    made(tmp_path, 60, name="q", chosen="* EXCLUDE (small)")
    spec = spec_of(**fields)
    expected = held(spec, tmp_path)
    pages = SourcePages(spec, tmp_path)
    assert (pages.parquet is not None) is by_columns
    assert read(pages) == expected
    assert [list(columns) for _, columns, _ in read(pages)] == [list(columns) for _, columns, _ in expected]
    seeds = start_order(pages, 3)
    assert seeds.tolist() == sorted(range(len(expected)), key=lambda n: order_key(3, expected[n][0]))
    ordered = pages.in_order(seeds)
    parts = [*ordered.entries(0, 2), *ordered.entries(2, len(ordered))]
    assert [(e.row_id, e.columns, e.ref) for e in parts] == [expected[n] for n in seeds]


def test_a_text_that_is_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, 50)
    monkeypatch.setattr(parquet_module, "ROW_LIMIT_BYTES", 10)
    spec = spec_of({"nul": "text", "gap": "text"})
    assert len(SourcePages(spec, tmp_path)) == 50
    with pytest.raises(RunError, match=r"^source 'web': p\.parquet: a text longer than 10 characters$"):
        SourcePages(spec_of({"gap": "text", "text": "text"}), tmp_path)


def test_a_condition_that_duckdb_does_not_take_is_decided_row_by_row(tmp_path: Path) -> None:
    made(tmp_path)
    where = WHERE.model_copy(update={"sql": 'no_such_function("n")'})
    spec = spec_of({"n": "int", "text": "text"}, where=where)
    pages = SourcePages(spec, tmp_path)
    assert pages.parquet is None
    assert read(pages) == held(spec, tmp_path)
    assert len(pages) == 199


def condition(text: str, sql: str, *columns: str) -> tuple[Expression, Any]:
    """A condition as a plan has it, and in Python."""
    where = Expression(sql=sql, tree=["lit", True], type="bool", columns=columns)
    return where, eval(f"lambda row: {text}")


CONDITIONS = (
    condition("row['n'] % 7 < 3", '("n" % 7) < 3', "n"),
    condition("None if row['t'] is None else row['t'] >= 'a5'", """"t" >= 'a5'""", "t"),
    condition("row['f'] is True", '"f"', "f"),
    condition("row['n'] < 0", '"n" < 0', "n"),
)


@given(st.sampled_from(CONDITIONS), st.booleans(), st.sampled_from([None, 0, 7, 45]))
@settings(max_examples=15, deadline=None)
def test_the_rows_that_a_pipeline_lets_in_are_the_same_when_duckdb_is_asked(
    where: tuple[Expression, Any], is_part: bool, limit: int | None
) -> None:
    with TemporaryDirectory() as path:
        folder = Path(path)
        select = """SELECT n, CASE WHEN n % 4 = 1 THEN NULL ELSE 'a' || n % 9 END AS said, n % 3 = 0 AS f"""
        for name in "pq":
            made(folder, 30, name=name, select=select)
        own = {
            "where": WHERE.model_copy(
                update={"sql": '"n" > 10', "tree": ["op", ">", ["col", "n"], ["lit", 10]]}
            )
        }
        pages = SourcePages(
            spec_of(
                {"n": "int", "t": "text", "f": "bool"},
                mapping={"n": "n", "t": "said", "f": "f"},
                attributes={"limit": limit},
                **(own if is_part else {}),
            ),
            folder,
        )
        assert pages.parquet is not None
        before = pages.parquet.rows_made
        let_in = pages.let_in(*where)
        assert pages.parquet.rows_made == before
        assert let_in.tolist() == [where[1](entry.columns) is True for entry in pages.entries()]


def test_a_condition_of_a_pipeline_is_decided_row_by_row_where_duckdb_reads_otherwise(tmp_path: Path) -> None:
    made(tmp_path, 20)
    pages = SourcePages(spec_of({"n": "int", "small": "float"}), tmp_path)
    assert pages.parquet is not None
    for where, holds in (
        condition("row['small'] == 1.0", '"small" = 1', "small"),
        condition("row['n'] > 3", 'no_such_function("n")', "n"),
    ):
        rows = [entry.columns for entry in pages.entries()]
        assert pages.let_in(where, holds).tolist() == [holds(row) is True for row in rows]


def test_equal_rows_are_told_apart_by_which_of_them_they_are(tmp_path: Path) -> None:
    made(tmp_path, 500, select="SELECT 'text ' || n % 40 AS text")
    spec = spec_of({"text": "text"})
    expected = held(spec, tmp_path)
    assert len({row_id for row_id, _, _ in expected}) == 500
    assert read(SourcePages(spec, tmp_path)) == expected


def test_columns_are_read_of_rows_that_start_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages_module, "LEAST_READ", 10)
    made(tmp_path, 5_000, select="SELECT 'text ' || n AS text, 'other ' || n AS other")
    pages = SourcePages(spec_of({"text": "text"}), tmp_path)
    assert pages.parquet is not None and pages.parquet.rows_made == 0
    rows = pages.in_order(start_order(pages, 1))
    assert [set(entry.columns) for entry in rows.entries(0, 5)] == [{"text"}] * 5
    assert pages.parquet.rows_made == 10
    list(rows.entries(5, 10))
    assert pages.parquet.rows_made == 10
    list(rows.entries(10, 11))
    assert pages.parquet.rows_made == 50


def test_rows_put_aside_on_disk_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "MEMORY_BYTES", 100)
    monkeypatch.setattr(spool_module, "_READ_BYTES", 64)
    lines = [f'{{"b": {{"z": {n}, "a": [1.0, null]}}, "a": "x{n}\\n"}}\n' for n in range(50)]
    (tmp_path / "a.jsonl").write_text("".join(lines))
    spec = SourceSpec(
        name="web",
        kind="jsonl",
        attributes={"path": "a.jsonl"},
        columns={"a": "text", "b": "json"},
        origin=AT,
    )
    pages = SourcePages(spec, tmp_path, scratch=tmp_path)
    assert pages.spool is not None and pages.spool._file is not None
    assert read(pages) == held(spec, tmp_path)
    assert canonical_json([row[1] for row in read(pages)]) == canonical_json(
        [r[1] for r in held(spec, tmp_path)]
    )
    assert list(read(pages)[0][1]["b"]) == ["z", "a"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl"]


def test_files_that_the_lock_does_not_know_are_refused_before_a_row_is_read(tmp_path: Path) -> None:
    from mixwright_compiler.plan.plan import SourcePin

    made(tmp_path, 3)
    spec = spec_of({"text": "text"}, pin=SourcePin(digest="0" * 64, rows=3))
    with pytest.raises(SourceChanged):
        SourcePages(spec, tmp_path)


def test_what_the_lock_pins_is_found_by_columns_as_by_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path)
    made(tmp_path, 40, name="q", select="SELECT n::DOUBLE + 0.5 AS small, 'x' AS late, n AS text")
    spec = spec_of({})
    by_columns = inspect_source(spec, tmp_path)
    kind = type(open_source(spec, tmp_path))
    monkeypatch.setattr(
        kind, "parquet_files", property(lambda self: (), lambda self, files: None), raising=False
    )
    assert by_columns == inspect_source(spec, tmp_path)
    assert by_columns.rows == 940
    assert by_columns.columns["nested"] == "struct{role: text, content: text}"


def test_identities_of_many_rows_are_those_of_each() -> None:
    rows = [{"text": text, "n": n} for n, text in enumerate(["", "ü\ud800", "x" * 300])]
    expected = b"".join(source_row_id(row, 0) for row in rows)
    texts = [canonical_json(row).encode("utf-8", "surrogatepass") for row in rows]
    assert source_row_ids(texts) == expected
    assert np.frombuffer(expected, dtype="<u8").size == 6
