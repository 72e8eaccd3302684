"""The benchmark of growth: its parts work, and it fails where a cost grows faster than what it is the cost of."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import scale
from benchmarks.counted_work import counting
from mixwright_runtime.store.database import Database


@pytest.mark.parametrize("power", [1.0, 1.4])
def test_a_part_that_grows_too_fast_fails_the_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], power: float
) -> None:
    monkeypatch.setattr(
        scale, "measured", lambda name, size, at, more=(): {"cpu": (size / 1e4) ** power, "mb": 100}
    )
    monkeypatch.setattr(sys, "argv", ["scale.py", "client", "--sizes", "10000,30000,90000", "--check"])
    assert scale.main() == (power > scale.CEILING)
    assert f"client     exponent {power:.2f}" in capsys.readouterr().out


@pytest.mark.parametrize(("part", "size"), [("rerun", 40), ("keys", 300), ("limit", 3_000), ("source", 500)])
def test_its_parts_work(tmp_path: Path, part: str, size: int) -> None:
    scale.PARTS[part].prepare(size, tmp_path)
    figures = scale.PARTS[part].work(size, tmp_path)
    assert figures.get("keys", size) == size


def test_work_grows_as_the_rows_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted, so that it says the same on a busy machine: calls of functions, and rows that queries scan."""
    parts = ("rerun", "client", "loop")
    monkeypatch.setattr(sys, "argv", ["scale.py", *parts, "--sizes", "300,600,1200", "--counted", "--check"])
    status = scale.main()
    told = capsys.readouterr()
    assert status == 0, told.err
    assert told.out.count("exponent of calls") == told.out.count("exponent of scans") == len(parts)


@pytest.mark.parametrize("power", [1.0, 1.4])
def test_counts_that_grow_too_fast_fail_the_check_whatever_they_begin_with(
    monkeypatch: pytest.MonkeyPatch, power: float
) -> None:
    monkeypatch.setattr(scale, "measured", lambda name, size, at, more: {"calls": 1e6 + size**power})
    monkeypatch.setattr(sys, "argv", ["scale.py", "rerun", "--sizes", "300,600,1200", "--counted", "--check"])
    assert scale.main() == (power > scale.CEILING)


def test_queries_of_the_store_are_counted_by_whom_they_are_asked(tmp_path: Path) -> None:
    with counting() as counted:
        database = Database(tmp_path)
        before = counted.queries
        database.read("SELECT count(*) FROM call")
        database.connection.execute("SELECT count(*) FROM call").fetchall()
        database.connection.execute("BEGIN")
        database.close()
    assert counted.queries == before + 2
