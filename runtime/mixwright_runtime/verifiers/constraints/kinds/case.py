"""Capital and small letters, and the language."""

from __future__ import annotations

from mixwright_runtime.verifiers.constraints.language import detected, language_of
from mixwright_runtime.verifiers.constraints.registry import Found, compared, count, kind, relation, text
from mixwright_runtime.verifiers.constraints.text import Text
from mixwright_runtime.verifiers.constraints.word_lists import word_list

_MINOR = frozenset(
    word_list(
        """
    a an and as at but by for from if in nor of off on or per so the to up via vs with yet
    """
    )
)
_CASED = ("en", "unicode")

LEAST_WORDS = 10
"""Fewer words tell langdetect little (`I am not here` is Norwegian to it): then letters from a to z are enough."""


@kind(
    "language:response_language",
    "ifeval",
    en="Write your whole answer in {language}, and in no other language.",
    zh="整个回答须使用{language}，不得使用其他语言。",
    arguments=(text("language", "languages"),),
    modules=("langdetect",),
    claims=("the language",),
    forbids=("English",),
)
def response_language(text: Text, language: str) -> Found:
    """The language by langdetect. Original: a text without a language follows, and Chinese is `zh-cn` or `zh-tw`, never
    `zh`. Otherwise a script that one language alone uses decides, and a text without a language does not follow."""
    if text.is_original:
        found = detected(text.raw)
        return Found(found is None or found == language, found)
    found = language_of(text.raw)
    return Found(found == language.lower().partition("-")[0], found)


@kind(
    "change_case:english_capital",
    "ifeval",
    en="Write your whole answer in English and in capital letters only.",
    languages=_CASED,
    modules=("langdetect",),
    claims=("the letter case", "the language"),
    needs=("English", "capital letters"),
    forbids=("small letters",),
)
def english_capital(text: Text) -> Found:
    """Capitals, in English. Original: langdetect judges the capitals, which it often takes for German.
    Otherwise the text is judged in small letters. Under `unicode` the language is not asked."""
    return _one_case(text, text.raw.isupper())


@kind(
    "change_case:english_lowercase",
    "ifeval",
    en="Write your whole answer in English and in small letters only, without any capital.",
    languages=_CASED,
    modules=("langdetect",),
    claims=("the letter case", "the language"),
    needs=("English", "small letters"),
    forbids=("capital letters",),
)
def english_lowercase(text: Text) -> Found:
    """Small letters, in English; see `change_case:english_capital`."""
    return _one_case(text, text.raw.islower())


def _one_case(text: Text, is_in_case: bool) -> Found:
    if not is_in_case:
        return Found(False, "other letter case")
    if text.rules.language == "unicode":
        return Found(True)
    if text.is_original:
        found = detected(text.raw)
        return Found(found is None or found == "en", found)
    if len(text.words) < LEAST_WORDS and all(c.isascii() for c in text.raw if c.isalpha()):
        return Found(True)
    found = language_of(text.raw)
    return Found(found == "en", found)


@kind(
    "change_case:capital_word_frequency",
    "ifeval",
    en="Words in capital letters should appear {capital_relation} {capital_frequency} times.",
    arguments=(count("capital_frequency", 1, 20), relation("capital_relation")),
    languages=_CASED,
    claims=("the letter case",),
    needs=("capital letters",),
    measures=("capital_frequency", "capital_relation"),
)
def capital_word_frequency(text: Text, capital_frequency: int, capital_relation: str) -> Found:
    """Words in capitals. Original: Treebank tokens, so `I` and `A` count. Otherwise a word has two letters or more."""
    if text.is_original:
        found = sum(word.isupper() for word in text.tokens)
    else:
        found = sum(word.isupper() and sum(c.isalpha() for c in word) > 1 for word in text.words)
    return compared(found, capital_relation, capital_frequency)


@kind(
    "format:title_case",
    "ifbench",
    en="Write your whole answer in title case: each important word begins with a capital letter.",
    languages=_CASED,
    claims=("the letter case",),
    needs=("capital letters", "small letters"),
)
def title_case(text: Text) -> Found:
    """Title case. Original: every token must begin with a capital, `of` and `n't` too; a token in mixed case
    passes. Otherwise short prepositions, articles and conjunctions may be small inside a sentence, and rests
    of words are not looked at."""
    if text.is_original:
        wrong = [w for w in text.tokens if w[0].isalpha() and w[0].islower() and _is_one_case(w[1:])]
    else:
        wrong = [w for w in text.words if w[0].islower() and w.lower() not in _MINOR]
    return Found(not wrong, {"wrong": wrong[:5]})


def _is_one_case(rest: str) -> bool:
    return not rest or rest.islower() or rest.isupper()
