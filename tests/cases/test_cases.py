"""Every case of the `.cases` files: what the compiler says of it is what is written there.

`pytest tests/cases/test_cases.py --update` writes down what it says now; the diff is reviewed like code.
"""

from __future__ import annotations

import difflib
from collections import Counter
from pathlib import Path

import pytest
from case_files import SECTIONS, Case, answered, cases_of

FILES = sorted(Path(__file__).parent.glob("*.cases"))
CASES = [(path, case) for path in FILES for case in cases_of(path)]


@pytest.mark.parametrize(("path", "case"), [pytest.param(p, c, id=f"{p.stem}: {c.title}") for p, c in CASES])
def test_case(path: Path, case: Case, update: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    written, found = case.written(), answered(case, tmp_path).written()
    if written == found:
        return
    if update:
        rewrite(path, case.title, found)
        return
    place = f"{path.name}:{case.line}"
    diff = difflib.unified_diff(written, found, f"{place} as written", f"{place} as found", lineterm="", n=3)
    pytest.fail("\n".join(["", *diff, "", "'--update' accepts what is found"]), pytrace=False)


def rewrite(path: Path, title: str, lines: list[str]) -> None:
    """Put these lines in the place of a case; the file may have changed since it was read."""
    before = path.read_text(encoding="utf-8").split("\n")
    (case,) = [case for case in cases_of(path) if case.title == title]
    later = [other.line - 1 for other in cases_of(path) if other.line > case.line]
    after = ["", *before[later[0] :]] if later else [""]
    path.write_text("\n".join([*before[: case.line - 1], *lines, *after]), encoding="utf-8")


def test_no_two_cases_of_a_file_have_one_title() -> None:
    titles = Counter((path.name, case.title) for path, case in CASES)
    assert [title for title, count in titles.items() if count > 1] == []


def test_sections_are_files_or_known() -> None:
    names = {name for _, case in CASES for name in case.sections}
    assert {name for name in names if "." not in name} <= set(SECTIONS)
