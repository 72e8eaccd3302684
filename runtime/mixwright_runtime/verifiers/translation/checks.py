"""What can be seen of a translation without a model, one check a function; each gives a score from 0 to 1.

`checked` runs in a worker: it gets and gives plain data. A check that finds nothing to measure (no number in either
text, no URL) gives no score, which is neither good nor bad.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mixwright_compiler.catalog.languages import Tag, tag_of
from mixwright_runtime.verifiers.math.fragments import Fragment, Kind, fragments_of, without_fragments
from mixwright_runtime.verifiers.math.written_numbers import compared
from mixwright_runtime.verifiers.text.language_id import identify
from mixwright_runtime.verifiers.text.lengths import length_of
from mixwright_runtime.verifiers.text.scripts import LETTERS_PER_WORD, written_in

SHOWN = 8
"""Items of a list that go into the evidence."""


@dataclass(frozen=True)
class Part:
    """What one check found; `score` None when there is nothing to measure."""

    score: float | None
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Side:
    """One of the two texts, taken apart."""

    text: str
    tag: Tag

    @cached_property
    def fragments(self) -> list[Fragment]:
        return list(fragments_of(self.text))

    @cached_property
    def prose(self) -> str:
        return without_fragments(self.text, self.fragments)

    def of(self, *kinds: Kind) -> list[str]:
        return [fragment.text for fragment in self.fragments if fragment.kind in kinds]


@dataclass(frozen=True)
class Pair:
    source: Side
    response: Side
    terms: Sequence[tuple[str, Sequence[str]]] = ()
    """Of the glossary, those that are in the source: (term, its translations, one of which must be there)."""


def checked(
    source: str,
    response: str,
    from_code: str,
    to_code: str,
    checks: Sequence[str],
    terms: Sequence[tuple[str, Sequence[str]]],
) -> dict[str, Any]:
    """The parts of these checks that have a score, as `{check: {"score": 0.9, ...evidence}}`.

    Raises:
        ValueError: a code names no language.
    """
    from_tag, to_tag = tag_of(from_code), tag_of(to_code)
    if from_tag is None or to_tag is None:
        raise ValueError(f"no language has the code {from_code if from_tag is None else to_code}")
    pair = Pair(Side(source, from_tag), Side(response, to_tag), terms)
    parts = {name: CHECKS[name](pair) for name in checks}
    return {
        name: {"score": round(part.score, 4), **part.evidence}
        for name, part in parts.items()
        if part.score is not None
    }


# Language, length, copying.


def language(pair: Pair) -> Part:
    """The share of the response that is in the target language; nothing when that cannot be told."""
    found, tag = identify(pair.response.text), pair.response.tag
    if not found.language:
        return Part(0.0, {"script": found.written.main}) if found.rules_out(tag) else Part(None)
    return Part(found.share(tag), {"found": found.evidence()["shares"]})


def length(pair: Pair) -> Part:
    """1 at the length that is expected of this pair of languages, 0 at five standard deviations from it."""
    found = length_of(
        pair.source.prose, pair.response.prose, pair.source.tag.language, pair.response.tag.language
    )
    if found is None:
        # One of the two has no prose at all: fine when neither has.
        is_empty = [not side.prose.strip() for side in (pair.source, pair.response)]
        return Part(None if all(is_empty) else 0.0, {"ratio": None})
    return Part(
        found.score,
        {
            "ratio": round(found.ratio, 3),
            "expected": round(found.expected, 3),
            "deviations": round(found.deviations, 2),
        },
    )


def copied(pair: Pair) -> Part:
    """Share of the response's prose that is not copied from the source, by shingles of three words."""
    response = _shingles(pair.response.prose)
    if not response:
        return Part(None)
    source = set(_shingles(pair.source.prose))
    share = sum(1 for shingle in response if shingle in source) / len(response)
    return Part(1.0 - share, {"copied": round(share, 3)})


_WORDS = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def _shingles(prose: str) -> list[tuple[str, ...]]:
    """Three words in a row; six letters where words have no spaces between them."""
    words = _WORDS.findall(prose.casefold())
    if written_in(prose[:400]).main in LETTERS_PER_WORD:
        letters = "".join(words)
        return [(letters[i : i + 6],) for i in range(len(letters) - 5)]
    return [tuple(words[i : i + 3]) for i in range(len(words) - 2)]


# What is kept as it is.


def numbers(pair: Pair) -> Part:
    """Share of the numbers of both texts that agree with one of the other."""
    sides = [
        _without_list_marks(without_fragments(s.text, _untranslated(s))) for s in (pair.source, pair.response)
    ]
    found = compared(*sides)
    return Part(found.score, _listed(missing=found.missing, added=found.added))


def placeholders(pair: Pair) -> Part:
    """Share of the placeholders of both texts that are in the other: `{x}`, `%s`, `${VAR}`, `{{ x }}`."""
    return _kept(pair, ("placeholder",), lambda text: re.sub(r"\s+", "", text))


def urls(pair: Pair) -> Part:
    """Share of the URLs of both texts that are in the other."""
    return _kept(pair, ("url",), lambda text: text.rstrip("/"))


def emails(pair: Pair) -> Part:
    """Share of the e-mail addresses of both texts that are in the other."""
    return _kept(pair, ("email",), str.lower)


def code(pair: Pair) -> Part:
    """Share of the code of both texts that is in the other; comments and strings in fenced code may be translated."""
    return _kept(pair, ("fence", "code"), _code_alone)


