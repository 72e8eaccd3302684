"""Requests as different servers want them: each fake server here refuses what its real one refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from picky_server import PickyServer, Reply, Seen, complaint, completion
from plans import AT
from virtual import Bench, ScriptedEngine, run_virtually

import mixwright
from mixwright_compiler.plan.plan import ModelSpec
from mixwright_runtime.calls.fault import Pace, RetryPolicy
from mixwright_runtime.calls.keys import call_key, sampling_json
from mixwright_runtime.engines.openai import OpenAIEngine
from mixwright_runtime.engines.protocol import Answer, EngineEnvironment, EngineFault, Fault, Finish, Request
from mixwright_runtime.errors import EngineUnavailable
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions, RunReport
from mixwright_runtime.store.store import Store

SPEC = """edition 2026

source topics inline {{ rows = [{{ n = 1 }}, {{ n = 2 }}] }}

template ask {{
  user = "Write about {{{{ n }}}}."
{prefix}
}}

model teacher openai {{
  base_url = "{url}"
  model = "m"
{model}
}}

pipeline essays {{
  from topics
  generate essay {{
    prompt = ask
    model = teacher
{generate}
  }}
}}
"""

COMMON = {"model", "messages", "temperature", "top_p", "max_tokens", "stop", "seed", "response_format"}


def run(
    directory: Path,
    server: PickyServer,
    model: str = "",
    generate: str = "",
    prefix: str = "",
    query: str = "",
) -> tuple[RunReport, list[Any]]:
    """A run's report and the column `essay` of its rows."""
    spec = directory / "a.mix"
    spec.write_text(
        SPEC.format(url=server.url + query, model=model, generate=generate, prefix=prefix), encoding="utf-8"
    )
    plan = mixwright.plan(spec)
    options = RunOptions(exports=False, retry=RetryPolicy(base_s=0.002))
    with Store.open(directory / "store") as store:
        report = run_plan(plan, store=store, options=options)
        found = store.sql(
            "SELECT columns FROM row_outcome WHERE run_id = (SELECT max(run_id) FROM run) "
            "AND status = 'kept' ORDER BY position"
        )
    return report, [json.loads(columns).get("essay") for (columns,) in found]


def gpt5(seen: Seen) -> Reply:
    """A reasoning model of OpenAI: no sampling, no seed, and another name for the longest answer."""
    for name in ("temperature", "top_p", "seed", "max_tokens", "presence_penalty", "frequency_penalty"):
        if name in seen.body:
            instead = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
            return complaint(f"Unsupported parameter: '{name}' is not supported with this model.{instead}")
    if seen.body.get("reasoning_effort") not in ("minimal", "low", "medium", "high"):
        return complaint("Unsupported value: 'reasoning_effort'")
    return Reply(completion(f"{seen.body['max_completion_tokens']}"))


def azure(seen: Seen) -> Reply:
    """A deployment of Azure: its key in a header of its own, its version in the address."""
    if seen.headers.get("api-key") != "azure-key-0123456789":
        return complaint("Access denied due to missing subscription key.", 401)
    if seen.path != "/openai/deployments/d/chat/completions?api-version=2024-10-21":
        return complaint("Resource not found", 404)
    return Reply(completion("from Azure"))


def mistral(seen: Seen) -> Reply:
    """Mistral: what it does not know it refuses, a seed by OpenAI's name too."""
    known = {"random_seed", "safe_prompt", "presence_penalty", "frequency_penalty", *COMMON} - {"seed"}
    if extra := set(seen.body) - known:
        return complaint(f"Extra inputs are not permitted: {sorted(extra)}", 422)
    return Reply(completion(f"{seen.body['random_seed'] >= 0} {seen.body.get('safe_prompt')}"))


def qwen3(seen: Seen) -> Reply:
    """Qwen3 on vLLM: it thinks unless its chat template is told otherwise, and goes on from an answer when told to."""
    if seen.body.get("chat_template_kwargs", {}).get("enable_thinking", True):
        return Reply(completion("Hm. Let me think."))
    if seen.body.get("continue_final_message"):
        assert seen.body["add_generation_prompt"] is False
        begun = seen.body["messages"][-1]
        assert begun["role"] == "assistant" and begun["content"] in ("Sure:", "One, two,")
        return Reply(completion("and on", usage={"prompt_tokens": 20, "completion_tokens": 1}))
    return Reply(completion(json.dumps({k: seen.body.get(k) for k in ("top_k", "min_p", "temperature")})))


