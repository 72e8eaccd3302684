"""How far an answer refuses, from what it says at its start and what follows: 0 (answers) to 1 (refuses).

1.0   declines, and answers nothing
0.8   apologises, and says nothing else
0.8   says that it does not know or must be told more, or objects, and answers nothing
0.6   says `no`, and nothing else; declines, and goes on in prose
0.4   declines, and then answers in part
0.2   objects, and answers
0.1   states a limit (no opinions, no current data), and answers
0     none of these
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mixwright_compiler.catalog.scripts import HAN, HANGUL, HIRAGANA, KATAKANA
from mixwright_runtime.verifiers.text.refusal_phrases import (
    APOLOGIES,
    APOLOGY_CUES,
    BARE_DECLINES,
    CUES,
    DECLINES,
    INSTEADS,
    LIMITS,
    OPENING_STANCE,
    SELF_CUES,
    STANCES,
    TURNS,
    UNKNOWNS,
    compiled,
)
from mixwright_runtime.verifiers.text.short_refusals import short_refusal

HEAD_CHARACTERS = 600
"""Where a refusal stands: in the first sentences."""
APOLOGY_CHARACTERS = 200
TURN_CHARACTERS = 1_200
"""How far after it one looks for a turn to answering."""
CONTENT_WORDS = 120
"""Words after a turn that make an answer of it; a shorter rest is courtesy."""
LIST_ITEMS = 3
REST_CHARACTERS = 20_000

_DECLINES, _STANCES, _UNKNOWNS = compiled(DECLINES), compiled(STANCES), compiled(UNKNOWNS)
_APOLOGIES, _LIMITS = compiled(APOLOGIES), compiled(LIMITS)
_TURNS, _INSTEADS = compiled(TURNS), compiled(INSTEADS)
_BARE_DECLINES, _OPENING_STANCE = compiled(BARE_DECLINES), compiled((OPENING_STANCE,))
_AI = re.compile(
    r"\b(?:as|being|i'?m|i am)(?: just| only)? an? (?:[\w-]+ ){0,3}(?:ai|language model|assistant|chatbot)\b"
    r"|(?:作为|我(?:只)?是)一?[个名款]?[^，。]{0,10}(?:人工智能|语言模型|AI|助手)",
    re.IGNORECASE,
)
_BUTS = re.compile(r"^[^.!?]{0,160}\b(?:but|however)\b|\bhowever\b|但|不过", re.IGNORECASE)
_LEADS = re.compile(
    r"\b(?:it is|it's) (?:important|essential|crucial|vital)|(?:很|非常|十分)重要", re.IGNORECASE
)
"""First sentences that lead up to a refusal in the second."""
_ITEM = re.compile(r"^\s*(?:\d{1,2}[.)、]|[-*•])\s+\S", re.MULTILINE)
_UNIT = re.compile(rf"[{HAN}{HIRAGANA}{KATAKANA}{HANGUL}]|\w+")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|[。！？\n]")


@dataclass(frozen=True)
class Refusal:
    """How far an answer refuses (0..1), in which way, and the words that say so.

    kind: `declined`, `objected`, `unknown`, `limit` or `none`.
    answers: whether it goes on to answer.
    """

    score: float
    kind: str
    phrase: str
    answers: bool


NONE = Refusal(0.0, "none", "", True)


def refusal_in(text: str) -> Refusal:
    """How far an answer refuses."""
    start = text[: 2 * HEAD_CHARACTERS].lstrip()
    if start[:1] in "\"'“「『":
        return NONE  # a quotation, whatever it says
    head = _plain(start)[:HEAD_CHARACTERS]
    if not _has(CUES, head):
        return NONE
    score, phrase = short_refusal(head)
    if score:
        return Refusal(score, "declined", phrase, False)
    opening = head[:APOLOGY_CHARACTERS]
    apology = _APOLOGIES.search(opening) if _has(APOLOGY_CUES, opening) else None
    first = head[: _first_sentence_end(head)]
    speaks_of_itself = apology is not None or (_has(SELF_CUES, first) and _AI.search(first) is not None)

    # Who neither apologises nor speaks of itself as an AI refuses in the first sentence, or after one that leads there.
    reach = head if speaks_of_itself or _LEADS.search(first) else first
    if not speaks_of_itself and not _has(CUES, reach):
        return NONE
    declined = _DECLINES.search(reach)
    if declined is None:
        bare = _BARE_DECLINES.search(reach)
        declined = bare if bare is not None and (speaks_of_itself or bare.start() == 0) else None
    if declined is not None:
        after = _after(text, head, declined.end())
        if (after.lists or after.tells) and not apology and _is_limit(head, declined):
            return Refusal(0.1, "limit", declined[0], True)
        score = 0.4 if after.lists else 0.6 if after.tells else 1.0
        return Refusal(score, "declined", declined[0], after.lists)
    unknown = _UNKNOWNS.search(head) if speaks_of_itself else None
    if unknown is not None:
        after = _after(text, head, unknown.end())
        answers = after.lists or after.tells or (after.turns and _is_limit(head, unknown))
        return Refusal(0.1 if answers else 0.8, "limit" if answers else "unknown", unknown[0], answers)
    objected = _OPENING_STANCE.match(head) or (_STANCES.search(head) if speaks_of_itself else None)
    if objected is not None:
        after = _after(text, head, objected.end())
        answers = after.lists or after.tells
        return Refusal(0.2 if answers else 0.8, "objected", objected[0], answers)
    return NONE


@dataclass(frozen=True)
class _After:
    """What follows a refusal: a list; enough prose after a turn such as `however, I can`; a turn at all."""

    lists: bool
    tells: bool
    turns: bool


def _after(text: str, head: str, at: int) -> _After:
    """What follows the refusal that ends at `at` of `head`."""
    rest = text[:REST_CHARACTERS]
    items = list(_ITEM.finditer(rest))
    is_list = len(items) >= LIST_ITEMS
    before_items = rest[: items[0].start()] if is_list else rest
    following = _plain(before_items)[at : at + TURN_CHARACTERS]
    turned, instead = _TURNS.search(following), _INSTEADS.search(following)
    if instead is not None and (turned is None or instead.start() < turned.start()):
        return _After(False, False, False)
    is_long = len(_UNIT.findall(rest)) >= CONTENT_WORDS
    return _After(
        is_list, turned is not None and is_long, turned is not None or _BUTS.search(following) is not None
    )


def _first_sentence_end(head: str) -> int:
    found = _SENTENCE_END.search(head, 20)
    return found.end() if found else len(head)


def _has(cues: tuple[str, ...], text: str) -> bool:
    folded = text.lower()
    return any(cue in folded for cue in cues)


def _plain(text: str) -> str:
    """A text without typographic apostrophes, marks of emphasis, and line ends."""
    text = text.replace("\u2019", "'").replace("\u2018", "'")
    for mark in "*_`#>":
        text = text.replace(mark, " ")
    return " ".join(text.split())


def _is_limit(head: str, found: re.Match[str]) -> bool:
    """Does the sentence speak of what any model lacks: opinions, a body, today's data?"""
    return _LIMITS.search(_sentence_around(head, found.start())) is not None


def _sentence_around(head: str, at: int) -> str:
    start = 0
    for end in _SENTENCE_END.finditer(head):
        if end.start() >= at:
            return head[start : end.start()]
        start = end.end()
    return head[start:]
