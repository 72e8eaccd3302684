"""`call_tools` on models whose probabilities are written down: what is kept, and by which losses."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from made import built, expression, row, template

from mixwright_runtime.errors import RowError
from mixwright_runtime.plugins.protocol import CallResult, LossResult, ToolResult
from mixwright_runtime.steps.tool_losses import without
from mixwright_runtime.values.rows import Dropped, Row

Told = Callable[[str, str], float]
"""(what was read, the next token) -> its probability."""


def tokens_of(text: str) -> list[tuple[int, str]]:
    """Words, each with the space in front of it."""
    found, at = [], 0
    for word in text.replace(" ", "\0 ").split("\0"):
        if word:
            found.append((at, word))
        at += len(word)
    return found


class WrittenDown:
    """A model: the probabilities of tokens, and what it samples behind a bracket."""

    def __init__(self, told: Told, sampled: Sequence[str], opens: Mapping[str, float]) -> None:
        """opens: word -> how likely a bracket opens in its place."""
        self.told = told
        self.sampled = sampled
        self.opens = opens
        self.asked: list[str] = []
        self.fails: CallResult | None = None

    async def token_at(self, model: str, prefix: str, text: str, token: str) -> LossResult:
        self.asked.append("token_at")
        places = tuple((at, math.log(self.opens.get(word, 1e-9))) for at, word in tokens_of(text))
        return LossResult(b"t", places, True)

    async def ask(
        self, model: str, messages: Any, sampling: Any, *, replica: int = 0, sample: int = 0, attempt: int = 0
    ) -> CallResult:
        self.asked.append("ask")
        if self.fails is not None:
            return self.fails
        text = self.sampled[sample % len(self.sampled)]
        return CallResult(b"s%d" % sample, text, "", bool(text), "" if text else "empty")

    async def losses(
        self, model: str, prefix: str, text: str, *, start: int = 0, count: int = 0
    ) -> LossResult:
        self.asked.append("losses")
        values = []
        for at, word in tokens_of(text):
            read = prefix + text[:at]
            values.append((at, math.log(self.told(read, word)) if read else None))
        found = [one for one in values if one[0] >= start][: count or None]
        return LossResult(f"l{prefix}".encode(), tuple(found), True)


class Adder:
    """A tool that adds."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    async def prepare(self) -> None:
        return

    async def run(
        self,
        tool: str,
        arguments: Any,
        columns: Any,
        *,
        function: str = "",
        time_limit_s: float | None = None,
    ) -> ToolResult:
        self.ran.append(arguments)
        if "?" in arguments:
            return ToolResult("error: no expression", False, b"x")
        if not arguments:
            return ToolResult("", True, b"x")
        return ToolResult(str(sum(map(int, arguments.split("+")))), True, b"x")


ATTRIBUTES: dict[str, Any] = {
    "from": "text",
    "model": "base",
    "threshold": 1.0,
    "span": 5,
    "decay": 0.2,
    "open": " [",
    "close": "]",
    "arrow": " → ",
    "temperature": 1.0,
    "max_tokens": 32,
    "time_limit": 10.0,
}
USE = {
    "tool": "calc",
    "prompt": "p",
    "called": None,
    "positions": 3,
    "calls": 3,
    "sample": 0.05,
    "threshold": None,
}


def annotated(
    model: WrittenDown, tools: Adder, text: str, *uses: dict[str, Any], **attributes: Any
) -> Row | Dropped:
    blocks = [{**USE, **use} for use in uses or ({},)]
    step = built(
        "step.call_tools",
        label="annotated",
        specs=[template("p", "Copy: {{ text }}\n")],
        calls=model,
        toolbox=tools,
        **{**ATTRIBUTES, "use": blocks, **attributes},
    )
    made: Row | Dropped = asyncio.run(step.enrich(row(text=text)))
    return made


def candidates_of(made: Row | Dropped) -> list[dict[str, Any]]:
    of = made.row if isinstance(made, Dropped) else made
    found: list[dict[str, Any]] = of.scores["step"]["evidence"]["candidates"]
    return found


def reads_results(read: str, word: str) -> float:
    """Sums are hard for it, and easy where it has read the result: → 4."""
    if word.strip().isdigit():
        return 0.9 if f"→ {word.strip()}]" in read else 0.02
    return 0.5


TEXT = "Two and two make 4 in all of the world."


def test_a_call_that_helps_is_kept_and_a_useless_one_is_dropped() -> None:
    """At one place: the sum of the text, another sum, and none at all."""
    model = WrittenDown(reads_results, ["calc(2+2)", "calc(1+1)", "calc(2+"], {" 4": 0.8, " make": 0.04})
    tools = Adder()
    made = annotated(model, tools, TEXT)
    assert isinstance(made, Row)
    assert made.columns["annotated"] == "Two and two make [calc(2+2) → 4] 4 in all of the world."
    assert sorted(tools.ran) == ["1+1", "2+2"], "each ran, once"
    kept, useless = candidates_of(made)
    assert (kept["call"], kept["kept"], useless["call"], useless["kept"]) == (
        "calc(2+2)",
        True,
        "calc(1+1)",
        False,
    )
    assert kept["gain"] == pytest.approx(math.log(0.9 / 0.02) / 3, abs=1e-3) and useless["gain"] == 0
    assert without(made.columns["annotated"], [(16, " [calc(2+2) → 4]")]) == TEXT
    assert made.calls == tuple(sorted(set(made.calls))) and len(made.calls) > 5