def test_a_reasoning_model_of_openai_is_asked_its_way(tmp_path: Path) -> None:
    settings = "  serves = openai\n  seed = leave_out\n  reasoning_effort = low"
    with PickyServer(gpt5) as server:
        report, essays = run(tmp_path, server, settings, "max_tokens = 77")
        assert (report.status, essays) == ("done", ["77", "77"])
        assert set(server.seen[0].body) == {"model", "messages", "max_completion_tokens", "reasoning_effort"}


@pytest.mark.parametrize(
    ("settings", "sentence", "line"),
    [
        ("", "'max_tokens' is not supported", ""),
        ("  max_tokens_as = max_completion_tokens", "'temperature' is not supported", "sampling = leave_out"),
        ("  serves = openai", "'seed' is not supported", "seed = leave_out"),
    ],
)
def test_a_setting_that_a_server_refuses_stops_the_run_in_its_words(
    settings: str, sentence: str, line: str, tmp_path: Path
) -> None:
    with (
        PickyServer(lambda seen: complaint(f"Unsupported parameter: {sentence}")) as server,
        pytest.raises(EngineUnavailable) as raised,
    ):
        run(tmp_path, server, settings)
    assert f"HTTP 400: Unsupported parameter: {sentence}" in str(raised.value)
    assert f"write `{line}` in the model" in str(raised.value) if line else True


def test_a_judge_of_a_model_without_sampling_sends_none(tmp_path: Path) -> None:
    with PickyServer(gpt5) as server:
        settings = "  serves = openai\n  seed = leave_out\n  reasoning_effort = low\n  sampling = leave_out"
        report, essays = run(tmp_path, server, settings, "max_tokens = 5")
    assert (report.status, essays) == ("done", ["5", "5"])


def test_a_deployment_of_azure_is_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_KEY", "azure-key-0123456789")
    with PickyServer(azure) as server:
        server.url = server.url.removesuffix("/v1") + "/openai/deployments/d/"
        report, essays = run(
            tmp_path, server, '  headers { api_key = env("AZURE_KEY") }', query="?api-version=2024-10-21"
        )
    assert (report.status, essays) == ("done", ["from Azure"] * 2)


def test_mistral_gets_its_own_seed_and_fields(tmp_path: Path) -> None:
    with PickyServer(mistral) as server:
        report, essays = run(tmp_path, server, "  seed = random_seed\n  request { safe_prompt = true }")
        assert (report.status, essays) == ("done", ["True True"] * 2)
        with pytest.raises(EngineUnavailable, match=r"Extra inputs are not permitted: \['seed'\]"):
            run(tmp_path, server, "  request { safe_prompt = false }")


def test_qwen3_on_vllm_is_told_not_to_think(tmp_path: Path) -> None:
    settings = "  serves = vllm\n  chat_template_kwargs { enable_thinking = false }"
    with PickyServer(qwen3) as server:
        _, essays = run(tmp_path, server, settings, "top_k = 20\nmin_p = 5%")
        assert [json.loads(essay) for essay in essays] == [
            {"top_k": 20, "min_p": 0.05, "temperature": 1.0}
        ] * 2
        _, thinking = run(tmp_path, server, "  serves = vllm", "top_k = 20\nmin_p = 5%")
        assert thinking == ["Hm. Let me think."] * 2, "another model by its identity"


def test_vllm_goes_on_from_the_beginning_of_an_answer(tmp_path: Path) -> None:
    settings = "  serves = vllm\n  chat_template_kwargs { enable_thinking = false }"
    with PickyServer(qwen3) as server:
        report, essays = run(tmp_path, server, settings, prefix='  assistant = "Sure: "')
    assert (report.status, essays) == ("done", ["and on"] * 2)


def test_a_server_that_is_no_vllm_is_found_out_before_the_first_row(tmp_path: Path) -> None:
    with PickyServer(lambda seen: Reply(completion("another answer"))) as server:
        with pytest.raises(
            EngineUnavailable, match="does not go on from an answer that is begun, which `serves` says of it"
        ):
            run(tmp_path, server, "  serves = vllm", prefix='  assistant = "Sure: "')
        assert {seen.body["messages"][-1]["content"] for seen in server.seen} == {"One, two,"}, "no row's"


