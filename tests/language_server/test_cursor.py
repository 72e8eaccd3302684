"""Where a cursor stands, told from the tokens before it: the text need not be whole."""

from __future__ import annotations

import pytest
from spec_at import MARK

from mixwright.language_server.cursor import Cursor, cursor_at
from mixwright_dsl.source import SourceFile


def at(text: str) -> Cursor:
    return cursor_at(SourceFile("a.mix", text.replace(MARK, "")), text.index(MARK))


def kinds(cursor: Cursor) -> list[str]:
    return [block.kind for block in cursor.around]


@pytest.mark.parametrize(
    ("text", "around", "statement", "word"),
    [
        ("▮", [], (), ""),
        ("edition 2026\n▮", [], (), ""),
        ("pipe▮", [], (), "pipe"),
        ("model teacher ▮", [], ("model", "teacher"), ""),
        ("model teacher openai {\n  ▮\n}\n", ["model"], (), ""),
        ("pipeline p {\n  from a\n  ge▮\n}\n", ["pipeline"], (), "ge"),
        ("pipeline p {\n  from lib.pe▮\n}\n", ["pipeline"], ("from",), "lib.pe"),
        ("pipeline p {\n  from lib.▮\n}\n", ["pipeline"], ("from",), "lib."),
        (
            "pipeline p {\n  from a\n  generate x { prompt = ▮ }\n}\n",
            ["pipeline", "generate"],
            ("prompt", "="),
            "",
        ),
        (
            "pipeline p {\n  from a\n  rounds r { carry = { x = ▮ } }\n}\n",
            ["pipeline", "rounds", "carry"],
            ("x", "="),
            "",
        ),
        ("mixture m {\n  a = 30%,\n  b = take(50k, balance = ▮)\n}\n", ["mixture"], ("b", "=", "take"), ""),
    ],
)
def test_blocks_around_and_words_before(
    text: str, around: list[str], statement: tuple[str, ...], word: str
) -> None:
    cursor = at(text)
    assert (kinds(cursor), cursor.statement, cursor.word) == (around, statement, word)


def test_a_brace_that_is_missing_ends_where_the_next_block_begins() -> None:
    assert kinds(at("pipeline p {\n  from a\n  filter { where = len(\npipeline q {\n  ▮")) == ["pipeline"]
    assert at("pipeline p {\n  from a\n  filter { where = len(\npipeline q {\n  ▮").around[0].labels == ("q",)


def test_attributes_that_are_written_and_blocks_before_are_known() -> None:
    cursor = at("pipeline p {\n  from a\n  verify math { answer = x\n  ▮\n  }\n}\n")
    assert cursor.around[-1].attributes == {"answer"}
    assert cursor.around[-1].labels == ("math",)
    assert cursor.around[-1].ordinal == 1


@pytest.mark.parametrize(
    ("text", "inside", "seen"),
    [
        ('import "std:▮" as x\n', "text", '"std:'),
        ('template t {\n  user = "hi {{ ▮\n}\n', "text", '"hi {{ '),
        ("template t {\n  user = <<~T\n    hi {{ ▮\n    T\n}\n", "text", "<<~T\n    hi {{ "),
        ("template t {\n  user = <<~T\n    hi {{ ▮", "text", "<<~T\n    hi {{ "),
        ("# generate ▮\n", "comment", ""),
        ("model m openai { } # of ▮ all\n", "comment", ""),
    ],
)
def test_texts_and_comments_are_told(text: str, inside: str, seen: str) -> None:
    assert (at(text).inside, at(text).text) == (inside, seen)


def test_the_function_whose_parentheses_it_stands_in() -> None:
    assert at("pipeline p {\n  from a\n  filter { where = len(lower(▮\n}\n").call == "lower"
    assert at("pipeline p {\n  from a\n  filter { where = len(x) > ▮\n}\n").call == ""
