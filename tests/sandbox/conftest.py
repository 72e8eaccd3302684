"""One event loop and one sandbox for the tests of this directory: a box takes 0.3 s to start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

import pytest

from mixwright_runtime.sandbox.pool import Sandbox
from mixwright_runtime.sandbox.protocol import Job, Ran, SandboxUnavailable

Run = Callable[[Job], Ran]
RunAll = Callable[[Sequence[Job]], list[Ran]]


@pytest.fixture(scope="session")
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="session")
def sandbox(_loop: asyncio.AbstractEventLoop) -> Iterator[Sandbox]:
    made = Sandbox(size=8)
    try:
        _loop.run_until_complete(made.start())
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    yield made
    _loop.run_until_complete(made.close())


@pytest.fixture
def run(_loop: asyncio.AbstractEventLoop, sandbox: Sandbox) -> Run:
    """Run one job."""
    return lambda job: _loop.run_until_complete(sandbox.run(job))


@pytest.fixture
def run_all(_loop: asyncio.AbstractEventLoop, sandbox: Sandbox) -> RunAll:
    """Run jobs at once."""

    async def gathered(jobs: Sequence[Job]) -> list[Ran]:
        return list(await asyncio.gather(*(sandbox.run(job) for job in jobs)))

    return lambda jobs: _loop.run_until_complete(gathered(jobs))
