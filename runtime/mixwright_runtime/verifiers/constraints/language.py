"""The language of a text by langdetect (extra `if`), always with the same seed: unseeded it answers by chance."""

from __future__ import annotations

from copy import copy
from functools import cache
from typing import Any

from mixwright_runtime.errors import require
from mixwright_runtime.verifiers.constraints.scripts import script_language

SEED = 0

LANGUAGE_NAMES = {
    "en": "English", "es": "Spanish", "pt": "Portuguese", "ar": "Arabic", "hi": "Hindi", "fr": "French",
    "ru": "Russian", "de": "German", "ja": "Japanese", "it": "Italian", "bn": "Bengali", "uk": "Ukrainian",
    "th": "Thai", "ur": "Urdu", "ta": "Tamil", "te": "Telugu", "bg": "Bulgarian", "ko": "Korean", "pl": "Polish",
    "he": "Hebrew", "fa": "Persian", "vi": "Vietnamese", "ne": "Nepali", "sw": "Swahili", "kn": "Kannada",
    "mr": "Marathi", "gu": "Gujarati", "pa": "Punjabi", "ml": "Malayalam", "fi": "Finnish", "zh": "Chinese",
    "el": "Greek", "tr": "Turkish", "nl": "Dutch", "ro": "Romanian",
}  # fmt: skip
"""ISO 639-1 code -> English name: the 30 languages of IFEval, and five more."""


def detected(text: str) -> str | None:
    """langdetect's code (`en`, `zh-cn`); None when the text has nothing to tell by."""
    detector = _factory().create()
    detector.append(text)
    errors = require("langdetect.lang_detect_exception", "if", "a constraint on the language")
    try:
        return str(detector.detect())
    except errors.LangDetectException:
        return None


def language_of(text: str) -> str | None:
    """The two-letter code of a text's language. A script that one language alone uses decides without statistics, and
    text in capitals is judged in small letters, which the profiles are made of."""
    by_script = script_language(text)
    if by_script:
        return by_script
    found = detected(text.lower())
    return None if found is None else found.partition("-")[0]


@cache
def _factory() -> Any:
    """langdetect's factory with its profiles, and a seed that no other user of the package sees."""
    langdetect = require("langdetect.detector_factory", "if", "a constraint on the language")
    langdetect.init_factory()
    factory = copy(langdetect._factory)
    factory.seed = SEED
    return factory
