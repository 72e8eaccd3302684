"""One spelling for answers that say the same: characters, LaTeX text commands and delimiters, Chinese punctuation.

Nothing here changes what an answer means, so two answers that fold to one text are equal.
"""

from __future__ import annotations

import re
import unicodedata

from mixwright_runtime.verifiers.math.numerals import numerals_read

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
_TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathit|mbox|operatorname)\s*\{([^{}]*)\}")
_BOLD_CAPITALS = re.compile(r"\\mathbf\s*\{\s*([A-Z]{2,4})\s*\}")
_BOLD_CAPITAL = re.compile(r"\\mathbf\s*\{\s*([A-Z])\s*\}")
_BOLD = re.compile(r"\\mathbf\s*\{([^{}]*)\}")
_GROUPING = re.compile(r"(?<=\d)(?:\{,\}(?:\\!)?|,\\!)\s*(?=\d{3}(?!\d))")
"""What groups the digits of a number in LaTeX and can be nothing else: `10{,}000`, `3,\\!250`."""
_SIZES = re.compile(r"\\(?:left|right|big|Big|bigg|Bigg|displaystyle|limits)(?![a-zA-Z])[lr]?\.?")
_SPACING = re.compile(r"(?<!\\)\\[,;: ]|\\q?quad(?![a-zA-Z])|~")
_FRACTION = re.compile(r"\\[dtc]frac(?![a-zA-Z])")
_SHORT_FRACTION = re.compile(r"\\frac\s*(?:(\d)\s*(\d)|\{([^{}]*)\}\s*(\d)|(\d)\s*\{([^{}]*)\})")
_RAISED = re.compile("[⁰¹²³⁴-⁾ⁱⁿᴬ-ᵂᵃ-ᵡˡʳˢˣʰʲʷʸᶜᶠᶻ]+")
_LOWERED = re.compile("[₀-₎ₐ-ₜᵢ-ᵪⱼ]+")
_VULGAR = re.compile(r"[¼½¾⅐-⅞]")
_ALL_REALS = re.compile(r"(?:the set of )?all real(?:s| numbers)|全体实数|实数集", re.IGNORECASE)
_COMMANDS = {
    "\u2212": "-", "–": "-", "—": "-", "‐": "-", "－": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ",
    "÷": "/", "⁄": "/", "∕": "/", "π": r"\pi ", "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ",
    "∪": r"\cup ", "∩": r"\cap ", "±": r"\pm ", "∈": r"\in ", "∅": r"\emptyset ", "θ": r"\theta ",
    "°": r"^\circ ", "℃": r"^\circ C", "℉": r"^\circ F", "⟨": r"\langle ", "⟩": r"\rangle ", "，": ",",
    "、": ",", "；": ";", "：": ":", "（": "(", "）": ")", "［": "[", "］": "]", "【": "[", "】": "]", "％": "%",
    "′": "'", "″": "''", "≡": r"\equiv ", "≈": r"\approx ", "∂": r"\partial ", "∇": r"\nabla ", "ℝ": r"\mathbb{R}",

    "∖": r"\setminus ", "⊤": r"\top ", "†": r"\dagger ", "→": r"\to ", "∀": r"\forall ", "＝": "=",
    "￥": "¥", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u200b": "", "\u3000": " ",
}  # fmt: skip
_GREEK_NAMES = """
alpha beta gamma delta epsilon zeta eta iota kappa lambda nu xi rho sigma tau upsilon phi chi psi omega
Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi phi epsilon
"""
_GREEK = dict(zip("αβγδεζηικλνξρστυφχψωΓΔΘΛΞΠΣΦΨϕϵ", _GREEK_NAMES.split(), strict=True))
"""Without μ and Ω, which are units, too."""
_UNICODE = str.maketrans(_COMMANDS | {letter: f"\\{name} " for letter, name in _GREEK.items()})
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
    if "\\" in text or "~" in text:
        text = _TEXT.sub(r" \1 ", _GROUPING.sub("", text).replace(r"\!", ""))
        text = _BOLD_CAPITALS.sub(_each_bold, text)
        if r"\times" not in text and len(set(_BOLD_CAPITAL.findall(text))) < 2:
            # Bold letters are vectors or matrices, which only their product tells.
            text = _BOLD.sub(r" \1 ", text)
        text = _SPACING.sub(" ", _SIZES.sub("", text)).replace(r"\$", "$").replace(r"\%", "%")
        text = _ALIASES.sub(lambda found: _ALIAS_OF[found.group(1)], _FRACTION.sub(r"\\frac", text))
        text = _SHORT_FRACTION.sub(_braced_fraction, text)
    text = " ".join(_unwrapped(text.replace("{,}", ",").replace("^{\\circ}", "^\\circ")).split()).replace(
        " ^", "^"
    )
    if _NOTHING.fullmatch(text):
        return r"\emptyset"
    return r"\mathbb{R}" if _ALL_REALS.fullmatch(text) else text


def _each_bold(found: re.Match[str]) -> str:
    """`\\mathbf{AB}` is a product of two."""
    return "".join(rf"\mathbf{{{letter}}}" for letter in found[1])


def _ascii(text: str) -> str:
    text = _LOWERED.sub(_index, _RAISED.sub(_exponent, text))
    text = _VULGAR.sub(_vulgar_fraction, text).translate(_UNICODE)
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
    is_letter = text[-1:].islower() and not text[-2:-1].isalpha()
    return before[len(text)] == "!" and bool(text) and (text[-1].isdigit() or text[-1] in ")}" or is_letter)


def _exponent(found: re.Match[str]) -> str:
    return "^{" + _level(found.group()) + "}"


def _index(found: re.Match[str]) -> str:
    return "_{" + _level(found.group()) + "}"


def _level(text: str) -> str:
    return unicodedata.normalize("NFKC", text).replace("\u2212", "-")


def _vulgar_fraction(found: re.Match[str]) -> str:
    top, _, bottom = unicodedata.normalize("NFKC", found.group()).partition("⁄")
    return rf"\frac{{{top}}}{{{bottom}}}"


def _braced_fraction(found: re.Match[str]) -> str:
    a, b, braced, c, d, braced_below = found.groups()
    if a is not None:
        return rf"\frac{{{a}}}{{{b}}}"
    return rf"\frac{{{braced}}}{{{c}}}" if braced is not None else rf"\frac{{{d}}}{{{braced_below}}}"
