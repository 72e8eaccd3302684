"""A damaged store is found out, and rebuilt from what can be read and the sealed copies."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from mixwright.cli import main
from mixwright_compiler.plan.plan import Plan
from mixwright_runtime.errors import StoreBroken, StoreLocked
from mixwright_runtime.store.database import Database
from mixwright_runtime.store.records import CallRecord, OutcomeRecord
from mixwright_runtime.store.repair import repair
from mixwright_runtime.store.segments import segments_of
from mixwright_runtime.store.store import Store
from mixwright_runtime.store.verify import verify
from tests.runtime.store.conftest import key_of

Make = Callable[..., CallRecord]
MakeOutcome = Callable[..., OutcomeRecord]


def fill(directory: Path, plan: Plan, call: Make, outcome: MakeOutcome, rows: range) -> None:
    with Store.open(directory) as store:
        run = store.begin_run(plan, "run tiny.mix")
        for number in rows:
            store.put_call(call(number, run_id=run, text=f"answer {number} " * 40))
            store.put_outcome(outcome(number, run_id=run))
        store.end_run(run, "done", {})


def test_sealed_copies_hold_every_call_once(
    tmp_path: Path, plan: Plan, call: Make, outcome: MakeOutcome
) -> None:
    fill(tmp_path, plan, call, outcome, range(700))
    fill(tmp_path, plan, call, outcome, range(700, 2_000))
    fill(tmp_path, plan, call, outcome, range(2_000, 2_100))  # too few to seal yet
    segments = segments_of(tmp_path)
    assert len(segments) == 2
    assert all(before.last + 1 == after.first for before, after in pairwise(segments))
    database = Database(tmp_path, read_only=True)
    paths = ", ".join(f"'{segment.path}'" for segment in segments)
    sealed = database.read(f"SELECT count(*), count(DISTINCT key) FROM read_parquet([{paths}])")
    database.close()
    assert sealed == [(2_000, 2_000)]
    assert list((tmp_path / "segments").glob("*/.*")) == []
    assert verify(tmp_path).faults == []
    content = bytearray(segments[0].path.read_bytes())
    content[200] ^= 1
    segments[0].path.write_bytes(content)
    (fault,) = verify(tmp_path).faults
    assert "is damaged; the store has its calls" in fault
    # Deleted, it is made again, and overlaps the later one without harm.
    segments[0].path.unlink()
    fill(tmp_path, plan, call, outcome, range(2_100, 2_110))
    assert verify(tmp_path).faults == []
    assert segments_of(tmp_path)[0].first == 1


def test_a_store_made_anew_does_not_take_the_old_ones_copies_for_its_own(
    tmp_path: Path, plan: Plan, call: Make, outcome: MakeOutcome
) -> None:
    fill(tmp_path, plan, call, outcome, range(600))
    (tmp_path / "store.duckdb").unlink()
    fill(tmp_path, plan, call, outcome, range(600, 1_300))
    assert verify(tmp_path).faults == []
    assert len({segment.path.parent for segment in segments_of(tmp_path)}) == 2
    (tmp_path / "store.duckdb").unlink()
    assert repair(tmp_path).rows["call"] == 1_300


def test_a_long_session_seals_as_it_goes(tmp_path: Path, call: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixwright_runtime.store.segments.SEAL_CALLS", 300)
    with Store.open(tmp_path) as store:
        for number in range(1_000):
            store.put_call(call(number))
            if number % 100 == 99:
                asyncio.run(store.flush())
        assert store.warnings == ()
    assert [(segment.first, segment.last) for segment in segments_of(tmp_path)] == [(1, 3), (4, 6), (7, 9)]


def test_a_copy_that_cannot_be_sealed_is_told_until_it_is(
    tmp_path: Path, call: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SEAL_CALLS", "SEAL_AT_CLOSE"):
        monkeypatch.setattr(f"mixwright_runtime.store.segments.{name}", 2)
    (tmp_path / "segments").write_text("in the way")
    with Store.open(tmp_path) as store:
        for number in (0, 1):
            store.put_call(call(number))
        store.close()
        assert "their sealed copy could not be written" in store.seal_warning
        assert store.warnings == (store.seal_warning,)
    (tmp_path / "segments").unlink()
    with Store.open(tmp_path) as store:
        store.put_call(call(2))
        store.close()
        assert store.warnings == ()
    assert repair(tmp_path).rows["call"] == 3


def test_a_run_tells_that_its_answers_have_no_second_copy(
    tmp_path: Path, call: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last copy is made as the store is closed, after everything else was told."""
    monkeypatch.chdir(tmp_path)
    with Store.open(tmp_path / "store") as store:
        store.put_call(call(0))
    monkeypatch.setattr("mixwright_runtime.store.segments.SEAL_AT_CLOSE", 1)
    (tmp_path / "store" / "segments").write_text("in the way")
    (tmp_path / "a.mix").write_text(
        'edition 2026\nsource web inline { rows = [{ q = "1 + 1?", a = "2" }] }\n'
        "pipeline qa {\n  from web\n  chat { user = q, assistant = a }\n}\n"
    )
    assert main(["run", "a.mix", "--store", "store"]) == 0
    assert "warning: answers are in the store alone, their sealed copy" in capsys.readouterr().err


