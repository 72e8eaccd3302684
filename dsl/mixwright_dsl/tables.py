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
from typing import Any, TypeAlias

from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.tokens import Token

Build: TypeAlias = Callable[[list[Any]], Any]
Alone: TypeAlias = Callable[[Any], Any]
END = "$END"
MARK = "MARK"
"""The group of terminals of one character."""


@dataclass(frozen=True)
class Rule:
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


@dataclass(frozen=True)
class Tables:
    """A grammar's terminals and states.

    pattern: white space and what is behind it, every terminal as a group of its name, or of `MARK`.
    words: texts of `NAME` and of `MARK` that are terminals of their own.
    states: of each symbol the state that follows, or `~rule` of the rule that is reduced; the first is the start.
    end: the state in which the whole has been read.
    """

    pattern: str
    words: dict[str, str]
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
        self._steps: dict[tuple[int, str, str], tuple[int, Alone | None, int | None]] = {}

    def lex(self, text: str) -> list[Token]:
        """The tokens of a text that every terminal together takes whole."""
        words = self.tables.words
        tokens: list[Token] = []
        new = str.__new__
        append = tokens.append
        for match in self._scan(text):
            kind: Any = match.lastgroup
            end = match.end()
            if kind == "_NL":
                word = match[0]
            else:
                word = match[kind]
            if kind == "NAME" or kind == MARK:
                kind = words.get(word, kind)
            # As `Token(…)`, whose call would be a third of the time.
            token = new(Token, word)
            token.type = kind
            token.start_pos = end - len(word)
            token.end_pos = end
            append(token)
        return tokens

    def parse(self, tokens: list[Token]) -> Any:
        """What the start rule makes of all the tokens.

        Raises:
            Stopped: the grammar does not allow a token, or the end.
        """
        steps, reductions = self._steps, self._reductions
        states: list[int] = [0]
        values: list[Any] = []
        kinds = [token.type for token in tokens]
        kinds.append(END)
        action = self.tables.states[0].get(kinds[0])
        for index, ahead in enumerate(kinds):
            # Rules that end before `ahead`, then `ahead` itself. It and what each rule makes are one step each.
            while action is not None and action < 0:
                size, symbol, build = reductions[~action]
                if size:
                    value = build(values[-size:])
                    del values[-size:], states[-size:]
                else:
                    value = build([])
                key = (states[-1], symbol, ahead)
                state, build_alone, action = steps.get(key) or self._step(*key)
                states.append(state)
                values.append(value if build_alone is None else build_alone(value))
            if ahead == END and states[-1] == self.tables.end:
                return values[-1]
            if action is None:
                break
            key = (states[-1], ahead, kinds[index + 1])
            state, build_alone, action = steps.get(key) or self._step(*key)
            states.append(state)
            values.append(tokens[index] if build_alone is None else build_alone(tokens[index]))
        raise Stopped(index, states)

    def _step(self, below: int, symbol: str, ahead: str) -> tuple[int, Alone | None, int | None]:
        """What follows a symbol in a state, and is kept: half of all rules take one symbol, one after the other.

        The state when no such rule ends before the symbol `ahead` any more, what these rules make of the symbol's value,
        None for itself, and what is to be done next.
        """
        table, rules = self.tables.states, self.tables.rules
        state = table[below][symbol]
        chain: list[int] = []
        while True:
            action = table[state].get(ahead)
            if action is None or action >= 0 or rules[~action].size != 1:
                break
            chain.append(~action)
            state = table[below][rules[~action].origin]
        step = self._steps[below, symbol, ahead] = state, self._chained(chain), action
        return step

    def _chained(self, chain: list[int]) -> Alone | None:
        """What rules of one symbol make of a value one after the other; None where that is the value."""
        builds: list[Build] = []
        wrapped = False
        for number in chain:
            rule = self.tables.rules[number]
            if rule.is_transparent and len(rule.kept) == 1 and (wrapped or not rule.kept[0][1]):
                if wrapped:
                    builds.pop()
                wrapped = False
                continue
            builds.append(self._reductions[number][2])
            wrapped = rule.kept == ((0, False),) and builds[-1] is _itself
        if len(builds) < 2:
            return (lambda value: builds[0]([value])) if builds else None

        def made(value: Any) -> Any:
            for build in builds:
                value = build([value])
            return value

        return made

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
        return select or _itself
    if select is None:
        return method
    return lambda children: method(select(children))


def _itself(children: list[Any]) -> list[Any]:
    return children


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
