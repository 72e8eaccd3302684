"""Every diagnostic code has a page, and what the page shows is what the compiler does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from front_specs import compiled, expected, found

from compiler.codes import HEADING, page, titles
from mixwright.explain_code import explain_code

ROOT = Path(__file__).parents[3]
CODES = sorted(p.stem for p in (ROOT / "compiler" / "codes").glob("MIX*.md"))
BLOCK = re.compile(r"```(\w+)(?: (\S+))?\n(.*?)```", re.DOTALL)

MISSING = {"MIX908": ("model.vllm",)}
"""What a page takes not to be installed."""

SYNTAX = "MIX0"
"""Pages of the parser may show several codes at once: what cannot be read can be wrong in more than one way."""


def examples(code: str) -> tuple[str, str, dict[str, str]]:
    """The wrong and the right spec of a page, and the other files it shows."""
    text = page(code) or ""
    head, wrong = text.split("## Wrong")
    wrong, right = wrong.split("## Right")
    files = {name: content for _, name, content in BLOCK.findall(head) if name}
    return BLOCK.search(wrong)[3], BLOCK.search(right)[3], files  # type: ignore[index]


WITHOUT_TOOLS = ("MIX830",)
"""Pages that take no program to be installed; for all others every one is."""


@pytest.fixture(autouse=True)
def _tools(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    is_wrong_example = "test_wrong_example" in request.node.name
    has_none = is_wrong_example and any(code in request.node.name for code in WITHOUT_TOOLS)
    monkeypatch.setattr("shutil.which", lambda name: None if has_none else f"/usr/bin/{name}")


@pytest.mark.parametrize("code", CODES)
def test_wrong_example_gives_this_code_on_the_marked_lines(code: str, tmp_path: Path) -> None:
    wrong, _, files = examples(code)
    result = compiled(tmp_path, wrong, files=files, missing=MISSING.get(code, ()))
    assert [f for f in found(result) if f[2] == code] == expected(wrong) != []
    if not code.startswith(SYNTAX):
        others = {c for _, severity, c in found(result) if severity != "lint"} - {code}
        assert not others


@pytest.mark.parametrize("code", CODES)
def test_right_example_is_free_of_findings(code: str, tmp_path: Path) -> None:
    _, right, files = examples(code)
    result = compiled(tmp_path, right, files=files)
    assert [d for d in result.diagnostics if d.code == code] == []
    # Syntax pages show fragments: names in them need not be declared.
    assert result.errors == () or code.startswith(SYNTAX)


@pytest.mark.parametrize("code", CODES)
def test_page_is_what_explain_prints(code: str) -> None:
    text = explain_code(code.lower())
    assert text is not None
    match = HEADING.match(text)
    assert match is not None and match[1] == code
    assert len(text.split("## Wrong")[0].split("\n\n")[1]) > 60, "the page does not say why"
    assert all(len(line) <= 120 for line in text.split("\n"))


def test_codes_in_the_source_and_pages_are_the_same() -> None:
    used: set[str] = set()
    for package in ("dsl", "compiler"):
        for file in (ROOT / package).rglob("*.py"):
            used |= set(re.findall(r"\"(MIX\d{3})\"", file.read_text(encoding="utf-8")))
    assert sorted(used - {"MIX007"}) == CODES


def test_unknown_code_has_no_page() -> None:
    assert explain_code("MIX999") is None
    assert explain_code("../catalog") is None


def test_at_least_forty_codes_are_documented() -> None:
    assert len(titles()) >= 40
    assert {severity for _, severity in titles().values()} == {"error", "warning", "lint"}
