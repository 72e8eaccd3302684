"""Finds the final answer in a solution.

The forms are those that models and data sets use: `\\boxed{}` (MATH), `Final Answer: The final answer is $x$.`
(Minerva), `#### x` (GSM8K), `<answer>x</answer>`, `the answer is x`, `答案是x`, `故选B`, a line `A: x`, and, when there
is none of these, the last number. Reasoning before the answer is not searched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from mixwright_runtime.values.reasoning import said

Extract = Literal["auto", "boxed", "hashes", "last", "final"]

_BRACE = re.compile(r"(?<!\\)[{}]")
_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?=\{)|\\boxed\s+(?=[^\s{])")
_BETWEEN_BOXES = re.compile(
    r"[\s$]*(?:\\[,;)(]|[,，、;；]|\\text\s*\{\s*(?:and|or)\s*\}|and|or|和|或|\s)*[\s$]*(?:[a-zA-Z]\s*=\s*)?",
    re.IGNORECASE,
)
_HASHES = re.compile(r"^\s*####[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_TAGGED = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.IGNORECASE | re.DOTALL)
_FINAL = re.compile(
    r"final\s+answer(?:\s+is|\s*:|\*\*)\s*|最终答案(?:是|为|[:：])\s*[:：]?\s*", re.IGNORECASE
)
_LABELLED = re.compile(r"^[ \t]*A:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_ANSWER_IS = re.compile(
    r"\banswer(?:\s+is|\s*:)\s*:?\s*"
    r"|答案(?:应该|就)?(?:是|为|选)?\s*[:：]?\s*(?=\S)(?<!答案)|答案\s*(?=[\d(（A-J-])"
    r"|(?:(?:故|因此|所以|应该?)[，,]?\s*(?:选择?|选项)|正确的?选项|选项(?=是|为))(?:是|为)?\s*[:：]?\s*(?=[(（]?[A-J])"
    r"|答え(?:は|[:：])\s*",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.])[-+−]?[$€£¥]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+(?![\w.]))?(?:\s*/\s*\d+)?"
    r"(?:\s*(?:\\?%|[万亿]|(?:million|billion|dozen)\b))?"
)
_SENTENCE_END = re.compile(
    r"\.(?=\s|$|\*)|\n|[。；]|,?\s+(?:I hope it is correct|because|since|so)\b|，(?=[\u4e00-\u9fff])|です"
)
_FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+)\$(?!\d)|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)

TAIL_CHARACTERS = 20_000
"""How much of a response's end is searched: an answer stands at the end, and a text may be of any length."""


def answer_in(response: str, extract: Extract = "auto") -> str | None:
    """The final answer as it is written in a response; None when it holds none of the form asked for."""
    tail = said_in(response)
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
            for find in (boxed, _tagged, _hashes, _final, _stated, _last_number):
                found = find(tail)
                if found is not None:
                    return found
            return None


def gold_in(answer: str) -> str | None:
    """The right answer in a column that holds it alone or at the end of a solution; None for an empty text."""
    text = answer.strip()
    # An answer of several lines is a solution, of which the last number may be all that can be told.
    if "\n" in text:
        found = answer_in(answer)
        if found:
            return found
    elif text.isascii() and "\\" not in text and "####" not in text and len(text) < 20:
        return text or None
    tail = said_in(answer)
    return boxed(tail) or _hashes(tail) or _final(tail) or text or None


def said_in(response: str) -> str:
    """The end of a response, after the thoughts of a reasoning model where it closed them."""
    told = said(response)
    return (told if told.strip() else response)[-TAIL_CHARACTERS:]


def boxed(text: str) -> str | None:
    """What stands in the last `\\boxed{}` with balanced braces; None without one, or when it is empty.

    Boxes that only `and`, `or` or a comma part are one answer: `\\boxed{2} and \\boxed{3}` is `2, 3`.
    """
    if "\\boxed" not in text and "\\fbox" not in text:
        return None
    inside: list[str] = []
    begin = 0
    ends = _closing_braces(text)
    for opening in reversed(list(_BOX.finditer(text))):
        content, end = _box_content(text, opening.end(), ends)
        if not content:
            continue
        if inside and (not _BETWEEN_BOXES.fullmatch(text, end, begin) or len(inside) > 8):
            break
        inside.insert(0, content)
        begin = opening.start()
    # The same answer in two boxes is one.
    return ", ".join(dict.fromkeys(inside)) or None


def _closing_braces(text: str) -> dict[int, int]:
    """Where each brace is closed, by where it opens. One pass: thousands of open boxes must not take a second."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    for found in _BRACE.finditer(text):
        if found[0] == "{":
            opened.append(found.start())
        elif opened:
            ends[opened.pop()] = found.start()
    return ends


def _box_content(text: str, start: int, ends: Mapping[int, int]) -> tuple[str, int]:
    """Content and end of the box whose brace, or one character, is at `start`; empty when its braces do not close."""
    if text[start] != "{":
        return text[start], start + 1
    end = ends.get(start)
    return ("", start) if end is None else (text[start + 1 : end].strip(), end + 1)


def _tagged(text: str) -> str | None:
    if "</answer>" not in text.lower():
        return None
    return _last_group(_TAGGED, text) or None


def _hashes(text: str) -> str | None:
    return _last_group(_HASHES, text) if "####" in text else None


def _final(text: str) -> str | None:
    return _statement(_FINAL, text)


def _stated(text: str) -> str | None:
    return _final(text) or _statement(_ANSWER_IS, text) or _last_group(_LABELLED, text)


def _statement(opening: re.Pattern[str], text: str) -> str | None:
    """What follows the last statement of the answer, to the end of the sentence or of the formula it begins with."""
    ends = [found.end() for found in opening.finditer(text)]
    if not ends:
        return None
    rest = text[ends[-1] :].lstrip(" *:：\t\n")
    # "Final Answer: The final answer is $4$." states it twice.
    inner = _ANSWER_IS.match(rest.removeprefix("The ").removeprefix("the "))
    if inner is not None and "answer" in rest:
        rest = rest[rest.index("answer") :][inner.end() :]
    formula = _FORMULA.match(rest)
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
