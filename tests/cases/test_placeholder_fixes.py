"""The fixes of `placeholders.cases` are guesses, so that no tool types them in unasked: typed in, they are right."""

from __future__ import annotations

from pathlib import Path

import pytest
from case_files import Case, cases_of, catalog

from mixwright_compiler.stages import compile_source
from mixwright_dsl.diagnostic import Diagnostic
from mixwright_dsl.source import SourceFile

CODES = ("MIX301", "MIX303", "MIX304", "MIX310")
CASES = [
    case
    for case in cases_of(Path(__file__).with_name("placeholders.cases"))
    if not case.sections and "MIX310" in str(case.spec.marks)
]


def findings(text: str, directory: Path) -> list[Diagnostic]:
    found = compile_source(SourceFile("spec.mix", text, directory / "spec.mix"), catalog=catalog())
    assert found.errors == ()
    return [d for d in found.diagnostics if d.code in CODES]


def mended(text: str, found: list[Diagnostic]) -> str:
    edits = [edit for finding in found if finding.fix for edit in finding.fix.edits]
    for edit in sorted(edits, key=lambda edit: -edit.span.start):
        text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    return text


@pytest.mark.parametrize("case", [pytest.param(case, id=case.title) for case in CASES])
def test_the_fix_is_what_the_hint_says_and_leaves_no_finding(case: Case, tmp_path: Path) -> None:
    (tmp_path / ".mixwright").mkdir()
    found = findings(case.text, tmp_path)
    after = mended(case.text, found)
    for finding in found:
        assert finding.hint is not None and finding.hint.split("`")[1] in after
    assert findings(after, tmp_path) == []


def test_a_template_that_reads_no_column_gets_one(tmp_path: Path) -> None:
    (tmp_path / ".mixwright").mkdir()
    (case,) = [c for c in cases_of(Path(__file__).with_name("placeholders.cases")) if "told one" in c.title]
    found = findings(case.text, tmp_path)
    assert findings(mended(case.text, found), tmp_path) == []
