"""Words that must or must not be there, how often, and where."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from mixwright_runtime.verifiers.constraints.matching import bare, occurrences, pattern
from mixwright_runtime.verifiers.constraints.registry import (
    Found,
    compared,
    count,
    kind,
    relation,
    text,
    texts,
)
from mixwright_runtime.verifiers.constraints.text import Text, tokens


@kind(
    "keywords:existence",
    "ifeval",
    en="Use each of these words in your answer: {keywords}.",
    zh="回答中必须出现以下每个词：{keywords}。",
    arguments=(texts("keywords"),),
    needs=("free choice of words",),
    patterns=("keywords",),
)
def existence(text: Text, keywords: Sequence[str]) -> Found:
    """Every keyword is there. Original: each is a regular expression that may match inside a word (`art` in `party`)."""
    missing = [word for word in sorted(keywords) if not times(text, word)]
    return Found(not missing, {"missing": missing})


@kind(
    "keywords:frequency",
    "ifeval",
    en="Use the word {keyword} {relation} {frequency} times.",
    zh="“{keyword}”一词出现的次数须{relation}{frequency}次。",
    arguments=(text("keyword"), count("frequency", 1, 3), relation()),
    needs=("free choice of words",),
    measures=("frequency", "relation"),
    patterns=("keyword",),
)
def frequency(text: Text, keyword: str, frequency: int, relation: str) -> Found:
    """How often a word is there. Original: a regular expression that may match inside a word."""
    return compared(times(text, keyword.strip()), relation, frequency)


@kind(
    "keywords:forbidden_words",
    "ifeval",
    en="Do not use any of these words: {forbidden_words}.",
    zh="回答中不得出现以下任何词：{forbidden_words}。",
    arguments=(texts("forbidden_words"),),
    patterns=("forbidden_words",),
)
def forbidden_words(text: Text, forbidden_words: Sequence[str]) -> Found:
    """None of the words is there as a word. Original: each is a regular expression between word boundaries."""
    if text.is_original:
        found = [w for w in sorted(set(forbidden_words)) if pattern(rf"\b{w}\b").search(text.raw)]
    else:
        found = [w for w in sorted(set(forbidden_words)) if occurrences(text, w)]
    return Found(not found, {"found": found})


@kind(
    "keywords:letter_frequency",
    "ifeval",
    en="The letter {letter} should appear {let_relation} {let_frequency} times.",
    zh="字符“{letter}”出现的次数须{let_relation}{let_frequency}次。",
    arguments=(text("letter", "letters"), count("let_frequency", 1, 10), relation("let_relation")),
    measures=("let_frequency", "let_relation"),
)
def letter_frequency(text: Text, letter: str, let_frequency: int, let_relation: str) -> Found:
    """How often a character is there, small or capital. Older copies of the original draw a random letter when it is none
    of a to z; like its newest version, this counts what is asked for."""
    if len(letter.strip()) != 1:
        raise ValueError(f"`letter` is one character, not {letter!r}")
    return compared(text.lower.count(letter.strip().lower()), let_relation, let_frequency)


@kind(
    "letters:letter_counting2",
    "training",
    en="Make the letter {letter} appear {let_relation} {let_frequency} times.",
    zh="字符“{letter}”出现的次数须{let_relation}{let_frequency}次。",
    arguments=(text("letter", "letters"), count("let_frequency", 1, 10), relation("let_relation")),
    measures=("let_frequency", "let_relation"),
    claims=("how often a letter appears",),
)
def letter_counting2(text: Text, letter: str, let_frequency: int, let_relation: str) -> Found:
    """As `keywords:letter_frequency`."""
    return letter_frequency(text, letter, let_frequency, let_relation)


@kind(
    "keywords:word_once",
    "training",
    en="Use the word {keyword} exactly once.",
    zh="“{keyword}”一词必须恰好出现一次。",
    arguments=(text("keyword"),),
    needs=("free choice of words",),
    patterns=("keyword",),
)
def word_once(text: Text, keyword: str) -> Found:
    """A word is there exactly once. The original asks only to include it, checks for once, and takes the word for a
    regular expression."""
    found = times(text, keyword.strip())
    return Found(found == 1, found)


@kind(
    "keywords:word_count_different_numbers",
    "training",
    en="Let the word {keyword} occur {relation} {frequency} times.",
    zh="“{keyword}”一词出现的次数须{relation}{frequency}次。",
    arguments=(text("keyword"), count("frequency", 1, 3), relation()),
    needs=("free choice of words",),
    measures=("frequency", "relation"),
    patterns=("keyword",),
)
def word_count_different_numbers(text: Text, keyword: str, frequency: int, relation: str) -> Found:
    """As `keywords:frequency`; the original's sentence leaves the relation out, ours states it."""
    return compared(times(text, keyword.strip()), relation, frequency)


@kind(
    "keywords:exclude_word_harder",
    "training",
    en="Do not use the word {keyword} in your answer.",
    zh="回答中不得出现“{keyword}”一词。",
    arguments=(text("keyword"),),
)
def exclude_word_harder(text: Text, keyword: str) -> Found:
    """A word is not there. Original: only with a space on both sides does it count as there, in this very case."""
    if text.is_original:
        found = text.raw.count(f" {keyword.strip()} ")
    else:
        found = occurrences(text, keyword)
    return Found(found == 0, found)


@kind(
    "count:count_increment_word",
    "training",
    en="Use the word {keyword1} exactly once and the word {keyword2} exactly twice.",
    zh="“{keyword1}”一词恰好出现一次，“{keyword2}”一词恰好出现两次。",
    arguments=(text("keyword1"), text("keyword2")),
    needs=("free choice of words", "a word more than once"),
    patterns=("keyword1", "keyword2"),
)
def count_increment_word(text: Text, keyword1: str, keyword2: str) -> Found:
    """One word once, another twice. Original: regular expressions that may match inside a word."""
    found = [times(text, keyword1.strip()), times(text, keyword2.strip())]
    return Found(found == [1, 2], found)


