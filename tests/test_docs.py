"""The pages for those who work on the project tell of what is there: drawings, tables, every path that they name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import pytest

from mixwright.cli import COMMANDS
from mixwright_compiler.logical.passes import PASSES
from tests.checkout import PACKAGES, ROOT

PAGES = ("README.md", "CONTRIBUTING.md", "docs/architecture.md")
TEXT = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
ARCHITECTURE = TEXT["docs/architecture.md"]
AT_THE_TOP = {path.name for path in ROOT.iterdir()}
PLACEHOLDER = re.compile(r"NAME|nnn|<\w+>")
"""Stands for any name in a path."""
PATH = re.compile(r"[\w.<>-]+(?:/[\w.<>-]+)*/?")


def floors_drawn() -> dict[str, list[set[str]]]:
    """Package -> its floors from the top, each with the names of its rooms, as the page draws them."""
    drawing = next(block for block in blocks(ARCHITECTURE) if block.startswith("┌"))
    found: dict[str, list[set[str]]] = {}
    for line in drawing.splitlines():
        match = re.match(r"[┌├] (\w+) ─+$|│ (\S+(?: · \S+)*)  +\S", line)
        if match and match[1]:
            found[match[1]] = []
        elif match:
            found[list(found)[-1]].append(set(match[2].split(" · ")))
    return found


def blocks(page: str) -> list[str]:
    return re.findall(r"^```\w*\n(.*?)^```", page, flags=re.M | re.S)


def floors_in_contracts() -> dict[str, list[set[str]]]:
    """The same as the contracts of import-linter say it; a room with a slash, a file with `.py`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = [
        c for c in project["tool"]["importlinter"]["contracts"] if c["name"].startswith("The floors")
    ]
    found: dict[str, list[set[str]]] = {}
    for layer in (layer for contract in contracts for layer in contract["layers"]):
        names = [name.strip().partition(".") for name in layer.split("|")]
        package = names[0][0]
        is_file = {name: (PACKAGES[package] / f"{name}.py").is_file() for _, _, name in names}
        found.setdefault(package, []).append({f"{n}.py" if is_file[n] else f"{n}/" for n in is_file})
    return found


def test_the_drawing_of_the_floors_is_what_the_contracts_hold() -> None:
    assert list(floors_drawn()) == ["mixwright", "mixwright_runtime", "mixwright_compiler", "mixwright_dsl"]
    drawn = {
        package: floors for package, floors in floors_drawn().items() if package in floors_in_contracts()
    }
    assert drawn == floors_in_contracts()


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_the_rooms_drawn_are_the_folders_there_are(package: str) -> None:
    rooms = {room for floor in floors_drawn()[package] for room in floor if room.endswith("/")}
    assert rooms == {f"{file.parent.name}/" for file in PACKAGES[package].glob("*/__init__.py")}


def test_the_table_of_passes_is_theirs_in_order() -> None:
    table = ARCHITECTURE.partition("| pass | what it does |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", table, flags=re.M) == [each.__name__ for each in PASSES]


def test_the_readme_has_every_command() -> None:
    table = TEXT["README.md"].partition("## Commands")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `mixwright ([\w-]+)", table, flags=re.M)) == set(COMMANDS)


def paths_named(page: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every path that a page names, with the folders that its section says paths are inside of: those of packages that
    it names itself. In blocks those of the drawing of stages."""
    for section in re.split(r"^(?=#+ )", TEXT[page], flags=re.M):
        quoted = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", section, flags=re.M | re.S))
        inside = tuple(text for text in quoted if text.endswith("/") and (ROOT / text).is_dir())
        for text in quoted:
            if PATH.fullmatch(text) and (text.partition("/")[0] in AT_THE_TOP or text.endswith((".py", "/"))):
                yield text, inside
        for target in re.findall(r"\]\(([^)#:]+)\)", section):
            yield ((ROOT / page).parent / target).resolve().relative_to(ROOT).as_posix(), ()
        if section.startswith("## Stages"):
            for text in re.findall(r"\b[\w/]+(?:/|\.py)(?=[\s:;,)]|$)", blocks(section)[0]):
                yield text, inside


def exists(path: str, inside: tuple[str, ...]) -> bool:
    pattern = PLACEHOLDER.sub("*", path).rstrip("/")
    places = (ROOT, *(ROOT / folder for folder in inside))
    return any((place / pattern).exists() or any(place.glob(pattern)) for place in places)


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_is_there(page: str) -> None:
    named = list(paths_named(page))
    assert named
    assert [path for path, inside in named if not exists(path, inside)] == []


OF_A_USER = ("plugins/tone.py",)
"""A file of a user's project, in examples."""


def test_every_path_in_backticks_in_the_code_and_its_manual_is_there() -> None:
    """Those that begin in a folder at the top, in a package or in a room of the package that names them."""
    manual = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.md")]
    code = [path for package in PACKAGES.values() for path in package.rglob("*.py")]
    found = []
    for file in (*manual, *code):
        home = next((package for package in PACKAGES.values() if file.is_relative_to(package)), ROOT)
        inside = tuple(map(str, {home, *(package.parent for package in PACKAGES.values())}))
        for path in re.findall(r"`([\w.]+/[\w./]*\w)`", file.read_text(encoding="utf-8")):
            if path not in OF_A_USER and exists(path.partition("/")[0], inside):
                found.append((file.name, path, exists(path, inside)))
    assert len(found) > 50
    assert [(name, path) for name, path, is_there in found if not is_there] == []