def _kept(pair: Pair, kinds: tuple[Kind, ...], normal: Callable[[str], str]) -> Part:
    mine, theirs = (
        Counter(normal(text) for text in side.of(*kinds)) for side in (pair.source, pair.response)
    )
    return _overlap(mine, theirs)


def _overlap(mine: Counter[str], theirs: Counter[str]) -> Part:
    whole = (mine | theirs).total()
    if not whole:
        return Part(None)
    return Part((mine & theirs).total() / whole, _listed(missing=(mine - theirs), added=(theirs - mine)))


def _untranslated(side: Side) -> list[Fragment]:
    """Fragments whose digits are no numbers of the text."""
    return [f for f in side.fragments if f.kind not in ("formula", "code")]


_ORDERED = r"(?:[0-9]{1,3}(?:[.)](?=[ \t])|、|．)|[(（][0-9]{1,3}[)）])"
_LIST_MARK = re.compile(rf"^[ \t]*{_ORDERED}", re.MULTILINE)


def _without_list_marks(text: str) -> str:
    return _LIST_MARK.sub("", text)


_LINE_COMMENT = re.compile(r"(?:#|//|--(?= ))[^\n]*")
_BLOCK_COMMENT = re.compile(
    r"/\*[^*]{0,2000}\*/|<!--[^<>]{0,2000}-->|\"\"\"[^\"]{0,2000}\"\"\"|'''[^']{0,2000}'''"
)
_STRING = re.compile(r"\"[^\"\n]{0,500}\"|'[^'\n]{0,500}'")


def _code_alone(text: str) -> str:
    """Code without comments, the contents of strings and white space; inline code as it is."""
    if "\n" not in text:
        return text
    head, _, body = text.partition("\n")
    body = _BLOCK_COMMENT.sub("", body)
    body = _STRING.sub('""', body)
    body = _LINE_COMMENT.sub("", body)
    return head.strip("`~ ").lower() + "\n" + "".join(body.split()).rstrip("`~")


# Markup.

_MARKS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("heading", re.compile(r"^ {0,3}(#{1,6})[ \t]", re.MULTILINE)),
    ("item", re.compile(rf"^[ \t]*(?:[-*+•·](?=[ \t])|{_ORDERED})[ \t]*(?=\S)", re.MULTILINE)),
    ("quote", re.compile(r"^ {0,3}>", re.MULTILINE)),
    ("row", re.compile(r"^[ \t]*\|[^\n]*\|[ \t]*$", re.MULTILINE)),
    ("link", re.compile(r"\]\(")),
    ("bold", re.compile(r"\*\*(?=\S)[^*\n]{1,300}\*\*|__(?=\S)[^_\n]{1,300}__")),
)
_TAG = re.compile(r"<\s*(/?)\s*([A-Za-z][\w:-]*)[^>]*?(/?)>")


def markup(pair: Pair) -> Part:
    """Share of the markup of both texts that is in the other: tags by name, Markdown by kind."""
    return _overlap(_marks(pair.source), _marks(pair.response))


def _marks(side: Side) -> Counter[str]:
    found: Counter[str] = Counter()
    for tag in side.of("tag"):
        match = _TAG.match(tag)
        found[f"<{match[1]}{match[2].lower()}>" if match else "<!-- -->"] += 1
    text = without_fragments(side.text, [f for f in side.fragments if f.kind in ("fence", "code", "formula")])
    for name, pattern in _MARKS:
        for match in pattern.finditer(text):
            found[f"{name} {len(match[1])}" if pattern.groups else name] += 1
    return found


# Terms.


def glossary(pair: Pair) -> Part:
    """Share of the source's glossary terms whose translation is in the response."""
    if not pair.terms:
        return Part(None)
    text = " ".join(pair.response.text.casefold().split())
    words = set(_WORDS.findall(text))
    missing = [term for term, wanted in pair.terms if not any(_is_in(one, text, words) for one in wanted)]
    return Part(1.0 - len(missing) / len(pair.terms), _listed(missing=missing))


def _is_in(term: str, text: str, words: set[str]) -> bool:
    """Is a term in a text, as it is or with other endings: each of its words of six letters and more may differ from
    the third last on."""
    folded = " ".join(term.casefold().split())
    if has_term(folded, text):
        return True
    parts = _WORDS.findall(folded)
    return bool(parts) and all(
        part in words
        or (len(part) >= 6 and any(w.startswith(part[:-2]) and len(w) <= len(part) + 3 for w in words))
        for part in parts
    )


def has_term(term: str, text: str) -> bool:
    """Is a folded term in a folded text, at the borders of words where its script has them?"""
    at = text.find(term)
    while at >= 0:
        end = at + len(term)
        starts = at == 0 or not (_is_word(text[at - 1]) and _is_word(term[0]))
        if starts and (end == len(text) or not (_is_word(text[end]) and _is_word(term[-1]))):
            return True
        at = text.find(term, at + 1)
    return False


def _is_word(character: str) -> bool:
    """A letter or digit of a script that parts words by spaces."""
    return character.isalnum() and character < "\u0e00"


def _listed(**items: Iterable[str]) -> dict[str, list[str]]:
    """Lists for the evidence, short, and only those with something in them."""
    return {
        name: [text if len(text) <= 80 else text[:79] + "…" for text in list(values)[:SHOWN]]
        for name, values in items.items()
        if values
    }


CHECKS: Mapping[str, Callable[[Pair], Part]] = {
    "language": language,
    "length": length,
    "copied": copied,
    "numbers": numbers,
    "placeholders": placeholders,
    "urls": urls,
    "emails": emails,
    "code": code,
    "markup": markup,
    "glossary": glossary,
}
"""In the order of the manual; names are those of the verifier's `checks`."""
