"""`mixwright lock` broken off: by a kill, by a source that cannot be read; what it tells, and how it goes on."""

from __future__ import annotations

import io
import signal
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Event

import pytest

from mixwright import lock_progress
from mixwright.cli import main
from mixwright.lock_progress import LockProgress
from mixwright_compiler.bind.lock import Lock, read_lock
from mixwright_runtime.run import live
from mixwright_runtime.sources import digests, reader
from mixwright_runtime.sources.digests import DigestsAhead, digest_of_files
from tests.killing import killing

SPEC = """edition 2026
source first jsonl { path = "first.jsonl", where = n > 0 }
source second jsonl { path = "second.jsonl" }
source third jsonl { path = "third.jsonl", limit = 1 }
pipeline one { from first }
pipeline two { from second }
pipeline three { from third }
"""
NAMES = ("first", "second", "third")


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / f"{name}.jsonl").write_text('{"n": 0, "q": "a"}\n{"n": 1, "q": "b"}\n')
    path = tmp_path / "three.mix"
    path.write_text(SPEC)
    return path


def lock_of(spec: Path) -> Lock:
    return read_lock(spec.with_suffix(".lock"))


@pytest.fixture
def inspected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sources whose rows are read, in order."""
    names: list[str] = []
    real = reader.inspect_source

    def inspect(spec, directory, told=lambda _: None):  # type: ignore[no-untyped-def]
        names.append(spec.name)
        return real(spec, directory, told)

    monkeypatch.setattr(reader, "inspect_source", inspect)
    return names


def test_a_bad_source_in_the_middle_costs_nothing_of_the_others(
    spec: Path, inspected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    second = spec.parent / "second.jsonl"
    second.write_text('{"n": 0\n')
    assert main(["lock", str(spec)]) == 2
    told = capsys.readouterr().err
    assert "second.jsonl:1: not JSON" in told and "goes on with the rest" in told
    assert (list(lock_of(spec).sources), lock_of(spec).unfinished) == (["first", "third"], ("source second",))
    assert lock_of(spec).sources["first"].selected == 1
    assert main(["run", "--locked", str(spec)]) == 1
    assert "MIX807" in capsys.readouterr().err
    second.write_text('{"n": 0}\n')
    inspected.clear()
    assert main(["lock", str(spec)]) == 0
    assert inspected == ["second"], "of the others digests are compared"
    assert (sorted(lock_of(spec).sources), lock_of(spec).unfinished) == (sorted(NAMES), ())
    whole = spec.with_suffix(".lock").read_text()
    spec.with_suffix(".lock").unlink()
    assert main(["lock", str(spec)]) == 0
    assert spec.with_suffix(".lock").read_text() == whole, "the same as if it had never been broken off"


def test_a_source_that_changed_meanwhile_is_read_again(spec: Path, inspected: list[str]) -> None:
    (spec.parent / "second.jsonl").write_text("{\n")
    assert main(["lock", str(spec)]) == 2
    (spec.parent / "second.jsonl").write_text('{"n": 0}\n')
    with (spec.parent / "third.jsonl").open("a") as file:
        file.write('{"n": 2, "q": "c"}\n')
    spec.write_text(SPEC.replace("n > 0", "n >= 0"))
    inspected.clear()
    assert main(["lock", str(spec)]) == 0
    assert inspected == ["second", "third", "first"], "of the first only what another `where` lets in"
    assert lock_of(spec).sources["third"].rows == 3
    assert lock_of(spec).sources["first"].selected == 2


def test_records_of_an_earlier_lock_are_marked_until_they_are_read_again(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lock", str(spec)]) == 0
    (spec.parent / "first.jsonl").write_text('{"n": 5, "q": "new"}\n')
    (spec.parent / "second.jsonl").write_text("{\n")
    assert main(["lock", str(spec)]) == 2
    found = lock_of(spec)
    assert (found.sources["first"].rows, found.sources["second"].rows) == (1, 2)
    capsys.readouterr()
    assert main(["check", str(spec)]) == 0
    assert "was broken off before it read source `second`" in capsys.readouterr().out
    assert main(["run", "--locked", str(spec)]) == 1
    assert "source `second` was not read again" in capsys.readouterr().err


def test_a_lock_that_holds_is_not_marked_by_a_reading_that_finds_nothing_new(
    spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["lock", str(spec)]) == 0
    before = spec.with_suffix(".lock").read_bytes()
    real = reader.inspect_source

    def interrupted(spec, directory, told=lambda _: None):  # type: ignore[no-untyped-def]
        if spec.name == "third":
            raise KeyboardInterrupt
        return real(spec, directory, told)

    monkeypatch.setattr(reader, "inspect_source", interrupted)
    assert main(["lock", str(spec)]) == 130
    assert spec.with_suffix(".lock").read_bytes() == before


def lock_and_die(spec: str, nth: int) -> None:
    """Lock a spec, and be killed when a file is to take another's place for the n-th time."""
    import os

    replaced = 0
    real = os.replace

    def dying(*paths: Path) -> None:
        nonlocal replaced
        replaced += 1
        if replaced == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        real(*paths)

    os.replace = dying  # type: ignore[assignment]
    raise SystemExit(main(["lock", spec]))


