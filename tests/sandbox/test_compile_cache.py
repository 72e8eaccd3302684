"""A program is compiled once; what was compiled is found again, whole, and never by another job."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mixwright_runtime.sandbox.compile_cache import CompileCache
from mixwright_runtime.sandbox.protocol import Job, Limits, ProgramJob, Ran
from tests.sandbox.conftest import Run

JOB = ProgramJob(["cc", "a.c"], {"a.c": b"int main;"}, collect=["a.out"])
MADE = Ran("done", status=0, stdout=b"out\n", stderr=b"", files={"a.out": b"\n\0binary\n", "b": b""})


class Compiler:
    """Counts what it is asked to compile."""

    def __init__(self, *results: Ran) -> None:
        self.results = list(results)
        self.jobs: list[Job] = []

    async def start(self) -> None: ...
    async def close(self) -> None: ...

    async def run(self, job: Job) -> Ran:
        self.jobs.append(job)
        await asyncio.sleep(0)
        return self.results[min(len(self.jobs), len(self.results)) - 1]


def test_a_second_compilation_is_read(tmp_path: Path) -> None:
    compiler = Compiler(MADE)
    for _ in range(2):
        cache = CompileCache(tmp_path / "cache")
        assert asyncio.run(cache.run(compiler, JOB, "cc 12")) == MADE
    assert len(compiler.jobs) == 1


def test_whatever_goes_in_tells_two_compilations_apart(tmp_path: Path) -> None:
    cache, compiler = CompileCache(tmp_path), Compiler(MADE)
    others = [
        ProgramJob(["cc", "a.c"], {"a.c": b"int mainx"}, collect=["a.out"]),
        ProgramJob(["cc", "a.c"], {"a.d": b"int main;"}, collect=["a.out"]),
        ProgramJob(["cc", "-O", "a.c"], {"a.c": b"int main;"}, collect=["a.out"]),
        ProgramJob(["cc", "a.c"], {"a.c": b"int main;"}, collect=["a.out"], environment={"A": "1"}),
        ProgramJob(["cc", "a.c"], {"a.c": b"int main;"}, b"in", collect=["a.out"]),
    ]
    for job in [JOB, *others]:
        asyncio.run(cache.run(compiler, job, "cc 12"))
    asyncio.run(cache.run(compiler, JOB, "cc 13"))
    assert len(compiler.jobs) == 7


def test_a_refused_program_is_kept_and_a_timeout_is_not(tmp_path: Path) -> None:
    refused = Ran("done", status=1, stderr=b"error: no")
    cache, compiler = CompileCache(tmp_path), Compiler(Ran("timeout"), Ran("sandbox_error"), refused)
    runs = [asyncio.run(cache.run(compiler, JOB, "cc")) for _ in range(4)]
    assert (runs, len(compiler.jobs)) == ([Ran("timeout"), Ran("sandbox_error"), refused, refused], 3)


def test_two_at_once_share_one_compilation(tmp_path: Path) -> None:
    cache, compiler = CompileCache(tmp_path), Compiler(MADE)

    async def both() -> list[Ran]:
        return list(await asyncio.gather(*(cache.run(compiler, JOB, "cc") for _ in range(3))))

    assert asyncio.run(both()) == [MADE] * 3
    assert len(compiler.jobs) == 1


def test_a_damaged_entry_is_compiled_again(tmp_path: Path) -> None:
    cache, compiler = CompileCache(tmp_path), Compiler(MADE)
    asyncio.run(cache.run(compiler, JOB, "cc"))
    (entry,) = tmp_path.iterdir()
    for damaged in (b"", b"{}\n", entry.read_bytes()[:-3]):
        entry.write_bytes(damaged)
        assert asyncio.run(cache.run(compiler, JOB, "cc")) == MADE
    assert len(compiler.jobs) == 4


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    cache, compiler = (
        CompileCache(tmp_path, limit_bytes=1_000),
        Compiler(Ran("done", files={"x": bytes(400)})),
    )
    for n in range(201):
        asyncio.run(cache.run(compiler, ProgramJob(["cc", str(n)]), "cc"))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1_000


def test_a_compiled_program_runs_in_another_job(tmp_path: Path, run: Run) -> None:
    class Real:
        async def start(self) -> None: ...
        async def close(self) -> None: ...

        async def run(self, job: Job) -> Ran:
            raise AssertionError("was to be read")

    script = "printf '#!/bin/sh\\necho compiled $1' > program"
    compiled = run(ProgramJob(["sh", "-c", script], collect=["program"], limits=Limits(wall_s=20)))
    assert compiled.files == {"program": b"#!/bin/sh\necho compiled $1"}
    cache = CompileCache(tmp_path)
    asyncio.run(cache.run(Compiler(compiled), JOB, "sh"))
    again = asyncio.run(cache.run(Real(), JOB, "sh"))
    assert run(ProgramJob(["./program", "twice"], again.files)).stdout == b"compiled twice\n"
