"""Any conversation in any template: what is trained is what the assistant said, or the row is named.

The templates are those of `template_shapes.py`; conversations are drawn, each word of them once, so that who said a word
in the trained text is known without asking the code that is tested.
"""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

pytestmark = pytest.mark.train
pytest.importorskip("transformers")

from mixwright_runtime.training.encode import IGNORED, EncodingCounts, Learned, encode  # noqa: E402
from tests.training.chat_templates import with_control_tokens  # noqa: E402
from tests.training.template_shapes import LEAVING_OUT, NULL, SPECIAL, WHOLE  # noqa: E402

TOOLS = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]
ENDS = ("<|im_end|>", "<turn|>", "<|end|>", "<|return|>", "<|call|>", "<call|>", "<|END_OF_TURN|>", "</s>")


@pytest.fixture(scope="module")
def with_template(tokenizer: Any) -> Any:
    """Makes a tokenizer with the control tokens of all shapes and one chat template."""
    return with_control_tokens(tokenizer, SPECIAL)


def words_of(text: str) -> list[str]:
    """The drawn words in a text."""
    return re.findall(r"[a-z]{2}\d+z", text)


class Drawn:
    """A conversation. Words of the assistant begin with `a`, then `t` (thought), `s` (answer) or `c` (call)."""

    def __init__(self, seed: int, *, has_tools: bool = True, has_thoughts: bool = True) -> None:
        self._random = random.Random(seed)
        self._words = 0
        self._has_tools, self._has_thoughts = has_tools, has_thoughts
        self.messages: list[dict[str, Any]] = []
        if self._random.random() < 0.3:
            self._add("system", "sy")
        for _ in range(self._random.randint(1, 3)):
            self._round()

    def words(self, kind: str) -> list[str]:
        return [word for word in words_of(json.dumps(self.messages)) if word.startswith(kind)]

    def _round(self) -> None:
        self._add("user", "us")
        while self._has_tools and self._random.random() < 0.5:
            calls = [self._call() for _ in range(self._random.randint(1, 2))]
            self._assistant(self._text("as") if self._random.random() < 0.5 else "", calls)
            for _ in calls:
                self._add("tool", "re")
        self._assistant(self._text("as"), [])

    def _assistant(self, content: str, calls: list[Any]) -> None:
        message = {"role": "assistant", "content": content}
        if self._has_thoughts and self._random.random() < 0.5:
            message["reasoning_content"] = self._text("at")
        if calls:
            message["tool_calls"] = calls
        self.messages.append(message)

    def _call(self) -> dict[str, Any]:
        arguments = {
            "where": self._text("ac"),
            "much": self._random.choice([3, 2.5, True]),
            "among": [self._text("ac"), {"quote": f'"{self._text("ac")}"'}],
        }
        return {"type": "function", "function": {"name": "find", "arguments": json.dumps(arguments)}}

    def _add(self, role: str, kind: str) -> None:
        self.messages.append({"role": role, "content": self._text(kind)})

    def _text(self, kind: str) -> str:
        """A few words of a kind, with marks that templates may stumble over."""
        said = []
        for _ in range(self._random.randint(1, 4)):
            self._words += 1
            said.append(f"{kind}{self._words}z")
        between = self._random.choice([" ", ", ", "\n", "\n\n", '" "', " {} ", " 'é' ", " <b>"])
        return self._random.choice(["", "", " "]) + between.join(said) + self._random.choice(["", ".", "\n"])


def trained(
    tokenizer: Any, messages: list[dict[str, Any]], learned: Learned | None = None
) -> tuple[str, EncodingCounts]:
    """The trained text, a `¦` where something untrained stands between; empty where the row is refused."""
    counts = EncodingCounts()
    tools = TOOLS if "tools" in tokenizer.chat_template else None
    row = {"id": "r", "component": "c", "messages": messages, "tools": tools}
    found = list(encode([row], tokenizer, context=9000, overlong="drop", counts=counts, learned=learned))
    if not found:
        return "", counts
    runs: list[list[int]] = [[]]
    for label in found[0].labels:
        if label == IGNORED:
            runs.append([])
        else:
            runs[-1].append(int(label))
    return "¦".join(tokenizer.decode(run) for run in runs if run), counts


