"""Sentences by the substitution rules that the training kinds' original uses in place of Punkt.

A short list of abbreviations, then every `.`, `?` and `!` ends a sentence. The rules are applied in this order, each to
the whole text; a period that ends nothing is hidden behind `<prd>` until the end.
"""

from __future__ import annotations

import re

_LETTER = "([A-Za-z])"
_SUFFIX = "(Inc|Ltd|Jr|Sr|Co)"
_STARTER = (
    r"(Mr|Mrs|Ms|Dr|Prof|Capt|Cpt|Lt|He\s|She\s|It\s|They\s|Their\s|Our\s|We\s|But\s|However\s|That\s|This\s"
    r"|Wherever)"
)
_BEFORE_DOTS = [
    (re.compile("(Mr|St|Mrs|Ms|Dr)[.]"), r"\1<prd>"),
    (re.compile("[.](com|net|org|io|gov|edu|me)"), r"<prd>\1"),
    (re.compile("([0-9])[.]([0-9])"), r"\1<prd>\2"),
]
_DOTS = re.compile(r"\.{2,}")
_AFTER_DOTS = [
    (re.compile(rf"\s{_LETTER}[.] "), r" \1<prd> "),
    (re.compile(rf"([A-Z][.][A-Z][.](?:[A-Z][.])?) {_STARTER}"), r"\1<stop> \2"),
    (re.compile(rf"{_LETTER}[.]{_LETTER}[.]{_LETTER}[.]"), r"\1<prd>\2<prd>\3<prd>"),
    (re.compile(rf"{_LETTER}[.]{_LETTER}[.]"), r"\1<prd>\2<prd>"),
    (re.compile(rf" {_SUFFIX}[.] {_STARTER}"), r" \1<stop> \2"),
    (re.compile(rf" {_SUFFIX}[.]"), r" \1<prd>"),
    (re.compile(rf" {_LETTER}[.]"), r" \1<prd>"),
]


def rule_sentences(text: str) -> list[str]:
    """The sentences; between two marks in a row (`?!`) stands an empty one."""
    text = f" {text}  ".replace("\n", " ")
    for rule, becomes in _BEFORE_DOTS:
        text = rule.sub(becomes, text)
    text = _DOTS.sub(lambda dots: "<prd>" * len(dots.group()) + "<stop>", text)
    text = text.replace("Ph.D.", "Ph<prd>D<prd>")
    for rule, becomes in _AFTER_DOTS:
        text = rule.sub(becomes, text)
    # A mark before a closing quotation mark changes places with it.
    for mark, quote in ((".", "”"), (".", '"'), ("!", '"'), ("?", '"')):
        text = text.replace(mark + quote, quote + mark)
    for mark in ".?!":
        text = text.replace(mark, f"{mark}<stop>")
    sentences = [sentence.strip() for sentence in text.replace("<prd>", ".").split("<stop>")]
    return sentences if sentences[-1] else sentences[:-1]
