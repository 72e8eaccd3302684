"""One spelling for answers that say the same: characters, LaTeX text commands and delimiters, Chinese punctuation.

Nothing here changes what an answer means, so two answers that fold to one text are equal.
"""

from __future__ import annotations

import re
import unicodedata

from runtime.verifiers.numerals import numerals_read

_PLAIN = re.compile(r"[+-]?\d+(?:\.\d+)?")
_WRAPPERS = (
    (r"\(", r"\)"),
    (r"\[", r"\]"),
    ("$$", "$$"),
    ("$", "$"),
    ("**", "**"),
    ("`", "`"),
    ('"', '"'),
    ("“", "”"),
)
_ENDS = " \t\n.,;:!。"
_TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|operatorname)\s*\{([^{}]*)\}")
_SIZES = re.compile(r"\\(?:left|right|big|Big|bigg|Bigg|displaystyle|limits)(?![a-zA-Z])[lr]?\.?")
_SPACING = re.compile(r"(?<!\\)\\[!,;: ]|\\q?quad(?![a-zA-Z])|~")
_FRACTION = re.compile(r"\\[dtc]frac(?![a-zA-Z])")
_SHORT_FRACTION = re.compile(r"\\frac\s*(?:(\d)\s*(\d)|\{([^{}]*)\}\s*(\d)|(\d)\s*\{([^{}]*)\})")
_EXPONENT = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+")
_VULGAR = re.compile(r"[¼½¾⅐-⅞]")
_CALLIGRAPHY = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_COMMANDS = {
    "\u2212": "-", "–": "-", "—": "-", "‐": "-", "－": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ",
    "÷": "/", "⁄": "/", "∕": "/", "π": r"\pi ", "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ",
    "∪": r"\cup ", "∩": r"\cap ", "±": r"\pm ", "∈": r"\in ", "∅": r"\emptyset ", "θ": r"\theta ",
    "°": r"^\circ ", "℃": r"^\circ C", "℉": r"^\circ F", "⟨": r"\langle ", "⟩": r"\rangle ", "，": ",",
    "、": ",", "；": ";", "：": ":", "（": "(", "）": ")", "［": "[", "］": "]", "【": "[", "】": "]", "％": "%",
    "＝": "=", "￥": "¥", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u200b": "", "\u3000": " ",
}  # fmt: skip
_UNICODE = str.maketrans(_COMMANDS)
_ALIASES = re.compile(
    r"\\(varnothing|leq|geq|leqslant|geqslant|neq|degree|lbrace|rbrace|langle|rangle|bigcup)(?![a-zA-Z])"
)
_ALIAS_OF = {
    "varnothing": r"\emptyset",
    "leq": r"\le",
    "geq": r"\ge",
    "leqslant": r"\le",
    "geqslant": r"\ge",
    "neq": r"\ne",
    "degree": r"^\circ",
    "lbrace": r"\{",
    "rbrace": r"\}",
    "langle": "(",
    "rangle": ")",
    "bigcup": r"\cup",
}
_NOTHING = re.compile(
    r"\\\{\s*\\\}|\{\s*\}|(?:there (?:is|are) )?no (?:real )?solutions?|无解|空集", re.IGNORECASE
)


def folded(answer: str) -> str:
    """An answer in one spelling: without delimiters, text commands and end marks; ASCII where there is an equivalent."""
    text = answer.strip()
    if _PLAIN.fullmatch(text):
        return text
    if not text.isascii():
        text = _ascii(text)
    text = _unwrapped(text)
    if "\\" in text:
        text = _TEXT.sub(r" \1 ", text)
        text = _SPACING.sub(" ", _SIZES.sub("", text)).replace(r"\$", "$").replace(r"\%", "%")
        text = _ALIASES.sub(lambda found: _ALIAS_OF[found.group(1)], _FRACTION.sub(r"\\frac", text))
        text = _SHORT_FRACTION.sub(_braced_fraction, text)
    text = " ".join(_unwrapped(text.replace("{,}", ",").replace("^{\\circ}", "^\\circ")).split()).replace(
        " ^", "^"
    )
    return r"\emptyset" if _NOTHING.fullmatch(text) else text


def _ascii(text: str) -> str:
    text = _VULGAR.sub(_vulgar_fraction, _EXPONENT.sub(_exponent, text)).translate(_UNICODE)
    text = re.sub(r"√\s*\(([^()]*)\)", r"\\sqrt{\1}", text)
    text = re.sub(r"√\s*(\d+(?:\.\d+)?|[a-zA-Z])", r"\\sqrt{\1}", text)
    return numerals_read(unicodedata.normalize("NFKC", text))


def _unwrapped(text: str) -> str:
    """Text without end marks and without delimiters around all of it."""
    before = None
    while before != text:
        before = text
        text = text.strip().rstrip(_ENDS)
        # `5!` is a factorial, `\,` a space and `\;` another.
        if len(text) < len(before.strip()) and (text.endswith("\\") or _is_factorial(text, before.strip())):
            return before.strip().rstrip(" .。")
        for opening, closing in _WRAPPERS:
            inside = text[len(opening) : len(text) - len(closing)]
            if (
                text.startswith(opening)
                and text.endswith(closing)
                and inside.strip()
                and opening not in inside
            ):
                text = inside
    return text


def _is_factorial(text: str, before: str) -> bool:
    return before[len(text)] == "!" and bool(text) and (text[-1].isdigit() or text[-1] in ")}nkm")


def _exponent(found: re.Match[str]) -> str:
    return "^{" + found.group().translate(_CALLIGRAPHY) + "}"


def _vulgar_fraction(found: re.Match[str]) -> str:
    top, _, bottom = unicodedata.normalize("NFKC", found.group()).partition("⁄")
    return rf"\frac{{{top}}}{{{bottom}}}"


def _braced_fraction(found: re.Match[str]) -> str:
    a, b, braced, c, d, braced_below = found.groups()
    if a is not None:
        return rf"\frac{{{a}}}{{{b}}}"
    return rf"\frac{{{braced}}}{{{c}}}" if braced is not None else rf"\frac{{{d}}}{{{braced_below}}}"
