"""The embedded engine on a model of random weights: seeds, stops, limits, faults."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mixwright_compiler.plan.plan import ModelSpec, Origin
from mixwright_runtime.engines.protocol import Answer, EngineEnvironment, EngineFault, Fault, Finish, Request
from mixwright_runtime.engines.transformers import TransformersEngine
from mixwright_runtime.errors import EngineUnavailable

pytestmark = pytest.mark.train


def engine_of(path: Path | str, **attributes: Any) -> TransformersEngine:
    defaults = {"path": str(path), "repo": None, "revision": None, "dtype": "float32", "context": 256}
    spec = ModelSpec(
        name="teacher",
        engine="transformers",
        attributes={**defaults, "batch_size": 8, "threads": 1, **attributes},
        identity="x",
        origin=Origin(file="t.mix", line=1, column=1),
    )
    return TransformersEngine(spec, EngineEnvironment(Path("/")))


def request_of(text: str, seed: int = 0, **sampling: Any) -> Request:
    defaults = {"temperature": 0.0, "top_p": 1.0, "max_tokens": 24, "stop": []}
    return Request(b"", ({"role": "user", "content": text},), {**defaults, **sampling}, seed)


def answers(engine: TransformersEngine, requests: list[Request]) -> list[Answer | BaseException]:
    """Answers, or exceptions, in the order of the requests; the engine is started and closed."""

    async def ask() -> list[Answer | BaseException]:
        await engine.start()
        try:
            return await asyncio.gather(*map(engine.complete, requests), return_exceptions=True)
        finally:
            await engine.close()

    return asyncio.run(ask())


def texts(engine: TransformersEngine, requests: list[Request]) -> list[str]:
    return [answer.text for answer in answers(engine, requests) if isinstance(answer, Answer)]


def varied_requests() -> list[Request]:
    return [
        request_of("pears " * (1 + i % 7), seed=1000 + i, temperature=0.9, top_p=1.0 if i % 2 else 0.8)
        for i in range(20)
    ]


def test_a_rows_text_does_not_depend_on_its_batch(random_model: Path) -> None:
    alone = texts(engine_of(random_model, batch_size=1), varied_requests())
    together = texts(engine_of(random_model, batch_size=16), varied_requests()[::-1])[::-1]
    assert alone == together
    assert len(set(alone)) == 20


def test_the_seed_decides_a_sampled_text(random_model: Path) -> None:
    first, second, third = texts(
        engine_of(random_model), [request_of("nuts", seed, temperature=1.0) for seed in (5, 5, 6)]
    )
    assert first == second != third


def test_greedy_equals_generate_of_the_library(random_model: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(random_model)
    tokenizer = AutoTokenizer.from_pretrained(random_model)
    prompts = ["Ada has 3 pears.", "nuts"]
    expected = []
    for prompt in prompts:
        messages = [{"role": "user", "content": prompt}]
        ids = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )["input_ids"]
        with torch.inference_mode():
            out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=24)
        expected.append(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))
    assert texts(engine_of(random_model), [request_of(prompt) for prompt in prompts]) == expected


def test_the_small_model_writes_a_problem_and_solves_one() -> None:
    place = Path(__file__).parents[2] / "specs" / "tiny" / "model"
    [problem, solution] = texts(
        engine_of(place),
        [
            request_of("Write a problem about boxes for a pilot.", max_tokens=60),
            request_of(
                "A pilot has 55 boxes. The pilot sells 32. How many boxes are there now?", max_tokens=60
            ),
        ],
    )
    assert problem.startswith("A pilot has ") and problem.endswith(" How many boxes are there now?")
    assert solution == "55-32: 5-2=3, 5-3-0=2\n#### 23"


def test_a_small_nucleus_is_greedy(random_model: Path) -> None:
    greedy, nucleus = texts(
        engine_of(random_model),
        [request_of("Bo has nuts."), request_of("Bo has nuts.", 7, temperature=1.0, top_p=1e-6)],
    )
    assert greedy == nucleus


def test_samples_follow_the_models_distribution() -> None:
    import torch

    from mixwright_runtime.engines.decoding import Prompt, _next_tokens, _row

    shares = torch.tensor([0.5, 0.3, 0.15, 0.05])
    rows = [_row(seed, Prompt([1], seed, temperature=2.0, max_tokens=1), 10) for seed in range(4000)]
    # Logits are doubled, so that temperature 2 gives `shares` back.
    drawn = _next_tokens((2 * shares.log()).repeat(4000, 1), rows)
    observed = torch.bincount(drawn, minlength=4) / 4000
    assert torch.allclose(observed, shares, atol=0.025)


def test_a_stop_string_ends_the_answer_before_it(random_model: Path) -> None:
    [whole] = texts(engine_of(random_model), [request_of("Ada")])
    stop = whole[3:6]
    [stopped] = answers(engine_of(random_model), [request_of("Ada", stop=[stop])])
    assert isinstance(stopped, Answer)
    assert (stopped.text, stopped.finish) == (whole[: whole.index(stop)], Finish.STOP)


def test_max_tokens_and_context_end_an_answer_as_length(random_model: Path) -> None:
    short, full = answers(
        engine_of(random_model, context=40),
        [request_of("Ada", max_tokens=5), request_of("Ada", max_tokens=500)],
    )
    assert isinstance(short, Answer) and isinstance(full, Answer)
    assert (short.finish, short.output_tokens) == (Finish.LENGTH, 5)
    assert full.finish is Finish.LENGTH
    assert full.prompt_tokens + full.output_tokens == 40


def test_an_overlong_prompt_fails_alone(random_model: Path) -> None:
    good, long, other = answers(
        engine_of(random_model, context=40), [request_of("Ada"), request_of("pears " * 60), request_of("Bo")]
    )
    assert isinstance(good, Answer) and isinstance(other, Answer)
    assert isinstance(long, EngineFault) and long.fault is Fault.TOO_LONG
    assert "`context` is 40" in str(long)


def test_a_prefix_is_continued_and_not_repeated(random_model: Path) -> None:
    messages = ({"role": "user", "content": "Ada"}, {"role": "assistant", "content": "#### 1"})
    plain = request_of("Ada")
    continued = Request(b"", messages, plain.sampling, 0)
    first, second = texts(engine_of(random_model), [plain, continued])
    assert first != second
    assert not second.startswith("#### 1")


def test_a_schema_is_refused(random_model: Path) -> None:
    [refused] = answers(engine_of(random_model), [request_of("Ada", schema={"type": "object"})])
    assert isinstance(refused, EngineFault) and refused.fault is Fault.DENIED


def test_a_cancelled_request_leaves_the_others_alone(random_model: Path) -> None:
    engine = engine_of(random_model)

    async def ask() -> Answer:
        await engine.start()
        dropped = asyncio.create_task(engine.complete(request_of("Ada", max_tokens=200)))
        kept = asyncio.create_task(engine.complete(request_of("Bo")))
        await asyncio.sleep(0)
        dropped.cancel()
        try:
            return await kept
        finally:
            await engine.close()

    assert asyncio.run(ask()).output_tokens > 0


def test_closing_fails_what_is_in_flight(random_model: Path) -> None:
    engine = engine_of(random_model)

    async def ask() -> None:
        await engine.start()
        asked = asyncio.create_task(engine.complete(request_of("Ada", max_tokens=200)))
        await asyncio.sleep(0)
        await engine.close()
        with pytest.raises(EngineFault) as fault:
            await asked
        assert fault.value.fault is Fault.CONNECTION
        with pytest.raises(EngineFault):
            await engine.complete(request_of("Bo"))

    asyncio.run(ask())


def test_a_missing_model_says_where_it_was_sought(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"no config\.json"):
        asyncio.run(engine_of(tmp_path / "none").start())


def test_weights_that_are_not_safetensors_are_refused(random_model: Path, tmp_path: Path) -> None:
    import shutil

    import torch

    shutil.copytree(random_model, tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").unlink()
    torch.save({}, tmp_path / "m" / "pytorch_model.bin")
    with pytest.raises(EngineUnavailable, match="safetensors"):
        asyncio.run(engine_of(tmp_path / "m").start())
