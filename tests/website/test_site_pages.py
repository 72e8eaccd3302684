"""The site's pages before they are built: nothing is left out, every link leads to a page and a place of it."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

import pytest

from mixwright_compiler.codes import titles
from tests.checkout import ROOT
from website.dialect import lines_outside_fences, links, python_markdown, with_links
from website.links import broken
from website.llms import llms_full, llms_index
from website.navigation import completed, listed
from website.pages import Page, site_pages, slug

PAGES = site_pages(ROOT)


def places(page: Page) -> set[str]:
    """Names of the page's headings; of a repeated one also with a number."""
    lines = [line for line, is_prose in lines_outside_fences(page.text) if is_prose]
    return {slug(line.lstrip("#").strip()) for line in lines if re.match(r"#+ ", line)}


def test_every_page_of_the_manual_and_every_code_is_there() -> None:
    manual = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert manual - {"language/reference.md"} <= set(PAGES)
    assert {f"codes/{code}.md" for code in titles()} <= set(PAGES)


def test_every_link_leads_to_a_page_and_a_place_of_it() -> None:
    wrong = []
    for name, page in PAGES.items():
        for target in links(page.text):
            path, _, anchor = target.partition("#")
            file = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
            is_there = file in PAGES or (ROOT / "docs" / file).is_file()
            if not is_there or (anchor and anchor not in places(PAGES[file])):
                wrong.append((name, target))
    assert wrong == []


def test_the_reference_is_cut_into_parts_and_links_to_its_kinds_find_them() -> None:
    assert PAGES["language/reference/verifiers.md"].title == "Verifiers"
    assert "## `verify` `math`" in PAGES["language/reference/verifiers.md"].text
    assert "(reference/training.md#train)" in PAGES["language/training.md"].text
    assert "[verify` `math`](" not in PAGES["language/reference/index.md"].text
    assert "[`verify` `math`](verifiers.md#verify-math)" in PAGES["language/reference/index.md"].text


def test_a_link_to_a_file_of_the_repository_gets_a_page_of_it() -> None:
    assert "(../repository/specs/methods.md)" in PAGES["cookbook/index.md"].text
    assert "[evol.mix](methods/evol.mix.md)" in PAGES["repository/specs/methods.md"].text
    assert PAGES["repository/specs/methods/evol.mix.md"].text.startswith(
        "# specs/methods/evol.mix\n\n```mix\n"
    )


def test_a_link_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "docs/language").mkdir(parents=True)
    (tmp_path / "docs/language/reference.md").write_text("# Reference\n\n## Steps\n")
    (tmp_path / "docs/a.md").write_text("# A\n\nSee [b](../gone/b.md).\n")
    with pytest.raises(LookupError, match=r"docs/a.md links to gone/b.md, which is not there"):
        site_pages(tmp_path)


def test_no_page_is_missing_in_the_navigation() -> None:
    names = re.findall(r"([\w./]+(?:\.md|/))$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), flags=re.M)
    nav = completed([{"All": names}], PAGES)
    assert [name for name in names if name.endswith(".md") and name not in PAGES] == []
    assert {name for name in PAGES if not name.startswith(("codes/", "repository/"))} == set(listed(nav))
    assert [list(part) for part in nav] == [["All"]], "a page that mkdocs.yml does not name stands under More"


def test_a_page_that_nobody_put_into_the_navigation_is_at_its_end() -> None:
    pages = {
        "a.md": Page("# A", "docs/a.md"),
        "m/c.md": Page("# C", ""),
        "m/b.md": Page("# B", ""),
        "x.md": Page("# X", ""),
    }
    assert completed([{"First": ["a.md", "m/"]}], pages) == [
        {"First": ["a.md", {"B": "m/b.md"}, {"C": "m/c.md"}]},
        {"More": [{"X": "x.md"}]},
    ]


@pytest.mark.parametrize(
    ("github", "python"),
    [
        ("```mix post.mix\nx\n```", '```mix title="post.mix"\nx\n```'),
        ("Not reached:\n- one\n  more\n- two", "Not reached:\n\n- one\n  more\n- two"),
        ("| `a\\|b` | c |", "| `a|b` | c |"),
        ("```text\nwords:\n- as they are\n```", "```text\nwords:\n- as they are\n```"),
        ("````\n```mix in.mix\n````\n```mix out.mix", '````\n```mix in.mix\n````\n```mix title="out.mix"'),
    ],
)  # fmt: skip
def test_what_the_two_dialects_write_otherwise(github: str, python: str) -> None:
    assert python_markdown(github) == python


def test_links_in_code_blocks_and_to_the_web_stay() -> None:
    text = "[a\nb](c.md) [d](https://e.org) `[x](…)`\n\n```text\n[a](b.md)\n```"
    assert with_links(text, lambda target: f"x/{target}") == text.replace("(c.md)", "(x/c.md)")


def test_the_index_for_language_models_has_every_page_in_a_line() -> None:
    nav = completed([{"All": ["index.md"]}], PAGES)
    index = llms_index(nav, PAGES, "What it is")
    assert index.startswith("# Mixwright\n\n> What it is\n")
    assert "- [The tour](tour.md): Ten minutes from nothing" in index
    assert {name for name in PAGES if not name.startswith("repository/")} == set(
        re.findall(r"^- \[.*\]\((.*?)\)", index, flags=re.M)
    )
    assert PAGES["tour.md"].text.strip() in llms_full(listed(nav), PAGES)


def test_a_built_site_with_a_bad_link_or_a_fetch_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "index.html").write_text(
        '<h1 id="top"></h1><a href="a/b.html#here">ok</a><a href="a/c.html">no</a><a href="#low">no</a>'
        '<a href="https://e.org">ok</a><script src="https://cdn.org/x.js"></script>'
    )
    (tmp_path / "a/b.html").write_text('<p id="here"></p><a href="../index.html#top">ok</a>')
    assert list(broken(tmp_path)) == [
        "index.html: a/c.html is not there",
        "index.html: #low has no such place",
        "index.html: https://cdn.org/x.js is fetched from elsewhere",
    ]
