"""Words and marks of English text as in the Penn Treebank: `can't` is `ca` and `n't`, a final period stands alone.

The rules are those of Robert MacIntyre's Treebank tokenizer with the additions of `word_tokenize` in NLTK up to 3.9
(curly quotes, guillemets, runs of dots, `*`), so that the tokens are those that IFEval's published results rest on.
NLTK 3.10 sets dashes and opening single quotes apart, too. Time grows with the length of the text.
"""

from __future__ import annotations

import re

_OPENING = re.compile(r"[«“‘„]|`+")
_QUOTE_AFTER_BRACKET = re.compile(r"([ (\[{<])(?:\"|'')")
_LEADING_APOSTROPHE = re.compile(r"'(?!re|ve|ll|m|t|s|d|n)(\w)\b", re.IGNORECASE)
_COLON = re.compile(r"([:,])(\D)")
_ALONE = re.compile(r"[;@#$%&]|\.{2,}")
_ASKING = re.compile(r"[?!]")
_CLOSING_APOSTROPHE = re.compile(r"([^'])' ")
_BRACKET = re.compile(r"[\]\[(){}<>]")
_CLOSING = re.compile(r"[»”’]")
_SPACES = re.compile(r"\s+")
_POSSESSIVE = re.compile(r"([^' ])('[sS]|'[mM]|'[dD]|') ")
_CLITIC = re.compile(r"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ")
_FUSED = re.compile(
    r"\b(?:(can)(not)|(d)('ye)|(gim)(me)|(gon)(na)|(got)(ta)|(lem)(me)|(more)('n)|(wan)(na)(?=\s))\b",
    re.IGNORECASE,
)
_TIS = re.compile(r" ('t)(is|was)\b", re.IGNORECASE)
_AFTER_PERIOD = ")]}>\"'»”’ "


def words_of(sentence: str) -> list[str]:
    """The tokens of one sentence."""
    text = sentence
    # Each rule is tried only where the text has the mark that it is about: most texts have few of them.
    text = _OPENING.sub(r" \g<0> ", text)
    if '"' in text or "''" in text:
        if text.startswith('"'):
            text = "``" + text[1:]
        text = text.replace("``", " `` ")
        text = _QUOTE_AFTER_BRACKET.sub(r"\1 `` ", text)
    elif "``" in text:
        text = text.replace("``", " `` ")
    if "'" in text:
        text = _LEADING_APOSTROPHE.sub(r"' \1", text)
    text = _with_final_period_apart(text, keeps_closings_apart=True)
    if ":" in text or "," in text:
        text = _COLON.sub(r" \1 \2", text)
        if text.endswith((":", ",")):
            text = f"{text[:-1]} {text[-1]} "
        elif text.endswith((":\n", ",\n")):
            text = f"{text[:-2]} {text[-2]} \n"
    text = _ALONE.sub(r" \g<0> ", text)
    text = _with_final_period_apart(text, keeps_closings_apart=False)
    text = _ASKING.sub(r" \g<0> ", text)
    if "'" in text:
        text = _CLOSING_APOSTROPHE.sub(r"\1 ' ", text)
    text = text.replace("*", " * ")
    text = _BRACKET.sub(r" \g<0> ", text)
    text = text.replace("--", " -- ")
    text = f" {text} "
    text = _CLOSING.sub(r" \g<0> ", text)
    text = text.replace("''", " '' ").replace('"', " '' ")
    text = _SPACES.sub(" ", text)
    if "'" in text:
        text = _POSSESSIVE.sub(r"\1 \2 ", text)
        text = _CLITIC.sub(r"\1 \2 ", text)
    text = _FUSED.sub(_apart, text)
    if "'" in text:
        text = _TIS.sub(r" \1 \2 ", text)
    return text.split()


def _apart(match: re.Match[str]) -> str:
    return " " + " ".join(part for part in match.groups() if part) + " "


def _with_final_period_apart(text: str, *, keeps_closings_apart: bool) -> str:
    """A period that ends the text, closing quotes and brackets aside, between spaces; one of several dots is none."""
    marks = _AFTER_PERIOD if keeps_closings_apart else ")]}>\"'"
    body = text.rstrip().rstrip(marks)
    if len(body) < 2 or body[-1] != "." or body[-2] == ".":
        return text
    closings = text[len(body) : len(text.rstrip())]
    gap = " " if keeps_closings_apart else ""
    return f"{body[:-1]} . {gap}{closings} "
