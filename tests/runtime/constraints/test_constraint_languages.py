"""Constraints on responses in Chinese, and in any language by the properties of its characters."""

from __future__ import annotations

from typing import Any

import pytest

from mixwright_compiler.catalog.constraint_kinds import Constraint
from mixwright_runtime.verifiers.constraints.asking import sentence_of
from mixwright_runtime.verifiers.constraints.check import check
from mixwright_runtime.verifiers.constraints.scripts import chinese_units, sentences, units
from mixwright_runtime.verifiers.constraints.text import Rules

ZH, ANY = Rules(language="zh"), Rules(language="unicode")


def follows(id: str, arguments: dict[str, Any], response: str, rules: Rules) -> bool:
    return check(response, [Constraint(id, arguments)], rules)[0].follows


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("今天天气很好。", 6),
        ("我有 3 个 iPhone，很好。", 7),
        ("「你好」，他说：“走吧！”", 6),
        ("《红楼梦》第一回", 6),
        ("Hello world", 2),
        ("", 0),
        ("。！？", 0),
    ],
)
def test_chinese_is_counted_in_characters(text: str, count: int) -> None:
    assert len(chinese_units(text)) == count
    if count:
        exact = {"num_words": count, "relation": "at least"}
        assert follows("length_constraints:number_words", exact, text, ZH)
        assert not follows("length_constraints:number_words", {**exact, "num_words": count + 1}, text, ZH)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("春天来了。花开了！你看见了吗？", 3),
        ("他说：“走吧！”然后就走了……真的。", 3),
        ("价格是3.14元。", 1),
        ("第一行没有句号\n第二行也没有", 2),
        ("अच्छा। बहुत अच्छा॥", 2),
        ("كيف حالك؟ أنا بخير.", 2),
        ("Hello there. See example.com for v1.2!", 2),
        ("¿Qué? ¡Sí!", 2),
        ("...", 0),
    ],
)
def test_sentences_end_as_their_script_ends_them(text: str, count: int) -> None:
    assert len(sentences(text)) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("हिन्दी में लिखो", 3),
        ("Où est l'école ?", 3),
        ("東京タワー", 5),
        ("สวัสดี", 4),
        ("Привет, мир!", 2),
    ],
)
def test_words_of_any_language(text: str, count: int) -> None:
    assert len(units(text)) == count


@pytest.mark.parametrize(
    ("id", "arguments", "good", "bad", "rules"),
    [
        ("punctuation:no_comma", {}, "春天来了。", "春天，来了。", ZH),
        ("punctuation:no_comma", {}, "一二三", "一、二、三", ZH),
        ("punctuation:no_comma", {}, "نعم", "نعم، لا", ANY),
        ("keywords:existence", {"keywords": ["春天"]}, "喜欢春天的人", "喜欢夏天的人", ZH),
        ("keywords:frequency", {"keyword": "雨", "frequency": 2, "relation": "at least"}, "下雨了，雨很大", "下雨了", ZH),
        ("keywords:forbidden_words", {"forbidden_words": ["但是"]}, "然而不是", "但是我不去", ZH),
        ("startend:quotation", {}, "“春天来了。”", "春天来了。", ZH),
        ("startend:quotation", {}, "「春が来た」", "春が来た」", ANY),
        ("startend:end_checker", {"end_phrase": "还有问题吗？"}, "好的。还有问题吗？", "还有问题吗？好的。", ZH),
        ("detectable_content:number_placeholders", {"num_placeholders": 2}, "【姓名】住在[城市]", "【姓名】", ZH),
        ("detectable_content:postscript", {"postscript_marker": "附言："}, "再见。\n附言：记得来信", "再见。附言：", ZH),
        ("detectable_format:title", {}, "《春》\n春天来了。", "春\n春天来了。", ZH),
        (
            "detectable_format:multiple_sections",
            {"section_spliter": "节", "num_sections": 2},
            "第一节\n春。\n第二节\n夏。",
            "第一节\n春。",
            ZH,
        ),
        ("first_word:first_word_answer", {"first_word": "春天"}, "春天来了。", "今年春天来了。", ZH),
        ("last_word:last_word_sent", {"last_word": "吧"}, "走吧。来吧！", "走吧。来了！", ZH),
        (
            "length_constraints:number_sentences",
            {"num_sentences": 3, "relation": "less than"},
            "来。走。",
            "来。走。停。",
            ZH,
        ),
        ("count:punctuation", {}, "好。好，好！好？好；好：真的?!", "好。好，好！", ZH),
        ("letters:letter_counting", {"N": 4, "relation": "at least"}, "春夏秋冬", "春夏秋。", ZH),
        ("punctuation:punctuation_dot", {}, "春天来了！", "春天来了。", ZH),
        ("change_case:english_capital", {}, "ПРИВЕТ, МИР", "Привет, мир", ANY),
        ("language:response_language", {"language": "zh"}, "春天来了", "춘천에 왔다", ZH),
        ("language:response_language", {"language": "ja"}, "春が来た", "春天来了", ANY),
        ("ratio:sentence_type", {}, "来了。走了。好吗？", "来了。好吗？", ZH),
        (
            "keywords:letter_frequency",
            {"letter": "的", "let_frequency": 2, "let_relation": "less than"},
            "我的",
            "我的你的",
            ZH,
        ),
    ],
)  # fmt: skip
def test_a_kind_in_another_language(
    id: str, arguments: dict[str, Any], good: str, bad: str, rules: Rules
) -> None:
    assert [follows(id, arguments, good, rules), follows(id, arguments, bad, rules)] == [True, False]


def test_chinese_sentences_ask_in_chinese_words() -> None:
    less = Constraint("length_constraints:number_words", {"relation": "less than", "num_words": 100})
    assert sentence_of(less, "zh") == "回答须少于100字。"
    french = Constraint("language:response_language", {"language": "fr"})
    assert sentence_of(french, "zh") == "整个回答须使用法语，不得使用其他语言。"
    words = Constraint("keywords:existence", {"keywords": ["春天", "花园"]})
    assert sentence_of(words, "zh") == "回答中必须出现以下每个词：春天、花园。"