def test_a_whole_store_passes(
    tmp_path: Path, plan: Plan, call: Make, outcome: MakeOutcome, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, plan, call, outcome, range(50))
    assert main(["verify-store", "--store", str(tmp_path)]) == 0
    assert "50 calls, 50 contents, 50 outcomes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        ("DELETE FROM call WHERE seed = 7", "rows to call"),
        ("DELETE FROM content WHERE columns LIKE '%7}'", "its columns are missing"),
        ("DELETE FROM batch WHERE batch = 1", "not numbered without gaps"),
        ("INSERT INTO outcome SELECT * FROM outcome WHERE position = 3", "is stored more than once"),
        ("INSERT INTO selection SELECT 1, 'm', 0, 'c', 'math', row_id, 0, 2 FROM outcome", "m position 0"),
    ],
)
def test_missing_and_doubled_rows_are_found(
    tmp_path: Path, plan: Plan, call: Make, outcome: MakeOutcome, harm: str, fault: str
) -> None:
    fill(tmp_path, plan, call, outcome, range(10))
    database = Database(tmp_path)
    database.connection.execute(harm)
    database.close()
    assert any(fault in found for found in verify(tmp_path).faults)


def test_a_store_with_a_damaged_block_is_rebuilt_and_answers_come_back_from_the_segments(
    tmp_path: Path, plan: Plan, call: Make, outcome: MakeOutcome, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, plan, call, outcome, range(3_000))
    path = tmp_path / "store.duckdb"
    content = bytearray(path.read_bytes())
    # Every fourth block of 256 KiB that holds data; the first three pages are DuckDB's headers.
    damaged = 0
    for block in range(3, (len(content) - 12_288) // 262_144, 4):
        content[12_288 + block * 262_144 + 70_000] ^= 1
        damaged += 1
    assert damaged >= 2
    path.write_bytes(content)
    assert main(["verify-store", "--store", str(tmp_path)]) in (1, 2)
    assert main(["verify-store", "--repair", "--store", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "lost: " in printed and "from sealed copies" in printed
    with Store.open(tmp_path) as store:
        found = asyncio.run(store.find_calls([key_of(number) for number in range(3_000)]))
        assert len(found) == 3_000
    (aside,) = tmp_path.glob("damaged-*")
    assert (aside / "store.duckdb").read_bytes() == bytes(content)


def test_a_store_whose_header_is_gone_gives_its_sealed_answers(
    tmp_path: Path, plan: Plan, call: Make, outcome: MakeOutcome
) -> None:
    fill(tmp_path, plan, call, outcome, range(700))
    (tmp_path / "store.duckdb").write_bytes(b"\0" * 100_000)
    with pytest.raises(StoreBroken, match="verify-store --repair"):
        Store.open(tmp_path)
    done = repair(tmp_path)
    assert (done.from_segments, done.rows["call"], done.rows["outcome"]) == (700, 700, 0)
    assert verify(tmp_path).faults == []
    fill(tmp_path, plan, call, outcome, range(700, 710))
    assert verify(tmp_path).rows["call"] == 710


def test_a_damaged_log_is_kept_up_to_the_damage(
    tmp_path: Path, python: Callable[..., object], call: Make
) -> None:
    live = tmp_path / "live"
    with Store.open(live) as store:
        for number in range(1_200):
            store.put_call(call(number))
            if number % 100 == 99:
                asyncio.run(store.flush())
        # A copy under a live writer stands for a killed one: the file and its log, never checkpointed.
        killed = tmp_path / "killed"
        shutil.copytree(live, killed)
    log = bytearray((killed / "store.duckdb.wal").read_bytes())
    log[len(log) * 3 // 4] ^= 0x40
    (killed / "store.duckdb.wal").write_bytes(log)
    with pytest.raises(StoreBroken):
        Store.open(killed)
    done = repair(killed)
    assert 600 <= done.rows["call"] < 1_200 and done.rows["call"] % 100 == 0
    assert verify(killed).faults == []
    assert (done.kept_aside / "store.duckdb.wal").read_bytes() == log


def test_a_store_in_use_is_not_repaired(tmp_path: Path) -> None:
    with Store.open(tmp_path), pytest.raises(StoreLocked):
        repair(tmp_path)


def test_findings_as_json(
    tmp_path: Path, plan: Plan, call: Make, outcome: MakeOutcome, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, plan, call, outcome, range(3))
    assert main(["verify-store", "--json", "--store", str(tmp_path)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["rows"]["call"], document["faults"]) == (3, [])
