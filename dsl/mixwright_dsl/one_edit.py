"""The one token that is wrong: where a single edit makes a declaration parse, that edit is all there is to say.

A bracket too many, too few or of the wrong kind makes most of what follows it wrong as well. Before several findings
are reported for a declaration, every edit of one token that could be the mistake is tried, the likelier first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mixwright_dsl.brackets import NAMES, SIGNS, Nesting, missing_closer
from mixwright_dsl.diagnostic import Diagnostic, Edit, Fix, error
from mixwright_dsl.grammar import CLOSERS, OPENERS
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.nodes import Statement
from mixwright_dsl.source import SourceFile
from mixwright_dsl.stuck import Stuck, TooDeep, described
from mixwright_dsl.tokens import Token

MOST_TOKENS = 40_000
"""Tokens parsed in search of the edit: a sixth of a second."""

LONGEST_CHUNK = 4_000
"""Tokens of a declaration in which an edit is looked for."""

MOST_LINES = 12
"""Lines whose brackets look wrong that are tried; with more, several things are wrong."""

Parsed = tuple[tuple[Statement, ...], list[Diagnostic]]

FILLERS = (("_COMMA", ","), ("NAME", "_"), ("_EQUAL", "="), ("QUANTITY", "0"))
"""What may have stood where a bracket stands now."""


@dataclass(frozen=True)
class _Edit:
    """`tokens[start:end]` become `new`, which is one token or none."""

    start: int
    end: int
    new: tuple[str, str] | None

    def applied(self, tokens: list[Token]) -> list[Token]:
        if self.new is None:
            return tokens[: self.start] + tokens[self.end :]
        like = tokens[min(self.start, len(tokens) - 1)]
        return [*tokens[: self.start], like.as_other(*self.new), *tokens[self.end :]]


def one_edit(
    source: SourceFile,
    tokens: list[Token],
    parse_tokens: Callable[[list[Token]], Parsed],
    first: Diagnostic,
    stuck: int | None,
) -> Parsed | None:
    """The statements of a declaration and its one mistake; None when no edit of one token makes it parse.

    `first` is what was found where the parser stuck first, at `stuck`, or None when brackets do not balance.
    """
    if len(tokens) > LONGEST_CHUNK:
        return None
    budget = MOST_TOKENS
    nesting = Nesting(tokens)
    candidates = _around(stuck, tokens) if stuck is not None else _of_brackets(tokens)
    seen: set[_Edit] = set()
    for edit in candidates:
        if edit in seen:
            continue
        seen.add(edit)
        if not nesting.is_balanced_with(edit.start, edit.end, edit.new and edit.new[0]):
            continue
        edited = edit.applied(tokens)
        budget -= len(edited)
        if budget < 0:
            return None
        try:
            statements, problems = parse_tokens(edited)
        except (Stuck, TooDeep):
            continue
        if problems:
            continue
        return statements, [first if stuck is not None else _told(source, tokens, edit)]
    return None


def _around(stuck: int, tokens: list[Token]) -> Iterator[_Edit]:
    """Edits of the token where the parser stuck and of the one before it."""
    for index in (stuck, stuck - 1):
        if 0 <= index < len(tokens) and tokens[index].type != "_NL":
            yield _Edit(index, index + 1, ("_COMMA", ","))
            yield _Edit(index, index + 1, None)
            yield from (_Edit(index, index + 1, new) for new in FILLERS[1:])
            yield from (_Edit(index, index + 1, ("COMPARE", "==")) for _ in "1")
    if 0 <= stuck <= len(tokens):
        yield from (_Edit(stuck, stuck, new) for new in FILLERS)


def _of_brackets(tokens: list[Token]) -> Iterator[_Edit]:
    """Edits that put brackets right: in lines whose own brackets do not fit first, then of any bracket."""
    lines = list(_lines(tokens))
    odd = [line for line in lines if _is_odd(tokens, *line)]
    if len(odd) > MOST_LINES:
        return
    for start, end in odd:
        yield from _at_the_edges(tokens, start, end)
    brackets = [i for i, token in enumerate(tokens) if token.type in SIGNS]
    for start, end in odd:
        yield from _any_bracket([i for i in brackets if start <= i < end], tokens)
    for start, end in lines:
        for index in {start, end - 1} if end > start else ():
            if tokens[index].type not in SIGNS:
                yield from (_Edit(index, index + 1, new) for new in SIGNS.items())
    yield from _any_bracket(brackets, tokens)
    for start, end in odd:
        for index in range(start, end + 1):
            yield from (_Edit(index, index, new) for new in SIGNS.items())
            if index < end and tokens[index].type not in SIGNS:
                yield from (_Edit(index, index + 1, new) for new in SIGNS.items())


def _at_the_edges(tokens: list[Token], start: int, end: int) -> Iterator[_Edit]:
    """An opener before the line, a closer at its end, but before its comma."""
    yield from (_Edit(start, start, (kind, SIGNS[kind])) for kind in OPENERS)
    last = end - 1 if tokens[end - 1].type == "_COMMA" else end
    yield from (_Edit(last, last, (kind, SIGNS[kind])) for kind in CLOSERS)


def _any_bracket(indexes: list[int], tokens: list[Token]) -> Iterator[_Edit]:
    for index in reversed(indexes):
        yield _Edit(index, index + 1, None)
    for index in indexes:
        same = OPENERS if tokens[index].type in OPENERS else CLOSERS
        others = [kind for kind in SIGNS if kind != tokens[index].type]
        others.sort(key=lambda kind: kind not in same)
        yield from (_Edit(index, index + 1, (kind, SIGNS[kind])) for kind in others)
        yield from (_Edit(index, index + 1, new) for new in FILLERS)


def _lines(tokens: list[Token]) -> Iterator[tuple[int, int]]:
    """Start and end of each line that has tokens."""
    start = 0
    for index, token in enumerate(tokens):
        if token.type == "_NL":
            if index > start:
                yield start, index
            start = index + 1
    if start < len(tokens):
        yield start, len(tokens)


def _is_odd(tokens: list[Token], start: int, end: int) -> bool:
    """Does a bracket have no partner on the line, though it neither ends the line nor begins it?"""
    openers: list[int] = []
    for index in range(start, end):
        kind = tokens[index].type
        if kind in OPENERS:
            openers.append(index)
        elif kind in CLOSERS:
            if openers and tokens[openers[-1]].type == CLOSERS[kind]:
                openers.pop()
            elif openers or any(tokens[i].type not in CLOSERS for i in range(start, index)):
                return True
    return any(tokens[i].type not in OPENERS for index in openers for i in range(index, end))


def _told(source: SourceFile, tokens: list[Token], edit: _Edit) -> Diagnostic:
    """The finding for a bracket that one edit puts right."""
    if edit.start == edit.end:
        assert edit.new is not None
        return _missing(source, tokens, edit.start, edit.new[0])
    old = tokens[edit.start]
    span = source.span(old.start_pos, old.end_pos)
    if edit.new is None:
        fix = Fix(f"remove the `{old}`", (Edit(span, ""),))
        return error("MIX001", f"unexpected `{old}`", span, "one too many", hint="remove it", fix=fix)
    kind, sign = edit.new
    if kind in SIGNS:
        fix = Fix(f"write `{sign}`", (Edit(span, sign),))
        message = f"unexpected {described(old)}"
        return error("MIX001", message, span, f"expected `{sign}`", hint=f"write `{sign}`", fix=fix)
    words = {"_COMMA": "`,`", "NAME": "a name", "_EQUAL": "`=`", "QUANTITY": "a value"}[kind]
    return error("MIX001", f"unexpected `{old}`", span, f"expected {words}")


def _missing(source: SourceFile, tokens: list[Token], index: int, kind: str) -> Diagnostic:
    sign = SIGNS[kind]
    if kind in OPENERS:
        at = tokens[index].start_pos
        place = source.span(at, at)
        message = f"`{sign}` is missing: the {NAMES[kind]} closed on this line is opened nowhere"
        space = " " if kind == "LBRACE" else ""
        fix = Fix(f"add `{sign}`", (Edit(place, sign + space),))
        return error("MIX001", message, place, "missing here", hint=f"add `{sign}`", fix=fix)
    stack: list[Token] = []
    for token in tokens[:index]:
        if token.type in OPENERS:
            stack.append(token)
        elif token.type in CLOSERS and stack:
            stack.pop()
    return missing_closer(
        source, stack[-1] if stack else tokens[0], tokens[index - 1], is_before_line_end=False
    )