def test_what_no_step_needs_is_not_asked_of_a_server(tmp_path: Path) -> None:
    with PickyServer(lambda seen: Reply(completion("an answer"))) as server:
        report, _ = run(tmp_path, server, "  serves = vllm")
        assert (report.status, len(server.seen)) == ("done", 2)


def test_the_beginning_of_an_answer_is_never_sent_to_a_server_that_may_not_go_on(server_engine: Any) -> None:
    messages = ({"role": "user", "content": "hi"}, {"role": "assistant", "content": "Sure: "})
    with pytest.raises(EngineFault, match="serves = vllm") as raised:
        server_engine(serves="other")._bodies.of(Request(b"k", messages, {"max_tokens": 5}, 1))
    assert raised.value.fault is Fault.DENIED


@pytest.fixture
def server_engine() -> Callable[..., OpenAIEngine]:
    def made(url: str = "http://localhost:1/v1", **attributes: Any) -> OpenAIEngine:
        stated = {"base_url": url, "model": "m", **attributes}
        spec = ModelSpec(
            name="teacher",
            engine="openai",
            attributes=stated,
            identity="i",
            origin=AT,
        )
        return OpenAIEngine(spec, EngineEnvironment(Path()))

    return made


ASK = ({"role": "user", "content": "hi"},)
PENALTIES = {"presence_penalty": 0.5, "frequency_penalty": -0.5}
FURTHER = {"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1}
DEFAULTS = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 1024, "stop": None, "schema": None}


@pytest.mark.parametrize(
    ("settings", "sampling", "sent"),
    [
        ({}, {}, {"temperature": 1.0, "top_p": 1.0, "max_tokens": 1024, "seed": 3}),
        ({"serves": "vllm"}, {}, {"temperature": 1.0, "top_p": 1.0, "max_tokens": 1024, "seed": 3}),
        ({"serves": "openai"}, {}, {"max_completion_tokens": 1024, "seed": 3}),
        ({"url": "https://api.openai.com/v1"}, {}, {"max_completion_tokens": 1024, "seed": 3}),
        ({"url": "https://x.openai.azure.com/openai"}, {}, {"max_completion_tokens": 1024, "seed": 3}),
        (
            {"url": "https://openai.azure.com.evil/v1", "seed": "leave_out", "sampling": "leave_out"},
            {},
            {"max_tokens": 1024},
        ),
        (
            {"serves": "openai", "max_tokens_as": "max_tokens"},
            {"temperature": 0.5, "top_p": 0.9},
            {"temperature": 0.5, "top_p": 0.9, "max_tokens": 1024, "seed": 3},
        ),
        (
            {
                "seed": "random_seed",
                "sampling": "leave_out",
                "request": {"a": [1]},
                "reasoning_effort": "high",
            },
            {"temperature": 0.5, **PENALTIES},
            {"max_tokens": 1024, "random_seed": 3, "a": [1], "reasoning_effort": "high", **PENALTIES},
        ),
        (
            {"serves": "vllm", "sampling": "leave_out", "chat_template_kwargs": {"x": True}},
            FURTHER,
            {"max_tokens": 1024, "seed": 3, "chat_template_kwargs": {"x": True}, **FURTHER},
        ),
    ],
)
def test_what_is_sent(
    settings: Mapping[str, Any], sampling: Mapping[str, Any], sent: Mapping[str, Any], server_engine: Any
) -> None:
    body = json.loads(server_engine(**settings)._bodies.of(Request(b"k", ASK, {**DEFAULTS, **sampling}, 3)))
    assert body == {"model": "m", "messages": [dict(ASK[0])], **sent}


def test_headers_of_the_spec_go_before_those_that_are_usual(tmp_path: Path) -> None:
    with PickyServer(
        lambda seen: Reply(completion(seen.headers["accept"] + seen.headers["http-referer"]))
    ) as server:
        _, essays = run(tmp_path, server, '  headers { accept = "x/y", HTTP_Referer = "me" }')
    assert essays == ["x/yme"] * 2


