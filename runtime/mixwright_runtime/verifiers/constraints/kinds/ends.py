"""How the response, its sentences and its paragraphs begin and end."""

from __future__ import annotations

import re

from mixwright_runtime.verifiers.constraints.english import installed_tagger
from mixwright_runtime.verifiers.constraints.first_word import begins_with_verb
from mixwright_runtime.verifiers.constraints.matching import PUNCTUATION, bare
from mixwright_runtime.verifiers.constraints.registry import Found, kind, text
from mixwright_runtime.verifiers.constraints.text import Text

_MARKS = PUNCTUATION + " "


@kind(
    "startend:end_checker",
    "ifeval",
    en="End your answer with exactly this phrase, with nothing after it: {end_phrase}",
    zh="回答须以下面这句话结尾，其后不得有任何内容：{end_phrase}",
    arguments=(text("end_phrase", ("Any other questions?", "Is there anything else I can help with?")),),
    claims=("the last words",),
    needs=("free choice of words", "spaces"),
)
def end_checker(text: Text, end_phrase: str) -> Found:
    """The last words, letter case aside. Original: only `"` may stand after them; otherwise other closing quotes and
    asterisks may too."""
    body, wanted = text.stripped.strip('"'), end_phrase.strip()
    if not text.is_original:
        body, wanted = (part.rstrip("*_\"'”’」 \n") for part in (body, wanted))
    return Found(body.lower().endswith(wanted.lower()), body[-100:])


@kind(
    "words:start_verb",
    "ifbench",
    en="Begin your answer with a verb.",
    languages=("en",),
    claims=("the first words",),
)
def start_verb(text: Text) -> Found:
    """The first word is a verb, by a list of verbs and the endings of their forms. Original: NLTK's tagger
    says so; without its weights (`nltk_data = true`) the list stands in, which agrees on most first words."""
    words = text.tokens if text.is_original else [bare(w) for w in text.split if bare(w)]
    if words and text.is_original and text.rules.uses_nltk:
        tag = installed_tagger().of(words)
        return Found("VB" in tag, [words[0], tag])
    return Found(bool(words) and begins_with_verb(words), words[:3])


@kind(
    "first_word:first_word_answer",
    "training",
    en="The first word of your answer must be {first_word}.",
    zh="回答的第一个词必须是“{first_word}”。",
    arguments=(text("first_word"),),
    claims=("the first words",),
    needs=("free choice of words",),
)
def first_word_answer(text: Text, first_word: str) -> Found:
    """The first word. Original: with the marks that touch it (`Well,` is not `well`)."""
    if text.rules.language != "en":
        return Found(text.raw.lstrip(' \n*_#>"“「『').casefold().startswith(first_word.strip().casefold()))
    found = text.split[0].lower() if text.split else ""
    if not text.is_original:
        found = bare(found)
    return Found(found == first_word.strip().lower(), found)


@kind(
    "first_word:first_word_sent",
    "training",
    en="Begin every sentence with the word {first_word}.",
    zh="每句话都以“{first_word}”开头。",
    arguments=(text("first_word"),),
    claims=("the first words", "how sentences are built"),
    needs=("free choice of words", "a word more than once"),
)
def first_word_sent(text: Text, first_word: str) -> Found:
    """The first word of each sentence. Original: with the marks that touch it."""
    wanted = first_word.strip().lower()
    wrong = [s for s in text.rule_sentences if _first(text, s, wanted) != wanted]
    return Found(
        not wrong and (text.is_original or bool(text.rule_sentences)), {"wrong": [s[:80] for s in wrong[:3]]}
    )


def _first(text: Text, sentence: str, wanted: str) -> str:
    if text.rules.language != "en":
        return sentence.lstrip(' *_#>"“「『-').lower()[: len(wanted)]
    word = sentence.split()[0].lower() if sentence else ""
    return word if text.is_original else bare(word)


@kind(
    "last_word:last_word_sent",
    "training",
    en="End every sentence with the word {last_word}, punctuation aside.",
    zh="每句话（标点除外）都以“{last_word}”结尾。",
    arguments=(text("last_word"),),
    claims=("how sentences end",),
    needs=("free choice of words", "a word more than once"),
)
def last_word_sent(text: Text, last_word: str) -> Found:
    """The last word of each sentence. Original: all marks in it are dropped (`re-do.` is `redo`)."""
    wanted = last_word.strip().lower()
    wrong = [s for s in text.rule_sentences if _last(text, s, wanted) != wanted]
    return Found(
        not wrong and (text.is_original or bool(text.rule_sentences)), {"wrong": [s[-80:] for s in wrong[:3]]}
    )


def _last(text: Text, sentence: str, wanted: str) -> str:
    word = sentence.split()[-1].lower() if sentence else ""
    if text.is_original:
        return re.sub(r"[^\w\s]", "", word)
    return bare(word) if text.rules.language == "en" else bare(sentence).lower()[-len(wanted) :]


@kind(
    "last_word:last_word_answer",
    "training",
    en="The last word of your answer must be {last_word}, punctuation aside.",
    zh="回答的最后一个词（标点除外）必须是“{last_word}”。",
    arguments=(text("last_word"),),
    claims=("the last words",),
    needs=("free choice of words",),
)
def last_word_answer(text: Text, last_word: str) -> Found:
    """The last word. Original: all marks in it are dropped."""
    wanted = last_word.strip().lower()
    found = _last(text, text.raw, wanted) if text.split else ""
    return Found(found == wanted, found)


@kind(
    "words:last_first",
    "ifbench",
    en="Begin each sentence with the last word of the sentence before.",
    languages=("en", "unicode"),
    claims=("how sentences are built",),
    needs=("a word more than once",),
)
def last_first(text: Text) -> Found:
    """Each sentence takes up the last word of the one before. Otherwise there are at least two sentences."""
    for before, after in zip(text.sentences, text.sentences[1:], strict=False):
        last, first = before.rstrip(_MARKS).split(), after.lstrip(_MARKS).split()
        if not last or not first:
            return Found(False, [before[-40:], after[:40]])
        pair = [last[-1].lower(), first[0].lower()]
        if not text.is_original:
            pair = [bare(word) for word in pair]
        if pair[0] != pair[1]:
            return Found(False, pair)
    return Found(text.is_original or len(text.sentences) > 1)


@kind(
    "words:paragraph_last_first",
    "ifbench",
    en="End each paragraph with the word it begins with, and put each paragraph on its own line.",
    languages=("en", "unicode"),
    claims=("how paragraphs end", "the last words"),
    needs=("a word more than once",),
)
def paragraph_last_first(text: Text) -> Found:
    """Each line begins and ends with one word. Original: marks inside the line's ends only are taken off
    (`Rain," … rain.` differs). Otherwise a line of one word does not follow."""
    followed = 0
    for line in text.lines:
        words = line.strip().lower().strip(_MARKS).split()
        if not text.is_original:
            words = [bare(word) for word in words if bare(word)]
        if not words:
            continue
        if words[0] != words[-1] or (not text.is_original and len(words) < 2):
            return Found(False, [words[0], words[-1]])
        followed += 1
    return Found(text.is_original or followed > 0)
