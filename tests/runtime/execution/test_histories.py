"""`history`: a conversation that the prompt goes on with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from spec_runs import SpecRuns

SPEC = """
source talks jsonl { path = "talks.jsonl", columns = { name = "name", talk = "talk" } }
template more { user = "And {{ name }}?" }
template told { system = "Ask as a child would.", user = "And {{ name }}?" }
pipeline p {
  from talks
  STEPS
}
"""
SYSTEM = '{"role": "system", "content": "Be brief."}'
TURNS = '{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}'


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[SpecRuns]:
    made = SpecRuns(tmp_path, lambda prompt: f"re: {prompt}")
    yield made
    made.store.close()


def said(runs: SpecRuns, talk: str, steps: str) -> list[list[tuple[str, str]]]:
    """The requests of a run on one row with this conversation."""
    (runs.directory / "talks.jsonl").write_text(f'{{"name": "Ada", "talk": {talk}}}\n', encoding="utf-8")
    before = len(runs.engine.requests)
    runs.run(SPEC.replace("STEPS", steps))
    return [[(m["role"], m["content"]) for m in r.messages] for r in runs.engine.requests[before:]]


def generate(prompt: str, history: str = "talk", name: str = "a") -> str:
    return f"generate {name} {{ prompt = {prompt}, model = teacher, history = {history} }}"


def test_the_prompt_comes_after_it(runs: SpecRuns) -> None:
    assert said(runs, f"[{SYSTEM}, {TURNS}]", generate("more")) == [
        [("system", "Be brief."), ("user", "Hi."), ("assistant", "Hello."), ("user", "And Ada?")]
    ]


def test_the_system_message_of_the_template_is_that_of_the_whole(runs: SpecRuns) -> None:
    assert said(runs, f"[{SYSTEM}, {TURNS}]", generate("told")) == [
        [("system", "Ask as a child would."), ("user", "Hi."), ("assistant", "Hello."), ("user", "And Ada?")]
    ]


@pytest.mark.parametrize("talk", ["null", "[]"])
def test_none_is_the_prompt_alone(runs: SpecRuns, talk: str) -> None:
    (messages,) = said(runs, f'{talk}}}\n{{"name": "Alan", "talk": [{TURNS}]', generate("more"))[:1]
    assert messages[-1][1].startswith("And ")
    assert [("user", "And Ada?")] in [
        [(m["role"], m["content"]) for m in request.messages] for request in runs.engine.requests
    ]


def test_an_answer_is_a_turn_of_the_next_request(runs: SpecRuns) -> None:
    steps = [
        generate("more", name="question"),
        generate("more", 'append(talk, "user", question)', name="a"),
    ]
    first, second = said(runs, f"[{TURNS}]", "\n".join(steps))
    assert second == [*first[:2], ("user", "re: And Ada?"), ("user", "And Ada?")]


def test_the_conversation_is_part_of_what_names_a_call(runs: SpecRuns) -> None:
    assert len(said(runs, f"[{TURNS}]", generate("more"))) == 1
    assert len(said(runs, f"[{SYSTEM}, {TURNS}]", generate("more"))) == 1
    assert len(said(runs, f"[{TURNS}]", generate("more"))) == 0


def test_a_row_whose_history_is_none_is_quarantined(runs: SpecRuns) -> None:
    odd = '{"role": "critic", "content": "4"}'
    assert said(runs, f"[{TURNS}, {odd}]", generate("more")) == []
    ((status, reason, _),) = runs.rows()
    assert (status, reason) == ("quarantined", "row error")
    ((detail,),) = runs.store.sql("SELECT detail FROM outcome")
    assert "message 3 of `history` is none of system, user, assistant, tool: its role is 'critic'" in detail
