"""Files that workers must have: found at their path, or sent in parts."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from mixwright_runtime.cluster import given
from mixwright_runtime.cluster.given import FILE, PART, GivenFile
from mixwright_runtime.cluster.leases import Lease
from mixwright_runtime.cluster.protocol import frame, read_frame
from mixwright_runtime.cluster.services import PoolService
from mixwright_runtime.engines.protocol import Sites
from mixwright_runtime.errors import RunError


class Elsewhere:
    """A worker on a machine that has other files, or the same."""

    name, node = "elsewhere", "there"

    def __init__(self, root: Path | None = None) -> None:
        self.sites: dict[str, Sites] = {}
        self.root = root
        self.kinds: list[str] = []
        self.spoils = False
        self.pool = PoolService(1)

    async def open(self, service: str) -> int:
        return 1

    async def answers(self, service: str, lease: Lease) -> AsyncGenerator[list[tuple[bytes, bytes]]]:
        [item] = lease.items
        self.kinds.append(item.kind)
        head, bodies = read_frame(item.body)
        if item.kind == FILE and self.root is not None:
            head["path"] = str(self.root / Path(head["path"]).name)
        if item.kind == PART and self.spoils:
            bodies = [b"x" + bodies[0][1:]]
        yield [(item.key, await self.pool.answer(item.kind, frame(head, bodies)))]


def given_to(worker: Elsewhere, path: Path) -> str:
    """Where the worker has the file."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()

    async def main() -> bytes:
        await GivenFile(path, digest).hold(worker, "any")
        await GivenFile(path, digest).hold(worker, "any")
        place = worker.pool._given.place(digest)
        return place.encode() + b" " + Path(place).read_bytes()

    place, _, content = asyncio.run(main()).partition(b" ")
    assert content == path.read_bytes()
    return place.decode()


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 1000])
def test_a_file_that_a_worker_lacks_comes_in_parts_and_once(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given, "PART_BYTES", 100)
    path = tmp_path / "weights"
    path.write_bytes(bytes(number % 251 for number in range(size)))
    worker = Elsewhere(tmp_path / "other")
    assert given_to(worker, path).startswith("/proc/")
    assert worker.kinds == [FILE, *[PART] * max(1, -(-size // 100)), FILE]


def test_a_file_that_is_there_does_not_come(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"the same")
    worker = Elsewhere()
    assert given_to(worker, path) == str(path)
    assert worker.kinds == [FILE, FILE]

    other = tmp_path / "other"
    other.mkdir()
    (other / "weights").write_bytes(b"not same")
    assert given_to(Elsewhere(other), path).startswith("/proc/"), "the same name says nothing"


def test_a_file_that_comes_as_another_leaves_the_worker_out(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"the same")
    worker = Elsewhere(tmp_path / "other")
    worker.spoils = True
    with pytest.raises(RunError, match="a file came with the digest"):
        given_to(worker, path)
    worker.spoils = False
    given_to(worker, path)
