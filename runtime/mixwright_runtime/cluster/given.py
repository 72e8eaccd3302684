"""Files that many items of a service share: a worker has the same at their path, or gets them in parts, once.

GivenFile.hold ─▶ is it there? ─▶ no: a part after the other ─▶ Given.place: where processes of the worker find it
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixwright_runtime.cluster.jobs import pool_answer_in
from mixwright_runtime.cluster.protocol import Worker, frame, read_frame
from mixwright_runtime.cluster.proving import PROOF_S, answer_of
from mixwright_runtime.engines.protocol import EngineFault
from mixwright_runtime.errors import RunError
from mixwright_runtime.sources.digests import digest_of_files
from mixwright_runtime.workers.pool import WorkerError

FILE, PART = "file", "part"
"""Kinds of items; functions, the other ones, have a colon in their names."""
PART_BYTES = 4 << 20
"""Of a file that travel together: the run holds one part at a time. Chosen."""


@dataclass(frozen=True)
class GivenFile:
    """A file of the run that each worker must have before it takes part."""

    path: Path
    digest: str

    async def hold(self, worker: Worker, service: str) -> None:
        """Give it to a worker. See `Condition.hold`."""
        asked = frame({"path": str(self.path), "digest": self.digest})
        if (await self._told(worker, service, FILE, asked))["has"]:
            return
        size, at = self.path.stat().st_size, 0
        with self.path.open("rb") as file:
            while at < size or not size:
                part = await asyncio.to_thread(file.read, PART_BYTES)
                is_last = at + len(part) >= size
                body = frame({"digest": self.digest, "at": at, "last": is_last}, [part])
                await self._told(worker, service, PART, body)
                at += len(part)
                if is_last:
                    return

    async def _told(self, worker: Worker, service: str, kind: str, body: bytes) -> dict[str, Any]:
        try:
            return pool_answer_in(await answer_of(worker, service, kind, body, PROOF_S))
        except EngineFault as fault:
            raise RunError(f"worker {worker.name} is not used: {fault}") from fault
        except WorkerError as failed:
            raise RunError(f"worker {worker.name} does not get {self.path.name}: {failed}") from failed


class Given:
    """What a worker was given: files without a name, so that nothing is left of them."""

    def __init__(self) -> None:
        self._files = contextlib.ExitStack()
        self._coming: dict[str, Any] = {}
        self._places: dict[str, str] = {}
        """By digest."""

    def place(self, digest: str) -> str:
        """Where processes of this worker find what it was given."""
        return self._places[digest]

    def keep(self, digest: str, data: bytes) -> str:
        """Put something small into a file, once; returns its place. Raises OSError where the disk is full."""
        if digest not in self._places:
            self._write(digest, 0, data)
            self._is_whole(digest)
        return self._places[digest]

    async def answer(self, kind: str, body: bytes) -> bytes:
        """The answer to a `GivenFile`.

        Raises:
            OSError: the disk is full.
            RunError: the file that came is another one.
        """
        head, bodies = read_frame(body)
        digest = str(head["digest"])
        if kind == FILE:
            has = digest in self._places or await asyncio.to_thread(_is_at, Path(head["path"]), digest)
            if has:
                self._places.setdefault(digest, str(head["path"]))
            return frame({"has": has})
        await asyncio.to_thread(self._write, digest, int(head["at"]), bodies[0])
        if head["last"]:
            file = self._coming[digest]
            file.seek(0)
            found = (await asyncio.to_thread(hashlib.file_digest, file, "sha256")).hexdigest()
            if found != digest:
                raise RunError(f"a file came with the digest {found[:15]}, not {digest[:15]}")
            self._is_whole(digest)
        return frame({})

    def close(self) -> None:
        """Forget all of it."""
        self._files.close()

    def _write(self, digest: str, at: int, data: bytes) -> None:
        if digest not in self._coming:
            self._coming[digest] = self._files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        file = self._coming[digest]
        file.seek(at)
        file.truncate()  # of one that was broken off there may be more
        file.write(data)
        file.flush()

    def _is_whole(self, digest: str) -> None:
        self._places[digest] = f"/proc/{os.getpid()}/fd/{self._coming[digest].fileno()}"


def _is_at(path: Path, digest: str) -> bool:
    try:
        return digest_of_files([path]) == digest
    except OSError:
        return False
