"""The shape of an answer: one thing, a tuple, an interval, a set, a list, named values, or a choice of letters.

Shapes are compared before anything is computed: `(1,2)`, `[1,2]` and `\\{1,2\\}` hold the same numbers and are
different answers, which computer algebra does not always tell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from mixwright_runtime.verifiers.math.formulas.words import JOINING_WORDS, SHORT_WORDS
from mixwright_runtime.verifiers.math.quantities import quantity_of

Kind = Literal["one", "list", "set", "()", "[]", "(]", "[)"]

PARTS_LIMIT = 64
_OPENING, _CLOSING = "([{", ")]}"
_MATCHING = {"(": ")", "[": "]", "{": "}"}
_WORD_SEPARATOR = re.compile(
    r"\s*(?:,\s*)?(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])\s*|\s*(?:和|或者|或|以及|及)\s*"
)
_NAME = (
    r"[A-Za-z](?:_\{?\w{1,8}\}?|')?(?:\s*\(\s*[A-Za-z]\s*\))?|\\(?:alpha|beta|gamma|theta|lambda|mu|phi)\s*"
)
_DESIGNATION = re.compile(
    rf"{_NAME}|(?:[A-Z]|[fgh])\^\{{?(?:-1|T|\\top)\}}?(?:\s*\(\s*[a-z]\s*\))?|[A-Z]{{2,4}}"
    r"|[A-Za-z][A-Za-z ]{3,}|P\s*\([^()]*\)|\|[A-Z]{1,2}\|"
    r"|\\(?:angle|overline|vec|hat|triangle)\s*(?:\{[A-Za-z]+\}|[A-Z]+)|[A-Za-z]_\{[^{}]*\}|[\u4e00-\u9fffA-Za-z ]+"
)
"""What an equation may give the value of, other than a product: `AB`, `P(A)`, `\\angle ABC`, `Area`."""
_NAMED = re.compile(rf"({_NAME})\s*=\s*([^=<>]+)")
_CHOICE = re.compile(
    r"(?:(?:option|choice|answer)\s*|选项?\s*|答案\s*)?[(\[]?\s*([A-J])\s*[)\].:]?", re.IGNORECASE
)
_CHOICES = re.compile(r"[(\[]?\s*([A-J](?:\s*(?:,|、|and|和|&)?\s*[A-J]){1,7})\s*[)\]]?")
_CHOICE_WITH_TEXT = re.compile(r"\(?([A-J])(?:\)|[.:])\s*(\S.*)|\(([A-J])\)\s*(\S.*)")
_OTHER_SIGNS = re.compile(r"[<>!]=|\\[lgn]e(?![a-z])")
_INEQUALITY = re.compile(r"[<>]|\\[lg]e(?![a-z])")
_GROUPED = re.compile(r",\d{3}(?!\d)")
_PLUS_MINUS = re.compile(r"([^,]*?)\\pm(?![a-zA-Z])\s*([^,]+)")


_COMMAND = re.compile(r"\\[a-zA-Z]+|_\{[^{}]*\}")
_FUNCTIONS = re.compile(
    r"arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|log|ln|exp|sqrt|infinity|max|min|gcd|lcm|mod|det|lim"
    r"|[pbv]?matrix|array|cases"
)
_PROSE = re.compile(
    r"[A-Za-z]{4,}|[^\x00-\x7f]"
    rf"|(?<![A-Za-z])(?:{'|'.join(sorted(SHORT_WORDS))})(?![A-Za-z])"
    rf"|(?<=[\w)}}] )(?:{'|'.join(sorted(JOINING_WORDS))})(?= [\w({{\\])",
    re.IGNORECASE,
)


def is_prose(text: str) -> bool:
    """True when a text has words that are no mathematics: as mathematics they would be products of letters."""
    return bool(_PROSE.search(_FUNCTIONS.sub(" ", _COMMAND.sub(" ", text))))


@dataclass(frozen=True)
class Shape:
    """kind: the brackets around it; `list` without any, `one` for what has no parts. names: of `x = 1, y = 2`."""

    kind: Kind
    parts: tuple[str, ...]
    names: tuple[str, ...] = ()


def shape_of(text: str) -> Shape:
    """The shape of a folded answer."""
    # Commas group the digits of a number.
    if quantity_of(text) is not None:
        return Shape("one", (text,))
    kind, inside = _bracketed(text)
    parts = _split(inside, with_words=kind in ("one", "set"))
    if kind == "one":
        parts = [both for part in parts for both in _with_both_signs(part)]
        if len(parts) == 1:
            return Shape("one", (text,))
    # `(x + 1)` and `[x]` are what stands in them; only a set may have one member.
    if len(parts) == 1 and kind not in ("one", "set"):
        return Shape("one", (text,))
    if kind == "one":
        kind = "list"
    named = [_NAMED.fullmatch(part) for part in parts]
    if kind == "list" and all(named):
        names = tuple("".join(found.group(1).split()) for found in named if found)
        if len(set(names)) == len(names):
            return Shape(kind, tuple(found.group(2).strip() for found in named if found), names)
    return Shape(kind, tuple(parts))


def _with_both_signs(part: str) -> tuple[str, ...]:
    """`1 \\pm 2` as `1 + 2` and `1 - 2`."""
    both = _PLUS_MINUS.fullmatch(part)
    if both is None or "(" in part or "{" in both.group(1):
        return (part,)
    before, after = both.groups()
    return (f"{before}+{after}" if before.strip() else after, f"{before}-{after}")


def value_named(text: str) -> tuple[str | None, str]:
    """Name and value of `x = 5` or `x = 2 + 3 = 5`, else no name and the text. `2 + 3 = 5` is 5, without a name."""
    if "=" not in text or any(sign in text for sign in ("<", ">", "\\le", "\\ge", "\\ne", "!=")):
        return None, text
    if len(_split(text, with_words=True)) > 1:
        return None, text
    first, *rest = [part.strip() for part in _split(text, separator="=")]
    if not rest or not rest[-1]:
        return None, text
    if len(rest) == 1 and re.fullmatch(_NAME, rest[0]) and quantity_of(first) is not None:
        return "".join(rest[0].split()), first
    if _DESIGNATION.fullmatch(first) and not re.fullmatch(r"[a-z]{2,3}", first):
        return "".join(first.split()), rest[-1]
    letters = re.sub(r"\\(?:times|cdot|frac|sqrt|div)(?![a-zA-Z])", "", first)
    return (None, rest[-1]) if not re.search(r"[A-Za-z\\]", letters) else (None, text)


def is_equation(text: str) -> bool:
    """True when an answer is one equation; the `=` of a sum's bounds makes none."""
    text = _OTHER_SIGNS.sub(" ", text)
    return "=" in text and len(_split(text, separator="=")) > 1 and shape_of(text).kind == "one"


