"""Where the published checkers (`compat = google`) and the sentences' meaning part: each line is a known quirk."""

from __future__ import annotations

from typing import Any

import pytest
from kind_examples import EXAMPLES

from mixwright_compiler.catalog.constraint_kinds import Constraint
from mixwright_runtime.verifiers.constraints.check import UnusableConstraint, check, may_hang
from mixwright_runtime.verifiers.constraints.text import Rules

NONE, GOOGLE = Rules(), Rules(is_original=True)

QUIRKS: list[tuple[str, str, dict[str, Any], str, bool, bool]] = [
    # what, kind, arguments, response, original verdict, verdict by meaning
    ("a keyword inside a word", "keywords:existence", {"keywords": ["art"]}, "A party.", True, False),
    ("a keyword is a regex", "keywords:existence", {"keywords": ["c.t"]}, "A cat.", True, False),
    (
        "an inflected keyword counts",
        "keywords:frequency",
        {"keyword": "run", "frequency": 2, "relation": "at least"},
        "He runs and is running.",
        True,
        False,
    ),
    ("a text in no language", "language:response_language", {"language": "fr"}, "123 456", True, False),
    ("zh is never detected", "language:response_language", {"language": "zh"}, "这是一个普通的中文句子。", False, True),
    (
        "capitals are taken for Somali",
        "change_case:english_capital",
        {},
        "WASH YOUR HANDS BEFORE DINNER.",
        False,
        True,
    ),
    (
        "a list's numbers are sentences",
        "length_constraints:number_sentences",
        {"num_sentences": 4, "relation": "at least"},
        "1. Go home.\n2. Eat well.",
        True,
        False,
    ),
    (
        "e.g. ends a sentence",
        "length_constraints:number_sentences",
        {"num_sentences": 2, "relation": "at least"},
        "Eat fruit, e.g. apples and pears.",
        True,
        False,
    ),
    (
        "don't is two words",
        "length_constraints:number_words",
        {"num_words": 4, "relation": "at least"},
        "I don't know.",
        True,
        False,
    ),
    (
        "bold italics divide paragraphs",
        "length_constraints:number_paragraphs",
        {"num_paragraphs": 3},
        "Some ***bold*** words.",
        True,
        False,
    ),
    (
        "the paragraph after a gap is another",
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "then"},
        "First.\n\n\n\nThen this.",
        False,
        True,
    ),
    ("a link is a placeholder", "detectable_content:number_placeholders", {"num_placeholders": 1}, "[a](b)", True, False),
    ("a postscript anywhere", "detectable_content:postscript", {"postscript_marker": "P.S."},
     "The V.P. S. Hill came.", True, False),
    ("a rule is a bullet", "detectable_format:number_bullet_lists", {"num_bullets": 2}, "* one\n---", True, False),
    ("one of three answers", "detectable_format:constrained_response", {}, "Hm. My answer is no.", True, False),
    (
        "sections at least, anywhere",
        "detectable_format:multiple_sections",
        {"section_spliter": "Section", "num_sections": 1},
        "As Section 2 of the law says.",
        True,
        False,
    ),
    ("only fences named json", "detectable_format:json_format", {}, "```python\n{}\n```", False, True),
    ("NaN is JSON", "detectable_format:json_format", {}, "[NaN]", True, False),
    (
        "the request in another letter case",
        "combination:repeat_prompt",
        {"prompt_to_repeat": "Name a river."},
        "NAME A RIVER.",
        True,
        False,
    ),
    ("I is a word in capitals", "change_case:capital_word_frequency",
     {"capital_frequency": 1, "capital_relation": "at least"}, "So I said.", True, False),
    ("a Chinese comma", "punctuation:no_comma", {}, "一，二", True, False),
    ("two quotation marks alone", "startend:quotation", {}, '""', True, False),
    ("curly quotation marks", "startend:quotation", {}, "“All of it.”", False, True),
    ("no sentence against none", "ratio:sentence_type", {}, "So it goes!", True, False),
    ("three characters, not words", "ratio:overlap", {"percentage": 50, "reference_text": "aaab"}, "aaac", True, False),
    ("And, and are two", "count:conjunctions", {"small_n": 2}, "This And that and those.", True, False),
    ("that is no pronoun", "count:pronouns", {"N": 1}, "That works.", False, True),
    ("an apostrophe opens a quote", "format:quotes", {}, "\"It's the \"best\" of '98,\" he said.", True, False),
    ("line_indent skips blank lines", "format:line_indent", {}, "a\n\n\n\n b", False, True),
    ("a text without quotes explains them", "format:quote_unquote", {}, "Nothing is quoted.", True, False),
    ("no bullets at all", "format:sub-bullets", {}, "Just prose.", True, False),
    ("a word without consonants is a mark", "words:consonants", {}, "Strong - winds", False, True),
    ("of must be capitalised", "format:title_case", {}, "The Lord of Rings", False, True),
    ("the last word of the span is left out", "repeat:repeat_span",
     {"prompt_to_repeat": "Name three rivers", "n_start": 0, "n_end": 1}, "Name", True, False),
    ("the last character of the span is left out", "new:copy_span_idx",
     {"prompt_to_repeat": "Name three", "n_start": 0, "n_end": 3}, "Nam", True, False),
    ("a final period is the last word", "words:words_position", {"keyword": "rain"},
     "Some rain fell as rain.", True, False),
    ("a keyword in capitals", "keywords:exclude_word_harder", {"keyword": "oak"}, "An oak.", True, False),
    ("a full stop is a repeated word", "count:count_unique", {}, "It rains. Stay.", False, True),
    ("I is a palindrome", "keywords:palindrome", {}, "I see.", True, False),
    ("one word wraps all bigrams", "detectable_format:bigram_wrapping", {}, "word", True, False),
    ("30 February", "custom:date_format_list", {}, "1800-00-45", True, False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("id", "arguments", "response", "original", "meant"), [q[1:] for q in QUIRKS], ids=[q[0] for q in QUIRKS]
)
def test_a_quirk_of_the_published_checkers(
    id: str, arguments: dict[str, Any], response: str, original: bool, meant: bool
) -> None:
    verdicts = [check(response, [Constraint(id, arguments)], rules)[0].follows for rules in (GOOGLE, NONE)]
    assert verdicts == [original, meant]