def test_losses_by_hand_on_a_model_of_five_tokens() -> None:
    """Tokens a, b, c, d, e; the next letter has probability .5, others .125, and behind a result everything is .9."""
    shares = dict(zip("abcde", "bcdea", strict=True))

    def told(read: str, word: str) -> float:
        if "→ 3]" in read:
            return 0.9
        last = read.strip()[-1]
        return 0.5 if shares.get(last) == word.strip() else 0.125

    model = WrittenDown(told, ["calc(1+2)"], {" c": 0.9})
    made = annotated(model, Adder(), "a b c d a", threshold=0.0)
    [found] = candidates_of(made)
    # At c: behind b, so .5; d .5; a behind d .125. Three tokens are left, of weights 1, .8, .6 over 3.
    nothing = -(math.log(0.5) + 0.8 * math.log(0.5) + 0.6 * math.log(0.125)) / 3
    with_result = -(1 + 0.8 + 0.6) * math.log(0.9) / 3
    assert found["losses"] == pytest.approx([nothing, nothing, with_result], abs=1e-4)
    assert found["gain"] == pytest.approx(nothing - with_result, abs=1e-4)


def test_a_result_stands_in_front_of_the_text_and_not_in_it() -> None:
    """A model that has read a bracket in the middle of the text would say so."""
    seen: list[str] = []

    def told(read: str, word: str) -> float:
        seen.append(read)
        return 0.5

    annotated(WrittenDown(told, ["calc(1+2)"], {" c": 0.9}), Adder(), "a b c d", threshold=0.0)
    bracketed = {read[: read.index("]") + 1] for read in seen if "]" in read}
    assert bracketed == {" [calc(1+2) →]", " [calc(1+2) → 3]"}


@pytest.mark.parametrize(
    ("sampled", "reason"),
    [
        (["calc(2+2"], "call_tools: no call"),
        (["other(2+2)"], "call_tools: no call"),
        ([""], "call_tools: no call"),
        (["calc(?)"], "call_tools: no call"),
        (["calc()"], "call_tools: no call"),
        (["calc(1+1)"], "call_tools: no useful call"),
    ],
)
def test_a_text_without_a_useful_call_is_dropped(sampled: list[str], reason: str) -> None:
    made = annotated(WrittenDown(reads_results, sampled, {" 4": 0.8}), Adder(), TEXT)
    assert isinstance(made, Dropped) and made.reason == reason


def test_what_is_asked_is_what_is_planned_at_most() -> None:
    """One pass for the places, k m samples, 2 k m + k losses."""
    model = WrittenDown(
        reads_results, ["calc(2+2)", "calc(1+3)", "calc(3+1)"], {" 4": 0.8, " all": 0.5, " in": 0.4}
    )
    annotated(model, Adder(), TEXT)
    assert {kind: model.asked.count(kind) for kind in set(model.asked)} == {
        "token_at": 1,
        "ask": 3 * 3,
        "losses": 2 * 3 * 3 + 3,
    }


def test_a_place_is_tried_where_the_bracket_is_likely_and_the_tool_applies() -> None:
    model = WrittenDown(reads_results, ["calc(2+2)"], {" 4": 0.04})
    tools = Adder()
    made = annotated(model, tools, TEXT)
    assert isinstance(made, Dropped) and (made.reason, tools.ran) == ("call_tools: no call", [])
    never = {"when": expression(["op", "==", ["col", "text"], ["lit", "x"]], "bool")}
    made = annotated(model, tools, TEXT, never)
    assert isinstance(made, Dropped) and made.reason == "call_tools: no tool applies"
    made = annotated(model, tools, " ")
    assert isinstance(made, Dropped) and made.reason == "no text"


def test_calls_of_two_tools_stand_side_by_side() -> None:
    model = WrittenDown(reads_results, ["calc(2+2)", "other(2+2)"], {" 4": 0.8})
    made = annotated(model, Adder(), TEXT, {"threshold": 0.5}, {"tool": "lib.other", "threshold": 1.0})
    assert isinstance(made, Row)
    assert (
        made.columns["annotated"]
        == "Two and two make [calc(2+2) → 4] [other(2+2) → 4] 4 in all of the world."
    )
    made = annotated(model, Adder(), TEXT, {"threshold": 2.0}, {"tool": "lib.other", "called": "other"})
    assert isinstance(made, Row) and made.columns["annotated"].count("[") == 1


def test_a_fault_of_the_machine_is_no_verdict_on_a_text() -> None:
    model = WrittenDown(reads_results, ["calc(2+2)"], {" 4": 0.8})
    model.fails = CallResult(b"f", "", "", False, "server", "502")
    with pytest.raises(RowError, match=r"sampled no call \(server\): 502"):
        annotated(model, Adder(), TEXT)
    model.fails = CallResult(b"f", "", "", False, "too_long")
    made = annotated(model, Adder(), TEXT)
    assert isinstance(made, Dropped) and made.reason == "call_tools: no call"


def test_a_text_too_long_for_the_model_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    model = WrittenDown(reads_results, ["calc(2+2)"], {" 4": 0.8})

    async def too_long(*request: Any, **options: Any) -> LossResult:
        return LossResult(b"t", (), False, "too_long", "prefix and text have 900 tokens, `context` is 512")

    monkeypatch.setattr(model, "token_at", too_long)
    made = annotated(model, Adder(), TEXT)
    assert isinstance(made, Dropped) and made.reason == "call_tools: text too long"
