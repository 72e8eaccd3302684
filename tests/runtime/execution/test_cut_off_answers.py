"""An answer cut off by `max_tokens` is remembered: it costs its request once, until the spec asks for more."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from spec_runs import SpecRuns

from mixwright_runtime.engines.protocol import Answer, Finish
from mixwright_runtime.store.records import CallRecord
from mixwright_runtime.store.store import Store

SPEC = """
source topics inline {{ rows = [{{ n = 1 }}, {{ n = 2 }}, {{ n = 3 }}] }}
template ask {{ user = "Write about {{{{ n }}}}" }}
pipeline p {{
  from topics
  generate a {{ prompt = ask, model = teacher, max_tokens = {max_tokens}, on_fail = {on_fail} }}
}}"""


def spec(max_tokens: int = 64, on_fail: str = "drop") -> str:
    return SPEC.format(max_tokens=max_tokens, on_fail=on_fail)


@pytest.fixture
def runs(tmp_path: Path) -> Any:
    made = SpecRuns(tmp_path, lambda prompt: "")

    def script(text: str, before: int) -> Answer:
        return Answer("It goes on and", Finish.LENGTH) if "2" in text else Answer("Short.", Finish.STOP)

    made.engine.script = script
    yield made
    made.store.close()


def asked(runs: SpecRuns, text: str) -> int:
    before = len(runs.engine.requests)
    runs.run(text)
    return len(runs.engine.requests) - before


def test_it_is_not_asked_again(runs: SpecRuns) -> None:
    assert [asked(runs, spec()) for _ in range(3)] == [3, 0, 0]
    assert sorted((columns["n"], status, reason) for status, reason, columns in runs.rows()) == [
        (1, "kept", ""),
        (2, "quarantined", "length"),
        (3, "kept", ""),
    ]


def test_more_tokens_are_another_request(runs: SpecRuns) -> None:
    assert asked(runs, spec(64)) == 3
    assert asked(runs, spec(128)) == 3


def test_a_retry_asks_only_the_further_attempts(runs: SpecRuns) -> None:
    assert asked(runs, spec()) == 3
    assert asked(runs, spec(on_fail="retry(2)")) == 2
    assert asked(runs, spec(on_fail="retry(2)")) == 0
    assert asked(runs, spec(on_fail="retry(3)")) == 1


def test_other_failures_are_asked_again(runs: SpecRuns) -> None:
    runs.engine.script = lambda text, before: (
        Answer("", Finish.EMPTY) if "2" in text else Answer("Short.", Finish.STOP)
    )
    assert [asked(runs, spec()) for _ in range(2)] == [3, 1]


def test_an_attempt_that_failed_otherwise_is_asked_again_behind_one_that_was_cut_off(runs: SpecRuns) -> None:
    finishes = iter([Finish.EMPTY, Finish.LENGTH])
    runs.engine.script = lambda text, before: (
        Answer("x", next(finishes, Finish.STOP)) if "2" in text else Answer("Short.", Finish.STOP)
    )
    assert asked(runs, spec(on_fail="retry(1)")) == 4
    assert asked(runs, spec(on_fail="retry(1)")) == 1
    assert [status for status, _, _ in runs.rows()] == ["kept"] * 3


def test_a_good_answer_counts_before_one_that_was_cut_off_earlier(tmp_path: Path) -> None:
    """Stores of earlier versions have both."""

    def call(text: str, **fields: Any) -> CallRecord:
        return CallRecord(b"k" * 16, 1, "p.a", "m", "i", "{}", text, "", **fields)

    async def found(store: Store) -> list[str]:
        return [record.text for record in (await store.find_calls([b"k" * 16])).values()]

    for text, fields in (
        ("cut", {"finish": "length", "status": "failed", "reason": "length"}),
        ("good", {"finish": "stop", "status": "ok"}),
    ):
        with Store.open(tmp_path / "store") as store:
            store.put_call(call(text, **fields))
            assert asyncio.run(found(store)) == [text]
    with Store.open(tmp_path / "store") as store:
        assert asyncio.run(found(store)) == ["good"]


USED = SPEC.replace("on_fail = {on_fail}", "on_fail = {on_fail}, on_cut = use").replace(
    "\n}}", '\n  derive {{ ended = coalesce(a.finish, "not") }}\n}}'
)


def test_what_there_is_of_it_goes_on_where_the_spec_says_so_and_nothing_is_asked_for_it(
    runs: SpecRuns,
) -> None:
    assert asked(runs, spec()) == 3
    assert asked(runs, USED.format(max_tokens=64, on_fail="retry(2)")) == 0
    assert sorted(
        (columns["n"], status, columns["a"], columns["ended"]) for status, _, columns in runs.rows()
    ) == [
        (1, "kept", "Short.", "stop"),
        (2, "kept", "It goes on and", "length"),
        (3, "kept", "Short.", "stop"),
    ]


def test_a_later_attempt_that_was_cut_off_and_used_stays_the_answer(runs: SpecRuns) -> None:
    """The first attempt failed for a reason that no later run would meet: it is not tried again."""
    finishes = iter([Finish.EMPTY, Finish.LENGTH])
    runs.engine.script = lambda text, before: (
        Answer("cut", next(finishes, Finish.STOP)) if "2" in text else Answer("Short.", Finish.STOP)
    )
    text = USED.format(max_tokens=64, on_fail="retry(1)")
    assert [asked(runs, text) for _ in range(2)] == [4, 0]
    assert [columns["a"] for _, _, columns in runs.rows() if columns["n"] == 2] == ["cut"]


def test_of_reasoning_that_was_cut_off_nothing_is_left_to_use(runs: SpecRuns) -> None:
    runs.engine.script = lambda text, before: Answer("<think>First I", Finish.LENGTH)
    runs.run(USED.format(max_tokens=64, on_fail="keep"))
    assert {(columns["a"], columns["ended"]) for _, _, columns in runs.rows()} == {(None, "not")}


def test_two_steps_that_ask_the_same_each_decide_for_themselves(runs: SpecRuns) -> None:
    strict = (
        "\n  generate b {{ prompt = ask, model = teacher, max_tokens = {max_tokens}, on_fail = keep }}\n}}"
    )
    assert asked(runs, USED.replace("\n}}", strict).format(max_tokens=64, on_fail="drop")) == 3
    assert [(columns["a"], columns["b"]) for _, _, columns in runs.rows() if columns["n"] == 2] == [
        ("It goes on and", None)
    ]