def told(drawn: Drawn) -> set[str]:
    return {word for kind in ("us", "sy", "re") for word in drawn.words(kind)}


def check(template: str, drawn: Drawn, text: str) -> None:
    """Nobody else's words are trained, and beside the assistant's only what the template writes itself."""
    assert set(words_of(text)) <= set(drawn.words("a"))
    rest = re.sub(r"[a-z]{2}\d+z", " ", text)
    names = {"find", "where", "much", "among", "quote", "true", "True", "b", "n", "s"}
    assert set(re.findall(r"[a-zA-Z_]+", rest)) <= {*re.findall(r"[a-zA-Z_]+", template), *names}
    assert "<|im_start|>" not in text and "[INST]" not in text and "result" not in rest


@pytest.mark.parametrize("habit", WHOLE)
def test_all_that_the_assistant_says_is_trained_and_nothing_else(with_template: Any, habit: str) -> None:
    tokenizer = with_template(WHOLE[habit])
    for seed in range(24):
        drawn = Drawn(seed)
        text, counts = trained(tokenizer, drawn.messages)
        check(WHOLE[habit], drawn, text)
        assert set(drawn.words("a")) <= set(words_of(text)), (seed, text)
        assert counts.unstopped == 0, (seed, text)
        assert text.endswith(ENDS)
        assert not counts.without_reasoning and not counts.without_context


@pytest.mark.parametrize("habit", LEAVING_OUT)
def test_what_a_template_leaves_out_is_told(with_template: Any, habit: str) -> None:
    """A row whose answer or call is gone is refused; one without reasoning, or another's words, is counted."""
    tokenizer = with_template(LEAVING_OUT[habit])
    refused = 0
    for seed in range(24):
        drawn = Drawn(seed)
        text, counts = trained(tokenizer, drawn.messages)
        check(LEAVING_OUT[habit], drawn, text)
        trained_words = set(words_of(text))
        lost = {word[:2] for word in drawn.words("a") if word not in trained_words}
        whole = tokenizer.apply_chat_template(drawn.messages, tokenize=False)
        refused += not text
        if text:
            assert lost <= {"at"}
            assert bool(counts.without_reasoning) == bool(lost)
            assert bool(counts.without_context) == any(word not in whole for word in told(drawn))
        else:
            assert counts.unwritten == ["r"]
    takes_words = habit not in ("reasoning", "reasoning of earlier turns", "results", "the system's words")
    assert bool(refused) == takes_words and refused < 24


@pytest.mark.parametrize("habit", [*WHOLE, "reasoning of earlier turns"])
@pytest.mark.parametrize(("part", "kind"), [("answers", "as"), ("reasoning", "at"), ("tool_calls", "ac")])
def test_each_part_can_be_learned_alone(with_template: Any, habit: str, part: str, kind: str) -> None:
    template = (WHOLE | LEAVING_OUT)[habit]
    tokenizer = with_template(template)
    for seed in range(6):
        drawn = Drawn(seed)
        text, counts = trained(tokenizer, drawn.messages, Learned((part,)))
        words = set(words_of(text))
        own = set(drawn.words(kind))
        assert words & set(drawn.words("a")) <= own
        if not counts.without_reasoning:
            assert own <= words


def test_a_null_content_is_handed_on_as_null_where_the_calls_depend_on_it(with_template: Any) -> None:
    """OpenAI's servers give `content: null` beside calls; with an empty text this template writes no call."""
    call = {"type": "function", "function": {"name": "find", "arguments": '{"where": "Oslo"}'}}
    for content in (None, ""):
        asked = {"role": "assistant", "content": content, "tool_calls": [call]}
        messages = [{"role": "user", "content": "Hi"}, asked, {"role": "tool", "content": "3"}]
        text, counts = trained(with_template(NULL), [*messages, {"role": "assistant", "content": "Three."}])
        assert '{"where": "Oslo"}' in text and counts.unstopped == 0
    spoken = {"role": "assistant", "content": "I look.", "tool_calls": [call]}
    assert trained(with_template(NULL), [messages[0], spoken, messages[2]])[1].unwritten == ["r"]
