"""Conversations of one shape are rendered once each, and read as if each had been read in full."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.train
pytest.importorskip("transformers")

from mixwright_runtime.training.conversation import Conversation, Renderer  # noqa: E402
from mixwright_runtime.training.frames import CONFIRMED, framed, shape_of  # noqa: E402
from tests.training.chat_templates import SPECIAL, STOPS, with_control_tokens  # noqa: E402

WORDS = (
    "one",
    "Two",
    "ok",
    "<b>",
    "naïve",
    "日本",
    "2+2",
    "user",
    "assistant",
    "e\u0301",
    "\n",
    '"',
    "'",
    "a" * 50,
)


@pytest.fixture(scope="module")
def with_template(tokenizer: Any) -> Callable[[str], Any]:
    return with_control_tokens(tokenizer, SPECIAL)


def conversation(draw: random.Random, turns: int = 2) -> list[dict[str, Any]]:
    def text() -> str:
        return " ".join(draw.choice(WORDS) for _ in range(draw.randrange(1, 6)))

    return [{"role": ("user", "assistant")[n % 2], "content": text()} for n in range(turns)]


def renderings(renderer: Renderer) -> list[int]:
    """Counts the renderings that a renderer asks its tokenizer for, in a list of one number."""
    count, given = [0], renderer._text

    def counted(*arguments: Any, **named: Any) -> str:
        count[0] += 1
        return given(*arguments, **named)

    renderer._text = counted  # type: ignore[method-assign]
    return count


@pytest.mark.parametrize("family", STOPS)
def test_a_frame_gives_what_a_reading_in_full_gives(with_template: Any, family: str) -> None:
    tokenizer, draw = with_template(STOPS[family][0]), random.Random(7)
    renderer = Renderer(tokenizer)
    rows = [conversation(draw, turns) for turns in (2, 4) for _ in range(40)]
    found = [renderer.located(messages) for messages in rows]
    assert found == [Renderer(tokenizer).located(messages) for messages in rows]


@pytest.mark.parametrize("family", STOPS)
def test_a_known_shape_is_rendered_once(with_template: Any, family: str) -> None:
    renderer = Renderer(with_template(STOPS[family][0]))
    for number in range(CONFIRMED):
        renderer.located(chat(f"Is {number} even?", f"{number} is."))
    count = renderings(renderer)
    renderer.located(chat("And the next?", "It is not."))
    assert count == [1]


LOOKS_INTO_THE_WORDS = """
{%- for m in messages %}
{%- if m.role == "assistant" and "sum" in messages[0].content %}<|im_start|>assistant
[sure] {{ m.content }}<|im_end|>
{%- else %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def test_a_template_that_looks_into_the_words_is_seen(with_template: Any) -> None:
    """What it adds of its own for some rows is trained there, as it is without a frame."""
    renderer = Renderer(with_template(LOOKS_INTO_THE_WORDS))
    for number in range(CONFIRMED):
        renderer.located(chat(f"Is {number} even?", f"{number} is."))
    assert said(renderer.located(chat("the sum of 1 and 1", "It is 2."))) == ["[sure] It is 2.<|im_end|>"]
    assert said(renderer.located(chat("Is 9 even?", "It is not."))) == ["It is not.<|im_end|>"]


def test_reasoning_in_an_answer_is_read_in_full(with_template: Any) -> None:
    """`<think>` makes parts of an answer, which a frame of plain answers does not have."""
    renderer = Renderer(with_template(STOPS["chatml"][0]))
    for number in range(CONFIRMED):
        renderer.located(chat(f"Is {number} even?", f"{number} is."))
    found = renderer.located(chat("Is 9 even?", "<think>9 = 2·4 + 1</think>It is not."))
    assert {span.part for span in found.spans} == {"reasoning", "answers"}


def test_who_disagrees_with_the_others_of_a_shape_begins_anew(with_template: Any) -> None:
    """Every row of a shape is read in full until enough in a row agree."""
    renderer = Renderer(with_template(LOOKS_INTO_THE_WORDS))
    for number in range(3 * CONFIRMED):
        word = "sum" if number % 2 else "product"
        renderer.located(chat(f"the {word} of {number} and 1", "It is 2."))
    assert renderer._frames.of(("user", "assistant")) is None


def test_more_than_plain_texts_has_no_shape() -> None:
    assert shape_of(chat("a", "b"), None) == ("user", "assistant")
    assert shape_of(chat("a", "b"), [{"name": "f"}]) is None
    assert shape_of(chat(" a", "b"), None) is None
    assert shape_of(chat("a", 'b"'), None) is None
    assert shape_of(chat("a", ""), None) is None
    assert shape_of([*chat("a"), {"role": "assistant", "content": "b", "tool_calls": [{}]}], None) is None


def test_a_span_that_ends_within_a_text_has_no_frame() -> None:
    assert framed("[ab]", [(1, 3)], [(1, 4, 0, "answers")], [True]) is not None
    assert framed("[ab]", [(1, 3)], [(2, 4, 0, "answers")], [True]) is None


def chat(*contents: str) -> list[dict[str, Any]]:
    return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(contents)]


def said(found: Conversation) -> list[str]:
    return ["".join(found.text[s.start : s.end] for s in found.spans)]
