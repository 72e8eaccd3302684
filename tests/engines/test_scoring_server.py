"""What servers may do to a request for scores: other paths and task names, wrong numbers, none at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from mixwright_runtime.engines.openai import OpenAIEngine
from mixwright_runtime.engines.openai_pooling import floats_in, scores_of
from mixwright_runtime.engines.protocol import EngineFault, Fault, ScoreRequest
from tests.engines.scoring_requests import asked, engine_of, of_chats, of_steps
from tests.reward_models import TAG

pytestmark = pytest.mark.train

RATE = ScoreRequest(b"", "reward")


@pytest.fixture
def outcome_server(reward_models: dict[str, Path]) -> Iterator[Any]:
    from tests.pooling_server import PoolingServer

    with PoolingServer(reward_models["outcome"]) as server:
        yield server


@pytest.fixture
def process_server(reward_models: dict[str, Path]) -> Iterator[Any]:
    from tests.pooling_server import PoolingServer

    with PoolingServer(reward_models["process"], step_tag=TAG) as server:
        yield server


def first(server: Any, task: Any = "reward") -> Any:
    request = of_steps()[0] if task == "process_reward" else of_chats(task)[0]
    [found] = asked(engine_of(OpenAIEngine, task, base_url=server.url), [request])
    return found


def test_the_way_is_found_once_and_kept(outcome_server: Any) -> None:
    asked(engine_of(OpenAIEngine, "reward", base_url=outcome_server.url), of_chats("reward")[:5])
    tasks = [body.get("task") for _, body in outcome_server.requests]
    # vLLM refuses `classify` for this model; the probe is then answered, and five chats.
    assert tasks == ["classify", *["token_classify"] * 6]
    assert all(body["use_activation"] is False for _, body in outcome_server.requests)


@pytest.mark.parametrize("known", ["classify", "reward", "encode", None])
def test_task_names_of_other_versions_are_no_hindrance(outcome_server: Any, known: str | None) -> None:
    """Older servers call it `classify`, or take no task and give every token's number."""
    outcome_server.tasks = [known or "token_classify"]
    right = first(outcome_server)
    outcome_server.tasks = ["token_classify"]
    assert right.values == pytest.approx(first(outcome_server).values)


def test_a_server_of_floats_alone_will_do(outcome_server: Any) -> None:
    outcome_server.change = lambda path, answer: {"scores": [answer["data"][0]["data"][-1][0]]}
    plain = first(outcome_server)
    outcome_server.change = lambda path, answer: answer
    assert plain.values == first(outcome_server).values


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-Infinity", "null", '"high"', "true", "[]", "{}"])
def test_what_is_no_number_is_a_fault_and_no_score(outcome_server: Any, bad: str) -> None:
    def change(path: str, answer: Any) -> Any:
        if len(outcome_server.requests) <= 2:
            return answer  # the probe
        text = f'{{"model": "rm", "data": [{{"index": 0, "data": [[{bad}]]}}]}}'
        return web.Response(text=text, content_type="application/json")

    outcome_server.change = change
    fault = first(outcome_server)
    assert isinstance(fault, EngineFault) and fault.fault is Fault.MALFORMED


def test_an_activation_behind_a_single_number_stops_the_run(outcome_server: Any) -> None:
    outcome_server.change = lambda path, answer: {"model": "rm", "data": [{"data": [1.0]}]}
    fault = first(outcome_server)
    assert isinstance(fault, EngineFault) and fault.fault is Fault.DENIED and "activation" in str(fault)


def test_a_server_without_scores_stops_the_run_and_says_what_it_refused(outcome_server: Any) -> None:
    outcome_server.change = lambda path, answer: web.json_response({"detail": "Not Found"}, status=404)
    fault = first(outcome_server)
    assert isinstance(fault, EngineFault) and fault.fault is Fault.DENIED
    assert "no scores of task reward" in str(fault) and "pooling" in str(fault)


def test_a_busy_server_is_asked_again_and_not_given_up(outcome_server: Any) -> None:
    outcome_server.change = lambda path, answer: web.json_response({"error": "busy"}, status=503)
    fault = first(outcome_server)
    assert isinstance(fault, EngineFault) and fault.fault is Fault.SERVER


def test_a_server_that_was_not_told_the_step_tag_stops_the_run_with_the_flag(process_server: Any) -> None:
    process_server.tag = 3  # another token: vLLM answers an empty list
    fault = first(process_server, "process_reward")
    assert isinstance(fault, EngineFault) and fault.fault is Fault.DENIED and "step_tag_id" in str(fault)
    process_server.tag = None
    fault = first(process_server, "process_reward")
    assert isinstance(fault, EngineFault) and "step_tag_id" in str(fault)


def test_another_model_behind_the_address_stops_the_run(outcome_server: Any) -> None:
    def change(path: str, answer: Any) -> Any:
        return {**answer, "model": f"rm{len(outcome_server.requests) // 4}"}

    outcome_server.change = change
    found = asked(engine_of(OpenAIEngine, "reward", base_url=outcome_server.url), of_chats("reward")[:8])
    faults = [one for one in found if isinstance(one, EngineFault)]
    assert faults and all(fault.fault is Fault.DENIED for fault in faults)


@pytest.mark.parametrize(
    ("document", "values"),
    [
        ({"data": [{"data": [[0.1], [0.2], [3.75]]}]}, (3.75,)),
        ({"data": [{"data": [3.75]}]}, (3.75,)),
        ({"data": [{"score": 3.75}]}, (3.75,)),
        ({"data": [{"probs": [3.75]}]}, (3.75,)),
        ({"data": [3.75]}, (3.75,)),
        ({"rewards": [3.75]}, (3.75,)),
        ({"score": -1}, (-1.0,)),
    ],
)
def test_any_list_of_floats_is_read(document: Any, values: tuple[float, ...]) -> None:
    assert scores_of(RATE, floats_in(document)) == values


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"data": []},
        {"data": [{"data": []}]},
        {"data": [{"data": [[]]}]},
        {"data": [{"data": [1.0, 2.0]}]},
        {"data": [{"data": [1.0]}, {"data": [2.0]}]},
        {"data": [{"data": "AAAA"}]},
        {"data": [{"data": [[1.0], 2.0]}]},
    ],
)
def test_what_is_no_single_number_is_refused(document: Any) -> None:
    with pytest.raises(EngineFault) as raised:
        scores_of(RATE, floats_in(document))
    assert raised.value.fault is Fault.MALFORMED
