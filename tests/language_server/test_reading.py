"""What is answered right after a keystroke: the same as what is told of the whole text when it was compiled."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from spec_at import PEOPLE
from test_part import OTHERS, told

from mixwright.language_server import outline
from mixwright.language_server.documents import Analysis, Documents
from mixwright.language_server.part import declarations_of
from mixwright_compiler.bind import resolve

TEXT = f"# A comment.\n{PEOPLE}{OTHERS}"

EDITS: tuple[tuple[str, str], ...] = (
    ("filter {", "derive { twice = age * 2 }\n  filter {"),  # a column more
    ("twice = age * 2", "twice = name"),  # of another type
    ("derive { twice = name }\n  ", ""),
    ("edition 2026\n", "edition 2026\n# Everything stands further down.\n\n"),
    ("age = 36", "age = 3.5"),  # of which others make columns
    ("let { hot = 0.9 }", "let { hot = 0.25 }"),
    ("template greet {", "template hail {"),  # a name that others still write
    ("template hail {", "template greet {"),
    ("pipeline hailed", "pipeline named_anew"),
    ("operator longer", 'template age { user = "{{ name }}" }\noperator longer'),  # called like a column
    ("seed = 1", "seed = "),  # cannot be read
    ("seed = \n", "seed = 2\n"),
    ("total", "totl"),  # can be read, and is wrong
    ("totl", "total"),
    ("pipeline grown {", "pipeline grown {\n  from nobody\n"),
    ("\n  from nobody\n", "\n"),
)


def answers(documents: Documents, path: Path, analysis: Analysis) -> dict[str, object]:
    """All that is told of a text without what is wrong in it."""
    program = analysis.compilation.draft or documents.program(path)
    modules = analysis.module.declarations.values() if analysis.module is not None else ()
    return {
        "tokens": outline.semantic_tokens(analysis, program),
        "hints": outline.inlay_hints(analysis, 0, 1000),
        "symbols": outline.symbols(analysis),
        "folds": outline.folds(analysis),
        "places": [told(analysis, word.start()) for word in re.finditer(r"\w+", analysis.source.text)],
        "references": [
            [(span.start, span.end) for span in documents.mentions_of(analysis.real(d.name_span), path)]
            for d in modules
        ],
    }


def test_all_that_is_told_after_an_edit_is_what_is_told_of_the_whole(tmp_path: Path) -> None:
    path = (tmp_path / "spec.mix").resolve()
    written, text = Documents(), TEXT
    written.change(path, text)
    written.prepare(path)
    for old, new in EDITS:
        assert text.count(old), old
        text = text.replace(old, new, 1)
        written.change(path, text)
        reading = written.reading(path)
        told_soon = answers(written, path, reading)
        fresh = Documents()
        fresh.change(path, text)
        whole = fresh.analysis(path)
        if whole.compilation.draft is None:
            continue  # the same was compiled
        assert reading.moves is not None and whole.moves is None
        for what, found in answers(fresh, path, whole).items():
            assert told_soon[what] == found, (what, new)


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the declarations that were bound."""
    found: list[str] = []
    bind: Callable[..., object] = resolve._bind

    def noted(scope: object, declaration: object) -> object:
        found.append(declaration.name)  # type: ignore[attr-defined]
        return bind(scope, declaration)

    monkeypatch.setattr(resolve, "_bind", noted)
    return found


def test_an_edit_binds_again_what_hangs_on_it(tmp_path: Path, bound: list[str]) -> None:
    path = (tmp_path / "spec.mix").resolve()
    documents = Documents()
    documents.change(path, TEXT)
    documents.prepare(path)
    assert {"people", "greetings", "grown", "all_of_it", "ask"} <= set(bound)
    bound.clear()
    documents.change(path, TEXT.replace("filter {", "derive { twice = age }\n  filter {", 1))
    documents.reading(path)
    assert {"greetings", "grown"} <= set(bound) and not {"people", "ask", "teacher"} & set(bound)
    bound.clear()
    documents.change(path, TEXT + 'template older { user = "{{ name }}" }\n')  # a word of one of them
    documents.reading(path)
    assert "greetings" in bound and not {"people", "ask", "teacher"} & set(bound)
    bound.clear()
    documents.change(path, TEXT.replace("let { hot", "let { cold = 1, hot"))
    documents.reading(path)
    assert {"people", "ask", "teacher"} <= set(bound)


def test_what_was_written_and_is_no_longer_there_is_forgotten(tmp_path: Path) -> None:
    path = (tmp_path / "spec.mix").resolve()
    documents = Documents()
    for age in range(20):
        documents.change(path, TEXT.replace("age = 36", f"age = {age}"))
        documents.reading(path)
    stable, remembered = documents._written[path]
    assert len(stable._kept) == len(declarations_of(TEXT))
    assert len(remembered._known) <= len(stable._kept)
    assert len(stable.source.text) < 4 * len(TEXT) and not stable.is_full
    documents.change(path, TEXT * 400)
    documents.reading(path)
    assert stable.is_full
    documents.change(path, TEXT)
    reading = documents.reading(path)
    assert documents._written[path][0] is not stable
    assert answers(documents, path, reading)["symbols"] == outline.symbols(documents.analysis(path))
