"""The rooms of the house stand on floors: no two folders need each other, whatever an import is for.

import-linter holds the order of the floors; this holds that there is one, for folders that a contract does not name,
too.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.checkout import PACKAGES


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_no_folder_needs_one_that_needs_it(package: str) -> None:
    """At every level: what lies in one folder, each folder and file of it taken as a whole."""
    folders = {file.parent for file in PACKAGES[package].rglob("*.py")} | {PACKAGES[package]}
    assert {str(folder): circle for folder in folders if (circle := circle_of_folders(folder))} == {}


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_no_file_needs_one_that_needs_it(package: str) -> None:
    assert circle_of_files(PACKAGES[package]) is None


def test_a_circle_is_found(tmp_path: Path) -> None:
    """Imports for types alone and those within functions count."""
    for name, text in (
        ("__init__.py", ""),
        ("a/__init__.py", ""),
        ("b/__init__.py", ""),
        ("c/__init__.py", ""),
        ("a/one.py", "from house.b.two import x"),
        ("b/two.py", "def f() -> None:\n    from house.c import three"),
        ("c/three.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import house.a.one"),
    ):
        (tmp_path / "house" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "house" / name).write_text(text)
    assert set(circle_of_folders(tmp_path / "house") or ()) == {"a", "b", "c"}
    assert set(circle_of_files(tmp_path / "house") or ()) == {"a/one.py", "b/two.py", "c/three.py"}
    (tmp_path / "house" / "c" / "three.py").write_text("from house.c.four import y")
    assert circle_of_folders(tmp_path / "house") is None
    assert circle_of_files(tmp_path / "house") is None


def circle_of_folders(folder: Path) -> list[str] | None:
    """Folders in a folder of which each imports from the next; None where there is no circle. A file right in it counts
    as a folder of its own, and its `__init__.py` as none: that says what the folder offers."""
    return _circle(folder, lambda file: file.relative_to(folder).with_suffix("").parts[0])


def circle_of_files(package: Path) -> list[str] | None:
    """Files of a package of which each imports from the next; None where there is no circle."""
    return _circle(package, lambda file: str(file.relative_to(package)))


def _circle(folder: Path, room_of: Callable[[Path], str]) -> list[str] | None:
    files = [file for file in folder.rglob("*.py") if file != folder / "__init__.py"]
    rooms = {_dotted(file): room_of(file) for file in files}
    needs: dict[str, set[str]] = defaultdict(set)
    for file in files:
        here = room_of(file)
        for name in _imported(ast.parse(file.read_text(encoding="utf-8"))):
            room = rooms.get(name)
            if room is not None and room != here:
                needs[here].add(room)
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        return list(error.args[1])
    return None


def _dotted(file: Path) -> str:
    """A file's dotted name, from the outermost folder that is a package."""
    parts = [file.stem] if file.stem != "__init__" else []
    for folder in file.parents:
        parts.insert(0, folder.name)
        if not (folder.parent / "__init__.py").is_file():
            break
    return ".".join(parts)


def _imported(tree: ast.Module) -> set[str]:
    """Dotted names that a module imports, with those that it imports from packages."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found |= {name.name for name in names}
            case ast.ImportFrom(module=str(module), names=names, level=0):
                found |= {module, *(f"{module}.{name.name}" for name in names)}
    return found
