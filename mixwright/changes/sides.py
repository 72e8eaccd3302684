"""The two sides of a comparison: specs as they are in a file, in the working tree, or at a git revision, compiled.

What is given is `OLD NEW`, two files, or a range of revisions and specs: `REV` stands for the revision and the working
tree, `REV..REV` for two revisions, `REV...REV` for the newest commit that both have in common and the second one.
A file may be one of a revision: `REV:FILE`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright.changes.renames import renamed
from mixwright.changes.revisions import (
    Tree,
    commit_of,
    merge_base,
    project_of,
    repository_of,
    spec_at,
    tree_of,
)
from mixwright.compiling import Misuse, given_params, params_there, plan_of, why_unreadable
from mixwright_compiler.plan.text_lengths import column_characters
from mixwright_compiler.suggest import did_you_mean, listing, nearest

if TYPE_CHECKING:
    from mixwright_compiler.bind.lock import Lock
    from mixwright_compiler.plan.plan import Plan
    from mixwright_compiler.program import Program
    from mixwright_dsl.diagnostic import Diagnostic

WORKING_TREE = "working tree"


@dataclass(frozen=True)
class Place:
    """Where a spec is: `path` in the working tree, or its counterpart in `tree`; `shown` is what it is called."""

    path: Path
    shown: str
    tree: Tree | None = None

    @property
    def file(self) -> Path:
        return self.path if self.tree is None else spec_at(self.tree, self.path)


@dataclass(frozen=True)
class Pair:
    """A spec and what it is compared with; None where it is not there. was: its name before, where that was another."""

    spec: str
    old: Place | None
    new: Place | None
    was: str = ""


@dataclass(frozen=True)
class Opened:
    """What is compared, and what the sides are called: `main` and `working tree`; two files have their names."""

    pairs: tuple[Pair, ...]
    old: str
    new: str
    is_named: bool = True
    """Were the specs given, or are they all that there are?"""


@dataclass(frozen=True)
class Side:
    """A spec compiled in its place. `plan`: None where it has errors, or is not there.

    `problems` are its errors, `declared` the params that it can be given. The plan's root and directory are those of the
    working tree, where its store and data are.
    """

    plan: Plan | None = None
    program: Program | None = None
    problems: tuple[Diagnostic, ...] = ()
    declared: frozenset[str] = frozenset()
    characters: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


class Sides:
    """Opens what is to be compared. Revisions are written to temporary folders, which are gone at the end."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._trees: dict[tuple[str, Path], Tree] = {}

    def __enter__(self) -> Sides:
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.close()

    def opened(self, given: Sequence[str]) -> Opened:
        """What `mixwright diff` compares: two files, or a range and specs.

        Raises:
            Misuse: a file or a revision is not there.
        """
        first, *rest = given
        if not _names_file(first):
            return self.since(first, rest)
        others = rest or ([first.partition(":")[2]] if not Path(first).is_file() else [])
        if len(others) != 1:
            raise Misuse(f"{first} is compared with one other file: 'mixwright diff {first} OTHER'")
        old, new = self._file(first), self._file(others[0])
        return Opened((Pair(new.shown, old, new),), old.shown, new.shown)

    def since(self, revisions: str, specs: Sequence[str]) -> Opened:
        """Specs at a revision and in the working tree, or at both revisions of a range; without `specs` all of the
        project that is here which no other file imports.

        Raises:
            Misuse: a file or a revision is not there.
        """
        project = project_of(Path(specs[0]) if specs else Path.cwd())
        before, after = self._range(revisions, project)
        trees = [self._tree(before, project), self._tree(after, project) if after else None]
        below = Path.cwd() if Path.cwd().is_relative_to(project) else project
        given = [Path(spec) for spec in specs]
        # The specs of both sides: for all of them, or to find what a given one was called.
        is_asked = not given or any(not Place(path, "", trees[0]).file.is_file() for path in given)
        old, new = (_roots(below, tree, project) if is_asked else [] for tree in trees)
        names = given or sorted({*old, *new})
        was = _renamed(names, (old, trees[0]), (new, trees[1]))
        pairs = []
        for path in names:
            places = [Place(path, _shown(path, tree), tree) for tree in trees]
            if path in was:
                places[0] = Place(was[path], _shown(was[path], trees[0]), trees[0])
            before_it, after_it = (place if place.file.is_file() else None for place in places)
            if before_it is None and after_it is None:
                raise Misuse(f"{path} is neither at {before} nor {f'at {after}' if after else 'here'}")
            if path not in was.values():
                pairs.append(Pair(str(path), before_it, after_it, str(was.get(path, ""))))
        return Opened(tuple(pairs), before, after or WORKING_TREE, bool(specs))

    def _file(self, text: str) -> Place:
        revision, colon, name = text.partition(":")
        if Path(text).exists() or not colon:
            if not Path(text).is_file():
                raise Misuse(f"{text} is no file here; of a revision it is 'REV:{text}'")
            return Place(Path(text), text)
        tree = self._tree(revision, project_of(Path(name)))
        place = Place(Path(name), text, tree)
        if not place.file.is_file():
            raise Misuse(f"{name} is not there at {revision}; paths start where you are")
        return place

    def _range(self, text: str, project: Path) -> tuple[str, str]:
        """Both ends of a range; the second is empty for the working tree."""
        if "..." in text:
            one, _, other = text.partition("...")
            base = merge_base(repository_of(project), one or "HEAD", other or "HEAD")
            return base[:12], other or "HEAD"
        one, dots, other = text.partition("..")
        if not dots:
            commit_of(repository_of(project), text)
            return text, ""
        return one or "HEAD", other or "HEAD"

    def _tree(self, revision: str, project: Path) -> Tree:
        key = revision, project
        if key not in self._trees:
            self._trees[key] = self._stack.enter_context(tree_of(revision, project))
        return self._trees[key]