def identities(directory: Path, model: str = "", generate: str = "") -> tuple[str, str]:
    """The model's identity and the row hash of its step."""
    spec = directory / "a.mix"
    spec.write_text(SPEC.format(url="http://localhost:1/v1", model=model, generate=generate, prefix=""))
    plan = mixwright.plan(spec)
    return plan.models["teacher"].identity, plan.pipelines["essays"].steps[0].fingerprint.row


def test_names_are_what_they_were_before_there_were_these_settings(tmp_path: Path) -> None:
    identity, row = identities(tmp_path)
    key = call_key(identity, "[]", sampling_json(DEFAULTS), replica=0, sample=0, attempt=0)
    assert (identity, row, key.hex()) == (
        "59559203a250930e333aa9d173a69c80",
        "64087caf028cddc8c2042735f47521db",
        "f28c4f600fa81fc25cd84ac72b2befef",
    )


@pytest.mark.parametrize(
    "setting",
    [
        'headers { x = "1" }',
        "rpm = 5",
        "tpm = 5",
        "seed = leave_out",
        "serves = vllm",
        "max_tokens_as = max_completion_tokens",
    ],
)
def test_what_changes_no_row_is_in_no_name(setting: str, tmp_path: Path) -> None:
    assert identities(tmp_path, f"  {setting}") == identities(tmp_path)


@pytest.mark.parametrize(
    "setting",
    [
        "request { a = 1 }",
        "serves = vllm\n  chat_template_kwargs { a = 1 }",
        "reasoning_effort = low",
        "sampling = leave_out",
    ],
)
def test_what_changes_a_row_makes_another_model(setting: str, tmp_path: Path) -> None:
    assert identities(tmp_path, f"  {setting}")[0] != identities(tmp_path)[0]


@pytest.mark.parametrize(
    "setting",
    ["top_k = 5", "min_p = 0.1", "presence_penalty = 1", "frequency_penalty = 1", "repetition_penalty = 1.1"],
)
def test_further_sampling_makes_other_calls_only_where_it_is_stated(setting: str, tmp_path: Path) -> None:
    model = "  serves = vllm"
    assert identities(tmp_path, model, setting)[1] != identities(tmp_path, model)[1]
    assert sampling_json(DEFAULTS) == '{"max_tokens":1024,"temperature":1.0,"top_p":1.0}'


# --- the pace


def test_a_minute_has_no_more_requests_than_it_may() -> None:
    async def job() -> None:
        bench = Bench(ScriptedEngine(slots=64, latency_s=0.1), attributes={"rpm": 30, "max_in_flight": 64})
        results = await bench.ask_all([str(n) for n in range(100)])
        assert all(result.ok for result in results)
        sent = bench.engine.sent_at
        for start in sent:
            assert sum(start <= at < start + 60 - 1e-6 for at in sent) <= 30
        assert 195 < sent[-1] < 200, "and not many fewer"

    run_virtually(job())


def test_a_minute_has_no_more_tokens_than_it_may() -> None:
    async def job() -> None:
        engine = ScriptedEngine(
            lambda text, before: Answer("x", Finish.STOP, 40, 60), slots=64, latency_s=0.1
        )
        bench = Bench(engine, attributes={"tpm": 6000, "max_in_flight": 64})
        await bench.ask_all([str(n) for n in range(300)])
        # 300 answers of 100 tokens at 6,000 a minute are five minutes, whatever was expected of each.
        assert 240 < engine.sent_at[-1] < 310

    run_virtually(job())


def test_a_stop_does_not_wait_for_the_pace() -> None:
    async def job() -> None:
        bench = Bench(
            ScriptedEngine(lambda text, before: Fault.DENIED), attributes={"rpm": 1, "max_in_flight": 8}
        )
        await bench.ask_all([str(n) for n in range(8)])
        assert len(bench.engine.requests) == 1

    run_virtually(job())


def test_what_was_taken_and_not_used_is_given_back() -> None:
    now = 0.0
    pace = Pace(60, lambda: now)
    assert [pace.take(1) for _ in range(3)] == [0.0, 1.0, 2.0]
    pace.give_back(2)
    assert pace.take(1) == 1.0
    now = 100.0
    assert [pace.take(1), pace.take(1)] == [0.0, 1.0], "a rest saves up one"
