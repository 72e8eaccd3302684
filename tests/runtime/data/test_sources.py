"""Sources: what rows come out, where they say they stand, and what is refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mixwright_compiler.plan.plan import Expression, Origin, SourcePin, SourceSpec
from mixwright_runtime.errors import RunError, SourceChanged
from mixwright_runtime.sources import sql
from mixwright_runtime.sources.reader import inspect_source, read_rows

ORIGIN = Origin(file="test.mix", line=1, column=1)


def source(kind: str, /, **attributes: Any) -> SourceSpec:
    fields = {k: attributes.pop(k) for k in ("columns", "mapping", "where", "pin") if k in attributes}
    return SourceSpec(
        name="web", kind=kind, attributes=attributes, origin=ORIGIN, **{"columns": {}, **fields}
    )


def rows(spec: SourceSpec, directory: Path) -> list[dict[str, Any]]:
    return [row.columns for row in read_rows(spec, directory)]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_jsonl_rows_say_their_file_and_line(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", '\ufeff{"q": "x", "n": 1}\n\n{"q": "y"}\n')
    found = list(read_rows(source("jsonl", path="a.jsonl", columns={"q": "text", "n": "int"}), tmp_path))
    assert [(r.columns, r.ref) for r in found] == [
        ({"q": "x", "n": 1}, "a.jsonl:1"),
        ({"q": "y", "n": None}, "a.jsonl:3"),
    ]


def test_inspection_finds_types_rows_and_digest(tmp_path: Path) -> None:
    lines = [
        {"id": 1, "text": "a", "score": 1, "tags": ["x"], "who": {"name": "A"}, "mixed": 1, "none": None},
        {"id": 2, "text": "b", "score": 0.5, "tags": [], "who": {"age": 3}, "mixed": "1", "none": None},
    ]
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]
    lines[0]["turns"] = turns
    path = write(tmp_path / "a.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    found = inspect_source(source("jsonl", path="a.jsonl"), tmp_path)
    assert found.columns == {
        "id": "int",
        "text": "text",
        "score": "float",
        "tags": "list[text]",
        "who": "struct{name: text, age: int}",
        "mixed": "json",
        "none": "any",
        "turns": "chat",
    }
    assert found.rows == 2
    assert found.digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_float_column_holds_floats_only(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", '{"x": 1}\n{"x": 0.5}\n')
    found = rows(source("jsonl", path="a.jsonl", columns={"x": "float"}), tmp_path)
    assert [repr(row["x"]) for row in found] == ["1.0", "0.5"]


def test_mapping_renames_selects_and_reaches_into_structs(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", '{"input persona": "p", "meta": {"lang": "de"}, "a.b": 1, "rest": 0}\n')
    mapping = {"persona": "input persona", "lang": "meta.lang", "ab": "a.b"}
    assert rows(source("jsonl", path="a.jsonl", mapping=mapping), tmp_path) == [
        {"persona": "p", "lang": "de", "ab": 1}
    ]


def test_inspection_names_the_columns_there_are_when_a_mapped_one_is_missing(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", '{"question": "x", "answer": "y"}\n')
    with pytest.raises(RunError, match="no column 'questoin'; there are: question, answer"):
        inspect_source(source("jsonl", path="a.jsonl", mapping={"q": "questoin"}), tmp_path)


def test_where_sees_new_names_and_limit_counts_what_it_kept(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", "".join(f'{{"n": {n}}}\n' for n in range(10)))
    where = Expression(sql="", tree=["op", ">", ["col", "m"], ["lit", 4]], type="bool", columns=("m",))
    spec = source("jsonl", path="a.jsonl", mapping={"m": "n"}, where=where, limit=2)
    assert rows(spec, tmp_path) == [{"m": 5}, {"m": 6}]
    assert inspect_source(spec, tmp_path).rows == 2


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"a": 1', "a.jsonl:2: not JSON"),
        ("[1]", "a.jsonl:2: not a JSON object but list"),
        ('{"a": NaN}', "a.jsonl:2: not JSON: NaN is not a number"),
        ('{"a": 1e999}', "a.jsonl:2: not JSON: number out of range"),
        ("[" * 100_000, "a.jsonl:2: JSON nested too deep"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, problem: str) -> None:
    write(tmp_path / "a.jsonl", '{"a": 0}\n' + line + "\n")
    with pytest.raises(RunError, match=problem):
        rows(source("jsonl", path="a.jsonl"), tmp_path)


def test_text_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"a": 0}\n{"a": "\xff"}\n')
    with pytest.raises(RunError, match=r"a\.jsonl:2: not JSON: 'utf-8' codec"):
        rows(source("jsonl", path="a.jsonl"), tmp_path)


def test_half_surrogates_and_nul_are_replaced(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", '{"a": "x\\ud800y\\u0000z", "b": "\\ud83d\\ude00", "c": ["\\u0000"]}\n')
    assert rows(source("jsonl", path="a.jsonl"), tmp_path) == [
        {"a": "x\ufffdy\ufffdz", "b": "\U0001f600", "c": ["\ufffd"]}
    ]


def test_compressed_lines_are_read_and_bombs_refused(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as file:
        file.write('{"a": 1}\n')
    with gzip.open(tmp_path / "bomb.jsonl.gz", "wb") as file:
        file.write(b'{"a": "' + b"x" * (20 * 1024 * 1024) + b'"}\n')
    write(tmp_path / "cut.jsonl.gz", "not gzip")
    assert rows(source("jsonl", path="a.jsonl.gz"), tmp_path) == [{"a": 1}]
    with pytest.raises(RunError, match=r"bomb\.jsonl\.gz:1: line longer than"):
        rows(source("jsonl", path="bomb.jsonl.gz"), tmp_path)
    with pytest.raises(RunError, match=r"cut\.jsonl\.gz cannot be read"):
        rows(source("jsonl", path="cut.jsonl.gz"), tmp_path)


def test_a_glob_reads_files_in_name_order(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        write(tmp_path / "data" / f"{name}.jsonl", f'{{"f": "{name}"}}\n')
    found = list(read_rows(source("jsonl", path="data/*.jsonl"), tmp_path))
    assert [(r.columns["f"], r.ref) for r in found] == [
        ("a", "data/a.jsonl:1"),
        ("b", "data/b.jsonl:1"),
        ("c", "data/c.jsonl:1"),
    ]


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"source 'web': no file no\.jsonl in "):
        rows(source("jsonl", path="no.jsonl"), tmp_path)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ('[\n {"a": 1},\n {"a": 2}\n]', [(1, "d.json:2"), (2, "d.json:3")]),
        (
            '{"canary": "x", "examples": [{"a": 1}, {"a": 2}]}',
            [(1, "d.json:1#examples[0]"), (2, "d.json:1#examples[1]")],
        ),
        ('{"a": 1}', [(1, "d.json:1")]),
        ('{"a": 1}\n{"a": 2}\n', [(1, "d.json:1"), (2, "d.json:2")]),
        ('[{"a": 1}]\n[{"a": 2}]', [(1, "d.json:1"), (2, "d.json:2")]),
        ("[]", []),
        ("", []),
    ],
)
def test_json_documents(tmp_path: Path, document: str, expected: list[tuple[int, str]]) -> None:
    write(tmp_path / "d.json", document)
    found = list(read_rows(source("json", path="d.json"), tmp_path))
    assert [(r.columns["a"], r.ref) for r in found] == expected


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ('[{"a": 1}', "d.json:1: "),
        ('[{"a": 1},]', "a comma before the end of the array"),
        ('[{"a": 1} {"a": 2}]', "expected a comma"),
        ("[1, 2]", "a row must be an object, found int"),
        ('{"x": [{"a": 1}], "y": [{"a": 1}]}', "several lists of objects"),
    ],
)
def test_bad_json_documents(tmp_path: Path, document: str, problem: str) -> None:
    write(tmp_path / "d.json", document)
    with pytest.raises(RunError, match=problem):
        rows(source("json", path="d.json"), tmp_path)


def test_json_arrays_are_read_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mixwright_runtime.sources import json_document

    expected = [{"n": n, "text": 'é"\\]}' * (n % 7)} for n in range(300)]
    write(tmp_path / "d.json", json.dumps(expected, indent=1, ensure_ascii=False))
    monkeypatch.setattr(json_document, "CHUNK_BYTES", 7)
    found = list(read_rows(source("json", path="d.json"), tmp_path))
    assert [r.columns for r in found] == expected
    lines = (tmp_path / "d.json").read_text(encoding="utf-8").split("\n")
    assert all(lines[int(r.ref.rpartition(":")[2]) - 1].strip() == "{" for r in found)


def test_csv_quotes_and_line_breaks(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", 'id,text\n1,"a, ""b""\nc"\n02,\n')
    found = list(read_rows(source("csv", path="a.csv"), tmp_path))
    assert [(r.columns, r.ref) for r in found] == [
        ({"id": "1", "text": 'a, "b"\nc'}, "a.csv:2"),
        ({"id": "02", "text": ""}, "a.csv:4"),
    ]


def test_tsv_without_header_keeps_quotes(tmp_path: Path) -> None:
    write(tmp_path / "a.tsv", '"Yes" he said\t1\nwhat\t2\n')
    spec = source("csv", path="a.tsv", delimiter="\t", header=False, names=["q", "a"])
    assert rows(spec, tmp_path) == [{"q": '"Yes" he said', "a": "1"}, {"q": "what", "a": "2"}]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a,b\n1\n", r"a\.csv:2: 1 fields for 2 columns \(a, b\)"),
        ('a,b\n1,2\n"x\n', r"a\.csv:3: "),
        ("a,a\n", "column 'a' twice"),
    ],
)
def test_bad_csv(tmp_path: Path, text: str, problem: str) -> None:
    write(tmp_path / "a.csv", text)
    with pytest.raises(RunError, match=problem):
        rows(source("csv", path="a.csv"), tmp_path)


def test_parquet_values_become_json(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT 1::TINYINT AS n, 1.50::DECIMAL(5, 2) AS d, DATE '2024-02-01' AS day, {'a': [1, 2]} AS s, "
            "'nan'::DOUBLE AS x, 'é' AS t, CAST(NULL AS VARCHAR) AS z) TO "
            f"'{tmp_path}/p[1].parquet' (FORMAT parquet)"
        )
    (found,) = read_rows(source("parquet", path="p[1].parquet"), tmp_path)
    assert found.columns == {
        "n": 1, "d": 1.5, "day": "2024-02-01", "s": {"a": [1, 2]}, "x": None, "t": "é", "z": None
    }  # fmt: skip
    assert found.ref == "p[1].parquet:1"


def test_damaged_parquet_is_one_line(tmp_path: Path) -> None:
    write(tmp_path / "p.parquet", "PAR1 this is not one")
    with pytest.raises(RunError, match=r"source 'web': p\.parquet"):
        rows(source("parquet", path="p.parquet"), tmp_path)


def test_a_changed_file_is_refused_before_its_first_row(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", '{"a": 1}\n')
    pin = SourcePin(digest=inspect_source(source("jsonl", path="a.jsonl"), tmp_path).digest, rows=1)
    spec = source("jsonl", path="a.jsonl", pin=pin)
    assert rows(spec, tmp_path) == [{"a": 1}]
    write(tmp_path / "a.jsonl", '{"a": 2}\n')
    os.utime(tmp_path / "a.jsonl", ns=(1, 1))
    with pytest.raises(SourceChanged, match=r"a\.jsonl is not what the lock file pins.*mixwright lock"):
        next(read_rows(spec, tmp_path))


def test_inline_rows(tmp_path: Path) -> None:
    spec = source("inline", rows=[{"a": 1}, {"b": "x"}], columns={"a": "int", "b": "text"})
    assert [(r.columns, r.ref) for r in read_rows(spec, tmp_path)] == [
        ({"a": 1, "b": None}, "inline:1"),
        ({"a": None, "b": "x"}, "inline:2"),
    ]


# SQL.


def query(text: str, **attributes: Any) -> SourceSpec:
    return source("duckdb", sql=text, **attributes)


def test_sql_reads_its_inputs(tmp_path: Path) -> None:
    write(tmp_path / "a_train.tsv", '1 "x\ty\n2\tz\n')
    write(tmp_path / "b.jsonl", '{"k": "y", "v": {"w": 7}}\n')
    spec = query(
        "SELECT q, tsv.filename AS f, v.w AS w FROM tsv LEFT JOIN lines ON a = k ORDER BY q",
        inputs={"tsv": "*_train.tsv", "lines": "b.jsonl"},
        names={"tsv": ["q", "a"]},
    )
    assert rows(spec, tmp_path) == [
        {"q": '1 "x', "f": "a_train.tsv", "w": 7},
        {"q": "2", "f": "a_train.tsv", "w": None},
    ]


def test_sql_is_pinned_by_its_rows_whatever_their_order(tmp_path: Path) -> None:
    up = query("SELECT x FROM range(5) t(x) ORDER BY x")
    down = query("SELECT x FROM range(5) t(x) ORDER BY x DESC")
    digest = inspect_source(up, tmp_path).digest
    assert inspect_source(down, tmp_path).digest == digest
    other = query("SELECT x FROM range(6) t(x)", pin=SourcePin(digest=digest, rows=5), limit=2)
    found = read_rows(other, tmp_path)
    with pytest.raises(SourceChanged):
        list(found)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('{tmp}/secret.csv')",
        "SELECT * FROM read_text('{tmp}/ok.csv/../secret.csv')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')",
        "COPY (SELECT 1) TO '{tmp}/out.csv'",
        "ATTACH '{tmp}/x.duckdb'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "CREATE TABLE t AS SELECT 1",
        "SELECT 1; SELECT 2",
        "PRAGMA database_list",
        "SELECT * FROM secret_variable",
        "SELEC 1",
        "",
    ],
)
def test_sql_can_reach_nothing_else(tmp_path: Path, text: str) -> None:
    write(tmp_path / "ok.csv", "a\n1\n")
    write(tmp_path / "secret.csv", "a\nTOPSECRET\n")
    secret_variable = [1]
    assert secret_variable
    spec = query(text.replace("{tmp}", str(tmp_path)), inputs={"ok": "ok.csv"})
    with pytest.raises(RunError, match="source 'web': ") as caught:
        rows(spec, tmp_path)
    assert "TOPSECRET" not in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ok.csv", "secret.csv"]


def test_sql_that_computes_for_too_long_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "LIMIT_S", 0.05)
    spec = query(
        "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range = b.range + 1 OR random() < 0"
    )
    with pytest.raises(RunError, match=r"the query failed: INTERRUPT"):
        rows(spec, tmp_path)


# The hub's cache.


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache with one dataset: two configurations, splits, and a tag."""
    commit = "e" * 40
    folder = tmp_path / "hub" / "datasets--openai--gsm8k"
    snapshot = folder / "snapshots" / commit
    write(snapshot / "main" / "train-00000-of-00001.jsonl", '{"q": "train"}\n')
    write(snapshot / "main" / "test-00000-of-00001.jsonl", '{"q": "test"}\n')
    write(snapshot / "socratic" / "train.jsonl", '{"q": "socratic"}\n')
    write(snapshot / "README.md", "card")
    write(folder / "refs" / "main", commit)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


