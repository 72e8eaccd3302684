"""langdetect's answer with seed 0, computed faster: the same profiles, the same draws, the same floating-point results.

Shuyo 2010, "Language Detection Library for Java": naive Bayes over character 1- to 3-grams, by random draws of them until
one language has a probability of 0.99999, seven times over. langdetect spends its time on classifying characters one
by one and on multiplying lists; here characters are looked up, and the 55 probabilities are one array.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.plugin import require

SEED = 0
TRIALS, ITERATIONS, CONVERGED = 7, 1000, 0.99999
ALPHA, ALPHA_WIDTH, BASE_FREQUENCY = 0.5, 0.05, 10_000
LONGEST = 10_000
"""Characters that are looked at."""

_URL = re.compile(r"https?://[-_.?&~;+=/#0-9A-Za-z]{1,2076}")
_MAIL = re.compile(r"[-_.0-9A-Za-z]{1,64}@[-_0-9A-Za-z]{1,255}[-_.0-9A-Za-z]{1,255}")
_SPACES = re.compile(" {2,}")
_LATIN = re.compile("[A-z]")
_NOT_LATIN = re.compile("[\u0300-\u1dff\u1f00-\U0010ffff]")

Probabilities = NDArray[np.float64]

WORDS_KEPT = 100_000
"""Words of which the grams are kept, before all are forgotten: bounds the memory on endless text."""


class _Normalized(dict[int, str]):
    """Code point -> the character that langdetect takes it for, found once each."""

    def __init__(self, normalize: Callable[[str], str]) -> None:
        super().__init__()
        self._normalize = normalize

    def __missing__(self, code: int) -> str:
        found = self[code] = self._normalize(chr(code))
        return found


class LanguageDetector:
    """Detects by the profiles that langdetect's factory has loaded."""

    def __init__(self, factory: Any) -> None:
        ngram = require("langdetect.utils.ngram", "if", "a constraint on the language").NGram
        self._profiles: dict[str, list[float]] = factory.word_lang_prob_map
        self._languages: list[str] = factory.langlist
        self._normalize_vietnamese = ngram.normalize_vi
        self._characters = _Normalized(ngram.normalize)
        self._weights: dict[str, Probabilities] = {}
        self._words: dict[str, list[Probabilities]] = {}

    def language(self, text: str) -> str | None:
        """The most probable language; None when the text has no known n-gram."""
        grams = self._grams(self._cleaned(text))
        if not grams:
            return None
        mean = self._mean_probabilities(grams)
        # langdetect names none below a tenth; of equals it takes the later name.
        likely = [(p, name) for p, name in zip(mean.tolist(), self._languages, strict=True) if p > 0.1]
        return max(likely)[1] if likely else "unknown"

    def _cleaned(self, text: str) -> str:
        """Without addresses, and without Latin letters where most letters are of another script."""
        text = _MAIL.sub(" ", _URL.sub(" ", text))
        text = _SPACES.sub(" ", str(self._normalize_vietnamese(text))[:LONGEST])
        if len(_LATIN.findall(text)) * 2 < len(_NOT_LATIN.findall(text)):
            return _LATIN.sub("", text)
        return text

    def _grams(self, text: str) -> list[Probabilities]:
        """The weights of every known 1-, 2- and 3-gram in order. They begin anew at each space, so those of a word are
        the same wherever it stands."""
        found: list[Probabilities] = []
        *words, last = text.translate(self._characters).split(" ")
        if len(self._words) > WORDS_KEPT:
            self._words.clear()
        for word in (*(f"{word} " for word in words if word), last):
            grams = self._words.get(word)
            if grams is None:
                grams = self._words[word] = self._grams_of(word)
            found += grams
        return found

    def _grams_of(self, word: str) -> list[Probabilities]:
        """The weights of a word's grams, with the space before it. A word in capitals is passed over from its second
        letter on, until a letter is small."""
        found: list[Probabilities] = []
        gram, is_capital_word = " ", False
        for character in word:
            last = gram[-1]
            gram = gram[-2:] + character
            if not character.isupper():
                is_capital_word = False
            elif last.isupper():
                is_capital_word = True
            if not is_capital_word:
                parts = (gram[-1:], gram[-2:], gram) if len(gram) == 3 else (gram[-1:], gram)
                found += [w for part in parts if (w := self._weights_of(part)) is not None]
        return found

    def _weights_of(self, gram: str) -> Probabilities | None:
        if gram == " " or gram not in self._profiles:
            return None
        weights = self._weights.get(gram)
        if weights is None:
            weights = self._weights[gram] = np.array(self._profiles[gram])
        return weights

    def _mean_probabilities(self, grams: list[Probabilities]) -> Probabilities:
        draws = random.Random()
        draws.seed(SEED)
        mean = np.zeros(len(self._languages))
        for _ in range(TRIALS):
            alpha = ALPHA + draws.gauss(0.0, 1.0) * ALPHA_WIDTH
            mean += self._trial(grams, draws, alpha / BASE_FREQUENCY) / TRIALS
        return mean

    def _trial(self, grams: list[Probabilities], draws: random.Random, weight: float) -> Probabilities:
        probabilities = np.full(len(self._languages), 1.0 / len(self._languages))
        for i in range(ITERATIONS + 1):
            probabilities *= draws.choice(grams) + weight
            if i % 5 == 0:
                # Summed one by one: numpy adds in another order, and the last bit would differ.
                values = probabilities.tolist()
                total = sum(values)
                probabilities /= total
                if max(values) / total > CONVERGED:
                    break
        return probabilities
