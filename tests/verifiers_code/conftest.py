"""One event loop, one sandbox and one pool of workers for the tests of this directory."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mixwright_runtime.sandbox.pool import Sandbox
from mixwright_runtime.sandbox.protocol import SandboxUnavailable
from mixwright_runtime.sandbox.toolchains import machine_options
from mixwright_runtime.verifiers.code.judge import CodeJudge, Question
from mixwright_runtime.verifiers.code.verdict import Verdict
from mixwright_runtime.workers.pool import WorkerPool

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS / "runtime" / "execution")]

Judged = Callable[..., Verdict]


@pytest.fixture(scope="session")
def code_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="session")
def code_sandbox(code_loop: asyncio.AbstractEventLoop) -> Iterator[Sandbox]:
    made = Sandbox(machine_options(), size=2)
    try:
        code_loop.run_until_complete(made.start())
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    yield made
    code_loop.run_until_complete(made.close())


@pytest.fixture(scope="session")
def code_workers(code_loop: asyncio.AbstractEventLoop) -> Iterator[WorkerPool]:
    pool = WorkerPool(1)
    yield pool
    code_loop.run_until_complete(pool.close())


@pytest.fixture(scope="session")
def judges() -> dict[Any, CodeJudge]:
    """Judges by their settings: one compiles the same program once."""
    return {}


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where compiled programs are kept."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def judged(
    code_loop: asyncio.AbstractEventLoop,
    code_sandbox: Sandbox,
    code_workers: WorkerPool,
    judges: dict[Any, CodeJudge],
    compiled: Path,
) -> Judged:
    """The verdict on an answer: `judged(answer, tests, language="cpp", entry_point=…, prefix=…, setup=…, …)`."""

    def verdict(
        answer: str, tests: Any, *, entry_point: str = "", prefix: str = "", setup: str = "", **settings: Any
    ) -> Verdict:
        key = tuple(sorted(settings.items()))
        if key not in judges:
            judges[key] = CodeJudge(lambda: code_sandbox, lambda: code_workers, cache=compiled, **settings)
        question = Question(answer, tests, entry_point, prefix, setup)
        return code_loop.run_until_complete(judges[key].verdict(question))

    return verdict
