"""Requests and answers of engines as the frames that travel between a run and its workers."""

import numpy as np
import pytest

from mixwright_runtime.cluster.exchanges import (
    answer_frame,
    engine_answer,
    fault_frame,
    request_frame,
    request_in,
)
from mixwright_runtime.engines.protocol import (
    Answer,
    EmbedRequest,
    EngineFault,
    Fault,
    Finish,
    LabelRequest,
    Labels,
    LossRequest,
    Request,
    ScoreRequest,
    Vectors,
)
from mixwright_runtime.values.made_once import KEPT, MadeOnce

SAMPLING = {"temperature": 0.7, "stop": ["\n"], "schema": {"type": "object", "title": "ünï"}}
ASKED = ({"role": "user", "content": "a half \ud800, 数"},)


@pytest.mark.parametrize(
    ("kind", "request_"),
    [
        ("complete", Request(b"\x01\xff", ASKED, SAMPLING, 7)),
        ("complete", Request(b"", ASKED, {}, 0)),
        ("score", ScoreRequest(b"k", "reward", texts=("a", "b"))),
        ("embed", EmbedRequest(b"k", ("a",))),
        ("labels", LabelRequest(b"k", ASKED, ("yes", "no"), is_text=True)),
        ("losses", LossRequest(b"k", "before", "text", start=2)),
    ],
)
def test_a_request_arrives_as_it_was_sent(kind: str, request_: object) -> None:
    assert request_in(kind, request_frame(kind, request_)) == request_


def test_requests_of_a_step_arrive_with_one_sampling() -> None:
    """Engines in a worker make the JSON of a step's sampling once, as those in the run do: they go by the object."""
    first, second = (
        request_in("complete", request_frame("complete", Request(bytes([n]), ASKED, SAMPLING, n)))
        for n in (1, 2)
    )
    assert first.sampling is second.sampling
    other = request_in(
        "complete", request_frame("complete", Request(b"3", ASKED, {**SAMPLING, "stop": []}, 3))
    )
    assert other.sampling["stop"] == []


def test_what_is_made_of_an_object_is_made_once_and_not_of_its_equals() -> None:
    made: list[dict[str, int]] = []

    def make(thing: dict[str, int]) -> int:
        made.append(thing)
        return thing["n"]

    once, first = MadeOnce(make), {"n": 1}
    assert [once.of(first), once.of(first), once.of({"n": 1})] == [1, 1, 1]
    assert len(made) == 2
    assert [once.of({"n": n}) for n in range(3 * KEPT)] == list(range(3 * KEPT))


def test_answers_arrive_as_they_were_given() -> None:
    calls = ({"id": "c", "function": {"name": "f", "arguments": "{}"}},)
    answer = Answer("say \ud800", Finish.CALLS, 3, 4, "thought", {"system_fingerprint": "f"}, calls)
    assert engine_answer("complete", answer_frame("complete", answer)) == answer
    labels = Labels((-0.1, None), 5)
    assert engine_answer("labels", answer_frame("labels", labels)) == labels
    vectors = Vectors(np.eye(2, 3, dtype=np.float32), 6)
    found = engine_answer("embed", answer_frame("embed", vectors))
    assert np.array_equal(found.vectors, vectors.vectors) and found.prompt_tokens == 6


@pytest.mark.parametrize(
    "body",
    [b"", b"no frame", b"[]\n", b'{"text":"a"}\n', b'{"text":"a","finish":"?"}\n', '{"text":"ü"}\n'.encode()],
)
def test_what_is_no_answer_is_a_fault(body: bytes) -> None:
    with pytest.raises(EngineFault) as told:
        engine_answer("complete", body)
    assert told.value.fault is Fault.MALFORMED


def test_a_fault_arrives_with_how_long_to_wait() -> None:
    with pytest.raises(EngineFault, match="slow down") as told:
        engine_answer("complete", fault_frame(EngineFault(Fault.RATE_LIMITED, "slow down", 2.5)))
    assert (told.value.fault, told.value.retry_after_s) == (Fault.RATE_LIMITED, 2.5)
