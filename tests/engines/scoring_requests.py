"""Requests for scores and vectors, and engines to put them to."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import ModelSpec, Origin
from mixwright_runtime.engines.protocol import (
    EmbedRequest,
    EngineEnvironment,
    ScoreRequest,
    Scores,
    ScoreTask,
    Vectors,
)
from tests.reward_models import LIMIT, TAG, chat

TEXTS = ("hello", "world", "a", "abc" * 20)
SUMS = [(a, b, c) for a in range(LIMIT) for b in range(LIMIT) for c in (a + b, (a + b + 3) % 7)]
PAIRS = (("hello", "world"), ("a", "b"), ("long" * 5, "x"), ("world", "hello"))


def engine_of(engine: Any, task: str, path: Path | str = "", **attributes: Any) -> Any:
    """An engine of a class for a task; `path` or `base_url` says where its model is."""
    stated: dict[str, Any] = {
        "task": task,
        "context": 64 if "encoder" in str(path) else 256,
        "pooling": "auto",
    }
    stated |= {"path": str(path) or None, "repo": None, "revision": None, "dtype": "float32"}
    stated |= {"batch_size": 8, "threads": 1, "tensor_parallel": 1, "gpu_memory": 0.3, "max_in_flight": 16}
    stated |= {"model": "rm", "timeout": 60.0, "api_key": None}
    spec = ModelSpec(
        name="rater",
        engine="any",
        attributes={**stated, **attributes},
        identity="x",
        origin=Origin(file="t.mix", line=1, column=1),
    )
    return engine(spec, EngineEnvironment(Path("/")))


def of_chats(task: ScoreTask) -> list[ScoreRequest]:
    """Every sum as a chat."""
    return [ScoreRequest(b"", task, tuple(chat(a, b, str(c)))) for a, b, c in SUMS]


def of_steps() -> list[ScoreRequest]:
    """Every sum as the second step of two."""
    found = []
    for a, b, c in SUMS:
        said = f"1+1=2{TAG}{a}+{b}={c}{TAG}"
        found.append(ScoreRequest(b"", "process_reward", tuple(chat(1, 1, said)), (), TAG, 2))
    return found


def of_pairs(task: ScoreTask = "reward") -> list[ScoreRequest]:
    return [ScoreRequest(b"", task, (), pair) for pair in PAIRS]


def asked(engine: Any, requests: list[Any]) -> list[Any]:
    """Scores, vectors or exceptions, in the order of the requests; the engine is started and closed."""

    async def ask() -> list[Any]:
        await engine.start()
        try:
            jobs = [(engine.score if isinstance(r, ScoreRequest) else engine.embed)(r) for r in requests]
            return await asyncio.gather(*jobs, return_exceptions=True)
        finally:
            await engine.close()

    return asyncio.run(ask())


def values(engine: Any, requests: list[ScoreRequest]) -> list[tuple[float, ...]]:
    found = asked(engine, requests)
    assert all(isinstance(one, Scores) for one in found), found
    return [one.values for one in found]


def vectors(engine: Any, *texts: str) -> Any:
    [found] = asked(engine, [EmbedRequest(b"", texts or TEXTS)])
    assert isinstance(found, Vectors), found
    return found.vectors
