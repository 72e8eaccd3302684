"""Whatever a server answers is an honest answer or `malformed`, asked again, and in no total."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picky_server import PickyServer, Reply, completion
from plans import model
from test_requests import run

from mixwright_runtime.engines.openai import OpenAIEngine
from mixwright_runtime.engines.openai_answers import chat_completion_in
from mixwright_runtime.engines.openai_endpoint import MAX_ANSWER_BYTES
from mixwright_runtime.engines.openai_faults import fault_of_status, retry_after_s
from mixwright_runtime.engines.openai_pooling import HttpScorer
from mixwright_runtime.engines.protocol import (
    EmbedRequest,
    EngineEnvironment,
    EngineFault,
    Fault,
    Request,
    ScoreRequest,
)
from mixwright_runtime.engines.server_json import MOST_TOKENS

CHOICE = {"message": {"content": "four"}, "finish_reason": "stop"}


def answered(body: bytes) -> Any:
    return chat_completion_in(body)[0]


BROKEN = {
    "nothing": b"",
    "deep": b"[" * 300_000,
    "deep in an object": b'{"choices":' + b'{"a":' * 300_000,
    "not UTF-8": b'{"choices": [{"message": {"content": "\xff\xfe"}, "finish_reason": "stop"}]}',
    "NaN": completion(top=math.nan),
    "infinity": completion(top=math.inf),
    "tokens of 1e999": completion().replace(b'"completion_tokens": 2', b'"completion_tokens": 1e999'),
    "half a token": completion(usage={"completion_tokens": 0.5}),
    "negative tokens": completion(usage={"prompt_tokens": -1}),
    "too many tokens": completion(usage={"prompt_tokens": 10**30}),
    "tokens of 5,000 digits": completion().replace(b": 2}", b": " + b"9" * 5_000 + b"}"),
    "tokens in words": completion(usage={"prompt_tokens": "12"}),
    "true tokens": completion(usage={"prompt_tokens": True}),
    "usage as a list": completion(usage=[1]),
    "no choice": completion(choices=[]),
    "two choices": completion(choices=[CHOICE, CHOICE]),
    "choices twice": completion()[:-1] + b', "choices": [{"message": {"content": "five"}}]}',
    "choices as text": completion(choices="x"),
    "a choice as text": completion(choices=["x"]),
    "a message as a list": completion(choices=[{**CHOICE, "message": ["four"]}]),
    "content as a number": completion(choices=[{**CHOICE, "message": {"content": 4}}]),
    "reasoning as an object": completion(
        choices=[{**CHOICE, "message": {"content": "4", "reasoning": {"a": 1}}}]
    ),
    "a refusal as a list": completion(choices=[{**CHOICE, "message": {"refusal": []}}]),
    "a finish as a number": completion(choices=[{**CHOICE, "finish_reason": 1}]),
    "a model as an object": completion(model={"a": 1}),
    "a fingerprint as a list": completion(system_fingerprint=[1]),
    "an array": b"[1]",
}


@pytest.mark.parametrize("body", BROKEN)
def test_a_broken_body_is_malformed(body: str) -> None:
    with pytest.raises(EngineFault) as raised:
        answered(BROKEN[body])
    assert raised.value.fault is Fault.MALFORMED
    assert len(str(raised.value)) < 700


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({"usage": None}, (0, 0)),
        ({"usage": {}}, (0, 0)),
        ({"usage": {"prompt_tokens": None, "completion_tokens": 7.0}}, (0, 7)),
        ({"usage": {"prompt_tokens": MOST_TOKENS, "completion_tokens": 0}}, (MOST_TOKENS, 0)),
    ],
)
def test_a_server_need_not_count(fields: dict[str, Any], tokens: tuple[int, int]) -> None:
    answer = answered(completion(**fields))
    assert (answer.text, answer.prompt_tokens, answer.output_tokens) == ("four", *tokens)


def test_a_text_may_speak_of_choices() -> None:
    said = 'Write {"choices": [{"choices": 1}], "choices": 2}.'
    assert answered(completion(said, choices_of=[{"choices": 1}])).text == said


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


def shaped(**fields: Any) -> st.SearchStrategy[Any]:
    """Objects that have each of these fields, now and then with something else in it, or not at all."""
    return st.fixed_dictionaries({}, optional={name: made | JSON for name, made in fields.items()})


COUNTS = st.integers(-5, 50) | st.sampled_from([10**9, 10**30, -0.0, 1e300, "3", True])
BODIES = st.binary(max_size=60) | shaped(
    choices=st.lists(
        shaped(
            message=shaped(content=st.text(), reasoning=st.text(), refusal=st.none() | st.text()),
            finish_reason=st.sampled_from(["stop", "length", "content_filter", "odd"]),
        ),
        max_size=2,
    ),
    usage=shaped(prompt_tokens=COUNTS, completion_tokens=COUNTS),
    model=st.text(),
    system_fingerprint=st.text(),
).map(lambda document: json.dumps(document).encode())


@settings(max_examples=300, deadline=None)
@given(BODIES)
def test_any_body_is_an_honest_answer_or_malformed(body: bytes) -> None:
    try:
        answer = answered(body)
    except EngineFault as fault:
        assert fault.fault is Fault.MALFORMED
        return
    for count in (answer.prompt_tokens, answer.output_tokens):
        assert type(count) is int and 0 <= count <= MOST_TOKENS
    assert isinstance(answer.text, str) and isinstance(answer.reasoning, str)
    assert json.loads(json.dumps(answer.engine, allow_nan=False)) == answer.engine


NUMBERS = st.lists(st.floats() | st.integers() | JSON, max_size=3)
SCORES = st.binary(max_size=30) | shaped(
    data=st.lists(
        shaped(
            data=NUMBERS, probs=NUMBERS, score=st.floats(), embedding=NUMBERS | st.text(), index=st.integers()
        ),
        max_size=2,
    ),
    usage=shaped(prompt_tokens=COUNTS),
    model=st.just("m"),
).map(lambda document: json.dumps(document).encode())


@settings(max_examples=200, deadline=None)
@given(SCORES, st.sampled_from(["reward", "classify", "embed"]))
def test_any_body_is_honest_numbers_or_a_fault(body: bytes, task: Any) -> None:
    async def post(address: str, sent: Any) -> bytes:
        return body

    scorer = HttpScorer("http://nowhere/v1", "m", post, lambda name: None)
    try:
        if task == "embed":
            found = asyncio.run(scorer.embed(EmbedRequest(b"k", ("a",))))
            assert all(map(math.isfinite, found.vectors.ravel()))
        else:
            values = asyncio.run(scorer.score(ScoreRequest(b"k", task, (), ("a",)))).values
            assert values and all(type(value) is float and math.isfinite(value) for value in values)
    except EngineFault:
        pass


@settings(deadline=None)
@given(st.integers(300, 599), st.binary(max_size=60) | BODIES, st.text(max_size=30))
def test_any_refusal_is_a_fault_in_a_few_words(status: int, body: bytes, wait: str) -> None:
    fault = fault_of_status(status, body, {"Retry-After": wait})
    assert len(str(fault)) < 400
    assert fault.retry_after_s is None or 0 <= fault.retry_after_s < math.inf


@pytest.mark.parametrize("body", [b"[" * 300_000, b'{"error": ' * 4_000, b'{"error": {"message": 1e999}}'])
def test_a_deep_refusal_is_a_fault_too(body: bytes) -> None:
    assert fault_of_status(500, body, {}).fault is Fault.SERVER


@pytest.mark.parametrize(
    "value", ["nan", "inf", "1e400", "-1", "Mon, 99 Foo 99999999999999999999 00:00:00 GMT"]
)
def test_a_wait_that_is_none_is_not_waited(value: str) -> None:
    assert retry_after_s(value) is None


def test_a_body_that_says_it_has_two_gigabytes_is_not_read() -> None:
    async def asked(url: str) -> EngineFault:
        engine = OpenAIEngine(model(url), EngineEnvironment(Path()))
        await engine.start()
        try:
            with pytest.raises(EngineFault) as raised:
                await engine.complete(Request(b"k", ({"role": "user", "content": "a"},), {}, 1))
            return raised.value
        finally:
            await engine.close()

    # The connection would stay open for the rest: that nothing more comes must not matter.
    with PickyServer(lambda seen: Reply(b"{", headers={"content-length": str(2 << 30)})) as server:
        fault = asyncio.run(asked(server.url))
    assert (fault.fault, str(fault)) == (Fault.MALFORMED, "answer has 2,147,483,648 bytes and was not read")
    assert MAX_ANSWER_BYTES < 2 << 30


def test_dishonest_counts_are_in_no_total(tmp_path: Path) -> None:
    """Each row is asked again until the counts are honest; only those of the last answer are added up."""
    lies: list[Any] = [-5, 10**30, 1e300, "7"]
    tries: dict[str, int] = {}

    def rules(seen: Any) -> Reply:
        asked = seen.body["messages"][0]["content"]
        tries[asked] = tries.get(asked, 0) + 1
        if tries[asked] <= len(lies):
            return Reply(completion(usage={"prompt_tokens": 3, "completion_tokens": lies[tries[asked] - 1]}))
        return Reply(completion(usage={"prompt_tokens": 3, "completion_tokens": 2}))

    with PickyServer(rules) as server:
        report, essays = run(tmp_path, server)
    assert (report.status, essays, set(tries.values())) == ("done", ["four"] * 2, {5})
    assert (report.summary["prompt_tokens"], report.summary["output_tokens"]) == (6, 4)
