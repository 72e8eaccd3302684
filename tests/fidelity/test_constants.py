"""The numbers that the library's fragments have as defaults, beside those of the papers and of the original code.

`constants.toml` is frozen: a default that is moved must be moved there too, with a reason. The tables in `docs/methods`
are made of it (`pytest tests/fidelity --update`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mixwright_dsl.nodes import Attribute, Block, Quantity, Ref
from mixwright_dsl.parser import parse
from mixwright_dsl.source import SourceFile
from tests.checkout import ROOT

LIBRARY = ROOT / "specs" / "lib"
PAGES = ROOT / "docs" / "methods"
CONSTANTS: dict[str, Any] = tomllib.loads(
    Path(__file__).with_name("constants.toml").read_text(encoding="utf-8")
)
OWN = {"answered"}
"""Of no method: nothing was published of it."""
FILES = sorted(path for path in LIBRARY.glob("*.mix") if path.stem not in OWN)
WITHOUT = {"pairs", "demonstrations"}
"""Pages of methods that are no fragment: they have no numbers."""
TABLE = re.compile(r"(?s)(<!-- constants of (\w+) -->\n).*?(<!-- end -->)")


def named(blocks: tuple[Any, ...], kind: str) -> Iterator[Block]:
    return (block for block in blocks if isinstance(block, Block) and block.kind == kind)


def defaults_of(path: Path) -> dict[str, dict[str, float]]:
    """Fragment -> param -> default, of all params whose default is a number."""
    file = parse(SourceFile(path.name, path.read_text(encoding="utf-8"))).file
    found: dict[str, dict[str, float]] = {}
    for fragment in named(file.body, "fragment"):
        assert isinstance(fragment.labels[0], Ref)
        for param in (param for params in named(fragment.body, "params") for param in params.body):
            assert isinstance(param, Block)
            written = (
                a.value for a in param.body if isinstance(a, Attribute) and a.name.parts == ("default",)
            )
            for default in written:
                if isinstance(default, Quantity):
                    found.setdefault(fragment.labels[0].parts[0], {})[param.kind] = default.value
    return found


def table_of(method: str) -> str:
    rows = ["| fragment | constant | ours | published | where, or why |", "|---|---|---|---|---|"]
    for fragment, constants in CONSTANTS.get(method, {}).items():
        for name, constant in constants.items():
            published = constant.get("published", "")
            said = [constant["source"]] if constant["source"] != "none" else []
            said += [constant["why"]] if "why" in constant else []
            rows.append(f"| `{fragment}` | `{name}` | {constant['ours']} | {published} | {'. '.join(said)} |")
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_default_is_told_beside_what_was_published(path: Path) -> None:
    told = {
        fragment: {name: constant["ours"] for name, constant in constants.items()}
        for fragment, constants in CONSTANTS.get(path.stem, {}).items()
    }
    assert told == defaults_of(path)


def test_a_departure_says_why() -> None:
    for method, fragments in CONSTANTS.items():
        for fragment, constants in fragments.items():
            for name, constant in constants.items():
                differs = constant.get("published") != constant["ours"]
                assert ("why" in constant) == differs, (method, fragment, name)


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)
def test_a_page_has_the_constants_of_its_method(page: Path, update: bool) -> None:
    text = page.read_text(encoding="utf-8")
    made = TABLE.sub(lambda match: match[1] + table_of(match[2]) + match[3], text)
    if update:
        page.write_text(made, encoding="utf-8")
    assert bool(TABLE.search(text)) != (page.stem in WITHOUT) and made == page.read_text(encoding="utf-8")


def test_each_library_file_has_a_page() -> None:
    told = {
        match[2] for page in PAGES.glob("*.md") for match in TABLE.finditer(page.read_text(encoding="utf-8"))
    }
    assert told == {path.stem for path in FILES}
