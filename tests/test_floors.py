"""The rooms of the house stand on floors: no two folders need each other, whatever an import is for.

import-linter holds the order of the floors; this holds that there is one, for folders that a contract does not name,
too.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_no_folder_of_the_compiler_needs_one_that_needs_it() -> None:
    assert circle_of_folders(ROOT / "compiler") is None


def test_a_circle_is_found(tmp_path: Path) -> None:
    """Imports for types alone and those within functions count."""
    for name, text in (
        ("a/one.py", "from house.b.two import x"),
        ("b/two.py", "def f() -> None:\n    from house.c import three"),
        ("c/three.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import house.a.one"),
    ):
        (tmp_path / "house" / name).parent.mkdir(parents=True)
        (tmp_path / "house" / name).write_text(text)
    assert set(circle_of_folders(tmp_path / "house") or ()) == {"a", "b", "c"}
    (tmp_path / "house" / "c" / "three.py").write_text("from house.c.four import y")
    assert circle_of_folders(tmp_path / "house") is None


def circle_of_folders(package: Path) -> list[str] | None:
    """Folders of a package of which each imports from the next; None where there is no circle. A file at the door of
    the package is a folder of its own."""
    rooms = {_dotted(file, package): _room(file, package) for file in package.rglob("*.py")}
    needs: dict[str, set[str]] = defaultdict(set)
    for file in package.rglob("*.py"):
        here = _room(file, package)
        for name in _imported(ast.parse(file.read_text(encoding="utf-8"))):
            room = rooms.get(name)
            if room is not None and room != here:
                needs[here].add(room)
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        return list(error.args[1])
    return None


def _room(file: Path, package: Path) -> str:
    return file.relative_to(package).with_suffix("").parts[0]


def _dotted(file: Path, package: Path) -> str:
    parts = file.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


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
