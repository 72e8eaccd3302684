"""How likely the tokens of a text are: asked once, checked, stored, and counted as other calls are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from picky_server import PickyServer, Reply, Seen
from virtual import Bench, MemoryStore, ScriptedEngine, run_virtually

from mixwright_compiler.plan.plan import ModelSpec, Origin
from mixwright_runtime.calls.keys import loss_key
from mixwright_runtime.engines.openai import OpenAIEngine
from mixwright_runtime.engines.protocol import EngineEnvironment, EngineFault, Fault, Losses, LossRequest
from mixwright_runtime.errors import EngineUnavailable, RunStopped
from mixwright_runtime.plugins.protocol import LossResult

TOLD = Losses((0, 3), (None, -0.5), 5)


class Teller(ScriptedEngine):
    """Says `told` of every text."""

    def __init__(self, told: Losses | EngineFault = TOLD) -> None:
        super().__init__()
        self.told = told
        self.asked: list[LossRequest] = []

    async def losses(self, request: LossRequest) -> Losses:
        self.asked.append(request)
        if isinstance(self.told, EngineFault):
            raise self.told
        return self.told


async def losses(bench: Bench, text: str = "one two") -> LossResult:
    return await bench.calls.losses("teacher", "[1]", text, node="p.tooled")


def test_keys_are_pinned() -> None:
    assert loss_key("m", "a", "b", 0, 0, "").hex() == "81830b79f39b81d3f7e39a93d7126cf9"
    assert loss_key("m", "a", "b", 0, 0, "[").hex() == "cca01fd89697a4d80ab4ca60fb00e53b"


def test_whatever_decides_the_losses_is_in_their_key() -> None:
    asked = [
        ("m", "a", "b", 0, 0, ""),
        ("n", "a", "b", 0, 0, ""),
        ("m", "ab", "", 0, 0, ""),
        ("m", "a", "b", 1, 0, ""),
        ("m", "a", "b", 0, 1, ""),
        ("m", "a", "b", 0, 0, "["),
        ("m", "a", "b", 0, 0, " ["),
    ]
    assert len({loss_key(*one) for one in asked}) == len(asked)


def test_losses_are_asked_once_and_found_again() -> None:
    async def job() -> None:
        store, engine = MemoryStore(), Teller()
        bench = Bench(engine, store=store)
        first, second = await asyncio.gather(losses(bench), losses(bench))
        assert first == second == LossResult(first.key, ((0, None), (3, -0.5)), True)
        assert len(engine.asked) == 1
        again = Bench(Teller(), store=store)
        assert await losses(again) == first
        assert (again.engine.asked, again.calls.counts["p.tooled"].reused) == ([], 1)
        assert again.calls.spending.requests == 0 and bench.calls.spending.requests == 1
        [record] = store.calls
        assert (record.text, record.prompt_tokens, record.status) == ("[[0,null],[3,-0.5]]", 5, "ok")
        assert json.loads(record.request) == {
            "prefix": "[1]",
            "text": "one two",
            "start": 0,
            "count": 0,
            "token": "",
        }

    run_virtually(job())


@pytest.mark.parametrize(
    "told",
    [
        Losses((0,), (-0.5, -0.5)),
        Losses((3, 0), (-0.5, -0.5)),
        Losses((0, 99), (-0.5, -0.5)),
        Losses((0,), (0.5,)),
        Losses((0,), (float("nan"),)),
    ],
)
def test_what_are_no_losses_is_no_answer(told: Losses) -> None:
    async def job() -> None:
        found = await losses(Bench(Teller(told)))
        assert (found.ok, found.reason, found.values) == (False, "malformed", ())

    run_virtually(job())


def test_a_text_that_is_too_long_fails_alone() -> None:
    async def job() -> None:
        fault = EngineFault(Fault.TOO_LONG, "prefix and text have 9 tokens, `context` is 8")
        found = await losses(Bench(Teller(fault)))
        assert (found.ok, found.reason) == (False, "too_long") and "`context` is 8" in found.detail
        assert found.failed().outcome == "unmeasurable"

    run_virtually(job())


def test_an_engine_that_cannot_stops_the_run() -> None:
    async def job() -> None:
        with pytest.raises(RunStopped, match="cannot give the probability of each token of a text"):
            await losses(Bench(ScriptedEngine()))

    run_virtually(job())


# --- vLLM's server


def told_by(
    rules: Callable[[Seen], Reply], tokenizer: Path, *asked: LossRequest
) -> tuple[list[Losses], list[Seen]]:
    """What the engine makes of a server with these rules, and what the server saw."""

    async def ask(url: str) -> list[Losses]:
        stated: dict[str, Any] = {
            "base_url": url,
            "model": "fake",
            "serves": "vllm",
            "tokenizer": str(tokenizer),
        }
        stated |= {"context": 64, "timeout": 5.0}
        at = Origin(file="t.mix", line=1, column=1)
        spec = ModelSpec(name="fake", engine="openai", attributes=stated, identity="x", origin=at)
        engine = OpenAIEngine(spec, EngineEnvironment(Path("/"), {}, frozenset({"losses"})))
        await engine.start()
        try:
            return [await engine.losses(request) for request in asked]
        finally:
            await engine.close()

    with PickyServer(rules) as server:
        return asyncio.run(ask(server.url)), server.seen


def prompt_told(seen: Seen) -> Reply:
    """As vLLM's server tells of a prompt: of token `t` at place `n` a logarithm of `-n`."""
    prompt = seen.body["prompt"] if isinstance(seen.body["prompt"], list) else [1, 2]
    lines: list[Any] = [{str(token): {"logprob": -float(n), "rank": 1}} for n, token in enumerate(prompt)]
    choice = {"index": 0, "text": "x", "finish_reason": "length", "prompt_logprobs": [None, *lines[1:]]}
    return Reply(json.dumps({"model": "fake", "choices": [choice], "usage": {}}).encode())


