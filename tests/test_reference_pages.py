"""The pages of the manual: the tour's examples compile, and the reference leaves nothing out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mixwright.catalog import ROOT
from mixwright.reference import texts
from mixwright.reference.pages import diagnostics_page, reference_page
from mixwright_compiler.catalog.calls import CALLS, WORDS
from mixwright_compiler.catalog.catalog import builtin_catalog
from mixwright_compiler.codes import titles
from mixwright_compiler.expressions.functions import FUNCTIONS
from mixwright_compiler.stages import compile_source
from mixwright_dsl.source import SourceFile

LANGUAGE = ROOT / "docs/language"
EXAMPLES = re.findall(r"```mix\n(.*?)```", (LANGUAGE / "language.md").read_text(encoding="utf-8"), flags=re.S)


@pytest.mark.parametrize("count", range(1, len(EXAMPLES) + 1))
def test_the_tours_examples_are_one_spec(count: int, tmp_path: Path) -> None:
    result = compile_source(SourceFile("a.mix", "\n".join(EXAMPLES[:count]), tmp_path / "a.mix"))
    assert [str(d.message) for d in result.errors] == []
    if count == len(EXAMPLES):
        # Packages of extras may be missing where the tests run.
        assert [d.message for d in result.diagnostics if d.code != "MIX908"] == []


def test_examples_of_verification_are_specs_of_their_own(tmp_path: Path) -> None:
    text = (LANGUAGE / "verification.md").read_text(encoding="utf-8")
    examples = re.findall(r"```mix\n(.*?)```", text, flags=re.S)
    assert len(examples) == 5
    for example in examples:
        result = compile_source(SourceFile("a.mix", example, tmp_path / "a.mix"))
        assert [d.message for d in result.diagnostics if d.code != "MIX908"] == []


def test_the_reference_has_every_entry_attribute_and_extra() -> None:
    page = reference_page(builtin_catalog())
    for entry in builtin_catalog().entries.values():
        assert entry.doc.split("\n")[0] in page, entry.key
        for attribute in entry.attributes:
            assert attribute.name == "*" or f"| `{attribute.name}` |" in page, f"{entry.key}.{attribute.name}"
        assert f"mixwright[{entry.extra}]" in page or not entry.extra


def test_an_attributes_line_tells_type_default_bounds_and_class() -> None:
    page = reference_page(builtin_catalog())
    assert "| `threshold` | share | `80%` | 10% to 100% | row | Rows with at least" in page
    assert "| `on_fail` | [on_fail call](#on_fail) | `drop` |  | set |" in page
    assert "| `model` | name of a model | **required** |  | row |" in page


def test_functions_and_calls_are_all_described() -> None:
    assert set(texts.FUNCTIONS) == set(FUNCTIONS)
    for name, shapes in texts.CALLS.items():
        assert {shape.partition("(")[0] for shape in shapes} == {*CALLS[name], *WORDS[name]}
    assert set(texts.CALLS) == set(CALLS)


def test_a_family_without_a_heading_is_refused() -> None:
    from mixwright_compiler.catalog.catalog import Catalog, Entry

    with pytest.raises(ValueError, match="no heading for: brew"):
        reference_page(Catalog({"brew.tea": Entry("brew", "tea", "Tea.")}))


def test_the_index_links_every_code_to_its_page() -> None:
    page = diagnostics_page()
    linked = re.findall(r"\[(MIX\d{3})\]\(\.\./compiler/mixwright_compiler/codes/\1\.md\)", page)
    assert linked == list(titles())


@pytest.mark.parametrize("page", ["language.md", "verification.md", "reference.md", "../diagnostics.md"])
def test_links_between_the_pages_lead_somewhere(page: str) -> None:
    text = (LANGUAGE / page).read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^\w -]", "", h).strip().replace(" ", "-")
        for h in re.findall(r"^#+ (.+)$", text, flags=re.M)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        else:
            assert ((LANGUAGE / page).parent / target).exists(), target
