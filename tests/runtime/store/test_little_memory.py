"""A run keeps little of its store in memory, and takes more where that is too little."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from mixwright_runtime.store import database
from mixwright_runtime.store.records import CallRecord, OutcomeRecord, SelectionRecord
from mixwright_runtime.store.store import Store
from mixwright_runtime.store.writer import Writer
from tests.runtime.store.conftest import key_of


def test_memory_is_little_while_rows_come_in_and_no_longer(tmp_path: Path) -> None:
    limit = "SELECT current_setting('memory_limit')"
    with Store.open(tmp_path) as store:
        whole = store.sql(limit)
        with store.in_little_memory():
            assert store.sql(limit) != whole
        assert store.sql(limit) == whole


def test_memory_is_little_while_the_store_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = "SELECT current_setting('memory_limit')"
    store = Store.open(tmp_path)
    whole, seen, close = store.sql(limit), [], Writer.close

    def closed(writer: Writer) -> None:
        seen.append(store.sql(limit))
        close(writer)

    monkeypatch.setattr(Writer, "close", closed)
    store.close()
    assert seen and seen[0] != whole


@pytest.mark.parametrize("limit", ["1MB", "12MB", "200MB"])
def test_nothing_is_lost_where_memory_is_too_little(
    limit: str, tmp_path: Path, call: Callable[..., CallRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LITTLE_MEMORY", limit)
    count = 800
    with Store.open(tmp_path) as store:
        with store.in_little_memory():
            for number in range(count):
                store.put_call(call(number, text=f"{number} " * 8_000))
            asyncio.run(store.flush())
            found = asyncio.run(store.find_calls([key_of(number) for number in range(count)]))
        assert [found[key_of(number)].text for number in range(count)] == [
            f"{number} " * 8_000 for number in range(count)
        ]
        sorted_by_text = store.sql("SELECT count(*) FROM (SELECT text FROM call ORDER BY text DESC)")
        assert sorted_by_text == [(count,)] and not store.warnings
    assert not (tmp_path / "store.duckdb.wal").exists()
    with Store.open(tmp_path) as store:
        assert store.sql("SELECT count(*), sum(length(text)) > 800 * 16_000 FROM call") == [(count, True)]


def test_rows_are_read_in_their_order_in_little_memory(
    tmp_path: Path, outcome: Callable[..., OutcomeRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LITTLE_MEMORY", "24MB")
    limit = "SELECT current_setting('memory_limit')"
    texts = [f'{{"text":"{str(number) * 1_500}"}}' for number in range(1_000, 6_000)]
    order = sorted(range(len(texts)), key=key_of)
    with Store.open(tmp_path) as store:
        for number, columns in enumerate(texts):
            store.put_outcome(outcome(number, columns=columns))
        store.put_outcome(outcome(len(texts), columns=""))
        chosen = enumerate([*order, len(texts), order[0]])
        store.put_selection(
            SelectionRecord(1, "mix", position, "maths", "math", key_of(number))
            for position, number in chosen
        )
    with Store.open(tmp_path) as store, store.in_little_memory():
        little = store.sql(limit)
        selected = [row.columns for row in store.selected_rows(1, "mix")]
        kept = [row.columns for row in store.kept_rows(1, "math")]
        assert store.sql(limit) == little
    assert selected == [*(texts[number] for number in order), "", texts[order[0]]]
    assert kept == [*texts, ""]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    left = tmp_path / "spill" / "duckdb_temp_storage_DEFAULT-0.tmp"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"of another process")
    Store.open(tmp_path, read_only=True).close()
    assert left.exists()
    Store.open(tmp_path).close()
    assert not left.exists()
