"""A response, and what is counted in it. Each measure is taken once, however many constraints ask for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from mixwright_runtime.verifiers.constraints import scripts
from mixwright_runtime.verifiers.constraints.punkt import Punkt, PunktParameters
from mixwright_runtime.verifiers.constraints.rule_sentences import rule_sentences
from mixwright_runtime.verifiers.constraints.treebank import words_of
from mixwright_runtime.verifiers.constraints.word_lists import word_set

_WORD_CHARACTERS = re.compile(r"\w+")
_ENGLISH_WORD = re.compile(r"\d+(?:[.,:]\d+)+|[^\W_]+(?:['’\-][^\W_]+)*")
_BLANK_LINES = re.compile(r"\n[^\S\n]*\n\s*")
_LIST_NUMBER = re.compile(r"(?m)^([^\S\n]*)(?:\d{1,3}|[A-Za-z])[.)](?=\s)")
LATER_ABBREVIATIONS = word_set(
    """
    e.g i.e etc cf viz al approx fig no vol eds ed pp est dept univ
    """
)
"""Abbreviations of prose that newspaper text lacks, on which Punkt's English parameters were made."""


@dataclass(frozen=True)
class Rules:
    """How a response is read.

    is_original: exactly as the checkers that the kinds come from, bugs included (`compat = google`).
    language: `en`, `zh` or `unicode`; the originals know `en` alone.
    uses_nltk: sentences with the Punkt parameters of the user's nltk_data instead of our own.
    """

    is_original: bool = False
    language: str = "en"
    uses_nltk: bool = False


class Text:
    """A response under rules."""

    def __init__(self, raw: str, rules: Rules | None = None) -> None:
        self.raw = raw
        self.rules = rules or Rules()

    @property
    def is_original(self) -> bool:
        return self.rules.is_original

    @cached_property
    def lower(self) -> str:
        return self.raw.lower()

    @cached_property
    def stripped(self) -> str:
        return self.raw.strip()

    @cached_property
    def lines(self) -> list[str]:
        return self.raw.split("\n")

    @cached_property
    def split(self) -> list[str]:
        """What stands between white space."""
        return self.raw.split()

    @cached_property
    def words(self) -> list[str]:
        """Words as they are counted. Original: runs of `\\w`. English: `don't`, `well-known` and `3.14` are
        one word each. Chinese: each Han character is one, and each run of other letters or digits."""
        if self.is_original:
            return _WORD_CHARACTERS.findall(self.raw)
        match self.rules.language:
            case "zh":
                return scripts.chinese_units(self.raw)
            case "unicode":
                return scripts.units(self.raw)
        return _ENGLISH_WORD.findall(self.raw)

    @cached_property
    def lower_words(self) -> list[str]:
        return [word.lower() for word in self.words]

    @cached_property
    def sentences(self) -> list[str]:
        """Sentences. Original: Punkt's. English: Punkt's, but a list's numbers and pieces without a letter or digit are
        none. Other languages: as `scripts.sentences` says."""
        if self.rules.language != "en":
            return scripts.sentences(self.raw)
        if self.is_original:
            return punkt(self.rules.uses_nltk).sentences(self.raw)
        found = _prose_punkt(self.rules.uses_nltk).sentences(_LIST_NUMBER.sub(r"\1", self.raw))
        return [sentence.strip() for sentence in found if any(c.isalnum() for c in sentence)]

    @cached_property
    def rule_sentences(self) -> list[str]:
        """Sentences as the training kinds' original splits them; for others than the original, `sentences`."""
        return rule_sentences(self.raw) if self.is_original else self.sentences

    @cached_property
    def tokens(self) -> list[str]:
        """Treebank tokens of Punkt's sentences, as NLTK's `word_tokenize` gives them."""
        return tokens(self.raw, self.rules.uses_nltk)

    @cached_property
    def paragraphs(self) -> list[str]:
        """Blocks of text between blank lines, stripped; none is empty."""
        return [block.strip() for block in _BLANK_LINES.split(self.raw) if block.strip()]

    def with_raw(self, raw: str) -> Text:
        return Text(raw, self.rules)


def tokens(text: str, uses_nltk: bool = False) -> list[str]:
    return [word for sentence in punkt(uses_nltk).sentences(text) for word in words_of(sentence)]


@cache
def punkt(uses_nltk: bool) -> Punkt:
    """Punkt for English.

    Raises:
        FileNotFoundError: NLTK's parameters are asked for and not on this machine.
    """
    return Punkt(_parameters(uses_nltk))


@cache
def _prose_punkt(uses_nltk: bool) -> Punkt:
    known = _parameters(uses_nltk)
    return Punkt(
        PunktParameters(
            known.abbreviations | LATER_ABBREVIATIONS, known.collocations, known.starters, known.orthography
        )
    )


@cache
def _parameters(uses_nltk: bool) -> PunktParameters:
    from mixwright_runtime.verifiers.constraints.english import installed_nltk_parameters, own_parameters

    return installed_nltk_parameters() if uses_nltk else own_parameters()


def variants(raw: str) -> Sequence[str]:
    """The eight readings of a loose check: the response as it is; without its first line, its last, or both (a greeting,
    a closing remark); each with and without asterisks."""
    lines = raw.split("\n")
    cuts = ["\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1])]
    return (raw, raw.replace("*", ""), *cuts, *(cut.replace("*", "") for cut in cuts))
