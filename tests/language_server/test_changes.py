"""Rename, references, code actions and formatting."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsprotocol import types as lsp
from spec_at import PEOPLE, Editor, edited, opened

from mixwright.language_server.cannot_rename import CannotRename
from mixwright.language_server.changes import actions, formatting, rename
from mixwright.language_server.positions import offset_of, position_of
from mixwright_dsl.formatter import format_text
from mixwright_dsl.source import SourceFile

LIBRARY = "edition 2026\nsource more inline { rows = [{ x = 1 }] }\n"
TWO_USERS = 'edition 2026\nimport "lib.mix" as lib\npipeline p {\n  from lib.more\n  derive { y = x }\n}\n'


def renamed(editor: Editor, needle: str, new: str, *, behind: int = 1) -> dict[str, str]:
    found = rename(editor.documents, editor.path, editor.place(needle, behind=behind), new)
    result = {}
    for path, edits in found.items():
        text = editor.documents.source(path).text
        for span, inserted in sorted(edits, key=lambda edit: edit[0].start, reverse=True):
            text = text[: span.start] + inserted + text[span.end :]
        result[path.name] = text
    return result


def test_a_declaration_gets_another_name_in_every_spec_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "lib.mix").write_text(LIBRARY)
    (tmp_path / "other.mix").write_text(TWO_USERS)
    editor = opened(tmp_path, TWO_USERS)
    changed = renamed(editor, "more", "rest")
    assert sorted(changed) == ["lib.mix", "other.mix", "spec.mix"]
    assert changed["lib.mix"] == LIBRARY.replace("more", "rest")
    assert changed["spec.mix"] == changed["other.mix"] == TWO_USERS.replace("more", "rest")


def test_an_import_gets_another_name(tmp_path: Path) -> None:
    (tmp_path / "lib.mix").write_text(LIBRARY)
    changed = renamed(opened(tmp_path, TWO_USERS), "lib.more", "shared")
    assert changed == {
        "spec.mix": TWO_USERS.replace("as lib", "as shared").replace("lib.more", "shared.more")
    }


@pytest.mark.parametrize("new", ["2fast", "not", "with space", ""])
def test_a_name_that_cannot_be_written_is_refused(tmp_path: Path, new: str) -> None:
    with pytest.raises(CannotRename, match="is no name"):
        renamed(opened(tmp_path), "teacher", new)


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotRename, match="declared in"):
        renamed(opened(tmp_path), "teacher", "people")


def test_what_comes_with_mixwright_is_not_renamed(tmp_path: Path) -> None:
    text = PEOPLE.replace("edition 2026\n", 'edition 2026\nimport "std:answered" as std\n', 1).replace(
        "  filter {", "  use std.answered { model = teacher, to = name }\n  filter {"
    )
    with pytest.raises(CannotRename, match="comes with Mixwright"):
        renamed(opened(tmp_path, text), "std.answered", "mine", behind=6)


def test_references_are_those_of_the_whole_project(tmp_path: Path) -> None:
    (tmp_path / "lib.mix").write_text(LIBRARY)
    editor = opened(tmp_path, TWO_USERS)
    (tmp_path / "other.mix").write_text(
        TWO_USERS.replace("derive", "filter").replace("y = x", "where = x > 0")
    )
    place = editor.place("more")
    spans = editor.documents.mentions_of(place.declared, editor.path)  # type: ignore[union-attr]
    assert [(span.source.path.name, span.text) for span in spans if span.source.path] == [
        ("spec.mix", "more"),
        ("other.mix", "more"),
    ]


def offered(editor: Editor, line: int) -> list[lsp.CodeAction]:
    analysis = editor.documents.analysis(editor.path)
    within = lsp.Range(lsp.Position(line, 0), lsp.Position(line, 100))
    return actions("file:///spec.mix", analysis.source, analysis.compilation.diagnostics, [], within)


def test_a_fix_is_offered_and_mends_the_finding(tmp_path: Path) -> None:
    editor = opened(tmp_path, PEOPLE.replace("temperature = hot", "temprature = hot"))
    (action, *_) = offered(editor, 15)
    assert action.edit is not None
    assert action.edit.changes is not None
    text = edited(editor.documents.source(editor.path).text, list(action.edit.changes["file:///spec.mix"]))
    editor.documents.change(editor.path, text)
    assert not editor.documents.analysis(editor.path).compilation.errors


def test_a_lint_can_be_allowed_from_where_it_stands(tmp_path: Path) -> None:
    text = PEOPLE.replace("let { hot = 0.9 }", "let { hot = 0.9, cold = 0.1 }")
    editor = opened(tmp_path, text)
    found = editor.documents.analysis(editor.path).compilation.diagnostics
    line = found[0].primary.span.position.line - 1
    allow = next(action for action in offered(editor, line) if action.title.startswith("allow"))
    assert allow.edit is not None
    assert allow.edit.changes is not None
    (edit,) = allow.edit.changes["file:///spec.mix"]
    assert edit.new_text == f"# mix: allow {found[0].code} -- \n"
    editor.documents.change(editor.path, edited(text, [edit]))
    left = [d.code for d in editor.documents.analysis(editor.path).compilation.diagnostics]
    assert found[0].code not in left


def test_formatting_is_one_edit_from_the_first_change_to_the_last() -> None:
    source = SourceFile("a.mix", PEOPLE.replace("  from people", "from   people"))
    (edit,) = formatting(source)
    assert edited(source.text, [edit]) == format_text(source).text
    assert edit.range.start.line == 13
    assert formatting(SourceFile("a.mix", format_text(source).text)) == []
    assert formatting(SourceFile("a.mix", "pipeline {{{")) == []


def test_columns_are_counted_in_utf16() -> None:
    source = SourceFile("a.mix", 'x = "𝄞𝄞", y = 1\n')
    at = source.text.index("y")
    assert position_of(source, at) == lsp.Position(0, at + 2)
    assert offset_of(source, lsp.Position(0, at + 2)) == at
    assert offset_of(source, lsp.Position(9, 9)) == len(source.text)
