"""The lock file: its text, damage, staleness, and what a new one changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from bound_programs import bound, entry

from mixwright_compiler.bind.lock import (
    Lock,
    LockUnreadable,
    ModelLock,
    SourceLock,
    is_stale,
    lock_changes,
    lock_path,
    lock_text,
    model_definition,
    read_lock,
    source_definition,
    write_lock,
)

WEB = SourceLock(digest="d1", rows=10, columns={"text": "text", "id": "int"}, definition="w", license="mit")
LOCK = Lock({"web": WEB, "books": SourceLock("d2", 3, {}, "b")}, {"teacher": ModelLock("i", "org/m@main")})


def test_a_lock_survives_its_file(tmp_path: Path) -> None:
    write_lock(tmp_path / "a.lock", LOCK)
    assert read_lock(tmp_path / "a.lock") == LOCK
    assert [p.name for p in tmp_path.iterdir()] == ["a.lock"]


def test_the_text_is_sorted_and_says_only_what_is_known() -> None:
    assert lock_text(LOCK) == (
        "{\n"
        '  "format_version": "1.2",\n'
        '  "sources": {\n'
        '    "books": {\n'
        '      "digest": "d2",\n'
        '      "rows": 3,\n'
        '      "columns": {},\n'
        '      "definition": "b"\n'
        "    },\n"
        '    "web": {\n'
        '      "digest": "d1",\n'
        '      "rows": 10,\n'
        '      "columns": {\n'
        '        "text": "text",\n'
        '        "id": "int"\n'
        "      },\n"
        '      "definition": "w",\n'
        '      "license": "mit"\n'
        "    }\n"
        "  },\n"
        '  "models": {\n'
        '    "teacher": {\n'
        '      "identity": "i",\n'
        '      "definition": "org/m@main"\n'
        "    }\n"
        "  }\n"
        "}\n"
    )


def test_no_file_is_an_empty_lock(tmp_path: Path) -> None:
    assert read_lock(tmp_path / "none.lock") == Lock()
    assert lock_path(tmp_path / "tulu.mix") == tmp_path / "tulu.lock"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "a.lock is damaged; 'mixwright lock' writes it anew"),
        ("[]", "a.lock is damaged; 'mixwright lock' writes it anew"),
        ('{"format_version": "1.1"}', "a.lock is damaged; 'mixwright lock' writes it anew"),
        (
            '{"format_version": "1.1", "sources": {"a": {"rows": 1}}, "models": {}}',
            "a.lock is damaged; 'mixwright lock' writes it anew",
        ),
        ('{"format_version": "2.0"}', "a.lock has format 2.0, this version reads 1.2"),
    ],
)
def test_a_file_that_is_no_lock_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.lock").write_text(text)
    with pytest.raises(LockUnreadable) as raised:
        read_lock(tmp_path / "a.lock")
    assert str(raised.value) == message


def test_fields_of_a_newer_minor_version_are_passed_over(tmp_path: Path) -> None:
    text = lock_text(LOCK).replace('"rows": 10', '"rows": 10,\n"colour": "red"').replace('"1.0"', '"1.9"')
    (tmp_path / "a.lock").write_text(text)
    assert read_lock(tmp_path / "a.lock").sources == LOCK.sources


def test_a_write_that_fails_leaves_the_old_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lock(tmp_path / "a.lock", LOCK)

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError):
        write_lock(tmp_path / "a.lock", Lock())
    assert read_lock(tmp_path / "a.lock") == LOCK
    assert [p.name for p in tmp_path.iterdir()] == ["a.lock"]


JSONL, CSV = entry("source.jsonl"), entry("source.csv")


@pytest.mark.parametrize(
    "change",
    [{"columns": {"text": "body"}}, {"limit": 5}, {"license": "mit"}],
)
def test_how_rows_are_used_makes_no_lock_stale(change: dict[str, object]) -> None:
    lock = SourceLock("d", 1, {}, source_definition(JSONL, bound(path="a.jsonl")))
    assert not is_stale(lock, JSONL, bound(path="a.jsonl", **change))


def test_another_file_or_reading_makes_it_stale() -> None:
    lock = SourceLock("d", 1, {}, source_definition(CSV, bound(path="a.csv")))
    assert is_stale(lock, CSV, bound(path="b.csv"))
    assert is_stale(lock, CSV, bound(path="a.csv", delimiter="\t"))
    assert is_stale(lock, JSONL, bound(path="a.csv"))


def test_a_folder_given_on_another_machine_makes_no_lock_stale() -> None:
    of_here = source_definition(JSONL, bound(path="/home/me/data/web.jsonl"))
    assert source_definition(JSONL, bound(path="/mnt/data/web.jsonl")) == of_here
    assert source_definition(JSONL, bound(path="/mnt/data/books.jsonl")) != of_here
    sql = entry("source.duckdb")
    one, two = (bound(sql="SELECT 1", inputs={"t": f"{folder}/t.csv"}) for folder in ("/a", "/b"))
    assert source_definition(sql, one) == source_definition(sql, two)


def test_model_definitions_read_like_the_spec() -> None:
    assert model_definition({"repo": "org/m", "revision": "main"}) == "org/m@main"
    assert model_definition({"repo": "org/m", "revision": None}) == "org/m"
    assert model_definition({"path": "tiny/model"}) == "tiny/model"
    assert model_definition({"model": "gpt"}) == "gpt"


def test_changes_name_what_changed() -> None:
    columns = {"text": "text", "id": "text", "lang": "text"}
    new = Lock(
        {"web": SourceLock("d9", 11, columns, "w", license="mit"), "news": WEB},
        {"teacher": ModelLock("j", "org/m@main", revision="abc")},
    )
    assert lock_changes(LOCK, new) == [
        "- source books",
        "+ source news",
        "~ source web: digest, rows 10 -> 11, columns (+lang, id: int -> text)",
        "~ model teacher: identity, revision none -> abc",
    ]
    assert lock_changes(LOCK, LOCK) == []