def test_hub_split_and_configuration(hub: Path) -> None:
    spec = source("hf", repo="openai/gsm8k", split="train", config="main")
    (found,) = read_rows(spec, hub)
    assert (found.columns, found.ref) == (
        {"q": "train"},
        "openai/gsm8k/main/train-00000-of-00001.jsonl:1",
    )
    assert inspect_source(spec, hub).revision == "e" * 40
    assert rows(source("hf", repo="openai/gsm8k", split="test"), hub) == [{"q": "test"}]
    assert rows(source("hf", repo="openai/gsm8k", files="socratic/*.jsonl"), hub) == [{"q": "socratic"}]
    assert rows(source("hf", repo="openai/gsm8k", revision="e" * 40, split="test"), hub) == [{"q": "test"}]


def test_offline_and_not_cached_names_the_command(hub: Path) -> None:
    with pytest.raises(RunError, match="hf download --repo-type dataset openai/other --revision v1"):
        rows(source("hf", repo="openai/other", revision="v1"), hub)


@pytest.mark.parametrize("revision", ["../../refs/main", "a/../../x", "/etc/passwd"])
def test_a_revision_cannot_leave_the_cache(hub: Path, revision: str) -> None:
    with pytest.raises(RunError, match="not in the hub cache"):
        rows(source("hf", repo="openai/gsm8k", revision=revision), hub)


def test_an_unknown_split_lists_the_files(hub: Path) -> None:
    with pytest.raises(RunError, match=r"is split 'valid'.*There are: main/test-00000"):
        rows(source("hf", repo="openai/gsm8k", split="valid"), hub)
