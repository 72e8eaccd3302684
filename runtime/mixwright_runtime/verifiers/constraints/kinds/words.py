"""Rules for every word of a response, and counts of certain words."""

from __future__ import annotations

import itertools
import re
import string
from collections import Counter
from collections.abc import Sequence

from mixwright_compiler.catalog.stop_words import STOP_WORDS
from mixwright_runtime.errors import require
from mixwright_runtime.verifiers.constraints.matching import bare, trimmed, without_punctuation
from mixwright_runtime.verifiers.constraints.registry import Found, count, kind
from mixwright_runtime.verifiers.constraints.registry import text as text_argument
from mixwright_runtime.verifiers.constraints.text import Text, tokens
from mixwright_runtime.verifiers.constraints.word_lists import word_list

_ENGLISH = ("en",)
_SPACED = ("en", "unicode")
_CONSONANT_PAIR = re.compile(r"[b-df-hj-np-tv-z]{2}", re.IGNORECASE)
_PRIMES = frozenset(n for n in range(2, 100) if all(n % d for d in range(2, n)))
_CONJUNCTIONS = frozenset(("and", "but", "for", "nor", "or", "so", "yet"))
_PERSONAL = frozenset(
    word_list(
        """
    i me we us you he him she her it they them my mine our ours your yours his hers its their theirs myself
    ourselves yourself yourselves himself herself itself themselves
    """
    )
)
_PRONOUNS = _PERSONAL | frozenset(
    word_list(
        """
    this that these those who whom whose which what whoever whomever whatever whichever anybody anyone
    anything everybody everyone everything nobody nothing somebody someone something each either neither
    both all some any none
    """
    )
)
NAMES = word_list(
    """
    Emma Liam Sophia Jackson Olivia Noah Ava Lucas Isabella Mason Mia Ethan Charlotte Alexander Amelia
    Benjamin Harper Leo Zoe Daniel Chloe Samuel Lily Matthew Grace Owen Abigail Gabriel Ella Jacob Scarlett
    Nathan Victoria Elijah Layla Nicholas Audrey David Hannah Christopher Penelope Thomas Nora Andrew Aria
    Joseph Claire Ryan Stella Jonathan
    """
)
_NAME = re.compile(rf"\b(?:{'|'.join(NAMES)})\b")
_JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")


def _plain_words(text: Text) -> list[str]:
    """Words without ASCII's marks, in small letters; without compat, as words are counted."""
    return without_punctuation(text.lower).split() if text.is_original else text.lower_words


@kind(
    "words:alphabet",
    "ifbench",
    en="Begin each word with the next letter of the alphabet, and go on with A after Z.",
    languages=_ENGLISH,
    claims=("which words may be used",),
    forbids=("free choice of words",),
)
def alphabet(text: Text) -> Found:
    """First letters in order, from whatever the first is."""
    words = [word for word in _plain_words(text) if word]
    if not words or words[0][0] not in string.ascii_lowercase:
        return Found(False, words[:1])
    first = ord(words[0][0])
    for i, word in enumerate(words):
        if word[0] != chr(97 + (first - 97 + i) % 26):
            return Found(False, [word, i + 1])
    return Found(True)


@kind(
    "words:vowel",
    "ifbench",
    en="Write a single paragraph that uses at most three of the five vowels a, e, i, o and u.",
    languages=_ENGLISH,
    claims=("which words may be used",),
    forbids=("free choice of words", "several lines"),
)
def vowel(text: Text) -> Found:
    """How many of the five vowels are used, in one line."""
    lines = text.stripped.split("\n")
    found = sorted(set("aeiou") & set(text.lower))
    return Found(len(lines) == 1 and len(found) <= 3, {"lines": len(lines), "vowels": found})


@kind(
    "words:consonants",
    "ifbench",
    en="Every word must have two consonants next to each other.",
    languages=_ENGLISH,
    claims=("which words may be used",),
    forbids=("free choice of words",),
)
def consonants(text: Text) -> Found:
    """Two consonants in a row in each word; y is one. Original: a lone mark (`-`) is a word without."""
    words = text.lower.split() if text.is_original else text.lower_words
    wrong = [word for word in words if not _CONSONANT_PAIR.search(word)]
    return Found(not wrong and (text.is_original or bool(words)), {"without": wrong[:5]})


