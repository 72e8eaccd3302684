"""Finds the final answer in a solution.

The forms are those that models and data sets use: `\\boxed{}` (MATH), `Final Answer: The final answer is $x$.`
(Minerva), `#### x` (GSM8K), `the answer is x`, a line `A: x`, and, when there is none of these, the last number.
"""

from __future__ import annotations

import re
from typing import Literal

Extract = Literal["auto", "boxed", "hashes", "last", "final"]

_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?=\{)|\\boxed\s+(?=[^\s{])")
_HASHES = re.compile(r"^\s*####[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_FINAL = re.compile(r"final\s+answer(?:\s+is|\s*:)\s*", re.IGNORECASE)
_LABELLED = re.compile(r"^[ \t]*A:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_ANSWER_IS = re.compile(r"\banswer(?:\s+is|\s*:)\s*:?\s*", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])[-+]?\$?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:\s*/\s*\d+)?%?")
_SENTENCE_END = re.compile(r"\.(?=\s|$)|\n|(?:,?\s+(?:I hope it is correct|because|since|so)\b)")

TAIL_CHARACTERS = 20_000
"""How much of a response's end is searched: an answer stands at the end, and a text may be of any length."""


def answer_in(response: str, extract: Extract = "auto") -> str | None:
    """The final answer as it is written in a response; None when it holds none of the form asked for."""
    tail = response[-TAIL_CHARACTERS:]
    match extract:
        case "boxed":
            return boxed(tail)
        case "hashes":
            return _last_group(_HASHES, tail)
        case "final":
            return _stated(tail)
        case "last":
            return _last_number(tail)
        case "auto":
            for find in (boxed, _final, lambda text: _last_group(_HASHES, text), _stated, _last_number):
                found = find(tail)
                if found is not None:
                    return found
            return None


def gold_in(answer: str) -> str | None:
    """The right answer in a column that holds it alone or at the end of a solution; None for an empty text."""
    tail = answer[-TAIL_CHARACTERS:]
    # An answer of several lines is a solution, of which the last number may be all that can be told.
    found = answer_in(answer) if "\n" in answer.strip() else None
    return found or boxed(tail) or _final(tail) or _last_group(_HASHES, tail) or answer.strip() or None


def boxed(text: str) -> str | None:
    """What stands in the last `\\boxed{}` with balanced braces; None without one, or when it is empty."""
    for opening in reversed(list(_BOX.finditer(text))):
        if text[opening.end()] != "{":
            return text[opening.end()]
        depth = 0
        for i in range(opening.end(), len(text)):
            if text[i] == "{" and text[i - 1] != "\\":
                depth += 1
            elif text[i] == "}" and text[i - 1] != "\\":
                depth -= 1
                if depth == 0:
                    inside = text[opening.end() + 1 : i].strip()
                    if inside:
                        return inside
                    break
    return None


def _final(text: str) -> str | None:
    return _statement(_FINAL, text)


def _stated(text: str) -> str | None:
    return _final(text) or _statement(_ANSWER_IS, text) or _last_group(_LABELLED, text)


def _statement(opening: re.Pattern[str], text: str) -> str | None:
    """What follows the last statement of the answer, to the end of the sentence or of the formula it begins with."""
    ends = [found.end() for found in opening.finditer(text)]
    if not ends:
        return None
    rest = text[ends[-1] :].lstrip(" *:\t\n")
    # "Final Answer: The final answer is $4$." states it twice.
    inner = _ANSWER_IS.match(rest.removeprefix("The ").removeprefix("the "))
    if inner is not None:
        rest = rest[rest.index("answer") :][inner.end() :]
    formula = re.match(r"\$([^$]+)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", rest, re.DOTALL)
    if formula is not None:
        return next(group for group in formula.groups() if group is not None).strip()
    end = _SENTENCE_END.search(rest)
    return rest[: end.start() if end else None].strip(" *\t") or None


def _last_group(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.findall(text)
    return found[-1] if found else None


def _last_number(text: str) -> str | None:
    found = _NUMBER.findall(text)
    return found[-1] if found else None
