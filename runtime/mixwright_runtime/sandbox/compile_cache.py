"""Keeps what compilers made, by the hash of everything that went in: a file on the host, where no job can reach it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mixwright_runtime.sandbox.protocol import ProgramJob, Ran, Runner

LIMIT_BYTES = 1024**3
PRUNE_EVERY = 200
"""Writes between two looks at how large the cache has become."""


class CompileCache:
    """`await cache.run(sandbox, job, toolchain)` runs a compile job, or returns what it gave before.

    Only a job that ended by itself is kept, with its status and output: a compiler that refuses a program refuses it
    again. A time-out, a limit and a failing box are not kept.
    """

    def __init__(self, directory: Path, *, limit_bytes: int = LIMIT_BYTES) -> None:
        """`directory` is made when it is needed; the least recently used results go when it holds over `limit_bytes`."""
        self._directory = directory
        self._limit_bytes = limit_bytes
        self._writes = 0
        self._compiling: dict[str, asyncio.Task[Ran]] = {}

    async def run(self, sandbox: Runner, job: ProgramJob, toolchain: str) -> Ran:
        """The job's result. `toolchain` is the compiler's name and version: another one compiles anew.

        Two callers with the same job share one compilation.
        """
        key = _key(job, toolchain)
        found = self._read(key)
        if found is not None:
            return found
        if key not in self._compiling:
            self._compiling[key] = asyncio.create_task(self._compiled(sandbox, job, key))
        # A caller that gives up must not take the result from the others.
        return await asyncio.shield(self._compiling[key])

    async def _compiled(self, sandbox: Runner, job: ProgramJob, key: str) -> Ran:
        try:
            ran = await sandbox.run(job)
            if ran.outcome == "done":
                self._write(key, ran)
            return ran
        finally:
            del self._compiling[key]

    def _read(self, key: str) -> Ran | None:
        path = self._directory / key
        try:
            content = path.read_bytes()
            head, _, rest = content.partition(b"\n")
            known: dict[str, Any] = json.loads(head)
            files: dict[str, bytes] = {}
            for name, size in known["files"]:
                files[name], rest = rest[:size], rest[size:]
            stdout, stderr = rest[: known["stdout"]], rest[known["stdout"] :]
            if (len(stdout), len(stderr)) != (known["stdout"], known["stderr"]):
                return None
            # Its last use, by which it is kept.
            os.utime(path)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Ran("done", status=known["status"], stdout=stdout, stderr=stderr, files=files)

    def _write(self, key: str, ran: Ran) -> None:
        head = {
            "status": ran.status,
            "files": [[name, len(content)] for name, content in ran.files.items()],
            "stdout": len(ran.stdout),
            "stderr": len(ran.stderr),
        }
        body = b"".join([json.dumps(head).encode(), b"\n", *ran.files.values(), ran.stdout, ran.stderr])
        # A full disk costs a compilation later, not this row.
        with contextlib.suppress(OSError):
            self._directory.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._directory, prefix=".")
            try:
                with open(descriptor, "wb") as file:
                    file.write(body)
                os.replace(name, self._directory / key)
            except OSError:
                os.unlink(name)
                raise
            self._writes += 1
            if self._writes % PRUNE_EVERY == 1:
                self._prune()

    def _prune(self) -> None:
        entries = [(path.stat(), path) for path in self._directory.iterdir() if path.is_file()]
        entries.sort(key=lambda entry: entry[0].st_mtime, reverse=True)
        held = 0
        for status, path in entries:
            held += status.st_size
            if held > self._limit_bytes:
                path.unlink(missing_ok=True)


def _key(job: ProgramJob, toolchain: str) -> str:
    described = replace(job, files={}, stdin=b"")
    digest = blake2b(repr((described, toolchain)).encode(), digest_size=20)
    for name, content in [*sorted(job.files.items()), ("", job.stdin)]:
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()
