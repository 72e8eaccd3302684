"""The examples of docs/language/fragments.md are files that check without a finding."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mixwright_compiler.stages import compile_file
from mixwright_dsl.formatter import format_text
from mixwright_dsl.render import render
from mixwright_dsl.source import SourceFile
from tests.checkout import ROOT

PAGE = (ROOT / "docs/language/fragments.md").read_text(encoding="utf-8")
FILES: dict[str, str] = dict(re.findall(r"^```mix\n# (\w+\.mix)\n(.*?)^```$", PAGE, flags=re.M | re.S))


@pytest.mark.parametrize("name", FILES)
def test_an_example_checks_without_a_finding(name: str, tmp_path: Path) -> None:
    for file, text in FILES.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    result = compile_file(tmp_path / name)
    assert result.diagnostics == (), render(result.diagnostics)


def test_every_example_is_one_of_them() -> None:
    assert len(FILES) == PAGE.count("```mix\n")


def test_the_steps_that_the_page_names_are_those_of_the_example(tmp_path: Path) -> None:
    for file, text in FILES.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    program = compile_file(tmp_path / "spec.mix").program
    assert program is not None
    ids = [step.id for step in program.pipelines["brief"].steps]
    assert ids == ["s.generate_short", "s.derive", "s.length", "chat"]


@pytest.mark.parametrize("name", FILES)
def test_fmt_leaves_an_example_as_it_is(name: str) -> None:
    assert format_text(SourceFile(name, FILES[name])).text == FILES[name]
