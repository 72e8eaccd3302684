"""The compiled grammar: built once, kept in the user's cache directory, and the token stream made with it."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import lark
from lark import Lark, Token

from mixwright_dsl.tree import TreeBuilder

GRAMMAR_PATH = Path(__file__).with_name("grammar.lark")
OPTIONS: dict[str, Any] = {
    "parser": "lalr",
    "lexer": "basic",
    "start": ["file", "unwanted"],
    "maybe_placeholders": False,
}

OPENERS = {"LBRACE": "RBRACE", "LSQB": "RSQB", "LPAR": "RPAR"}
CLOSERS = {closer: opener for opener, closer in OPENERS.items()}
"""Terminals of brackets and their partners."""


def cache_directory() -> Path:
    """`$XDG_CACHE_HOME/mixwright`, or `~/.cache/mixwright` when the variable is unset or relative, as XDG says."""
    configured = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(configured) if os.path.isabs(configured) else Path(os.path.expanduser("~")) / ".cache"
    return root / "mixwright"


def load_grammar(transformer: object) -> Lark:
    """A parser whose rules call the methods of `transformer`, from the cache when it holds this very grammar.

    The cache file is named by the digest of the grammar text, lark's version and Python's, and starts with the
    digest of the rest, so a truncated or foreign file is noticed and replaced. A cache that cannot be read or
    written only costs the time to build the grammar (about 30 ms).
    """
    text = GRAMMAR_PATH.read_text(encoding="utf-8")
    identity = "\n".join((text, repr(sorted(OPTIONS.items())), lark.__version__, sys.version))
    name = hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()
    path = cache_directory() / f"grammar-{name}.bin"
    tables = _read_cache(path)
    if tables is not None:
        try:
            return Lark._load_from_dict(tables["data"], tables["memo"], transformer=transformer)  # type: ignore[no-untyped-call, no-any-return]
        except Exception:
            # A well-formed file that this lark cannot use: the same as no file.
            pass
    parser = Lark(text, transformer=transformer, **OPTIONS)
    _write_cache(path, parser)
    return parser


def _read_cache(path: Path) -> dict[str, Any] | None:
    try:
        content = path.read_bytes()
        digest, payload = content[:32], content[32:]
        if hashlib.blake2b(payload, digest_size=32).digest() != digest:
            return None
        tables = pickle.loads(payload)
    except Exception:
        # Reading a damaged pickle may raise anything; the grammar is then built anew.
        return None
    return tables if isinstance(tables, dict) and {"data", "memo"} <= tables.keys() else None


def _write_cache(path: Path, parser: Lark) -> None:
    buffer = io.BytesIO()
    parser.save(buffer, exclude_options=("transformer",))
    payload = buffer.getvalue()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.blake2b(payload, digest_size=32).digest() + payload)
            os.replace(temporary, path)
        except OSError:
            os.unlink(temporary)
    except OSError:
        # Read-only home or full disk: the next start builds the grammar again.
        return


@cache
def grammar() -> tuple[Lark, TreeBuilder]:
    """The parser and the builder its rules call, made on first use and shared by the process."""
    builder = TreeBuilder()
    parser = load_grammar(builder)
    # `Lark.lex` compiles a lexer at every call unless it finds one here.
    parser.lexer = parser.parser.lexer
    return parser, builder


def lex(text: str) -> list[Token]:
    """All tokens of a file in order, white space within lines left out; takes every text.

    A line end, its comment and the blank and comment lines after it are one `_NL` token. The last line is
    given a line end if it has none, so the last token may reach one past the text.
    """
    return list(grammar()[0].lex(text if text.endswith("\n") else text + "\n"))