def choice_in(text: str) -> str | None:
    """The letters of a multiple-choice answer, sorted (`B`, `ACD`); None when it is anything else.

    One lower-case letter is a choice only in brackets: bare, it is a variable.
    """
    found = _CHOICE.fullmatch(text)
    if found:
        return found.group(1).upper() if found.group(1).isupper() or len(text) > 1 else None
    several = _CHOICES.fullmatch(text)
    if several:
        letters = re.findall(r"[A-J]", several.group(1))
        return "".join(sorted(letters)) if len(set(letters)) == len(letters) else None
    return None


def choice_and_text(text: str) -> tuple[str, str] | None:
    """Letter and text of `(B) 12 cm` or `B. 12 cm`; None when it is no such answer."""
    found = _CHOICE_WITH_TEXT.fullmatch(text)
    if found is None:
        return None
    letter, after, bracketed, after_bracketed = found.groups()
    return (letter or bracketed), (after or after_bracketed)


def _bracketed(text: str) -> tuple[Kind, str]:
    """The brackets around all of a text and what they enclose."""
    body = text.replace(r"\{", "{").replace(r"\}", "}")
    # `]0, 1[` is open as `(0, 1)` is.
    if body[:1] == "]" or (body[-1:] == "[" and body[:1] == "["):
        body = ("(" if body[0] == "]" else "[") + body[1:-1] + (")" if body[-1] == "[" else body[-1])
    if len(body) < 3 or body[0] not in _OPENING or body[-1] not in _CLOSING:
        return "one", text
    depth = 0
    for i, character in enumerate(body):
        if character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
            if depth == 0 and i < len(body) - 1:
                return "one", text
    kind = body[0] + body[-1]
    if kind in ("()", "[]", "(]", "[)"):
        return kind, body[1:-1]  # type: ignore[return-value]
    # Braces without backslashes group in LaTeX and are a set in plain text.
    return ("set", body[1:-1]) if kind == "{}" else ("one", text)


def _split(text: str, *, separator: str = ",;", with_words: bool = False) -> list[str]:
    """Parts between the separators that stand in no brackets."""
    if "\\begin" in text and separator != "=":
        return [text]
    parts: list[str] = []
    depth = start = 0
    for i, character in enumerate(text):
        if character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
        elif depth == 0 and character in separator and not _is_thousands(text, i):
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    if with_words and ("and" in text or "or" in text or not text.isascii()):
        pieces = [piece for part in parts for piece in _WORD_SEPARATOR.split(part)]
        # `5 apples and 3 pears` are two, `between 3 and 5` is prose.
        if not any(is_prose(piece) and quantity_of(piece) is None for piece in pieces):
            parts = pieces
    parts = [part.strip() for part in parts]
    # `x < 2 or x > 3` is one set.
    if with_words and all(_INEQUALITY.search(part) for part in parts):
        return [text]
    return parts if all(parts) else [text]


def _is_thousands(text: str, at: int) -> bool:
    """True when a comma groups digits: in `1,234, 5,678`, where the commas that separate have a space."""
    return text[at] == "," and ", " in text and bool(_GROUPED.match(text, at)) and text[at - 1 : at].isdigit()