@pytest.mark.train
def test_a_server_gets_prefix_and_text_as_tokens(model_directory: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_directory)
    asked = LossRequest(b"", "[1+1]", "Ada has 7", 0, 2)
    [found], (probe, seen) = told_by(prompt_told, model_directory, asked)
    before = len(tokenizer("[1+1]", add_special_tokens=False)["input_ids"])
    assert tokenizer.decode(seen.body["prompt"]) == "[1+1]Ada has"
    assert (
        (seen.body["prompt_logprobs"], seen.body["max_tokens"])
        == (0, 1)
        == (probe.body["prompt_logprobs"], 1)
    )
    assert found.offsets == (0, 3) and found.logprobs == (-float(before), -float(before + 1))


@pytest.mark.train
@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (
            None,
            "does not give the probability of each token of a text.*tells no log-probabilities of a prompt",
        ),
        ([None], "a completion with log-probabilities"),
        ([None, *[{"999999": {"logprob": -1}}] * 8], "a completion with log-probabilities"),
        ([None, *[{"1": {"logprob": True}}] * 8], "a completion with log-probabilities"),
    ],
)
def test_a_server_that_tells_something_else_is_found_out(model_directory: Path, lines: Any, why: str) -> None:
    choice = {"index": 0, "text": "x", "finish_reason": "length"} | (
        {} if lines is None else {"prompt_logprobs": lines}
    )
    body = json.dumps({"model": "fake", "choices": [choice]}).encode()
    with pytest.raises((EngineFault, EngineUnavailable), match=why):
        told_by(lambda seen: Reply(body), model_directory, LossRequest(b"", "[1+1]", "Ada has 7"))


@pytest.mark.train
def test_a_text_that_a_server_has_no_room_for_is_not_sent(model_directory: Path) -> None:
    with pytest.raises(EngineFault, match="`context` is 64") as raised:
        told_by(prompt_told, model_directory, LossRequest(b"", "", "x" * 200))
    assert raised.value.fault is Fault.TOO_LONG