def _names_file(text: str) -> bool:
    """Is it a file here, or `REV:FILE`?"""
    revision, _, name = text.partition(":")
    return Path(text).is_file() or bool(revision and name) or text.endswith((".mix", ".json"))


def side(place: Place | None, params: Sequence[str] = (), variant: str | None = None) -> Side:
    """A spec compiled, or a plan read; what it names and its revision does not hold is as in the working tree.

    It is given those of the params that it has: one may be of the other side alone, or of another spec.

    Raises:
        Misuse: it cannot be read, or its lock cannot.
    """
    if place is None:
        return Side()
    try:
        return (
            _plan_file(place) if place.path.suffix == ".json" else _spec(place, given_params(params), variant)
        )
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"{place.shown} cannot be read: {why_unreadable(error)}") from None


def refuse_unknown(params: Sequence[str], sides: Iterable[Side]) -> None:
    """A param that no spec on any side has is misspelt.

    Raises:
        Misuse: there is one.
    """
    declared = sorted(frozenset[str]().union(*(each.declared for each in sides)))
    for name in given_params(params):
        if name not in declared:
            near = did_you_mean(nearest(name, declared), f"params are: {listing(declared) or 'none'}")
            raise Misuse(f"no param '{name}' on either side; {near}")


def _plan_file(place: Place) -> Side:
    from mixwright_compiler.plan.plan import plan_from_json

    try:
        return Side(plan_from_json(place.file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise Misuse(f"{place.shown} is not a plan: {str(error).partition(chr(10))[0]}") from None


def _spec(place: Place, given: Mapping[str, str], variant: str | None) -> Side:
    from mixwright_compiler.bind.lock import LockUnreadable, lock_path, read_lock
    from mixwright_compiler.stages import compile_source
    from mixwright_dsl.source import read_source

    declared = params_there(place.file) if given else frozenset[str]()
    given = {name: value for name, value in given.items() if name in declared}
    try:
        lock = read_lock(lock_path(place.file))
    except LockUnreadable as error:
        raise Misuse(f"{place.shown}: {error}") from None
    source = read_source(place.file, place.shown)
    result = compile_source(source, params=given, lock=lock, variant=variant)
    if (
        place.tree is not None
        and result.draft is not None
        and _supplied(place, place.tree, result.draft, lock)
    ):
        result = compile_source(source, params=given, lock=lock, variant=variant)
    if result.program is None:
        return Side(problems=result.errors, declared=declared)
    plan = _plan(place, result.program, lock, variant)
    return Side(plan, result.program, declared=declared, characters=column_characters(result.program, lock))


def _plan(place: Place, program: Program, lock: Lock, variant: str | None) -> Plan:
    plan = plan_of(program, place.file, lock, variant)
    if place.tree is None:
        return plan
    directory = os.path.dirname(os.path.abspath(place.path))
    return plan.model_copy(
        update={"root": str(place.tree.work), "directory": directory, "spec": str(place.path)}
    )


def _supplied(place: Place, tree: Tree, draft: Program, lock: Lock) -> bool:
    """Bring into a revision's tree what a spec names and the revision does not hold; False where nothing was missing."""
    from mixwright_compiler.catalog.catalog import PATH_TYPES

    directory = place.file.parent
    is_other = False
    for declared in (*draft.sources.values(), *draft.models.values(), *draft.trains.values()):
        for schema in declared.entry.attributes:
            if schema.type in PATH_TYPES and schema.name in declared.attributes and schema.name != "output":
                for name in _paths(declared.attributes[schema.name].value):
                    for path in _matching(tree, directory, name):
                        is_pinned = (
                            declared.name in lock.sources and draft.sources.get(declared.name) is declared
                        )
                        is_other |= tree.supply(path, is_pinned=is_pinned)
    return is_other


def _paths(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case Mapping():
            return [str(item) for item in value.values()]
        case list():
            return [str(item) for item in value]
    return []


def _matching(tree: Tree, directory: Path, name: str) -> Iterator[Path]:
    """The places in a tree of what a path or a pattern names in the working tree."""
    from glob import glob

    from mixwright_compiler.plan.file_places import is_pattern

    if os.path.isabs(name) or "\0" in name:
        return
    path = Path(os.path.normpath(directory / name))
    if not path.is_relative_to(tree.files):
        return
    if not is_pattern(name):
        yield path
        return
    work = tree.work / path.relative_to(tree.files)
    found = [tree.counterpart(Path(name)) for name in glob(str(work), recursive=True)]
    yield from found or [Path(str(path).replace("*", "locked").replace("?", "0"))]


_Specs = tuple[Sequence[Path], Tree | None]
"""The specs of a side, and where it is."""


def _renamed(names: Sequence[Path], old: _Specs, new: _Specs) -> dict[Path, Path]:
    """Those of these specs that had another name on the first side -> that name."""
    here = [path for path in names if path not in old[0] and path in new[0]]
    gone = [path for path in old[0] if path not in new[0]]
    return renamed(_texts(gone, old[1]), _texts(here, new[1])) if here and gone else {}


def _texts(specs: Sequence[Path], tree: Tree | None) -> dict[Path, str]:
    """The text of each spec that can be read; of others it is told when they are compared."""
    from mixwright_dsl.source import read_source

    found = {}
    for name in specs:
        try:
            found[name] = read_source(Place(name, "", tree).file).text
        except (OSError, UnicodeDecodeError):
            continue
    return found


def _shown(path: Path, tree: Tree | None) -> str:
    return str(path) if tree is None else f"{tree.name}:{path}"


def _roots(below: Path, tree: Tree | None, project: Path) -> list[Path]:
    """The specs below a folder which no other file there imports, from the working directory."""
    from mixwright_dsl.source import read_source

    top = below if tree is None else tree.counterpart(below)
    found: list[Path] = []
    imported: set[Path] = set()
    for folder, folders, files in os.walk(top):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "node_modules")
        for name in sorted(files):
            if name.endswith(".mix") and not name.startswith("."):
                path = Path(folder, name)
                found.append(path)
                try:
                    imported |= _imports(read_source(path).text, path.parent)
                except (OSError, UnicodeDecodeError):
                    continue  # it is compared, and told of then
    return [
        Path(os.path.relpath(below / path.relative_to(top)))
        for path in found
        if path.resolve() not in imported
    ]


def _imports(text: str, directory: Path) -> set[Path]:
    """The files that a spec imports, by its text."""
    import re

    names = re.findall(r'^\s*import\s+"([^"\n]+)"', text, flags=re.M)
    return {(directory / name).resolve() for name in names if "\0" not in name}
