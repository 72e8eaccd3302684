"""The declarations of a text, and the part of them that one place hangs on: its own, and all that this one names, by
way of others too.

What is known of a place is the same in this part alone, and a mistake outside it does not count. Which names a
declaration may mean is told from its words, so the part is never too small.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from mixwright_compiler.bind.remembered import EVERYWHERE
from mixwright_dsl.grammar import CLOSERS, OPENERS, lex
from mixwright_dsl.recovery import split
from mixwright_dsl.tokens import number_lines

READ_BY_USERS = ("template", "operator", "fragment")
"""Declarations whose columns are those of the steps that name them."""
MOST_REMEMBERED = 4096
"""Chosen: declarations of which is known what they look like, for the next keystroke."""

_BEGINNING = re.compile(r"^(?=[A-Za-z_])", re.MULTILINE)
_LIKE_AN_ATTRIBUTE = re.compile(r"\w+[ \t]*[=:.]")


@dataclass(frozen=True)
class Declaration:
    """A statement of the file, from `start` on."""

    start: int
    text: str

    @property
    def kind(self) -> str:
        return _look(self.text).kind

    @property
    def name(self) -> str:
        return _look(self.text).name

    @property
    def words(self) -> frozenset[str]:
        return _look(self.text).words


def part_of(text: str, offset: int) -> list[Declaration]:
    """The declarations of this part, in the order of the text."""
    declarations = declarations_of(text)
    at = next((d for d in reversed(declarations) if d.start <= offset), None)
    by_name: dict[str, list[Declaration]] = defaultdict(list)
    for declaration in declarations:
        by_name[declaration.name].append(declaration)
    kept: set[Declaration] = set()
    ahead = [d for d in declarations if d.kind in EVERYWHERE] + _with_users(at, declarations)
    while ahead:
        declaration = ahead.pop()
        if declaration not in kept:
            kept.add(declaration)
            ahead += [d for word in declaration.words & by_name.keys() for d in by_name[word]]
    return [declaration for declaration in declarations if declaration in kept]


def _with_users(at: Declaration | None, declarations: Iterable[Declaration]) -> list[Declaration]:
    """The declaration at a place, and what may use it, where its columns are theirs."""
    found = [] if at is None else [at]
    for used in found:
        if used.kind in READ_BY_USERS:
            found += [d for d in declarations if used.name in d.words and d not in found]
    return found


def declarations_of(text: str) -> list[Declaration]:
    """The whole text, cut where the parser cuts one that has mistakes."""
    pieces = _cut(text, (match.start() for match in _BEGINNING.finditer(text)))
    looks = [_look(piece.text) for piece in pieces]
    is_exact = all(look.is_whole for look in looks)
    if not is_exact:
        # As `split` does, which reads the whole text: brackets that do not balance end with a declaration.
        has_lost_end = any(look.is_open for look in looks) or sum(look.depth for look in looks) == 0
        is_exact = not has_lost_end and not any(_LIKE_AN_ATTRIBUTE.match(piece.text) for piece in pieces)
    if is_exact:
        return pieces
    return _cut(text, (chunk[0].start_pos for chunk in split(number_lines(lex(text)))))


def _cut(text: str, starts: Iterable[int]) -> list[Declaration]:
    bounds = sorted({0, *starts, len(text)})
    return [Declaration(start, text[start:end]) for start, end in pairwise(bounds)]


@dataclass(frozen=True)
class _Look:
    """depth: brackets that it opens and does not close. is_whole: each has its partner in it. is_open: a heredoc does not
    end in it."""

    kind: str
    name: str
    words: frozenset[str]
    depth: int
    is_whole: bool
    is_open: bool


@lru_cache(MOST_REMEMBERED)
def _look(text: str) -> _Look:
    tokens = lex(text)
    depth = lowest = 0
    for token in tokens:
        depth += (token.type in OPENERS) - (token.type in CLOSERS)
        lowest = min(lowest, depth)
    is_open = any(token.type == "OPEN_HEREDOC" for token in tokens)
    written = [token for token in tokens if token.type != "_NL"][:2]  # a file may begin with comments
    kind, name = ([str(token) if token.type == "NAME" else "" for token in written] + ["", ""])[:2]
    words = frozenset(re.findall(r"\w+", text))
    return _Look(kind, name, words, depth, depth == lowest == 0 and not is_open, is_open)
