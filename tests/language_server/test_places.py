"""Hover and definition: what stands at a place, what is told of it, and where it comes from."""

from __future__ import annotations

from pathlib import Path

import pytest
from spec_at import PEOPLE, Editor, opened

from mixwright.language_server.places import Named, OfColumn


@pytest.fixture
def editor(tmp_path: Path) -> Editor:
    return opened(tmp_path)


@pytest.mark.parametrize(
    ("needle", "times", "told"),
    [
        ("generate", 1, "Makes a column from a model's answer"),
        ("temperature", 1, "default"),
        ("teacher", 2, "model `teacher` openai"),
        ("people", 2, "| `age` | int |"),
        ("ask,", 1, "reads `age`, `name`"),
        ("hot }", 1, "`hot = 0.9`"),
        ("len(", 1, "`len(text_or_list)` → int"),
        ("hello) > 3", 1, "column `hello`: text\n\nmade by `generate hello`"),
        ("age + 1", 1, "column `age`: int\n\nof `people`"),
        ("age }}", 1, "column `age`: int"),
        ("100%", 1, "`100%` is 1, a share of 1"),
        ("greetings =", 1, "| `hello` | text |"),
        ("older =", 1, "column `older`: int"),
    ],
)
def test_what_is_told(editor: Editor, needle: str, times: int, told: str) -> None:
    assert told in editor.hover(needle, times=times)


def test_nothing_is_told_of_a_comment_or_of_white_space(tmp_path: Path) -> None:
    assert opened(tmp_path, PEOPLE + "# generate\n").hover("# gen", behind=3) == ""


def test_the_hover_of_a_wrong_spec_tells_what_can_be_told(tmp_path: Path) -> None:
    editor = opened(tmp_path, PEOPLE.replace("older = age + 1", "older = agee + 1"))
    assert "of `people`" in editor.hover("name, assistant")


def test_a_name_leads_to_its_declaration_in_another_file(tmp_path: Path) -> None:
    library = tmp_path / "lib.mix"
    library.write_text("edition 2026\nsource more inline { rows = [{ x = 1 }] }\n")
    editor = opened(
        tmp_path,
        'edition 2026\nimport "lib.mix" as lib\npipeline p {\n  from lib.more\n  derive { y = x }\n}\n',
    )
    place = editor.place("more", behind=2)
    assert isinstance(place, Named)
    assert place.declared.source.path == library
    assert place.declared.text == "more"
    alias = editor.place("lib.more")
    assert isinstance(alias, Named)
    assert alias.declared.position.line == 2


def test_a_column_leads_to_the_step_that_makes_it(editor: Editor) -> None:
    place = editor.place("hello) > 3")
    assert isinstance(place, OfColumn)
    assert place.column.span is not None
    assert place.column.span.position.line == 16


def test_an_unsaved_import_counts(tmp_path: Path) -> None:
    library = (tmp_path / "lib.mix").resolve()
    library.write_text("edition 2026\nsource more inline { rows = [{ x = 1 }] }\n")
    editor = opened(
        tmp_path,
        'edition 2026\nimport "lib.mix" as lib\npipeline p {\n  from lib.more\n  derive { y = z }\n}\n',
    )
    assert [d.code for d in editor.documents.analysis(editor.path).compilation.errors] == ["MIX401"]
    editor.documents.change(library, "edition 2026\nsource more inline { rows = [{ z = 1 }] }\n")
    assert not editor.documents.analysis(editor.path).compilation.errors
    assert editor.documents.importing(library) == [editor.path]
