"""Text to tree: `parse` takes any text and returns what could be understood with everything wrong in it.

text ──lex──▶ tokens ──LALR──▶ File                       the whole file at once, when it is right
                └──recovery──▶ File + diagnostics          chunk by chunk, when it is not
"""

from __future__ import annotations

import gc
from _thread import allocate_lock  # `threading` takes a hundred times as long to import
from collections.abc import Iterator
from contextlib import contextmanager

from mixwright_dsl import nodes
from mixwright_dsl.diagnostic import Diagnostic
from mixwright_dsl.duplicates import find_duplicates
from mixwright_dsl.grammar import CLOSERS, OPENERS, grammar, lex
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.source import SourceFile
from mixwright_dsl.stuck import DEEPEST, Stuck, TooDeep
from mixwright_dsl.tables import Stopped
from mixwright_dsl.tokens import Token

LAYOUT = frozenset(("_NL", *OPENERS, *CLOSERS))
"""Terminals that say what line ends mean."""

_shared_builder = allocate_lock()


@dataclass(frozen=True)
class ParseResult:
    """The tree of what could be read, and the findings in order of position. No findings: the tree is whole."""

    file: nodes.File
    diagnostics: tuple[Diagnostic, ...]

    @property
    def ok(self) -> bool:
        """True when nothing was wrong; only then does the tree stand for the whole text."""
        return not self.diagnostics


def parse(source: SourceFile, tokens: list[Token] | None = None) -> ParseResult:
    """Parse a file; never raises, whatever the text. `tokens` are those of the text, where they were lexed before.

    About 25,000 lines a second. Several independent mistakes are all found in one run.
    """
    with _shared_builder, _without_gc():
        tokens = lex(source.text) if tokens is None else tokens
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
    inside: dict[int, None] = {}  # places of line ends inside ( ) and [ ], which mean nothing
    enclosing: list[str] = []
    for index, token in enumerate(tokens):
        kind = token.type
        if kind not in LAYOUT:
            continue
        if kind == "_NL":
            if enclosing and enclosing[-1] != "LBRACE":
                inside[index] = None
        elif kind in OPENERS:
            enclosing.append(kind)
            if len(enclosing) > DEEPEST:
                raise TooDeep(token)
        elif enclosing:
            enclosing.pop()
    meant = [token for index, token in enumerate(tokens) if index not in inside] if inside else tokens
    machine = grammar()[0]
    try:
        result: tuple[nodes.Statement, ...] = machine.parse(meant)
    except Stopped as stopped:
        index = stopped.index
        for place in inside:
            index += place <= index
        raise Stuck(tokens, index, machine.accepted(stopped.stack)) from None
    return result


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
