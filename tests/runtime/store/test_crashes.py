"""What survives: kills, a full disk, damaged files, two processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from mixwright_compiler.plan.plan import Plan
from mixwright_runtime.errors import StoreBroken, StoreLocked
from mixwright_runtime.store.records import CallRecord
from mixwright_runtime.store.store import Store
from mixwright_runtime.store.verify import verify

Make = Callable[..., CallRecord]
Python = Callable[..., "subprocess.Popen[str]"]

WRITER = """
import asyncio, os, sys
from pathlib import Path
from mixwright_runtime.store.store import Store
from tests.runtime.store.conftest import call, outcome, key_of
make_call, make_outcome = call.__wrapped__(), outcome.__wrapped__()

async def write(store, number):
    while True:
        for number in range(number, number + 40):
            store.put_call(make_call(number))
            store.put_outcome(make_outcome(number))
        await store.flush()
        number += 1
        os.write(1, b"%d\\n" % number)

store = Store.open(Path(sys.argv[1]))
asyncio.run(write(store, int(sys.argv[2])))
"""


def test_no_acknowledged_record_is_lost_to_kill_9(tmp_path: Path, python: Python) -> None:
    """Twelve kills at random moments, three of them likely inside the opening that replays the log."""
    moments = random.Random(5)
    acknowledged = 0
    for attempt in range(12):
        writer = python(WRITER, str(tmp_path), str(acknowledged + 1_000 * attempt))
        assert writer.stdout is not None
        if attempt % 4 == 3:
            time.sleep(moments.uniform(0.1, 0.5))
        else:
            first = writer.stdout.readline()
            assert first, writer.communicate()[1]
            time.sleep(moments.uniform(0.0, 0.15))
        writer.send_signal(signal.SIGKILL)
        rest, errors = writer.communicate()
        assert errors == ""
        acknowledged = max([acknowledged, *map(int, rest.split())])
        with Store.open(tmp_path) as store:
            calls = {seed for (seed,) in store.sql("SELECT seed FROM call")}
            outcomes = {position for (position,) in store.sql("SELECT position FROM outcome")}
        stored = {int(number) for line in rest.split() for number in range(int(line) - 40, int(line))}
        assert stored <= calls and stored <= outcomes
        assert outcomes <= calls, "an outcome became durable before the call it rests on"
        acknowledged = max([acknowledged, *calls, 0]) + 1
    report = verify(tmp_path)
    assert report.faults == []
    # The journal has calls whose outcomes no transaction had yet.
    assert report.rows["call"] >= report.rows["outcome"] > 400


def test_a_second_process_is_refused_and_told_who_holds_the_store(tmp_path: Path, python: Python) -> None:
    holder = python(WRITER, str(tmp_path), "0")
    try:
        assert holder.stdout is not None and holder.stdout.readline()
        for read_only in (False, True):
            with pytest.raises(StoreLocked, match="mixwright status") as caught:
                Store.open(tmp_path, read_only=read_only)
            assert caught.value.pid == holder.pid
            assert caught.value.exit_code == 75
    finally:
        holder.kill()
        holder.communicate()
    Store.open(tmp_path).close()


def test_one_process_cannot_open_a_store_twice(tmp_path: Path) -> None:
    with Store.open(tmp_path), pytest.raises(StoreLocked) as caught:
        Store.open(tmp_path)
    assert caught.value.pid == os.getpid()


@contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    """Writes past `size_bytes` fail as they do on a full disk (EFBIG for ENOSPC)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_stops_the_run_and_costs_nothing_that_was_acknowledged(
    tmp_path: Path, call: Make
) -> None:
    acknowledged = 0

    async def fill(store: Store) -> None:
        nonlocal acknowledged
        while True:
            for number in range(acknowledged, acknowledged + 100):
                store.put_call(call(number, text=random.Random(number).randbytes(500).hex()))
            await store.flush()
            acknowledged += 100

    store = Store.open(tmp_path)
    with largest_file(2_000_000):
        with pytest.raises(StoreBroken) as caught:
            asyncio.run(fill(store))
        with pytest.raises(StoreBroken):
            store.put_call(call(1_000_000))
        with pytest.raises(StoreBroken):
            store.close()
    message = str(caught.value)
    assert "no space left" in message and str(tmp_path) in message
    assert f"{acknowledged} records of this session kept, 100 not written" in message
    assert acknowledged > 500
    with Store.open(tmp_path) as again:
        # No transaction took the last hundred, but the journal has them.
        assert again.sql("SELECT count(*) FROM call") == [(acknowledged + 100,)]
        again.put_call(call(2_000_000))
        asyncio.run(again.flush())
    assert verify(tmp_path).faults == []


