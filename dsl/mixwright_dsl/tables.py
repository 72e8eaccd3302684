"""The tables of the grammar as plain data, and the loops that lex and parse by them.

Lark reads the grammar, finds its conflicts and computes the tables (`mixwright_dsl.grammar_tables`), which are committed
as `grammar.json`. So nothing that runs imports lark: its import and its tables took 65 of the 260 ms of CPU time of a
check of the quickstart, and its loops twice the time of these.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from mixwright_dsl.tokens import Token

Build: TypeAlias = Callable[[list[Any]], Any]
END = "$END"
LONG = ("_NL", "HEREDOC", "OPEN_HEREDOC")
"""Terminals that go over several lines."""


class Rule(NamedTuple):
    """A rule of the grammar: how many symbols it takes off the stack, and what is made of them.

    kept: the symbols that are passed on, by their place, and whether what they hold is spliced in.
    method: of the tree builder; where it has none of that name, the parts are the value.
    is_transparent: a single part stands for the whole.
    """

    origin: str
    size: int
    kept: tuple[tuple[int, bool], ...]
    method: str
    is_transparent: bool


class Tables(NamedTuple):
    """A grammar's terminals and states.

    pattern: white space and what is behind it, every terminal as a group of its name.
    keywords: texts of `NAME` that are terminals of their own.
    states: of each symbol the state that follows, or `~rule` of the rule that is reduced; the first is the start.
    end: the state in which the whole has been read.
    """

    pattern: str
    keywords: dict[str, str]
    rules: list[Rule]
    states: list[dict[str, int]]
    end: int


def tables_from_json(text: str) -> Tables:
    """The tables as `mixwright_dsl.grammar_tables` wrote them."""
    fields = json.loads(text)
    fields["rules"] = [
        Rule(origin, size, tuple(map(tuple, kept)), method, is_transparent)
        for origin, size, kept, method, is_transparent in fields["rules"]
    ]
    return Tables(**fields)


class Stopped(Exception):
    """No rule takes the token at `index`; `stack` holds the states in which the parser was."""

    def __init__(self, index: int, stack: list[int]) -> None:
        super().__init__(index)
        self.index = index
        self.stack = stack


class Machine:
    """Lexes and parses by tables; what its rules make is made by the methods of a tree builder."""

    def __init__(self, tables: Tables, builder: object) -> None:
        self.tables = tables
        self._scan = re.compile(tables.pattern).finditer
        self._reductions = [(rule.size, rule.origin, _build(rule, builder)) for rule in tables.rules]

    def lex(self, text: str) -> list[Token]:
        """The tokens of a text that every terminal together takes whole."""
        keywords = self.tables.keywords
        tokens: list[Token] = []
        new = str.__new__
        line, line_start = 1, 0
        for match in self._scan(text):
            kind: Any = match.lastgroup
            start, end = match.span(kind)
            if kind == "_NL":
                start = match.start()  # the white space before it is a part of it
            word = text[start:end]
            if kind == "NAME":
                kind = keywords.get(word, kind)
            # As `Token(…)`, whose call would be a third of the time.
            token = new(Token, word)
            token.type, token.line = kind, line
            token.start_pos, token.end_pos = start, end
            token.column = start - line_start + 1
            tokens.append(token)
            if kind in LONG and (breaks := word.count("\n")):
                line += breaks
                line_start = start + word.rindex("\n") + 1
        return tokens

    def parse(self, tokens: list[Token]) -> Any:
        """What the start rule makes of all the tokens.

        Raises:
            Stopped: the grammar does not allow a token, or the end.
        """
        table, reductions = self.tables.states, self._reductions
        states: list[int] = [0]
        values: list[Any] = []
        for index in range(len(tokens) + 1):
            token = tokens[index] if index < len(tokens) else None
            kind = END if token is None else token.type
            while True:
                action = table[states[-1]].get(kind)
                if action is None:
                    raise Stopped(index, states)
                if action >= 0:
                    states.append(action)
                    values.append(token)
                    break
                size, origin, build = reductions[~action]
                if size == 1:
                    values[-1] = build(values[-1:])
                    del states[-1]
                elif size:
                    children = values[-size:]
                    del values[-size:], states[-size:]
                    values.append(build(children))
                else:
                    values.append(build([]))
                states.append(table[states[-1]][origin])
                if token is None and states[-1] == self.tables.end:
                    return values[-1]
        raise AssertionError("the end of a text is shifted by no rule")

    def accepted(self, stack: list[int]) -> frozenset[str]:
        """Terminals that would be shifted next."""
        table, rules = self.tables.states, self.tables.rules
        accepted = set()
        for terminal in table[stack[-1]]:
            if not terminal.isupper():
                continue
            states = list(stack)
            while (action := table[states[-1]].get(terminal)) is not None:
                if action >= 0:
                    accepted.add(terminal)
                    break
                rule = rules[~action]
                if rule.size:
                    del states[-rule.size :]
                states.append(table[states[-1]][rule.origin])
        return frozenset(accepted)


def _build(rule: Rule, builder: object) -> Build:
    """What a rule makes of what stands for its symbols; the list of these is its own."""
    method: Build | None = getattr(builder, rule.method, None)
    select = _selection(rule)
    if rule.is_transparent:

        def single(children: list[Any]) -> Any:
            parts = select(children) if select else children
            return parts[0] if len(parts) == 1 or method is None else method(parts)

        return single
    if method is None:
        return select or (lambda children: children)
    if select is None:
        return method
    return lambda children: method(select(children))


def _selection(rule: Rule) -> Build | None:
    """What takes the parts of a rule that are passed on; None where they are all of it."""
    if rule.kept == tuple((at, False) for at in range(rule.size)):
        return None
    if rule.kept == ((0, True),):
        return itemgetter(0)
    begins_spliced, rest = rule.kept[:1] == ((0, True),), rule.kept

    def selected(children: list[Any]) -> list[Any]:
        # A list that another one begins with goes on in it: else a long file would be copied again for each statement.
        parts: list[Any] = children[0] if begins_spliced else []
        for at, is_spliced in rest:
            if is_spliced:
                parts += children[at]
            else:
                parts.append(children[at])
        return parts

    if begins_spliced:
        rest = rest[1:]
    return selected
