"""How long a translation is expected to be, and how far one is from that.

Expected is a ratio of code points between two languages, log-normal about its mean. The figures are measured on
parallel text: XQuAD (Artetxe et al. 2020; 240 paragraphs and 1,190 questions in twelve languages) and MGSM (Shi et al.
2023; 250 problems) for Bengali, French, Japanese, Swahili and Telugu. A short text varies more than a long one, and the
variance is that of both sizes: `spread² + SHORT² / characters`, characters of the text as if it were English.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from mixwright_compiler.catalog.languages import Language

SHORT = 1.2
"""From the spreads of XQuAD's questions (61 characters: 0.13 to 0.23) and paragraphs (785: 0.05 to 0.16)."""

_MEASURED = {
    "en": (0.0, 0.05),
    "ar": (-0.136, 0.08),
    "bn": (0.002, 0.08),
    "de": (0.128, 0.05),
    "el": (0.130, 0.05),
    "es": (0.120, 0.05),
    "fr": (0.102, 0.08),
    "hi": (-0.022, 0.06),
    "ja": (-0.754, 0.14),
    "ro": (0.114, 0.06),
    "ru": (0.080, 0.07),
    "sw": (0.098, 0.07),
    "te": (0.102, 0.08),
    "th": (-0.062, 0.09),
    "tr": (0.003, 0.06),
    "vi": (0.024, 0.07),
    "zh": (-1.133, 0.15),
}
"""Language -> mean of log(characters / characters in English), and the spread that long texts have."""

_BY_SCRIPT = {
    "Hani": (-1.133, 0.25),
    "Hang": (-0.7, 0.3),
    "Arab": (-0.136, 0.2),
    "Hebr": (-0.2, 0.25),
    "Thai": (-0.062, 0.2),
    "Laoo": (-0.062, 0.3),
    "Khmr": (0.0, 0.3),
    "Mymr": (0.1, 0.3),
}
"""For languages that were not measured: those of the measured language with that script, or a guess, and wide."""

_OTHER = (0.08, 0.2)
"""Any other alphabet: about the mean of the measured ones, and wide enough for all of them."""


@dataclass(frozen=True)
class Length:
    """A translation's length beside the expected one.

    deviations: how many standard deviations it is off; negative is too short. is_measured: the expectation is from
    parallel text in both languages.
    """

    ratio: float
    expected: float
    deviations: float
    is_measured: bool

    @property
    def score(self) -> float:
        """1 at the expected length, 0 at five standard deviations and beyond."""
        return max(0.0, 1.0 - abs(self.deviations) / 5)


def length_of(
    source: str, response: str, source_language: Language, target_language: Language
) -> Length | None:
    """How the length of a translation compares; runs of white space count as one. None when a text is empty."""
    mine, theirs = len(" ".join(source.split())), len(" ".join(response.split()))
    if not mine or not theirs:
        return None
    from_mean, from_spread = _expected(source_language)
    to_mean, to_spread = _expected(target_language)
    as_english = mine / math.exp(from_mean)
    spread = math.sqrt(from_spread**2 + to_spread**2 + SHORT**2 / as_english)
    off = math.log(theirs / mine) - (to_mean - from_mean)
    return Length(
        theirs / mine,
        math.exp(to_mean - from_mean),
        off / spread,
        source_language.code in _MEASURED and target_language.code in _MEASURED,
    )


def _expected(language: Language) -> tuple[float, float]:
    measured = _MEASURED.get(language.code)
    if measured is not None:
        return measured
    return next((_BY_SCRIPT[s] for s in language.scripts if s in _BY_SCRIPT), _OTHER)
