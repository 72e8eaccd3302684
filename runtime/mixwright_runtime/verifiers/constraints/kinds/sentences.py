"""Rules for how sentences follow each other, and shares of their kinds."""

from __future__ import annotations

import itertools
from collections import Counter

from mixwright_runtime.verifiers.constraints.matching import PUNCTUATION, bare, without_punctuation
from mixwright_runtime.verifiers.constraints.registry import Found, count, kind
from mixwright_runtime.verifiers.constraints.text import Text

_ASKING, _EXCLAIMING = "?？؟", "!！"
_CLOSERS = "\"'”’»」』)）*_ "


def _end(text: Text, sentence: str) -> str:
    """The mark that ends a sentence. Original: its last character; otherwise what stands before closing quotes."""
    body = sentence if text.is_original else sentence.rstrip(_CLOSERS)
    mark = body[-1:]
    if text.is_original:
        return mark
    return "?" if mark in _ASKING else "!" if mark in _EXCLAIMING else "."


def _counts(text: Text) -> Counter[str]:
    return Counter(_end(text, sentence) for sentence in text.sentences)


@kind(
    "ratio:sentence_type",
    "ifbench",
    en="Use exactly two statements for every question.",
    zh="陈述句与疑问句的数量比须恰好为二比一。",
    claims=("how many sentences are questions",),
)
def sentence_type(text: Text) -> Found:
    """Sentences that end in a period against those that end in a question mark, 2 to 1. Original: none
    against none follows, and a sentence that ends otherwise is not counted."""
    found = _counts(text)
    follows = found["."] == 2 * found["?"] and (text.is_original or found["?"] > 0)
    return Found(follows, {"statements": found["."], "questions": found["?"]})


@kind(
    "ratio:sentence_balance",
    "ifbench",
    en="Use as many statements as questions as exclamations.",
    zh="陈述句、疑问句和感叹句的数量须相等。",
    claims=("how many sentences are questions",),
    needs=("exclamation marks", "full stops"),
)
def sentence_balance(text: Text) -> Found:
    """As many of each kind. Original: none of each follows."""
    found = _counts(text)
    follows = found["."] == found["?"] == found["!"] and (text.is_original or found["?"] > 0)
    return Found(follows, {mark: found[mark] for mark in ".?!"})


@kind(
    "ratio:sentence_words",
    "ifbench",
    en="Answer in three sentences that have the same number of characters and no word in common.",
    zh="用三句话回答，三句的字符数相同，且没有重复的词。",
    claims=("the number of sentences", "how sentences are built", "the number of words"),
    forbids=("a word more than once",),
)
def sentence_words(text: Text) -> Found:
    """Three sentences of one length, no word in two of them. Original: the words are not looked at."""
    lengths = [len(sentence.strip()) for sentence in text.sentences]
    of_each = [set(text.with_raw(sentence).lower_words) for sentence in text.sentences]
    is_disjoint = text.is_original or sum(map(len, of_each)) == len(set().union(*of_each))
    return Found(len(lengths) == 3 and len(set(lengths)) == 1 and is_disjoint, lengths[:10])


@kind(
    "sentence:increment",
    "ifbench",
    en="Each sentence must have exactly {small_n} words more than the one before.",
    zh="每句比上一句恰好多{small_n}字。",
    arguments=(count("small_n", 1, 5, least=1),),
    claims=("how sentences are built",),
)
def increment(text: Text, small_n: int) -> Found:
    """Words of each sentence. Otherwise there are at least two sentences."""
    if text.is_original:
        found = [len(without_punctuation(sentence).split()) for sentence in text.sentences]
    else:
        found = [len(text.with_raw(sentence).words) for sentence in text.sentences]
    grows = all(b == a + small_n for a, b in itertools.pairwise(found))
    return Found(grows and len(found) > (0 if text.is_original else 1), found[:50])


@kind(
    "sentence:alliteration_increment",
    "ifbench",
    en="Each sentence must have a longer run of words with the same first letter than the sentence before.",
    languages=("en", "unicode"),
    claims=("how sentences are built", "which letters words begin with"),
)
def alliteration_increment(text: Text) -> Found:
    """Words in runs with one first letter, more in each sentence than in the last. Original: the words of all runs of a
    sentence are added up. Otherwise the longest run counts, and there are at least two sentences."""
    found = []
    for sentence in text.sentences:
        words = [w.lstrip(PUNCTUATION + " ") for w in sentence.lower().split()]
        if not text.is_original:
            words = [bare(word) for word in words]
        runs = _runs([word[0] for word in words if word])
        found.append(sum(n for n in runs if n > 1) if text.is_original else max(runs, default=0))
    grows = all(b > a for a, b in itertools.pairwise(found))
    return Found(grows and (text.is_original or len(found) > 1), found[:50])


def _runs(letters: list[str]) -> list[int]:
    runs: list[int] = []
    for i, letter in enumerate(letters):
        if i and letter == letters[i - 1]:
            runs[-1] += 1
        else:
            runs.append(1)
    return runs


@kind(
    "custom:sentence_alphabet",
    "ifbench",
    en="Tell a story of 26 sentences whose first words begin with the letters of the alphabet in order.",
    languages=("en",),
    claims=("the number of sentences", "how sentences are built", "the first words"),
)
def sentence_alphabet(text: Text) -> Found:
    """26 sentences, first letters a to z. Original: a quotation mark before the letter breaks it."""
    firsts = [sentence.lstrip()[:1].lower() for sentence in text.sentences]
    if not text.is_original:
        firsts = [bare(sentence)[:1].lower() for sentence in text.sentences]
    return Found("".join(firsts) == "abcdefghijklmnopqrstuvwxyz" and len(firsts) == 26, "".join(firsts)[:60])
