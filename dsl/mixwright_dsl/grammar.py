"""The grammar's machine, made once a process, and the token stream made with it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from mixwright_dsl.tables import Machine, tables_from_json
from mixwright_dsl.tokens import Token
from mixwright_dsl.tree import TreeBuilder

GRAMMAR_PATH = Path(__file__).with_name("grammar.lark")

OPENERS = {"LBRACE": "RBRACE", "LSQB": "RSQB", "LPAR": "RPAR"}
CLOSERS = {closer: opener for opener, closer in OPENERS.items()}
"""Terminals of brackets and their partners."""


@cache
def grammar() -> tuple[Machine, TreeBuilder]:
    """The parser and the builder its rules call, made on first use and shared by the process."""
    builder = TreeBuilder()
    tables = tables_from_json(GRAMMAR_PATH.with_suffix(".json").read_text(encoding="utf-8"))
    return Machine(tables, builder), builder


def lex(text: str) -> list[Token]:
    """All tokens of a file in order, white space within lines left out; takes every text.

    A line end, its comment and the blank and comment lines after it are one `_NL` token. The last line is
    given a line end if it has none, so the last token may reach one past the text.
    """
    return grammar()[0].lex(text if text.endswith("\n") else text + "\n")
