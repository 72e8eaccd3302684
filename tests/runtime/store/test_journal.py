"""A call that was put is not lost by a kill, whatever the writer had time for."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from test_crashes import largest_file

from mixwright.cli import main
from mixwright_runtime.errors import StoreBroken
from mixwright_runtime.store.journal import FILE_NAMES, Journal, read_journal
from mixwright_runtime.store.records import CallRecord, FoundCall
from mixwright_runtime.store.repair import repair
from mixwright_runtime.store.store import Store
from mixwright_runtime.store.verify import verify
from tests.runtime.store.conftest import key_of

Make = Callable[..., CallRecord]
Python = Callable[..., "subprocess.Popen[str]"]

PUTTER = """
import os, sys, time
from pathlib import Path
import mixwright_runtime.store.writer as writer
from mixwright_runtime.store.store import Store
from tests.runtime.store.conftest import call
make_call = call.__wrapped__()
writer.BATCH_SECONDS = float(sys.argv[4])
store = Store.open(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    failed = number % 5 == 4
    store.put_call(make_call(number, text="answer %d " % number * 200, status="failed" if failed else "ok"))
    os.write(1, b"%d\\n" % number)
    time.sleep(0.0002)
print("end", flush=True)
time.sleep(60)
"""


def journal_bytes(directory: Path) -> int:
    return sum((directory / name).stat().st_size for name in FILE_NAMES if (directory / name).exists())


def leave_journal(directory: Path, python: Python, first: int, last: int) -> None:
    """Kill a process that put calls `first` to `last - 1` and committed none of them."""
    putter = python(PUTTER, str(directory), str(first), str(last), "60")
    assert putter.stdout is not None
    while (line := putter.stdout.readline()) != "end\n":
        assert line, putter.communicate()[1]
    putter.kill()
    putter.communicate()
    assert journal_bytes(directory) > 0


def seeds(directory: Path) -> list[int]:
    with duckdb.connect(str(directory / "store.duckdb"), read_only=True) as store:
        return [seed for (seed,) in store.execute("SELECT seed FROM call ORDER BY seed").fetchall()]


def test_every_call_whose_put_returned_is_found_after_kill_9(tmp_path: Path, python: Python) -> None:
    """Eight kills of a process that commits ten times as often as usual, so that files turn and are emptied."""
    moments = random.Random(8)
    first = 0
    acknowledged: set[int] = set()
    for _ in range(8):
        putter = python(PUTTER, str(tmp_path), str(first), str(first + 100_000), "0.025")
        assert putter.stdout is not None
        told = [putter.stdout.readline() for _ in range(moments.randrange(50, 250))]
        putter.send_signal(signal.SIGKILL)
        rest, errors = putter.communicate()
        assert errors == ""
        acknowledged |= {*map(int, told), *map(int, rest.split())}
        with Store.open(tmp_path) as store:
            present = [seed for (seed,) in store.sql("SELECT seed FROM call")]
            good = [number for number in acknowledged if number % 5 != 4]
            found = asyncio.run(store.find_calls([key_of(number) for number in good]))
        assert acknowledged <= set(present)
        assert len(present) == len(set(present)), "a call was stored twice"
        assert found.keys() == {key_of(number) for number in good}
        # One call may be in the journal whose acknowledgement the kill prevented.
        first = max(present) + 1
    assert len(acknowledged) > 500
    assert verify(tmp_path).faults == []
    with Store.open(tmp_path) as store:
        (stored,) = store.sql("SELECT count(*) - count(DISTINCT key) FROM current_call")
    assert stored == (0,)


def test_calls_in_the_journal_come_back_whole_and_once(tmp_path: Path, python: Python, call: Make) -> None:
    leave_journal(tmp_path, python, 0, 30)
    assert seeds(tmp_path) == []
    assert verify(tmp_path).journaled == 30
    shutil.copytree(tmp_path, tmp_path / "copy")
    with Store.open(tmp_path) as store:
        found = asyncio.run(store.find_calls([key_of(number) for number in range(30)]))
        assert found[key_of(7)] == FoundCall.of(call(7, text="answer 7 " * 200))
        assert key_of(4) not in found, "a failed call was taken for an answer"
        store.put_call(call(7, text="a second answer"))
    assert journal_bytes(tmp_path) == 0
    assert verify(tmp_path).journaled == 0
    # The kill came after the commit and before the file was emptied: everything is there already.
    for name in FILE_NAMES:
        if (tmp_path / "copy" / name).exists():
            shutil.copy(tmp_path / "copy" / name, tmp_path / name)
    assert verify(tmp_path).journaled == 0
    for _ in range(2):
        Store.open(tmp_path).close()
        assert seeds(tmp_path) == list(range(30))
    assert verify(tmp_path).faults == []


def test_every_field_survives_the_journal(tmp_path: Path, call: Make) -> None:
    records = [
        call(1, text='a "quoted"\nline\0 and 日本語', reasoning="\n\n", request="", engine='{"a": [1]}'),
        call(2, text="half a pair \ud800", status="failed", reason="parse", finish="length", attempt=3),
        call(3, prompt_tokens=2**40, output_tokens=2**62, started=1763945165.1234567, ended=float("inf")),
    ]
    journal = Journal(tmp_path, "0123456789abcdef")
    for number, record in enumerate(records, 1):
        journal.append(journal.entry(record), number)
    journal.close()
    content = read_journal(tmp_path / FILE_NAMES[0], "0123456789abcdef")
    assert (list(content.records), content.damage) == (records, "")


def test_a_count_beyond_all_sense_costs_no_answer(tmp_path: Path, call: Make) -> None:
    journal = Journal(tmp_path, "0123456789abcdef")
    journal.append(journal.entry(call(1, prompt_tokens=10**30, output_tokens=3)), 1)
    journal.close()
    (record,) = read_journal(tmp_path / FILE_NAMES[0], None).records
    assert record == call(1, prompt_tokens=2**63 - 1, output_tokens=3)


def entry_of_earlier_versions(call: CallRecord, store_id: bytes) -> bytes:
    texts = [text.encode() for text in (call.request, call.text, call.reasoning)]
    others = [
        call.run_id, call.node, call.model, call.identity, call.finish, call.status, call.reason, call.prompt_tokens,
        call.output_tokens, call.attempt, call.seed, call.engine, call.started, call.ended,
    ]  # fmt: skip
    body = b"\n".join((json.dumps([call.key.hex(), *map(len, texts), *others]).encode(), *texts))
    head = b"MWJ1" + store_id + struct.pack("<II", len(body), zlib.crc32(body))
    return head + struct.pack("<I", zlib.crc32(head)) + body


def test_what_an_earlier_version_left_in_the_journal_is_taken_in(tmp_path: Path, call: Make) -> None:
    Store.open(tmp_path).close()
    with duckdb.connect(str(tmp_path / "store.duckdb"), read_only=True) as store:
        ((store_id,),) = store.execute("SELECT store_id FROM meta").fetchall()
    calls = [call(n, text="a\nb 日本語 " * n, status="failed" if n == 2 else "ok") for n in range(1, 4)]
    entries = (entry_of_earlier_versions(one, store_id.encode()) for one in calls)
    (tmp_path / FILE_NAMES[0]).write_bytes(b"".join(entries))
    with Store.open(tmp_path) as opened:
        assert opened.journal_warning == ""
        found = asyncio.run(opened.find_calls([key_of(n) for n in range(1, 4)]))
    assert found == {one.key: FoundCall.of(one) for one in calls if one.status == "ok"}
    assert seeds(tmp_path) == [1, 2, 3]


def test_a_torn_tail_costs_only_the_torn_call(tmp_path: Path, python: Python) -> None:
    leave_journal(tmp_path, python, 0, 10)
    journal = tmp_path / FILE_NAMES[0]
    whole = journal.stat().st_size
    for cut in (1, 700, whole // 10 - 10, whole // 10):
        directory = tmp_path / f"cut-{cut}"
        shutil.copytree(tmp_path, directory, ignore=shutil.ignore_patterns("cut-*"))
        os.truncate(directory / FILE_NAMES[0], whole - cut)
        with Store.open(directory) as store:
            assert store.journal_warning == ""
        assert seeds(directory) == list(range(9))


def test_a_flipped_bit_stops_reading_there_and_is_told(
    tmp_path: Path, python: Python, call: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_journal(tmp_path, python, 0, 10)
    content = (tmp_path / FILE_NAMES[0]).read_bytes()
    moments = random.Random(3)
    for offset in (0, 21, *(moments.randrange(len(content)) for _ in range(6))):  # 21: in a record's length
        directory = tmp_path / f"flip-{offset}"
        shutil.copytree(tmp_path, directory, ignore=shutil.ignore_patterns("flip-*"))
        damaged = bytearray(content)
        damaged[offset] ^= 0x10
        (directory / FILE_NAMES[0]).write_bytes(damaged)
        assert main(["verify-store", "--store", str(directory)]) == 0
        assert "note: " in capsys.readouterr().out
        with Store.open(directory) as store:
            assert "damaged at byte" in store.journal_warning or "another store" in store.journal_warning
            store.put_call(call(100))
        kept = seeds(directory)
        assert kept == [*range(len(kept) - 1), 100] and len(kept) <= 10
        assert (directory / (FILE_NAMES[0] + ".damaged")).read_bytes() == damaged
        with Store.open(directory) as store:
            assert store.journal_warning == ""


def test_a_journal_of_another_store_is_kept_aside(tmp_path: Path, python: Python) -> None:
    leave_journal(tmp_path, python, 0, 5)
    (tmp_path / "store.duckdb").unlink()
    with Store.open(tmp_path) as store:
        assert "another store" in store.journal_warning
        assert store.sql("SELECT count(*) FROM call") == [(0,)]
    assert (tmp_path / (FILE_NAMES[0] + ".damaged")).exists()


def test_the_journal_is_emptied_under_load_and_never_too_early(
    tmp_path: Path, call: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight threads put 4,000 calls; at each commit, what is in no transaction yet must be in the journal."""
    monkeypatch.setattr("mixwright_runtime.store.writer.BATCH_SECONDS", 0.005)
    put: list[set[int]] = [set() for _ in range(8)]
    sizes: list[int] = []

    def look(point: str) -> None:
        if point != "commit":
            return
        promised = set().union(*map(set.copy, put))
        # Committed by now, or read here: files are emptied by this very thread, later.
        kept = {seed for (seed,) in store.sql("SELECT seed FROM call")}
        for name in FILE_NAMES:
            kept |= {record.seed for record in read_journal(tmp_path / name, None).records}
        assert promised <= kept
        sizes.append(journal_bytes(tmp_path))

    def produce(which: int) -> None:
        for number in range(which, 4_000, 8):
            # However fast the producers are, they see commits come and go: one for each thousand calls at least.
            while len(sizes) < number // 1_000 and time.monotonic() < load_ends:
                time.sleep(0.001)
            store.put_call(call(number))
            put[which].add(number)

    load_ends = time.monotonic() + 30
    store = Store.open(tmp_path, at_point=look)
    threads = [threading.Thread(target=produce, args=(which,)) for which in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(store.flush())
    deadline = time.monotonic() + 10
    while journal_bytes(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert journal_bytes(tmp_path) == 0, "a session without work keeps a journal"
    store.close()
    assert not any((tmp_path / name).exists() for name in FILE_NAMES)
    assert seeds(tmp_path) == list(range(4_000))
    assert len(sizes) > 2


def test_a_reader_leaves_the_journal_alone(tmp_path: Path, python: Python) -> None:
    leave_journal(tmp_path, python, 0, 5)
    before = journal_bytes(tmp_path)
    with Store.open(tmp_path, read_only=True) as store:
        assert store.sql("SELECT count(*) FROM call") == [(0,)]
    assert journal_bytes(tmp_path) == before


def test_verify_store_tells_of_waiting_calls(
    tmp_path: Path, python: Python, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_journal(tmp_path, python, 0, 12)
    assert main(["verify-store", "--store", str(tmp_path)]) == 0
    assert "12 calls of a killed run wait in the journal" in capsys.readouterr().out
    assert main(["verify-store", "--json", "--store", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["journaled"] == 12


def test_a_repair_takes_the_journal_in(tmp_path: Path, python: Python) -> None:
    leave_journal(tmp_path, python, 0, 6)
    (tmp_path / "store.duckdb").write_bytes(b"not a store" * 1_000)
    with pytest.raises(StoreBroken):
        Store.open(tmp_path)
    done = repair(tmp_path)
    assert done.from_journal == 6 and journal_bytes(done.kept_aside) > 0
    with Store.open(tmp_path) as store:
        assert store.journal_warning == ""
    assert seeds(tmp_path) == list(range(6))
    assert verify(tmp_path).faults == []


def test_a_journal_without_room_leaves_the_transaction_to_decide(tmp_path: Path, call: Make) -> None:
    """Only the journal is refused: there is room again before the transaction is written."""
    with Store.open(tmp_path) as store:
        with largest_file(200_000):
            store.put_call(call(1, text=random.Random(1).randbytes(150_000).hex()))
            assert "cannot be written" in store.journal_warning
            store.put_call(call(2))
            assert store.journal_warning == ""
            assert [record.seed for record in read_journal(tmp_path / FILE_NAMES[0], None).records] == [2]
        asyncio.run(store.flush())
    assert seeds(tmp_path) == [1, 2]
