"""No secret comes back from a server: not in a fault, a list of models, an answer, nor what is said of its making."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import plans
import pytest
from picky_server import PickyServer, Reply, completion
from virtual import ScriptedEngine

from mixwright_compiler.plan.plan import CountQuota
from mixwright_runtime.calls.models import engines_of
from mixwright_runtime.engines.protocol import Answer, EngineFault, Fault, Finish, Request
from mixwright_runtime.engines.secrets import Redactor, discreet
from mixwright_runtime.errors import EngineUnavailable, RunError
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store

KEY = "sk-proj-9/aB+c7\"D=eF'gH_iJ-kL.mN~oP4"
PARTS = [KEY[at : at + 9] for at in range(len(KEY) - 9)]
ASK = Request(b"k" * 16, ({"role": "user", "content": "hello"},), {"max_tokens": 9}, 7)


def engine_on(
    server: PickyServer, monkeypatch: pytest.MonkeyPatch, directory: Path, **attributes: Any
) -> Any:
    monkeypatch.setenv("TEACHER_KEY", KEY)
    model = plans.model(server.url, **{"api_key": {"env": "TEACHER_KEY"}, **attributes})
    step = plans.generate()
    plan = plans.plan(directory, models=[model], pipelines=[plans.pipeline(step)])
    return engines_of(plan, [step])["teacher"]


def said_by(engine: Any) -> str:
    """All that one request brings back, whatever kind of thing it is."""

    async def asked() -> str:
        try:
            await engine.start()
            answer = await engine.complete(ASK)
            return repr(answer)
        except (EngineFault, RunError) as error:
            assert error.__cause__ is None
            return str(error)
        finally:
            await engine.close()

    return asyncio.run(asked())


ECHOES: dict[str, Callable[[str], Reply]] = {
    "400": lambda said: Reply(json.dumps({"error": {"message": f"bad: {said}"}}).encode(), 400),
    "500 without JSON": lambda said: Reply(f"Traceback: headers = {{'x': '{said}'}}".encode(), 500),
    "401": lambda said: Reply(f"Incorrect API key: {said}".encode(), 401),
    "429": lambda said: Reply(f"{said} has no quota".encode(), 429),
    "malformed": lambda said: Reply(f"{said} is what you sent".encode()),
    "no completion": lambda said: Reply(json.dumps({"you": said}).encode()),
    "text": lambda said: Reply(completion(f"You sent {said}, right?")),
    "finish": lambda said: Reply(
        completion(choices=[{"message": {"content": "x"}, "finish_reason": f"because {said}"}])
    ),
    "model": lambda said: Reply(completion(model=f"for {said}", system_fingerprint=said)),
}


@pytest.mark.parametrize("echo", ECHOES)
def test_a_server_that_echoes_the_key_does_not_get_it_out_of_the_engine(
    echo: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with PickyServer(lambda seen: ECHOES[echo](seen.headers["authorization"])) as server:
        said = said_by(engine_on(server, monkeypatch, tmp_path))
    assert not [part for part in PARTS if part in said]
    assert "[TEACHER_KEY]" in said


def test_a_list_of_models_that_holds_the_key_is_told_without_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def models(seen: Any) -> Reply:
        return Reply(json.dumps({"data": [{"id": seen.headers["authorization"]}]}).encode())

    with PickyServer(lambda seen: Reply(b""), models) as server:
        said = said_by(engine_on(server, monkeypatch, tmp_path))
    assert "it lists 'Bearer [TEACHER_KEY]'" in said


def test_secrets_in_headers_are_kept_as_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GATE_KEY", "Token 77aa88bb99cc00dd")
    with PickyServer(
        lambda seen: Reply(f"gateway: no {seen.headers['x-gate']}, none".encode(), 500)
    ) as server:
        said = said_by(engine_on(server, monkeypatch, tmp_path, headers={"X-Gate": {"env": "GATE_KEY"}}))
    assert said == "HTTP 500: gateway: no [GATE_KEY], none"


SPELLINGS = {
    "as it is": KEY,
    "after Bearer": f"Bearer {KEY}",
    "in upper case": KEY.upper(),
    "percent-encoded": quote(KEY, safe=""),
    "percent-encoded in part": quote(KEY, safe="/+"),
    "percent-encoded in lower case": quote(KEY, safe="").lower(),
    "as JSON": json.dumps(KEY),
    "as Python": repr(KEY),
    "in HTML": KEY.replace('"', "&quot;").replace("'", "&#x27;"),
    "in hexadecimal": KEY.encode().hex(),
    "in base64": base64.b64encode(KEY.encode()).decode(),
    "in base64 for an address": base64.urlsafe_b64encode(KEY.encode()).decode(),
    "as basic authentication": base64.b64encode(f"user:{KEY}".encode()).decode(),
    "a character on": base64.b64encode(f"u:{KEY}".encode()).decode(),
    "the first half": KEY[:17],
    "the middle": KEY[5:25],
    "masked": f"{KEY[:7]}********{KEY[-4:]}",
    "shortened": f"{KEY[:9]}...{KEY[-4:]}",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_secret_is_taken_out_of_a_fault(spelling: str) -> None:
    said = SPELLINGS[spelling]
    cleaned = Redactor({"K": KEY}).fault(f"no access with {said} at all")
    assert "[K]" in cleaned
    for form in (KEY, KEY.lower(), SPELLINGS["in base64"], SPELLINGS["in hexadecimal"], KEY[:7], KEY[-4:]):
        assert not any(form[at : at + 8] in cleaned for at in range(max(1, len(form) - 8)))
    assert cleaned.startswith("no access with ") and cleaned.endswith(" at all")


def test_a_secret_that_was_cut_off_at_the_end_leaves_no_start() -> None:
    redactor = Redactor({"K": KEY})
    for kept in range(4, len(KEY)):
        assert redactor.fault(f"key: {KEY[:kept]}") == "key: [K]"


def test_a_placeholder_for_a_key_changes_no_answer() -> None:
    redactor = Redactor({"A": "EMPTY", "B": "whatever", "C": "not-needed-here"})
    said = "It is EMPTY, whatever you say; a key is not-needed-here."
    assert redactor.answer(said) == said
    assert redactor.fault("bad key EMPTY") == "bad key [A]"


def test_an_answer_loses_a_real_key_and_no_more() -> None:
    redactor = Redactor({"K": "sk-proj-0123456789abcdef0123456789abcdef"})
    said = "Keys start with sk-proj-; 0123456789 are the digits."
    assert redactor.answer(said) == said
    assert redactor.answer("I was sent sk-proj-0123456789abcdef0123456789abcdef!") == "I was sent [K]!"


def test_every_engine_is_behind_the_door() -> None:
    def script(text: str, before: int) -> Answer | EngineFault:
        if text == "fail":
            return EngineFault(Fault.SERVER, f"seen {KEY}", 3.0)
        return Answer(f"seen {KEY}", Finish.STOP, 10, 5, f"why {KEY}", {"of": [KEY], "n": 1})

    engine = discreet(ScriptedEngine(script, latency_s=0), {"K": KEY})

    async def ask(text: str) -> Answer:
        return await engine.complete(Request(b"k", ({"role": "user", "content": text},), {}, 1))

    assert asyncio.run(ask("x")) == Answer("seen [K]", Finish.STOP, 10, 5, "why [K]", {"of": ["[K]"], "n": 1})
    with pytest.raises(EngineFault, match=r"^seen \[K\]$") as raised:
        asyncio.run(ask("fail"))
    assert (raised.value.fault, raised.value.retry_after_s) == (Fault.SERVER, 3.0)
    assert engine.slots == 8
    assert discreet(engine, {}) is engine


def test_neither_store_nor_report_nor_status_of_a_run_holds_a_key_that_came_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TEACHER_KEY", KEY)

    def rules(seen: Any) -> Reply:
        number = int("".join(c for c in seen.body["messages"][0]["content"] if c.isdigit()) or 0)
        return list(ECHOES.values())[4:7][number % 3](seen.headers["authorization"])

    with PickyServer(rules) as server:
        model = plans.model(server.url, api_key={"env": "TEACHER_KEY"})
        plan = plans.plan(
            tmp_path,
            models=[model],
            sources=[plans.numbered(6)],
            pipelines=[plans.pipeline(plans.generate())],
            mixtures=[plans.mixture(("essays", "pipeline", CountQuota(count=2)))],
        )
        with Store.open(tmp_path / "store") as store:
            run_plan(plan, store=store, options=RunOptions(exports=False))
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"[TEACHER_KEY]" in written
    assert not [part for part in PARTS if part.encode() in written]


def test_a_key_that_no_header_can_hold_is_told_by_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with PickyServer(lambda seen: Reply(completion())) as server:
        monkeypatch.setenv("TEACHER_KEY", "sk-123\r\nX-Injected: yes")
        model = plans.model(server.url, api_key={"env": "TEACHER_KEY"})
        step = plans.generate()
        plan = plans.plan(tmp_path, models=[model], pipelines=[plans.pipeline(step)])
        engine = engines_of(plan, [step])["teacher"]
        with pytest.raises(EngineUnavailable, match="TEACHER_KEY holds a line end") as raised:
            asyncio.run(engine.start())
    assert "sk-123" not in str(raised.value)
