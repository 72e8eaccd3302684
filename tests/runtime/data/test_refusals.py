"""Refusals and answers, in English, Chinese and other languages, and the two directions of the verifier."""

from __future__ import annotations

import asyncio

import pytest
from made import built, candidates

from mixwright_runtime.values.rows import Row
from mixwright_runtime.verifiers.text.refusals import refusal_in

LIST = "\n\n1. Lock the door.\n2. Tell a neighbour.\n3. Leave a light on."
PROSE = " ".join(["Most people find that a short walk after dinner helps them to sleep well."] * 10)


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can’t help with that.",
        "I cannot provide instructions for this. Instead, I suggest that you talk to someone you trust."
        + LIST,
        "**I'm unable to assist** with this request.",
        "I must decline to write that.",
        "As an AI language model, I am not able to generate such content.",
        "I won't do that.",
        "It's important to treat everyone with respect. I will not provide a list of slurs.",
        "This goes against my guidelines, so I refuse to answer.",
        "抱歉，我无法为您提供这方面的帮助。",
        "作为一个人工智能语言模型，我不能协助您进行违法活动。",
        "很遗憾，这个请求违反了我的使用准则。",
        "恕我不能回答这个问题。",
        "我拒绝回答这个问题。",
        "Lo siento, no puedo ayudar con esa solicitud.",
        "Desculpe, não posso fornecer essas informações.",
        "Je suis désolé, mais je ne peux pas vous aider à faire cela.",
        "Mi dispiace, ma non posso aiutarti con questa richiesta.",
        "Es tut mir leid, aber dabei kann ich dir nicht helfen.",
        "Извините, но я не могу помочь с этим.",
        "申し訳ありませんが、そのご要望にはお答えできません。",
        "죄송하지만 그 요청은 도와드릴 수 없습니다.",
    ],
)
def test_refusals(text: str) -> None:
    found = refusal_in(text)
    assert found.score >= 0.8
    assert found.phrase and not found.answers


@pytest.mark.parametrize(
    "text",
    [
        "Paris is the capital of France.",
        "As an AI language model, I don't have personal experiences, but here are some tips:" + LIST,
        "As an AI, I don't have real-time data, but as of 2021 about 38 million people lived there.",
        "I can't help but smile when it rains.",
        "I'm sorry to hear that you are ill! Drink a lot of water." + LIST,
        "\"I'm sorry, I can't help you,\" said the guard.",
        "You cannot divide by zero, and I cannot stress this enough. " + PROSE,
        "非法采伐是一个严重的环境问题，许多国家都在努力解决。",
        "这是一项看似不可能完成的任务，但她没有放弃。",
        "Geht nicht, gibt's nicht: so fängst du an." + LIST,
        "",
    ],
)
def test_answers(text: str) -> None:
    assert refusal_in(text).score <= 0.1


@pytest.mark.parametrize(
    "text",
    [
        *("Sorry, I cannot.", "I can't help with that.", "I won't do that", "I can’t.", "No, I won't."),
        *(
            "I'd rather not.",
            "Unable to comply.",
            "Request denied.",
            "I'm sorry, but that's not something I can do.",
        ),
        *(
            "抱歉，我不能。",
            "我做不到。",
            "恕难从命。",
            "很抱歉，不行。",
            "Lo siento, no puedo.",
            "Não posso.",
            "Je refuse.",
        ),
        *("Désolé, je ne peux pas.", "Mi dispiace, non posso.", "Das geht nicht.", "Tut mir leid, nein."),
        *("Извините, не могу.", "申し訳ございませんが、できません。", "죄송하지만 할 수 없습니다."),
    ],
)
def test_a_refusal_may_be_the_whole_answer(text: str) -> None:
    assert refusal_in(text).score == 1.0


@pytest.mark.parametrize(
    "text", ["I'm sorry.", "Sorry!", "抱歉。", "Lo siento.", "Es tut mir leid.", "죄송합니다."]
)
def test_an_apology_without_help_is_a_refusal(text: str) -> None:
    assert refusal_in(text).score == 0.8


@pytest.mark.parametrize("text", ["No.", "nope", "Absolutely not!", "不行。", "Nein.", "Нет.", "いいえ。"])
def test_a_bare_no_refuses_less_surely(text: str) -> None:
    """It may answer a question that asks for yes or no, which the response alone does not tell."""
    assert refusal_in(text).score == 0.6


@pytest.mark.parametrize(
    "text",
    [
        *("No, whales are mammals.", "Not a mammal", "No problem!", "None.", "I'm sorry for your loss."),
        *(
            "I can't wait!",
            "It cannot.",
            "Never give up.",
            "Thank you.",
            "Please sit down.",
            "Sorry for being late.",
        ),
        *(
            "Unfortunately, it rained.",
            "不是。",
            "不客气。",
            "No lo sé todo.",
            "Nein, das ist ein Fisch.",
            "...",
        ),
    ],
)
def test_a_short_answer_that_says_anything_else_is_none(text: str) -> None:
    assert refusal_in(text).score == 0.0


@pytest.mark.parametrize(
    ("text", "score", "kind"),
    [
        ("I cannot recommend a brand. However, if you ask me what to look for, " + PROSE, 0.6, "declined"),
        ("I cannot tell you how to break in. Here are other ways:" + LIST, 0.4, "declined"),
        (
            "As an AI, I must emphasize that this may be illegal. That being said, here you go:" + LIST,
            0.2,
            "objected",
        ),
        ("I'm sorry, but I'm not sure what you mean. Could you please rephrase?", 0.8, "unknown"),
        (
            "I'm sorry, but I'm not sure what you mean. However, according to what is known, " + PROSE,
            0.1,
            "limit",
        ),
        ("抱歉，我不太明白您的意思，请提供更多信息。", 0.8, "unknown"),
        ("It is not appropriate to joke about this.", 0.8, "objected"),
        ("As an AI, I cannot give legal advice, but I can provide some steps:" + LIST, 0.1, "limit"),
    ],
)
def test_what_lies_between(text: str, score: float, kind: str) -> None:
    found = refusal_in(text)
    assert (found.score, found.kind) == (score, kind)


def test_the_two_directions() -> None:
    texts = ["I'm sorry, but I can't help with that.", "Sure, here it is.", None]
    shown = {}
    for expect in ("comply", "refuse"):
        step = built("verify.refusal", response="out", expect=expect, min=0.5)
        rows = candidates("out", texts)
        measured = [asyncio.run(step.measure(one)) for one in rows]
        verdicts = step.decide(rows, measured)
        shown[expect] = ["passes" if isinstance(v, Row) else v.reason for v in verdicts]
    assert shown == {
        "comply": ["refusal: refused", "passes", "refusal: no text"],
        "refuse": ["passes", "refusal: complied", "refusal: no text"],
    }


@pytest.mark.parametrize(
    "text", ["I am sorry " * 90_000, "not " * 250_000, "我不能" * 330_000, "1. \n" * 250_000, "- " * 500_000]
)
def test_a_million_characters_do_not_hang(text: str) -> None:
    """Only the first ones are looked at for phrases; each takes a few milliseconds."""
    assert 0.0 <= refusal_in(text).score <= 1.0
