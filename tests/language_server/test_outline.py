"""Symbols, folding, semantic tokens and inlay hints."""

from __future__ import annotations

from pathlib import Path

import pytest
from spec_at import PEOPLE, Editor, opened

from mixwright.language_server.cursor import cursor_at
from mixwright.language_server.outline import TOKEN_TYPES, folds, inlay_hints, semantic_tokens, symbols


@pytest.fixture
def editor(tmp_path: Path) -> Editor:
    return opened(tmp_path)


def test_symbols_are_the_declarations_with_the_steps_in_them(editor: Editor) -> None:
    found = {s.name: s for s in symbols(editor.documents.analysis(editor.path))}
    assert list(found)[:3] == ["edition 2026", "model teacher openai", "source people inline"]
    assert [child.name for child in found["pipeline greetings"].children or ()] == [
        "from people",
        "derive",
        "generate hello",
        "filter",
        "chat",
    ]


def test_a_test_is_a_symbol_by_its_sentence(tmp_path: Path) -> None:
    editor = opened(
        tmp_path, PEOPLE + 'test "a name" of greetings.filter { given = people, expect = kept }\n'
    )
    last = symbols(editor.documents.analysis(editor.path))[-1]
    assert last.name == 'test "a name" of greetings.filter'
    assert [child.name for child in last.children or ()] == ["given", "expect"]


def test_blocks_and_heredocs_fold(editor: Editor) -> None:
    lines = {(fold.start_line, fold.end_line) for fold in folds(editor.documents.analysis(editor.path))}
    assert {(3, 4), (7, 10), (8, 10), (12, 17), (19, 22)} <= lines


def test_every_word_is_marked_as_what_it_is(editor: Editor) -> None:
    analysis = editor.documents.analysis(editor.path)
    data = semantic_tokens(analysis, editor.documents.program(editor.path))
    line = column = 0
    marked = {}
    for at in range(0, len(data), 5):
        line += data[at]
        column = data[at + 1] if data[at] else column + data[at + 1]
        text = analysis.source.line_text(line + 1)[column : column + data[at + 2]]
        marked[text.strip()] = TOKEN_TYPES[data[at + 3]]
    assert marked["pipeline"] == "keyword"
    assert marked["generate"] == "method"
    assert marked["openai"] == "method"
    assert marked["temperature"] == "property"
    assert marked["teacher"] == "type"
    assert marked["hot"] == "parameter"
    assert marked["len"] == "function"
    assert marked["age"] == "variable"
    assert marked["0.9"] == "number"
    assert marked['"Ada"'] == "string"
    assert marked["Say hello to {{"] == "string"


def test_hints_say_what_columns_a_step_makes_and_how_many_rows_a_share_is(editor: Editor) -> None:
    hints = inlay_hints(editor.documents.analysis(editor.path), 0, 100)
    assert [(hint.position.line, hint.label) for hint in hints] == [
        (14, "  → older: int"),
        (15, "  → hello: text"),
        (17, "  → messages: chat"),
        (22, " ≈ 10 rows"),
    ]
    assert [hint.position.line for hint in inlay_hints(editor.documents.analysis(editor.path), 15, 16)] == [
        15
    ]


def test_a_text_that_is_cut_anywhere_is_told_what_can_be_told(editor: Editor) -> None:
    for length in range(0, len(PEOPLE), 7):
        editor.documents.change(editor.path, PEOPLE[:length])
        analysis = editor.documents.analysis(editor.path)
        symbols(analysis)
        folds(analysis)
        semantic_tokens(analysis, editor.documents.program(editor.path))
        inlay_hints(analysis, 0, 100)
        editor.place(PEOPLE[:length][-1:] or "", behind=0)
        cursor_at(analysis.source, length)