@kind(
    "count:keywords_multiple",
    "ifbench",
    en=(
        "Use the word {keyword1} once, {keyword2} twice, {keyword3} three times, {keyword4} five times "
        "and {keyword5} "
        "seven times."
    ),
    zh=(
        ""
        "“{keyword1}”出现一次，“{keyword2}”出现两次，“{keyword3}”出现三次，“{keyword4}”出现五次，“{keyword5}”出现七次。"
    ),
    arguments=tuple(text(f"keyword{i}") for i in range(1, 6)),
    needs=("free choice of words", "a word more than once"),
)
def keywords_multiple(
    text: Text, keyword1: str, keyword2: str, keyword3: str, keyword4: str, keyword5: str
) -> Found:
    """Five words, exactly 1, 2, 3, 5 and 7 times. Original: inside other words too."""
    wanted = (keyword1, keyword2, keyword3, keyword4, keyword5)
    if text.is_original:
        found = [text.lower.count(word.strip().lower()) for word in wanted]
    else:
        found = [occurrences(text, word) for word in wanted]
    return Found(found == [1, 2, 3, 5, 7], found)


@kind(
    "sentence:keyword",
    "ifbench",
    en="Sentence number {N} of your answer must contain the word {word}.",
    zh="回答的第{N}句必须包含“{word}”一词。",
    arguments=(text("word"), count("N", 1, 8, least=1)),
    needs=("free choice of words",),
)
def sentence_keyword(text: Text, word: str, N: int) -> Found:
    """The N-th sentence has the word."""
    if len(text.sentences) < N:
        return Found(False, {"sentences": len(text.sentences)})
    sentence = text.with_raw(text.sentences[int(N) - 1])
    found = len(_between_boundaries(sentence, word)) if text.is_original else occurrences(sentence, word)
    return Found(found > 0, {"sentence": sentence.raw[:200]})


@kind(
    "words:keywords_specific_position",
    "ifbench",
    en="Word number {m} of sentence number {n} must be {keyword}.",
    arguments=(text("keyword"), count("n", 1, 5, least=1), count("m", 1, 8, least=1)),
    languages=("en", "unicode"),
    needs=("free choice of words",),
)
def keywords_specific_position(text: Text, keyword: str, n: int, m: int) -> Found:
    """A word at a place in a sentence, letter case aside. Original: punctuation marks count as words."""
    return _at_position(text, text.sentences, keyword.strip().lower(), n, m, str.lower)


@kind(
    "keywords:keyword_specific_position",
    "training",
    en="The {m}-th word of the {n}-th sentence must be {keyword}.",
    arguments=(text("keyword"), count("n", 1, 5, least=1), count("m", 1, 8, least=1)),
    languages=("en", "unicode"),
    needs=("free choice of words",),
)
def keyword_specific_position(text: Text, keyword: str, n: int, m: int) -> Found:
    """As `words:keywords_specific_position`. Original: punctuation marks count as words, and letter case counts."""
    if text.is_original:
        return _at_position(text, text.rule_sentences, keyword.strip(), n, m, str)
    return _at_position(text, text.sentences, keyword.strip().lower(), n, m, str.lower)


def _at_position(
    text: Text, sentences: Sequence[str], keyword: str, n: int, m: int, folded: Callable[[str], str]
) -> Found:
    if len(sentences) < n:
        return Found(False, {"sentences": len(sentences)})
    sentence = sentences[int(n) - 1]
    words = tokens(sentence, text.rules.uses_nltk) if text.is_original else text.with_raw(sentence).words
    if len(words) < m:
        return Found(False, {"words": len(words)})
    found = folded(words[int(m) - 1])
    return Found(found == keyword, found)


@kind(
    "words:words_position",
    "ifbench",
    en="The second word and the second to last word of your answer must both be {keyword}.",
    arguments=(text("keyword"),),
    languages=("en", "unicode"),
    claims=("the second and the second to last word",),
    needs=("free choice of words", "a word more than once"),
)
def words_position(text: Text, keyword: str) -> Found:
    """The second word and the second to last. Original: punctuation marks count as words, so a final period
    is the last."""
    words = [word.lower() for word in text.tokens] if text.is_original else text.lower_words
    if len(words) < 2:
        return Found(False, {"words": len(words)})
    found = [words[1], words[-2]]
    return Found(found == [keyword.strip().lower()] * 2, found)


@kind(
    "keywords:start_end",
    "training",
    en="Begin and end your answer with the same word, and put nothing after the last word, no punctuation either.",
    languages=("en", "unicode"),
    claims=("the first words", "the last words"),
    needs=("a word more than once",),
)
def start_end(text: Text) -> Found:
    """The first word is the last. Original: a mark that begins the response counts as its first word."""
    words = text.tokens if text.is_original else text.split
    if len(words) < 2:
        return Found(False, {"words": len(words)})
    first, last = words[0].lower(), words[-1].lower()
    if not text.is_original:
        first = bare(first)
    return Found(first == last, [first, last])


def times(text: Text, keyword: str) -> int:
    """How often a keyword is there: a regular expression for the original, words otherwise."""
    if text.is_original:
        return len(pattern(keyword).findall(text.raw))
    return occurrences(text, keyword)


def _between_boundaries(text: Text, word: str) -> list[str]:
    return pattern(rf"\b{re.escape(word)}\b").findall(text.raw)
