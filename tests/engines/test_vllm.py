"""vLLM in process, on the CPU, with the small model of this project.

One engine serves all tests of this file: it takes about ten CPU-seconds to load. Requests of each test come from an
event loop of their own; the engine does not mind.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mixwright_compiler.plan.plan import ModelSpec, Origin
from mixwright_runtime.engines.protocol import (
    Answer,
    EngineEnvironment,
    EngineFault,
    Fault,
    Finish,
    LabelRequest,
    Labels,
    Losses,
    LossRequest,
    Request,
)
from mixwright_runtime.engines.vllm import VllmEngine

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.slow,  # imports and starts vLLM
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
]

SMALL_MODEL = Path(__file__).parents[2] / "specs" / "tiny" / "model"


@pytest.fixture(scope="module")
def engine() -> Iterator[VllmEngine]:
    spec = ModelSpec(
        name="teacher",
        engine="vllm",
        attributes={
            "path": str(SMALL_MODEL),
            "repo": None,
            "revision": None,
            "dtype": "float32",
            "context": 256,
            "tensor_parallel": 1,
            "gpu_memory": 0.3,
            "max_in_flight": 16,
        },
        identity="x",
        origin=Origin(file="t.mix", line=1, column=1),
    )
    started = VllmEngine(spec, EngineEnvironment(Path("/")))
    asyncio.run(started.start())
    yield started
    asyncio.run(started.close())
    with pytest.raises(EngineFault):
        asyncio.run(started.complete(request_of("after the end")))


def request_of(text: str, seed: int = 0, **sampling: Any) -> Request:
    defaults = {"temperature": 0.0, "top_p": 1.0, "max_tokens": 24, "stop": []}
    return Request(b"", ({"role": "user", "content": text},), {**defaults, **sampling}, seed)


def answers(engine: VllmEngine, requests: list[Request]) -> list[Answer | BaseException]:
    async def ask() -> list[Answer | BaseException]:
        return await asyncio.gather(*map(engine.complete, requests), return_exceptions=True)

    return asyncio.run(ask())


def texts(engine: VllmEngine, requests: list[Request]) -> list[str]:
    found = answers(engine, requests)
    assert all(isinstance(answer, Answer) for answer in found), found
    return [answer.text for answer in found if isinstance(answer, Answer)]


def test_greedy_equals_the_transformers_engine(engine: VllmEngine) -> None:
    from tests.engines.test_transformers import engine_of
    from tests.engines.test_transformers import texts as transformers_texts

    requests = [
        request_of(
            f"A judge has {40 + i} pears. The judge sells {i}. How many pears are there now?", max_tokens=60
        )
        for i in range(2, 30, 3)
    ]
    own = texts(engine, requests)
    assert own == transformers_texts(engine_of(SMALL_MODEL), requests)
    assert all("#### " in text for text in own)


def test_a_seeded_text_does_not_depend_on_its_batch(engine: VllmEngine) -> None:
    # Long prompts at once are what chunked prefill would split, which kills seeded requests on a CPU.
    requests = [request_of("pears " * (10 + 3 * i), 1000 + i, temperature=2.0) for i in range(40)]
    alone = [texts(engine, [request])[0] for request in requests[:4]]
    assert texts(engine, requests)[:4] == alone
    assert len(set(alone)) == 4


def test_an_overlong_prompt_fails_alone(engine: VllmEngine) -> None:
    good, long = answers(engine, [request_of("Ada"), request_of("pears " * 300)])
    assert isinstance(good, Answer)
    assert isinstance(long, EngineFault) and long.fault is Fault.TOO_LONG


def test_limits_and_stops_end_an_answer(engine: VllmEngine) -> None:
    problem = "A pilot has 55 boxes. The pilot sells 32. How many boxes are there now?"
    short, stopped = answers(
        engine, [request_of(problem, max_tokens=5), request_of(problem, max_tokens=60, stop=["\n####"])]
    )
    assert isinstance(short, Answer) and isinstance(stopped, Answer)
    assert (short.finish, short.output_tokens) == (Finish.LENGTH, 5)
    assert (stopped.finish, stopped.text) == (Finish.STOP, "55-32: 5-2=3, 5-3-0=2")


def test_a_schema_forces_the_answer(engine: VllmEngine) -> None:
    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"]}
    schema["additionalProperties"] = False
    found = answers(engine, [request_of("n?", 3, temperature=1.0, max_tokens=200, schema=schema)])
    assert isinstance(found[0], Answer)
    if found[0].finish is Finish.STOP:  # random weights may write white space to the limit
        assert json.loads(found[0].text)["n"] in (1, 2)
    assert found[0].text.lstrip().startswith("{")


def test_a_crash_fails_what_is_in_flight_and_the_engine_answers_again(
    engine: VllmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash() -> None:
        raise RuntimeError("CPU Generator does not use offset")

    monkeypatch.setattr(engine._engine, "step", crash)
    [fault] = answers(engine, [request_of("Ada")])
    assert isinstance(fault, EngineFault) and fault.fault is Fault.CONNECTION
    monkeypatch.undo()
    [answer] = answers(engine, [request_of("Ada")])
    assert isinstance(answer, Answer)
    assert answer.engine["engine"].startswith("vllm ")


LONG = "Ada has 7 nuts and Bo has none. " * 6


def test_losses_are_those_of_the_transformers_engine(engine: VllmEngine) -> None:
    """In whatever order: several begin alike, so that there is something in the prefix cache, in blocks of 128 tokens."""
    from mixwright_runtime.engines.transformers import TransformersEngine
    from tests.engines.scoring_requests import engine_of
    from tests.engines.test_token_losses import requests, told

    alike = [LossRequest(b"", LONG, f"Bo has {n}.", 0, 0, token) for n in (3, 4) for token in ("", "7")]
    asked = [*requests(), *alike]
    expected = told(engine_of(TransformersEngine, "generate", SMALL_MODEL), asked)

    async def ask() -> list[Losses]:
        return await asyncio.gather(*map(engine.losses, [*asked, *reversed(asked)]))

    found = asyncio.run(ask())
    for one, other, again in zip(expected, found, reversed(found), strict=False):
        assert one.offsets == other.offsets == again.offsets
        assert list(other.logprobs) == pytest.approx(list(one.logprobs), abs=1e-3)
        assert list(again.logprobs) == pytest.approx(list(other.logprobs), abs=1e-4)


def test_labels_are_those_of_the_transformers_engine(engine: VllmEngine) -> None:
    """Of a chat's first token and of a text's next one; a label of several tokens fails alone."""
    from mixwright_runtime.engines.transformers import TransformersEngine
    from tests.engines.scoring_requests import engine_of

    asked = [
        LabelRequest(b"", ({"role": "user", "content": LONG + text},), ("1", "2", "3"), is_text=is_text)
        for text in ("Bo", "Ada has 4")
        for is_text in (False, True)
    ]
    broken = LabelRequest(b"", ({"role": "user", "content": "Bo"},), ("several words",))

    async def told(by: TransformersEngine | VllmEngine) -> list[Labels | BaseException]:
        return await asyncio.gather(*map(by.labels, [*asked, broken]), return_exceptions=True)

    async def expected() -> list[Labels | BaseException]:
        reference = engine_of(TransformersEngine, "generate", SMALL_MODEL)
        await reference.start()
        try:
            return await told(reference)
        finally:
            await reference.close()

    *found, fault = asyncio.run(told(engine))
    *wanted, same_fault = asyncio.run(expected())
    assert isinstance(fault, EngineFault) and str(fault) == str(same_fault)
    for one, other in zip(found, wanted, strict=True):
        assert isinstance(one, Labels) and isinstance(other, Labels)
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-3)
        assert one.prompt_tokens == other.prompt_tokens
