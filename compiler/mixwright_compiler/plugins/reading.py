"""A plugin's files to its declarations, each checked like those that ship: what it offers, and what is wrong with it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from mixwright_compiler.catalog.blocks import STEP_FAMILIES
from mixwright_compiler.catalog.catalog import Catalog, Provider
from mixwright_compiler.catalog.shape_traits import SHAPES, TOOL, conflicts
from mixwright_compiler.plugins.declaration_checks import problems_of
from mixwright_compiler.plugins.files import PACKAGE, is_module, module_of
from mixwright_compiler.plugins.text import Declared, NotPlain, PythonFile
from mixwright_compiler.suggest import listing
from mixwright_dsl.lazy_dataclass import dataclass, field, replace
from mixwright_dsl.source import SourceFile, Span, source_of


@dataclass(frozen=True)
class Fault:
    """Something wrong in a plugin, with its code."""

    code: str
    message: str
    span: Span
    label: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Plugin:
    """A plugin as far as a spec needs it.

    name: its path from the project's root, or its distribution. identity: `sha256:…` of its files, or
    `acme-tone==1.2`. path: from the root; of an installed one `module`, its import name, instead. declares: its
    files with declarations, by their names inside it. declared: by catalog key.
    """

    name: str
    identity: str
    path: str = ""
    module: str = ""
    declares: tuple[str, ...] = ()
    declared: Mapping[str, Declared] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()


def read_plugin(
    plugin: Plugin, files: Mapping[str, Path], shown: str, catalog: Catalog, root: Path | None = None
) -> Plugin:
    """The plugin with what its files declare, and what is wrong with it.

    Args:
        files: as `files_of` gives them. shown: how messages name the plugin's file or folder.
        root: of the project that it belongs to, whose other files it must not import.
    """
    sources: dict[str, SourceFile] = {}
    faults: list[Fault] = []
    for place, path in files.items():
        if place.endswith(".py") and (PACKAGE not in files or is_module(place)):
            name = f"{shown}/{place}" if PACKAGE in files else shown
            try:
                sources[module_of(place) if PACKAGE in files else ""] = source_of(
                    path.read_bytes(), name, path
                )
            except UnicodeDecodeError:
                faults.append(
                    Fault("MIX130", f"`{name}` is not UTF-8", Span(SourceFile(name, "", path), 0, 0))
                )
    opened: dict[str, PythonFile] = {}
    for module, source in sources.items():
        try:
            opened[module] = PythonFile(source, module, opened)
        except SyntaxError as error:
            faults.append(_no_python(source, error))
    declared: dict[str, Declared] = {}
    declares: list[str] = []
    for module, file in opened.items():
        if root is not None:
            faults += _strangers(file, root)
        for found in file.declarations(catalog):
            if isinstance(found, NotPlain):
                faults.append(Fault("MIX131", str(found), found.span, hint=found.hint))
                continue
            key = found.entry.key
            faults += _wrong(found, catalog)
            if key in declared:
                faults.append(Fault("MIX133", f"`{key}` is declared twice in this plugin", found.span))
            line = f"{found.span.source.name}:{found.span.position.line}"
            entry = replace(found.entry, plugin=Provider(plugin.name, plugin.identity, line))
            declared[key] = replace(found, entry=entry)
            declares.append(module)
    if not declared and not faults:
        at = sources[""]
        hint = "`from mixwright.plugin import declare`, and `@declare(…)` above a class"
        faults.append(Fault("MIX131", f"`{shown}` declares nothing", Span(at, 0, 0), hint=hint))
    return replace(plugin, declares=tuple(dict.fromkeys(declares)), declared=declared, faults=tuple(faults))


def _no_python(source: SourceFile, error: SyntaxError) -> Fault:
    line = min(error.lineno or 1, len(source.line_starts))
    at = source.line_starts[line - 1] + max(0, (error.offset or 1) - 1)
    at = min(at, len(source.text))
    why = (error.msg or "it cannot be parsed").lower()
    return Fault("MIX130", f"`{source.name}` is no Python: {why}", Span(source, at, at))


def _wrong(found: Declared, catalog: Catalog) -> Iterator[Fault]:
    key = found.entry.key
    problems = list(problems_of(found.entry, catalog))
    for problem in problems:
        yield Fault("MIX132", f"{key}: {problem.message}", found.at(problem.schema), hint=problem.hint)
    made_as = found.made_as
    is_step = found.entry.family in ("step", *STEP_FAMILIES)
    if is_step and made_as.shapes == ():
        message = f"{key}: its class derives from no shape of a step"
        yield Fault(
            "MIX134", message, found.span, hint=f"derive it from one of: {listing(SHAPES, len(SHAPES))}"
        )
        return
    if found.entry.family == "tool" and made_as.shapes == ():
        yield Fault(
            "MIX134",
            f"{key}: its class does not derive from `{TOOL}`",
            found.span,
            hint=f"derive it from `{TOOL}` of `mixwright.plugin`",
        )
        return
    if made_as.missing:
        names = listing(f"`{name}`" for name in made_as.missing)
        yield Fault(
            "MIX134", f"{key}: its class has no {names}", found.span, hint="see docs/language/plugins.md"
        )
    if is_step and made_as.shapes is not None and not problems:
        for conflict in conflicts(made_as.name, made_as.shapes, found.entry):
            yield Fault("MIX132", f"{key}: {conflict.message}", found.at(conflict.schema, conflict.trait))


def _strangers(file: PythonFile, root: Path) -> Iterator[Fault]:
    """Files of the project that a plugin imports and that are no part of it: its digest would not know of them."""
    path = file.source.path
    seen: set[str] = set()
    for name, node in file.imports():
        if name in sys.stdlib_module_names or name == "mixwright" or name in seen or path is None:
            continue
        seen.add(name)
        beside = [path.parent, *(p for p in path.parents if p.is_relative_to(root)), root / "src"]
        for folder in dict.fromkeys(beside):
            at = folder / name
            if at.with_suffix(".py").is_file() or (at / PACKAGE).is_file():
                if file.is_of_folder and folder == path.parent:
                    yield Fault(
                        "MIX135",
                        f"the plugin imports `{name}` of its own without a point",
                        file.span(_imported(node)),
                        hint=f"write `from . import {name}`",
                    )
                    break
                shown = at.with_suffix(".py") if at.with_suffix(".py").is_file() else at
                yield Fault(
                    "MIX135",
                    f"the plugin imports `{shown.relative_to(root)}`, which is no part of it",
                    file.span(_imported(node)),
                    "a change of it would go unnoticed",
                    "make the plugin a folder with `__init__.py` that holds both, and import it with a point",
                )
                break


def _imported(node: ast.AST) -> ast.AST:
    return node.names[0] if isinstance(node, ast.Import) else node
