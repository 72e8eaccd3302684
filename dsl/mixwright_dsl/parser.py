"""Text to tree: `parse` takes any text and returns what could be understood with everything wrong in it.

text ──lex──▶ tokens ──LALR──▶ File                       the whole file at once, when it is right
                └──recovery──▶ File + diagnostics          chunk by chunk, when it is not
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

from lark import Token, UnexpectedToken
from lark.parsers.lalr_analysis import Shift
from lark.parsers.lalr_interactive_parser import InteractiveParser

from mixwright_dsl import nodes
from mixwright_dsl.diagnostic import Diagnostic
from mixwright_dsl.duplicates import find_duplicates
from mixwright_dsl.grammar import CLOSERS, OPENERS, grammar, lex
from mixwright_dsl.source import SourceFile
from mixwright_dsl.stuck import DEEPEST, Stuck, TooDeep

_shared_builder = Lock()


@dataclass(frozen=True)
class ParseResult:
    """The tree of what could be read, and the findings in order of position. No findings: the tree is whole."""

    file: nodes.File
    diagnostics: tuple[Diagnostic, ...]

    @property
    def ok(self) -> bool:
        """True when nothing was wrong; only then does the tree stand for the whole text."""
        return not self.diagnostics


def parse(source: SourceFile) -> ParseResult:
    """Parse a file; never raises, whatever the text.

    About 25,000 lines a second. Several independent mistakes are all found in one run.
    """
    with _shared_builder, _without_gc():
        tokens = lex(source.text)
        builder = grammar()[1]

        def parse_tokens(part: list[Token]) -> tuple[tuple[nodes.Statement, ...], list[Diagnostic]]:
            builder.begin(source)
            return _statements(part), builder.findings

        try:
            body, findings = parse_tokens(tokens)
        except (Stuck, TooDeep):
            # Imported here: a file without mistakes, the most frequent, does not wait for it.
            from mixwright_dsl.recovery import recover

            body, findings = recover(source, tokens, parse_tokens)
        findings = findings + find_duplicates(body)
        findings.sort(key=lambda finding: (finding.primary.span.start, finding.code))
        return ParseResult(nodes.File(source, body), tuple(findings))


def _statements(tokens: list[Token]) -> tuple[nodes.Statement, ...]:
    """The statements of a token list, made by the shared builder.

    Raises:
        Stuck: the grammar does not allow a token; the parser's expectation is in it.
        TooDeep: brackets nest deeper than any person writes.
    """
    state: InteractiveParser = grammar()[0].parse_interactive(start="file")
    index = 0
    enclosing: list[str] = []
    try:
        for token in tokens:
            kind = token.type
            if kind == "_NL":
                # Inside ( ) and [ ] line ends mean nothing.
                if enclosing and enclosing[-1] != "LBRACE":
                    index += 1
                    continue
            elif kind in OPENERS:
                enclosing.append(kind)
                if len(enclosing) > DEEPEST:
                    raise TooDeep(token)
            elif kind in CLOSERS and enclosing:
                enclosing.pop()
            state.feed_token(token)
            index += 1
        result: tuple[nodes.Statement, ...] = state.feed_eof()  # type: ignore[no-untyped-call]
    except UnexpectedToken:
        raise Stuck(tokens, index, _accepted(state)) from None
    return result


def _accepted(state: InteractiveParser) -> frozenset[str]:
    """Terminals that the parser would shift next.

    Its own `accepts()` copies the values on its stack for every candidate; only the states matter here.
    """
    parser_state = state.parser_state
    table: Any = parser_state.parse_conf.states
    accepted = set()
    for terminal in table[parser_state.state_stack[-1]]:
        if not terminal.isupper():
            continue
        stack = list(parser_state.state_stack)
        while terminal in table[stack[-1]]:
            action, target = table[stack[-1]][terminal]
            if action is Shift:
                accepted.add(terminal)
                break
            if target.expansion:
                del stack[-len(target.expansion) :]
            stack.append(table[stack[-1]][target.origin.name][1])
    return frozenset(accepted)


@contextmanager
def _without_gc() -> Iterator[None]:
    """No garbage collection while thousands of small nodes are made: none of them is garbage, and it costs a third."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