def test_a_letter_that_is_none_is_counted_not_drawn() -> None:
    """The checker of the published results draws a random letter for `#`, and so a random verdict."""
    hashes = Constraint(
        "keywords:letter_frequency", {"letter": "#", "let_frequency": 4, "let_relation": "at least"}
    )
    verdicts = [
        check(text, [hashes], rules)[0].follows for text in ("####", "abc") for rules in (GOOGLE, NONE)
    ]
    assert verdicts == [True, True, False, False]


def test_languages_are_detected_the_same_every_time() -> None:
    german = Constraint("language:response_language", {"language": "de"})
    texts = ["Winter in Berlin", "der die das and the", "Hand in hand", "Kind und Kegel in a hat"]
    first = [check(text, [german], GOOGLE)[0].found for text in texts]
    assert all([check(text, [german], GOOGLE)[0].found for text in texts] == first for _ in range(3))


def test_only_patterns_out_of_rows_and_long_responses_need_a_deadline() -> None:
    plain = [Constraint("keywords:existence", {"keywords": ["oak tree", "it's"]})]
    pattern = [Constraint("keywords:existence", {"keywords": ["(a+)+$"]})]
    assert [may_hang("short", c, r) for c in (plain, pattern) for r in (NONE, GOOGLE)] == [
        False,
        False,
        False,
        True,
    ]
    assert may_hang("long " * 20_000, plain, NONE)


def test_a_pattern_that_is_none_is_no_verdict() -> None:
    broken = Constraint("keywords:frequency", {"keyword": "a(b", "frequency": 1, "relation": "at least"})
    with pytest.raises(UnusableConstraint, match="is not a regular expression"):
        check("a(b", [broken], GOOGLE)
    assert check("a(b c", [broken], NONE)[0].follows


def test_most_kinds_judge_their_examples_as_the_originals_do() -> None:
    """The examples are clear cases; the originals judge the ones named here otherwise, for the quirks above."""
    differing = {
        id
        for id, arguments, good, bad in EXAMPLES
        if [check(r, [Constraint(id, arguments)], GOOGLE)[0].follows for r in (good, bad)] != [True, False]
    }
    assert differing == {
        "change_case:capital_word_frequency", "change_case:english_capital", "copy:repeat_phrase",
        "count:counting_composition", "detectable_content:postscript", "detectable_format:multiple_sections",
        "detectable_format:number_bullet_lists", "first_word:first_word_answer", "format:parentheses",
        "format:title_case", "keywords:exclude_word_harder", "keywords:existence", "keywords:frequency",
        "keywords:palindrome", "length_constraints:number_words", "new:copy_span_idx", "ratio:overlap",
        "ratio:sentence_words", "repeat:repeat_span", "words:keywords_specific_position", "words:palindrome",
        "words:paragraph_last_first", "words:words_position",
    }  # fmt: skip
