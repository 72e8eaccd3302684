"""The tokens of a formula: numbers, letters, commands, signs, and the words `and` and `or`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from mixwright_runtime.verifiers.math.formulas.values import Unreadable
from mixwright_runtime.verifiers.math.formulas.words import (
    FUNCTIONS,
    JOINING_WORDS,
    PLAIN_COMMANDS,
    SHORT_WORDS,
)
from mixwright_runtime.verifiers.math.units import unit_of


@dataclass(frozen=True)
class Token:
    text: str
    kind: Literal["number", "letter", "command", "sign", "word"]
    is_spaced: bool


_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<command>\\(?:begin|end)\s*\{\s*[a-zA-Z]+\*?\s*\}|\\[A-Za-z]+|\\\\|\\[{}|])"
    r"|(?P<grouped>\d{1,3}(?:,\d{3})+(?![\d,]|\s*,)(?:\.\d+)?|\d{1,3}(?: \d{3})+(?!\d)(?:\.\d+)?)"
    r"|(?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+(?![A-Za-z\d]))?)"
    r"|(?P<letters>[A-Za-z]+)"
    r"|(?P<sign>\*\*|<=|>=|!=|[-+*/^_=<>(){}\[\]|,;:!'%&])"
)
_UNGROUPED = re.compile(r"(?P<number>\d+(?:\.\d+)?)")
OPENING = frozenset("([{") | {r"\{", r"\lfloor", r"\lceil"}
CLOSING = frozenset(")]}") | {r"\}", r"\rfloor", r"\rceil"}
_SEPARATING, _SEPARATING_END = OPENING - {"{"}, CLOSING - {"}"}
"""Brackets in which commas separate; braces only group."""
_PREFIXED = re.compile(
    r"(arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|log|ln|sqrt|exp)([a-zA-Z])"
)
_VALUE_BEFORE, _VALUE_AFTER = re.compile(r"[\w)}] $"), re.compile(r" [\w({\\]")


def tokens_of(text: str) -> list[Token]:
    tokens: list[Token] = []
    at = depth = 0
    is_spaced = False
    while at < len(text):
        found = _TOKEN.match(text, at)
        # In brackets, and where a comma has a space behind it, commas separate.
        if found and found["grouped"] and "," in found["grouped"] and (depth or ", " in text):
            found = _UNGROUPED.match(text, at)
        if found is None:
            raise Unreadable(f"unknown sign {text[at]!r}")
        at = found.end()
        kind, piece = str(found.lastgroup), found.group()
        if kind == "space":
            is_spaced = True
            continue
        if kind == "letters":
            tokens += _letters(piece, is_spaced, before=text[: found.start()], after=text[at:])
        elif kind in ("grouped", "number"):
            tokens.append(Token(piece.replace(",", "").replace(" ", ""), "number", is_spaced))
        else:
            piece = "".join(piece.split())
            piece = PLAIN_COMMANDS.get(piece, piece)
            if piece:
                tokens.append(Token(piece, "command" if kind == "command" else "sign", is_spaced))
                depth += (piece in _SEPARATING) - (piece in _SEPARATING_END)
        is_spaced = False
    return tokens


def _letters(run: str, is_spaced: bool, *, before: str, after: str) -> list[Token]:
    """A run of letters: a function, a word that joins, or a product of letters. Other words are no mathematics."""
    if run in FUNCTIONS:
        return [Token("\\" + FUNCTIONS[run], "command", is_spaced)]
    if run.lower() in ("or", "and"):
        return [Token(run.lower(), "word", is_spaced)]
    prefixed = _PREFIXED.fullmatch(run)
    if prefixed:
        return [
            Token("\\" + FUNCTIONS[prefixed[1]], "command", is_spaced),
            Token(prefixed[2], "letter", False),
        ]
    if len(run) > 1:
        is_joining = run.lower() in JOINING_WORDS and bool(
            _VALUE_BEFORE.search(before) and _VALUE_AFTER.match(after)
        )
        if run.lower() in SHORT_WORDS or len(run) > 3 or is_joining:
            raise Unreadable(f"the word {run!r}")
    if len(run) > 1 and is_spaced and before and not after:
        unit = unit_of(run)
        if unit is not None and not unit.is_count:
            raise Unreadable(f"the unit {run!r}")
    return [Token(letter, "letter", is_spaced and n == 0) for n, letter in enumerate(run)]
