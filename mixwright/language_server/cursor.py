"""Where a cursor stands in a text that need not be whole: told from the tokens before it, not from a tree."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from mixwright.language_server.enclosing import Enclosing
from mixwright_compiler.catalog.blocks import top_blocks
from mixwright_dsl.grammar import CLOSERS, OPENERS, lex
from mixwright_dsl.source import SourceFile
from mixwright_dsl.tokens import Token

Inside = Literal["code", "text", "comment"]
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.:]*\Z")
_TEXTS = ("STRING", "OPEN_STRING", "HEREDOC", "OPEN_HEREDOC", "QUOTED")


@dataclass(frozen=True)
class Cursor:
    """around: the blocks that it stands in, the outermost first. statement: the words of the statement before it that is
    begun on its line or in its brackets, `=` too. word: what is typed of a name, and from which offset on. text: the
    quoted text or heredoc that it stands in, from its opening to the cursor. siblings: blocks before it in its block.
    call: the function in whose parentheses it stands."""

    around: tuple[Enclosing, ...]
    statement: tuple[str, ...]
    word: str
    start: int
    inside: Inside = "code"
    text: str = ""
    siblings: int = 0
    call: str = ""

    @property
    def attribute(self) -> str:
        """The attribute whose value is being written; empty at the beginning of a statement."""
        return self.statement[0] if len(self.statement) > 1 and self.statement[1] == "=" else ""


@dataclass
class _Level:
    """An open bracket. `words` are those of the statement at hand; `call` is the function whose parentheses it is, `key`
    the attribute whose value a list is a part of."""

    closer: str
    block: Enclosing | None
    words: list[str]
    call: str = ""
    key: str = ""
    blocks: int = 0
    attributes: frozenset[str] = frozenset()


def cursor_at(source: SourceFile, offset: int) -> Cursor:
    """The place of an offset in a text."""
    first, last = _block_around(source.text, offset)
    found = _cursor_in(SourceFile(source.name, source.text[first:last]), offset - first)
    return replace(found, start=found.start + first)


_TOP = re.compile(rf"^(?:{'|'.join(top_blocks())})\b", re.MULTILINE)


def _block_around(text: str, offset: int) -> tuple[int, int]:
    """From the block at the top of the file that an offset is in to the one behind it: at each keystroke the tokens of
    this block are all that is needed."""
    line = text.rfind("\n", 0, offset) + 1
    first = 0
    for match in _TOP.finditer(text, 0, line):
        first = match.start()
    if _TOP.match(text, line):
        first = line
    behind = _TOP.search(text, offset)
    return first, behind.start() if behind else len(text)


def _cursor_in(source: SourceFile, offset: int) -> Cursor:
    levels = [_Level("", None, [])]
    word, start = "", offset
    inside: Inside = "code"
    text = ""
    tokens = lex(source.text)
    for token in tokens:
        begin, end = token.start_pos, token.end_pos
        if begin >= offset:
            break
        if (token.type in _TEXTS and offset < end) or _is_open(token, offset):
            inside, text = "text", source.text[begin:offset]
            break
        if token.type == "_NL" and offset <= end:
            comment = source.text.find("#", begin, offset)
            if comment >= 0 and "\n" not in source.text[comment:offset]:
                inside = "comment"
                break
            if "\n" in source.text[begin:offset]:
                _step(levels, token, source)
            break
        if end >= offset and token.type in (
            "NAME",
            "IN",
            "NOT",
            "AND",
            "OR",
            "TRUE",
            "FALSE",
            "NULL",
            "_DOT",
        ):
            break
        _step(levels, token, source)
    if inside == "code":
        found = _WORD.search(source.text, max(0, offset - 200), offset)
        if found:
            word, start = found.group(), found.start()
            _forget(levels[-1].words, word)
    if levels[-1].block is not None:
        levels[-1].attributes |= _later(tokens, offset)
    around = tuple(
        replace(level.block, attributes=level.attributes) for level in levels if level.block is not None
    )
    block_level = next(level for level in reversed(levels) if level.closer in ("", "RBRACE"))
    return Cursor(
        around,
        tuple(block_level.words),
        word,
        start,
        inside,
        text,
        block_level.blocks,
        levels[-1].call,
    )


def _later(tokens: list[Token], offset: int) -> frozenset[str]:
    """Attributes that are written behind the cursor in its block."""
    found: set[str] = set()
    depth = 0
    name = ""
    for token in tokens:
        if token.start_pos < offset:
            continue
        if token.type in OPENERS:
            depth += 1
        elif token.type in CLOSERS:
            depth -= 1
            if depth < 0:
                break
        elif depth == 0 and token.type == "_EQUAL" and name:
            found.add(name)
        name = str(token) if token.type == "NAME" else ""
    return frozenset(found)


def _is_open(token: Token, offset: int) -> bool:
    """Of a text without its end, a cursor behind its last character stands in it."""
    return token.type in ("OPEN_STRING", "OPEN_HEREDOC") and offset == token.end_pos


def _forget(words: list[str], word: str) -> None:
    """What stands before the cursor of a name with a dot is of the word, not of the statement."""
    if words and "." in word and word.startswith(words[-1]):
        words.pop()


def _step(levels: list[_Level], token: Token, source: SourceFile) -> None:
    level = levels[-1]
    begin = token.start_pos
    is_first = begin == 0 or source.text[begin - 1] == "\n"
    if token.type == "NAME" and is_first and str(token) in top_blocks() and len(levels) > 1:
        # A block at the very left begins a new one: a brace is missing before it, while it is being typed.
        del levels[1:]
        level = levels[0]
        level.words.clear()
    if token.type in OPENERS:
        levels.append(_opened(level, token))
    elif token.type in CLOSERS:
        _close(levels, token.type)
    elif token.type == "_NL" or token.type == "_COMMA":
        if level.closer in ("", "RBRACE"):
            _end_statement(level)
    elif token.type == "_DOT" and level.words:
        level.words[-1] += "."
    elif level.words and level.words[-1].endswith("."):
        level.words[-1] += str(token)[:80]
    else:
        level.words.append("=" if token.type == "_EQUAL" else str(token)[:80])


def _opened(level: _Level, token: Token) -> _Level:
    closer = OPENERS[token.type]
    words = level.words
    key = words[0] if len(words) > 1 and words[1] == "=" else level.key
    if closer != "RBRACE":
        return _Level(closer, None, [], words[-1] if closer == "RPAR" and words else level.call, key)
    if key:
        return _Level(closer, Enclosing(key, key=key), [])
    kind, labels = (words[0], tuple(words[1:])) if words else ("", ())
    return _Level(closer, Enclosing(kind, labels, ordinal=level.blocks), [])


def _close(levels: list[_Level], closer: str) -> None:
    at = next((i for i in range(len(levels) - 1, 0, -1) if levels[i].closer == closer), None)
    if at is None:
        return
    closed = levels[at]
    del levels[at:]
    outer = levels[-1]
    if closer == "RBRACE" and closed.block is not None and not closed.block.key:
        outer.blocks += 1
        outer.attributes |= {closed.block.kind}
        outer.words.clear()


def _end_statement(level: _Level) -> None:
    words = level.words
    if words:
        level.attributes |= {words[0]}
        if len(words) < 2 or words[1] != "=":
            level.blocks += 1  # `from people`, a block without a body
    words.clear()
