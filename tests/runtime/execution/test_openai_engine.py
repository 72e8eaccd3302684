"""The openai engine against a server: what is sent, what comes back, and every way it can go wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from plans import model

from benchmarks.fake_server import ThreadedServer
from mixwright_runtime.engines.openai import OpenAIEngine
from mixwright_runtime.engines.openai_answers import finish_of
from mixwright_runtime.engines.openai_endpoint import MAX_ANSWER_BYTES
from mixwright_runtime.engines.openai_faults import fault_of_status, retry_after_s
from mixwright_runtime.engines.protocol import Answer, EngineEnvironment, EngineFault, Fault, Finish, Request
from mixwright_runtime.errors import EngineUnavailable

T = TypeVar("T")
SAMPLING = {"temperature": 0.7, "top_p": 0.9, "max_tokens": 50, "stop": ["\n"], "schema": None}


def ask(text: str = "hello", **sampling: Any) -> Request:
    return Request(b"k" * 16, ({"role": "user", "content": text},), {**SAMPLING, **sampling}, 7)


def on(server: ThreadedServer, job: Callable[[OpenAIEngine], Awaitable[T]], **attributes: Any) -> T:
    """The result of a job with a started engine."""

    async def whole() -> T:
        secrets = {"KEY": "canary-secret"}
        engine = OpenAIEngine(model(server.url, **attributes), EngineEnvironment(Path(), secrets))
        await engine.start()
        try:
            return await job(engine)
        finally:
            await engine.close()

    return asyncio.run(whole())


def fault_of(server: ThreadedServer, fault: str, **options: Any) -> EngineFault:
    attributes = options.pop("attributes", {})
    server.fake.use({"rules": [{"fault": fault, **options}]})
    with pytest.raises(EngineFault) as raised:
        on(server, lambda engine: engine.complete(ask()), **attributes)
    return raised.value


def test_a_request_carries_sampling_seed_and_schema(server: ThreadedServer) -> None:
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    on(server, lambda engine: engine.complete(ask("größer", schema=schema)), api_key={"env": "KEY"})
    assert server.fake.last_request == {
        "model": "fake",
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 50,
        "stop": ["\n"],
        "seed": 7,
        "messages": [{"role": "user", "content": "größer"}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema, "strict": True},
        },
    }
    assert server.fake.last_headers["authorization"] == "Bearer canary-secret"


def test_an_answer_carries_text_tokens_and_provenance(server: ThreadedServer) -> None:
    server.fake.use({"rules": [{"fault": "text", "text": "four"}]})
    answer = on(server, lambda engine: engine.complete(ask()))
    assert answer == Answer("four", Finish.STOP, 32, 0, "", {"engine": "openai", "model": "fake"})


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_is_kept_apart(server: ThreadedServer, field: str) -> None:
    server.fake.use({"rules": [{"fault": "text", "text": "4", "message": {field: "2 and 2"}}]})
    answer = on(server, lambda engine: engine.complete(ask()))
    assert (answer.text, answer.reasoning) == ("4", "2 and 2")


def test_a_lone_surrogate_in_a_prompt_can_be_sent(server: ThreadedServer) -> None:
    assert on(server, lambda engine: engine.complete(ask("a\ud800b"))).finish is Finish.STOP


@pytest.mark.parametrize(
    ("fault", "finish"),
    [
        ("empty", Finish.EMPTY),
        ("length", Finish.LENGTH),
        ("refusal", Finish.REFUSED),
        ("filter", Finish.REFUSED),
    ],
)
def test_bad_answers_are_told_apart(server: ThreadedServer, fault: str, finish: Finish) -> None:
    server.fake.use({"rules": [{"fault": fault}]})
    assert on(server, lambda engine: engine.complete(ask())).finish is finish


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        ("500", Fault.SERVER),
        ("502", Fault.SERVER),
        ("503", Fault.SERVER),
        ("429", Fault.RATE_LIMITED),
        ("400", Fault.BAD_REQUEST),
        ("401", Fault.DENIED),
        ("403", Fault.DENIED),
        ("404", Fault.DENIED),
        ("malformed", Fault.MALFORMED),
        ("html", Fault.MALFORMED),
        ("reset", Fault.CONNECTION),
    ],
)
def test_each_fault_is_what_it_is(server: ThreadedServer, status: str, fault: Fault) -> None:
    assert fault_of(server, status).fault is fault


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("This model's maximum context length is 4096 tokens. However, you requested 5000", Fault.TOO_LONG),
        ("context_length_exceeded", Fault.TOO_LONG),
        ("The input (900 tokens) is longer than the model's context length (512 tokens).", Fault.TOO_LONG),
        ("the request exceeds the available context size", Fault.TOO_LONG),
        ("Input validation error: `inputs` must have less than 512 tokens. Given: 600", Fault.TOO_LONG),
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum context length is 4096 "
            "tokens and your request has 10 input tokens",
            Fault.BAD_REQUEST,
        ),
        ("max_tokens is too large: 5000. maximum context length is 4096", Fault.BAD_REQUEST),
        ("unknown field `seed`", Fault.BAD_REQUEST),
    ],
)
def test_a_text_that_is_too_long_is_told_from_a_wrong_setting(said: str, fault: Fault) -> None:
    body = json.dumps({"error": {"message": said, "code": 400}}).encode()
    assert fault_of_status(400, body, {}).fault is fault


def test_the_servers_own_words_are_in_the_message(server: ThreadedServer) -> None:
    fault = fault_of(server, "400", message="prompt is longer than the context of 8192")
    assert str(fault) == "HTTP 400: prompt is longer than the context of 8192 400"


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_a_hanging_and_a_dripping_answer_end_at_the_deadline(server: ThreadedServer, fault: str) -> None:
    found = fault_of(server, fault, attributes={"timeout": 0.3})
    assert found.fault is Fault.TIMEOUT


def test_an_endless_answer_is_cut_off(server: ThreadedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixwright_runtime.engines.openai_endpoint.MAX_ANSWER_BYTES", 1 << 20)
    found = fault_of(server, "huge")
    assert (found.fault, "longer than 1 MiB" in str(found)) == (Fault.MALFORMED, True)
    assert MAX_ANSWER_BYTES >= 1 << 20


def test_nobody_listening_is_told_at_the_start() -> None:
    async def job() -> None:
        engine = OpenAIEngine(model("http://127.0.0.1:9/v1"), EngineEnvironment(Path()))
        with pytest.raises(EngineUnavailable, match=r"cannot reach http://127\.0\.0\.1:9/v1"):
            await engine.start()

    asyncio.run(job())


def test_an_endpoint_that_lists_other_models_is_refused(server: ThreadedServer) -> None:
    server.fake.use({"lists": "qwen"})
    with pytest.raises(EngineUnavailable, match="does not serve 'fake'; it lists 'qwen'"):
        on(server, lambda engine: engine.complete(ask()))


def test_an_endpoint_without_a_list_of_models_is_taken_at_its_word(server: ThreadedServer) -> None:
    server.fake.use({"lists": None})
    assert on(server, lambda engine: engine.complete(ask())).finish is Finish.STOP


def test_another_model_that_starts_to_answer_stops_the_run(server: ThreadedServer) -> None:
    async def job(engine: OpenAIEngine) -> None:
        await engine.complete(ask())
        server.fake.use({"answer_as": "other"})
        with pytest.raises(EngineFault, match="answered as 'fake' and now answers as 'other'") as raised:
            await engine.complete(ask())
        assert raised.value.fault is Fault.DENIED

    on(server, job)


def test_requests_at_once_are_limited_by_max_in_flight(server: ThreadedServer) -> None:
    async def job(engine: OpenAIEngine) -> None:
        await asyncio.gather(*(engine.complete(ask(str(n))) for n in range(40)))

    on(server, job, max_in_flight=5)
    assert server.fake.stats["max_in_flight"] == 5


def test_an_address_that_is_none_is_refused() -> None:
    engine = OpenAIEngine(model("localhost:8000"), EngineEnvironment(Path()))
    with pytest.raises(EngineUnavailable, match="'localhost:8000' is not an http address"):
        asyncio.run(engine.start())


def test_length_wins_over_empty_and_unknown_endings_are_not_good() -> None:
    assert finish_of("length", "") is Finish.LENGTH
    assert finish_of("repetition", "la la la") is Finish.MALFORMED
    assert finish_of(None, "text") is Finish.MALFORMED
    assert finish_of("stop", "  \n") is Finish.EMPTY


def test_admission_control_is_a_rate_limit_and_an_empty_account_is_not() -> None:
    assert fault_of_status(503, b"", {"Retry-After": "2"}).fault is Fault.RATE_LIMITED
    spent = json.dumps({"error": {"message": "You exceeded", "code": "insufficient_quota"}}).encode()
    assert fault_of_status(429, spent, {}).fault is Fault.DENIED


def test_retry_after_is_seconds_or_a_date() -> None:
    assert retry_after_s("1.5") == 1.5
    assert retry_after_s("soon") is None
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 95 < (retry_after_s(moment) or 0) <= 100