def test_kill_9_at_any_write_leaves_a_whole_lock_and_loses_nothing_finished(
    spec: Path, inspected: list[str]
) -> None:
    """The new file is written, and about to take the place of the old one."""
    assert main(["lock", str(spec)]) == 0
    whole = spec.with_suffix(".lock").read_text()
    with killing("tests.commands.test_lock_broken_off", "lock_and_die") as locking:
        for finished in range(1, 5):
            spec.with_suffix(".lock").unlink(missing_ok=True)
            assert locking(spec, finished + 1) == -signal.SIGKILL
            found = lock_of(spec)
            assert list(found.sources) == sorted(NAMES[:finished])
            left = [f"source {name}" for name in NAMES[finished:]]
            assert found.unfinished == ((*left, "where first") if finished < 4 else ())
            inspected.clear()
            assert main(["lock", str(spec)]) == 0
            # A lock that is finished is read anew; of one that is not, what it lacks.
            assert inspected == ([*NAMES[finished:], "first"] if finished < 4 else [*NAMES, "first"])
            assert spec.with_suffix(".lock").read_text() == whole


def test_files_are_digested_once_and_several_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / f"{number}" for number in range(2)]
    for number, file in enumerate(files):
        file.write_bytes(bytes([number]) * 3)
    both = Barrier(2, timeout=30)
    read: list[str] = []
    real = digests._read

    def reading(path: str, told: Callable[[int], None]) -> str:
        read.append(path)
        both.wait()
        return real(path, told)

    monkeypatch.setattr(digests, "_read", reading)
    monkeypatch.setattr(digests.os, "sched_getaffinity", lambda _: {0, 1})
    counted: list[int] = []
    with DigestsAhead(files, counted.append):
        together = digest_of_files(files)
    assert digest_of_files(files) == together
    assert (sorted(read), counted) == ([str(file) for file in files], [3, 3])


def test_what_is_not_digested_is_given_up_when_the_reading_ends(tmp_path: Path) -> None:
    file = tmp_path / "long"
    file.write_bytes(bytes(4 * digests.CHUNK_BYTES))
    counted: list[int] = []
    at_first = Event()
    ended = Event()

    def told(count: int) -> None:
        counted.append(count)
        at_first.set()
        assert ended.wait(30)

    with pytest.raises(KeyboardInterrupt), DigestsAhead([file], told):
        assert at_first.wait(30)
        ended.set()
        raise KeyboardInterrupt
    assert len(counted) < 4
    assert digests._under_way == {}


def test_it_tells_how_far_it_is_where_somebody_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "rows"
    file.write_bytes(bytes(10))
    monkeypatch.setattr(live, "LINE_EVERY_S", 0.0)
    monkeypatch.setattr(lock_progress, "SHOW_EVERY_S", 0.01)
    told = Told()
    with LockProgress(told).of(2, [file]) as progress:
        progress.begin("web")
        progress.read(1_234_000)
        progress.digested(5)
        assert told.written.wait(30)
    line = told.getvalue().splitlines()[0]
    assert line.startswith("source 1 of 2, web: ") and line.endswith("GB digested · 0 s so far")
    silent = io.StringIO()
    with LockProgress(silent, is_quiet=True).of(2, [file]) as progress:
        progress.begin("web")
    assert silent.getvalue() == ""


class Told(io.StringIO):
    """A log that says when something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = Event()

    def flush(self) -> None:
        self.written.set()