def test_too_little_space_stops_a_run_before_the_disk_is_full(
    tmp_path: Path, call: Make, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(tmp_path)
    monkeypatch.setattr("mixwright_runtime.store.writer.free_bytes", lambda _: 400 << 20)
    for number in (1, 2):  # the disk is looked at after a batch; the second flush waits for that
        store.put_call(call(number))
        asyncio.run(store.flush())
    assert "400 MiB left" in store.space_warning
    store.close()
    store = Store.open(tmp_path)
    monkeypatch.setattr("mixwright_runtime.store.writer.free_bytes", lambda _: 200 << 20)
    store.put_call(call(3))
    asyncio.run(store.flush())
    with pytest.raises(StoreBroken, match="stopped before the disk is full: 200 MiB left"):
        for number in range(100_000):
            store.put_call(call(4 + number))
    with contextlib.suppress(StoreBroken):  # raised when calls were queued by then
        store.close()
    store = Store.open(tmp_path)
    assert store.sql("SELECT seed FROM call ORDER BY seed LIMIT 3") == [(1,), (2,), (3,)]
    monkeypatch.setattr("mixwright_runtime.store.database.free_bytes", lambda _: 100 << 20)
    with pytest.raises(StoreBroken, match=r"100 MiB left on the disk of .*; free some space"):
        store.begin_run(plan, "run")
    store.close()


def test_a_commit_that_failed_halfway_is_written_exactly_once(tmp_path: Path, call: Make) -> None:
    """An error from COMMIT says nothing about whether the batch is there: the writer looks before it repeats."""
    failures = {"commit": 1, "committed": 0}

    def fail_once(point: str) -> None:
        if failures.get(point):
            failures[point] -= 1
            raise duckdb.FatalException("injected")

    with Store.open(tmp_path, at_point=fail_once) as store:
        for number in range(10):
            store.put_call(call(number))
        asyncio.run(store.flush())
        assert failures["commit"] == 0
        for number in range(10, 20):
            store.put_call(call(number))
        asyncio.run(store.flush())
        assert store.sql("SELECT seed FROM call ORDER BY seed") == [(number,) for number in range(20)]
    assert verify(tmp_path).faults == []


def test_a_commit_reported_as_failed_but_done_is_not_repeated(
    tmp_path: Path, call: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(tmp_path) as store:
        assert store._writer is not None
        write = store._writer._write

        def write_then_fail(number: int, batch: list[object]) -> None:
            monkeypatch.undo()
            write(number, batch)
            raise duckdb.IOException("COMMIT succeeded, its checkpoint did not")

        monkeypatch.setattr(store._writer, "_write", write_then_fail)
        store.put_call(call(1))
        asyncio.run(store.flush())
        store.put_call(call(2))
        asyncio.run(store.flush())
        assert store.sql("SELECT seed FROM call ORDER BY seed") == [(1,), (2,)]


def files_of(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


@pytest.fixture
def killed(tmp_path: Path, python: Python) -> Path:
    """A store whose writer was killed with several batches in the log alone."""
    directory = tmp_path / "killed"
    writer = python(WRITER, str(directory), "0")
    assert writer.stdout is not None
    for _ in range(6):
        assert writer.stdout.readline()
    writer.kill()
    writer.communicate()
    return directory


def test_a_damaged_log_is_refused_whole_or_loses_only_what_was_not_acknowledged(killed: Path) -> None:
    log = (killed / "store.duckdb.wal").read_bytes()
    with_log = files_of(killed)
    moments = random.Random(2)
    refused = 0
    for offset in [len(log) // 2, *(moments.randrange(100, len(log)) for _ in range(11))]:
        copy = killed.parent / f"flip-{offset}"
        shutil.copytree(killed, copy)
        damaged = bytearray(log)
        damaged[offset] ^= 0x40
        (copy / "store.duckdb.wal").write_bytes(damaged)
        before = files_of(copy)
        try:
            store = Store.open(copy)
        except StoreBroken as error:
            refused += 1
            assert "nothing was deleted" in str(error) and "verify-store --repair" in str(error)
            assert files_of(copy) == before, "a damaged store was changed"
        else:
            # A flip in bytes that nothing reads, or in a batch whose flush had not returned.
            acknowledged = int(with_log["store.acked"].split()[1])
            assert store.sql("SELECT max(batch) FROM batch")[0][0] >= acknowledged
            store.close()
    assert refused >= 6


def test_a_log_cut_inside_acknowledged_batches_is_refused(killed: Path) -> None:
    log = killed / "store.duckdb.wal"
    os.truncate(log, log.stat().st_size // 2)
    before = files_of(killed)
    with pytest.raises(StoreBroken, match="were written and are gone"):
        Store.open(killed)
    assert files_of(killed) == before


def test_a_log_torn_by_the_kill_itself_is_replayed_to_the_last_whole_batch(killed: Path) -> None:
    with (killed / "store.duckdb.wal").open("ab") as log:
        log.write(b"\x10\x27\0\0\0\0\0\0half an entry")
    with Store.open(killed) as store:
        assert store.sql("SELECT count(*) >= 240, count(*) % 40 FROM outcome") == [(True, 0)]


def test_a_damaged_file_is_refused_with_the_position(tmp_path: Path, call: Make) -> None:
    with Store.open(tmp_path) as store:
        store.put_call(call(1))
    content = bytearray((tmp_path / "store.duckdb").read_bytes())
    content[12_288 + 100] ^= 1
    (tmp_path / "store.duckdb").write_bytes(content)
    before = files_of(tmp_path)
    with pytest.raises(StoreBroken, match="damaged at byte 12288; nothing was deleted"):
        Store.open(tmp_path)
    assert files_of(tmp_path) == before


def test_a_file_that_is_no_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "store.duckdb").write_text("not a database " * 1_000)
    with pytest.raises(StoreBroken, match="not a valid DuckDB"):
        Store.open(tmp_path)
    (tmp_path / "store.duckdb").unlink()
    duckdb.connect(str(tmp_path / "store.duckdb")).close()
    with pytest.raises(StoreBroken, match="not a mixwright store"):
        Store.open(tmp_path)


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    with duckdb.connect(str(tmp_path / "store.duckdb")) as connection:
        connection.execute("UPDATE meta SET schema_version = 99")
    with pytest.raises(StoreBroken, match=r"newer mixwright \(store schema 99"):
        Store.open(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_directory_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreBroken, match="Permission denied"):
            Store.open(tmp_path / "sub")
    finally:
        tmp_path.chmod(0o700)


def test_a_file_where_the_directory_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreBroken, match="cannot make the store directory"):
        Store.open(tmp_path / "store")
