"""Records in short: each fixture makes one kind with everything filled in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mixwright_compiler.plan.plan import Plan
from mixwright_runtime.store.records import CallRecord, OutcomeRecord
from mixwright_runtime.store.store import Store
from mixwright_runtime.values.rows import digest


def key_of(number: int) -> bytes:
    return digest("test", number)


@pytest.fixture
def plan() -> Plan:
    return Plan(mixwright_version="0.1.0", edition=1, spec="tiny.mix", root="/p", directory="/p", files=())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def call() -> Callable[..., CallRecord]:
    def make(number: int, **changes: Any) -> CallRecord:
        values: dict[str, Any] = {
            "key": key_of(number), "run_id": 1, "node": "math.solve", "model": "teacher", "identity": "abc",
            "request": '{"messages": []}', "text": f"answer {number}", "reasoning": "", "finish": "stop",
            "status": "ok", "prompt_tokens": 7, "output_tokens": 9, "seed": number, "started": 1.0, "ended": 2.0,
        }  # fmt: skip
        return CallRecord(**{**values, **changes})

    return make


@pytest.fixture
def outcome() -> Callable[..., OutcomeRecord]:
    def make(number: int, **changes: Any) -> OutcomeRecord:
        values: dict[str, Any] = {
            "run_id": 1, "pipeline": "math", "row_id": key_of(number), "origin_id": key_of(number),
            "source": "questions", "source_ref": f"questions.jsonl:{number + 1}", "position": number, "replica": 0,
            "candidate": 0, "parents": (), "status": "kept", "columns": f'{{"number":{number}}}',
            "calls": (key_of(number),),
        }  # fmt: skip
        return OutcomeRecord(**{**values, **changes})

    return make


@pytest.fixture
def python() -> Callable[..., subprocess.Popen[str]]:
    """Starts a Python process with `source`; its standard input and output are pipes."""

    def start(source: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", source, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    return start