@kind(
    "words:prime_lengths",
    "ifbench",
    en="Use only words whose number of letters is a prime.",
    languages=_SPACED,
    claims=("which words may be used",),
    forbids=("free choice of words",),
)
def prime_lengths(text: Text) -> Found:
    """Lengths of words. Original: ASCII's marks taken off, so `well-known` has nine; a word of marks alone is none."""
    words = without_punctuation(text.raw).split() if text.is_original else [bare(w) for w in text.words]
    wrong = [word for word in words if len(word) not in _PRIMES]
    return Found(not wrong and (text.is_original or bool(words)), {"wrong": wrong[:5]})


@kind(
    "words:palindrome",
    "ifbench",
    en="Use at least 10 words of 5 letters or more that read the same backwards.",
    languages=_SPACED,
    needs=("free choice of words",),
)
def palindrome(text: Text) -> Found:
    """Palindromes of five letters or more, at least ten. Original: one word ten times is ten, `11111` is one."""
    words = [w for w in _plain_words(text) if len(w) >= 5 and w == w[::-1]]
    if not text.is_original:
        words = sorted({word for word in words if word.isalpha()})
    return Found(len(words) >= 10, words[:20])


@kind(
    "keywords:palindrome",
    "training",
    en="Use a palindrome, a word that reads the same backwards.",
    languages=_SPACED,
)
def keywords_palindrome(text: Text) -> Found:
    """A palindrome. Original: `I`, `a` and any lone mark is one, and letter case counts. Otherwise three
    letters or more."""
    if text.is_original:
        found = [word for word in text.split if word == word[::-1]]
    else:
        found = [w for w in text.lower_words if len(w) > 2 and w.isalpha() and w == w[::-1]]
    return Found(bool(found), found[:5])


@kind(
    "words:odd_even_syllables",
    "ifbench",
    en="Alternate between words with an odd and words with an even number of syllables.",
    languages=_ENGLISH,
    modules=("syllapy",),
    claims=("which words may be used",),
    forbids=("free choice of words",),
)
def odd_even_syllables(text: Text) -> Found:
    """Syllables by syllapy, odd and even in turn."""
    syllapy = require("syllapy", "if", "the constraint words:odd_even_syllables")
    words = _plain_words(text)
    parities = [syllapy.count(word) % 2 for word in words]
    for i, (a, b) in enumerate(itertools.pairwise(parities)):
        if a == b:
            return Found(False, words[i : i + 2])
    return Found(text.is_original or len(words) > 1)


@kind(
    "words:no_consecutive",
    "ifbench",
    en="No two words in a row may begin with the same letter.",
    languages=_SPACED,
    claims=("which letters words begin with",),
)
def no_consecutive(text: Text) -> Found:
    """First letters of neighbours differ."""
    words = _plain_words(text)
    for a, b in itertools.pairwise(words):
        if a[0] == b[0]:
            return Found(False, [a, b])
    return Found(True)


@kind(
    "keywords:no_adjacent_consecutive",
    "training",
    en="No word may begin with the letter of the alphabet that follows the first letter of the word before it.",
    languages=_ENGLISH,
    claims=("which letters words begin with",),
)
def no_adjacent_consecutive(text: Text) -> Found:
    """First letters of neighbours are not consecutive. Original: marks count as first letters."""
    words = text.lower.split() if text.is_original else text.lower_words
    if text.is_original:
        words = [word[0].lower() for word in text.split]
    for a, b in itertools.pairwise(words):
        if (text.is_original and (len(a) != 1 or len(b) != 1)) or ord(b[0]) - ord(a[0]) == 1:
            return Found(False, [a, b])
    return Found(True)


@kind(
    "words:repeats",
    "ifbench",
    en="Use no word more than {small_n} times.",
    arguments=(count("small_n", 1, 5, least=1),),
    languages=_SPACED,
    claims=("how often a word may be repeated",),
    forbids=("a word more than once",),
    measures=("small_n",),
)
def repeats(text: Text, small_n: int) -> Found:
    """The most frequent word. Original: ASCII's marks taken off, so `don't` is `dont`."""
    most = Counter(_plain_words(text)).most_common(1)
    return Found(not most or most[0][1] <= small_n, most)


@kind(
    "count:words_japanese",
    "ifbench",
    en="Every word whose number is a multiple of {N} must be Japanese.",
    arguments=(count("N", 2, 10, least=1),),
    languages=_SPACED,
    claims=("the language",),
    measures=("N",),
)
def words_japanese(text: Text, N: int) -> Found:
    """Every N-th piece between spaces has a kana or kanji; numbers and lone marks are passed over."""
    for i, piece in enumerate(text.split):
        word = trimmed(piece)
        if (i + 1) % N == 0 and word and not word.isdigit() and not _JAPANESE.search(word):
            return Found(False, [i + 1, word])
    return Found(text.is_original or len(text.split) >= N)


