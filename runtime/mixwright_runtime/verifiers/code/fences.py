"""The code in a model's answer: which of its fenced blocks is the program."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TAGS: Mapping[str, tuple[str, ...]] = {
    "python": ("python", "py"),
    "javascript": ("javascript", "js", "node", "nodejs", "mjs"),
    "cpp": ("cpp", "c++", "cc", "cxx", "c"),
    "java": ("java",),
    "rust": ("rust", "rs"),
    "go": ("go", "golang"),
    "bash": ("bash", "sh", "shell", "zsh"),
    "sql": ("sql", "duckdb", "postgresql", "postgres", "mysql", "sqlite"),
}
"""Words after the opening fence that mean a language."""

_OPENING = re.compile(r"^[ \t]{0,8}(`{3,}|~{3,})[ \t]*([^\s`{,:]*)[^\n]*$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its tag in lower case, and its text. `is_closed` is False where the answer ends inside it."""

    tag: str
    text: str
    is_closed: bool


def code_in(answer: str, language: str, entry_point: str = "") -> str | None:
    """The program in an answer; None when there is none. See `blocks_in`."""
    blocks, _ = blocks_in(answer, language, entry_point)
    return blocks[-1] if blocks else None


def blocks_in(answer: str, language: str, entry_point: str = "") -> tuple[list[str], list[str]]:
    """The blocks of the program's language up to the program, which is the last of these, empty when there is none; and
    those behind it.

    Reasoning up to the last `</think>` is not looked at. An answer without fences is code as it is. Of several blocks
    those of the language count, else those without a tag; of them the last that defines the entry point, else the last.
    A block of another language is not taken for this one.
    """
    answer = answer.rpartition("</think>")[2]
    blocks = blocks_of(answer)
    if not blocks:
        return [answer.strip("\n")] if answer.strip() else [], []
    candidates = _of_language(blocks, language)
    at = len(candidates) - 1
    if entry_point:
        defining = [i for i, b in enumerate(candidates) if mentions_definition(b.text, language, entry_point)]
        at = defining[-1] if defining else at
    texts = [block.text.strip("\n") for block in candidates]
    return texts[: at + 1], texts[at + 1 :]


def assertions_in(text: str, language: str) -> str:
    """A test program that a model may have written: the blocks of the language one after the other, or the whole text."""
    blocks = _of_language(blocks_of(text), language)
    return "\n".join(block.text for block in blocks) or text


def _of_language(blocks: Sequence[Block], language: str) -> list[Block]:
    """The blocks of a language that are not empty; where there are none, those without a tag."""
    filled = [block for block in blocks if block.text.strip()]
    ours = [block for block in filled if block.tag.rstrip("0123456789.") in TAGS[language]]
    return ours or [block for block in filled if block.tag in ("", "code")]


def blocks_of(answer: str) -> list[Block]:
    """The fenced blocks of a text, in order; a fence ends at one of the same kind that is at least as long."""
    blocks: list[Block] = []
    at = 0
    while (opening := _OPENING.search(answer, at)) is not None:
        fence = opening.group(1)
        closing = re.compile(rf"^[ \t]{{0,8}}{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$", re.MULTILINE)
        start = opening.end() + 1
        found = closing.search(answer, start)
        end = found.start() if found else len(answer)
        blocks.append(
            Block(opening.group(2).lower(), _dedented(answer[start:end], opening), found is not None)
        )
        if found is None:
            break
        at = found.end()
    return blocks


def mentions_definition(code: str, language: str, name: str) -> bool:
    """Does the text define `name`, by the look of it? Errs on the side of yes."""
    word = re.escape(name.rpartition(".")[2])
    match language:
        case "python":
            return (
                re.search(
                    rf"^[ \t]*(?:async[ \t]+def|def|class)[ \t]+{word}\b|^{word}[ \t]*(?::.*)?=", code, re.M
                )
                is not None
            )
        case "bash":
            return re.search(rf"\b{word}[ \t]*\(\)|\bfunction[ \t]+{word}\b", code) is not None
        case "sql":
            return True
        case "rust" | "go":
            return re.search(rf"\b(?:fn|func)\b[^\n(]*(?:\([^)]*\)[ \t]*)?\b{word}\b", code) is not None
        case "javascript":
            return re.search(rf"\b{word}\b[ \t]*(?:[=:(]|$)", code, re.M) is not None
        case _:
            return re.search(rf"\b{word}[ \t]*\(", code) is not None


def _dedented(text: str, opening: re.Match[str]) -> str:
    """A block inside a list item is indented as its fence is."""
    indent = len(opening.group(0)) - len(opening.group(0).lstrip(" \t"))
    if not indent:
        return text
    return "\n".join(line[indent:] if line[:indent].isspace() else line for line in text.split("\n"))