@kind(
    "count:conjunctions",
    "ifbench",
    en="Use at least {small_n} different coordinating conjunctions.",
    arguments=(count("small_n", 2, 6),),
    languages=_ENGLISH,
    measures=("small_n",),
)
def conjunctions(text: Text, small_n: int) -> Found:
    """Different ones of seven. Original: `And`, `and` and `and,` are three."""
    words = [word for word in text.split if trimmed(word).lower() in _CONJUNCTIONS]
    found = set(words) if text.is_original else {w for w in text.lower_words if w in _CONJUNCTIONS}
    return Found(len(found) >= small_n, sorted(found))


@kind(
    "count:person_names",
    "ifbench",
    en=f"Mention at least {{N}} different ones of these names: {', '.join(NAMES)}.",
    arguments=(count("N", 1, 20),),
    languages=_SPACED,
    needs=("free choice of words", "capital letters", "small letters"),
    measures=("N",),
)
def person_names(text: Text, N: int) -> Found:
    """Different names out of fifty."""
    found = set(_NAME.findall(text.raw))
    return Found(len(found) >= N, sorted(found))


@kind(
    "count:numbers",
    "ifbench",
    en="Include exactly {N} numbers in figures.",
    zh="回答中须恰好包含{N}个用数字写的数。",
    arguments=(count("N", 1, 6),),
    claims=("how many numbers there are",),
    measures=("N",),
)
def numbers(text: Text, N: int) -> Found:
    """Numbers in figures. Original: marks are taken off first, so `3.14` is one and so is `1-2`. Otherwise
    `1,000` and `3.14` are one each."""
    if text.is_original:
        found = re.findall(r"\d+", without_punctuation(text.raw))
    else:
        found = re.findall(r"\d+(?:[.,:]\d+)*", text.raw)
    return Found(len(found) == N, found[:20])


@kind(
    "count:pronouns",
    "ifbench",
    en="Use at least {N} pronouns.",
    arguments=(count("N", 1, 25),),
    languages=_ENGLISH,
    measures=("N",),
)
def pronouns(text: Text, N: int) -> Found:
    """Pronouns of all kinds; `she/her` is two. Original: personal, possessive and reflexive ones alone."""
    if text.is_original:
        words = tokens(text.raw.replace("/", " ").lower(), text.rules.uses_nltk)
    else:
        words = [part for word in text.lower_words for part in re.split("['’]", word)[:1]]
    counted = _PERSONAL if text.is_original else _PRONOUNS
    found = sum(word in counted for word in words)
    return Found(found >= N, found)


@kind(
    "ratio:stop_words",
    "ifbench",
    en="At most {percentage}% of your words may be stop words such as the, of, is.",
    arguments=(count("percentage", 30, 60),),
    languages=_ENGLISH,
    measures=("percentage",),
)
def stop_words(text: Text, percentage: int) -> Found:
    """The share of stop words in per cent. Original: `don't` is `don` and `t`, both stop words. A text
    without words does not follow."""
    words = text.words
    if not words:
        return Found(False, "no words")
    found = 100 * sum(word.lower() in STOP_WORDS for word in words) / len(words)
    return Found(found <= percentage, round(found, 2))


@kind(
    "ratio:overlap",
    "ifbench",
    en="Keep {percentage}% (give or take 2) of your three-word sequences in common with this text: {reference_text}",
    zh="你的三词序列中须有{percentage}%（上下浮动 2）与以下文字相同：{reference_text}",
    arguments=(text_argument("reference_text"), count("percentage", 10, 80)),
    is_drawable=False,
)
def overlap(text: Text, reference_text: str, percentage: int) -> Found:
    """The share of the response's three-word sequences that the reference has, in per cent. Original: three
    characters."""
    if text.is_original:
        grams, wanted = _trigrams(text.raw), _trigrams(reference_text)
    else:
        grams, wanted = _trigrams(text.lower_words), _trigrams(text.with_raw(reference_text).lower_words)
    if not grams:
        return Found(False, "no three words")
    found = len(grams & wanted) / len(grams) * 100
    return Found(percentage - 2 <= found <= percentage + 2, round(found, 2))


def _trigrams(units: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(units[i : i + 3]) for i in range(len(units) - 2)}
