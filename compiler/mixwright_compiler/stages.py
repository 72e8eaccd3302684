"""From a file to a checked program, one stage after another:

    text ──load──▶ modules ──resolve──▶ program ──check──▶ program + findings

`load` parses the spec and its imports (mixwright_compiler/load/loader.py), `resolve` binds names, types and columns
(mixwright_compiler/bind/resolve.py), `check` looks for what is well-formed and still wrong
(mixwright_compiler/checks/). Text that does not parse ends it after `load`: what follows would only be a consequence.
Nothing here runs a spec, reads a row, or touches the network.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright_compiler.bind.resolve import resolve
from mixwright_compiler.catalog.catalog import Catalog, builtin_catalog
from mixwright_compiler.checks import run_checks
from mixwright_compiler.findings import Findings
from mixwright_compiler.load.loader import load
from mixwright_compiler.load.params import check_given
from mixwright_compiler.load.project_root import root_of
from mixwright_compiler.load.uses import told_of_files
from mixwright_compiler.load.world import Mention, Module, World
from mixwright_compiler.program import ExportDecl, Program
from mixwright_compiler.schema import Columns
from mixwright_compiler.suggest import did_you_mean, listing, nearest
from mixwright_dsl.diagnostic import Diagnostic
from mixwright_dsl.lazy_dataclass import dataclass, replace
from mixwright_dsl.source import SourceFile, Span, read_source

if TYPE_CHECKING:
    from mixwright_compiler.bind.remembered import Remembered
    from mixwright_dsl.parser import ParseResult

TOLD_OF_PLANS = ("MIX617",)
"""Warnings that come after these stages, with the plan (`plan/budgets.py`): whether a comment allows one is not known
here."""


@dataclass(frozen=True)
class Compilation:
    """What came out of each stage. `program` is None when there are errors.

    `draft` is what could be bound all the same, and `mentions` says where names lead, for tools that show a spec while it
    is being written.
    """

    program: Program | None
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[SourceFile, ...]
    modules: tuple[Module, ...] = ()
    draft: Program | None = None
    mentions: tuple[Mention, ...] = ()

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.is_error)


def compile_file(
    path: Path | str,
    *,
    params: Mapping[str, str] | None = None,
    lock: Any = None,
    catalog: Catalog | None = None,
    variant: str | None = None,
) -> Compilation:
    """Compile a spec.

    Args:
        path: the `.mix` file.
        params: values of `-p name=value`, as typed.
        lock: what `mixwright_compiler.bind.lock.read_lock` gave; None for no lock.
        catalog: what can be written; the one that ships with Mixwright by default.
        variant: make this variant stand in for the mixture it is of, in trains and exports too.

    Raises:
        OSError: the file cannot be read. Everything else that is wrong is a diagnostic.
        UnicodeDecodeError: the file is not UTF-8.
    """
    return compile_source(read_source(Path(path)), params=params, lock=lock, catalog=catalog, variant=variant)


def compile_source(
    source: SourceFile,
    *,
    params: Mapping[str, str] | None = None,
    lock: Any = None,
    catalog: Catalog | None = None,
    variant: str | None = None,
    opened: Mapping[Path, str] | None = None,
) -> Compilation:
    """`compile_file` of a text that is in memory; paths start at `source.path`. `opened`: texts that stand for imported
    files, by their resolved paths."""
    with _without_gc():
        return _compile(source, params, lock, catalog, variant, opened or {})


@contextmanager
def _without_gc() -> Iterator[None]:
    """Trees and tables are all kept: a collection in between finds nothing and costs a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def declared_params(source: SourceFile) -> frozenset[str]:
    """The params of a spec and of what it imports, by the names that `-p` takes; none where the text does not parse."""
    world = _world(source, {}, None, None, {})
    load(world, source)
    return frozenset(each.qualified for each in world.all_declarations() if each.kind == "param")


def bind_parsed(
    parsed: ParseResult, remembered: Remembered, *, lock: Any, opened: Mapping[Path, str]
) -> Compilation:
    """What the names of a file mean and its rows have, without a check, for somebody who waits: findings are not told.

    remembered: what of the file was bound before.
    """
    with _without_gc():
        world = _world(parsed.file.source, {}, lock, None, opened)
        load(world, parsed.file.source, parsed)
        program = resolve(world, remembered)[0] if world.is_read else None
    return Compilation(
        None, (), tuple(m.source for m in world.modules), tuple(world.modules), program, tuple(world.mentions)
    )


def _world(
    source: SourceFile,
    given: Mapping[str, str],
    lock: Any,
    catalog: Catalog | None,
    opened: Mapping[Path, str],
) -> World:
    spec = (source.path or Path(source.name)).resolve()
    return World(
        catalog=catalog or builtin_catalog(),
        findings=Findings(),
        directory=spec.parent,
        root=root_of(spec),
        given=dict(given),
        lock=lock,
        opened=opened,
    )


def _compile(
    source: SourceFile,
    params: Mapping[str, str] | None,
    lock: Any,
    catalog: Catalog | None,
    variant: str | None,
    opened: Mapping[Path, str],
) -> Compilation:
    world = _world(source, params or {}, lock, catalog, opened)
    load(world, source)
    if not world.is_read:
        return _result(world, None)
    check_given(world)
    program, columns = resolve(world)
    _check(world, program, columns)
    if variant is not None:
        program = _with_variant(world, program, variant)
    world.findings.items = told_of_files(world.findings.items)
    if world.findings.has_errors:
        from mixwright_compiler.checks.misspelt import blame_declarations

        blame_declarations(world, program.fragments.values())
    _suppress(world)
    return _result(world, program)


def _check(world: World, program: Program, columns: Mapping[str, Columns]) -> None:
    """Run the checks. Advice waits until what is wrong is put right: most of it would come of what is missing."""
    had_errors, before = world.findings.has_errors, len(world.findings.items)
    run_checks(world, program, columns)
    if had_errors:
        world.findings.items[before:] = [d for d in world.findings.items[before:] if d.is_error]


def _suppress(world: World) -> None:
    """Take out the warnings and lints that a comment allows; report comments that allow nothing (MIX906)."""
    for module in world.modules:
        if "mix:" not in module.source.text:
            continue
        from mixwright_dsl.suppressions import suppressions

        found = suppressions(module.file)
        for diagnostic in found.diagnostics:
            world.findings.add(diagnostic)
        for item in found.items:
            covered = [d for d in world.findings.items if not d.is_error and item.covers(d)]
            world.findings.items = [d for d in world.findings.items if d not in covered]
            for code in sorted({d.code for d in world.findings.items if d.is_error and item.covers(d)}):
                world.findings.warning(
                    "MIX906",
                    f"`{code}` is an error, and only warnings and lints can be allowed",
                    item.span,
                    "allows nothing",
                    hint="put it right, and delete the comment",
                )
            if world.findings.has_errors:
                continue  # after an error some checks do not look, so nothing can be said
            for code in item.codes:
                if code not in TOLD_OF_PLANS and all(d.code != code for d in covered):
                    world.findings.warning(
                        "MIX906",
                        f"`allow {code}` allows nothing here",
                        item.span,
                        f"no {code} on the next statement",
                        hint="delete the comment",
                    )


def _result(world: World, draft: Program | None) -> Compilation:
    files = tuple(module.source for module in world.modules)
    found = _with_fixes(world)
    return Compilation(
        program=None if world.findings.has_errors else draft,
        diagnostics=in_order(found, files),
        files=files,
        modules=tuple(world.modules),
        draft=draft,
        mentions=tuple(world.mentions),
    )


def _with_fixes(world: World) -> list[Diagnostic]:
    if not world.findings.items:
        return []
    # Here: of a spec in which nothing is wrong no hint is read.
    from mixwright_compiler.checks.hinted_fixes import with_fixes

    return with_fixes(world.findings.items, [module.file for module in world.modules], world.catalog)


def in_order(findings: Iterable[Diagnostic], files: Sequence[SourceFile]) -> tuple[Diagnostic, ...]:
    """Findings by file, the spec's own first, then by place and code."""
    order = {id(source): position for position, source in enumerate(files)}
    return tuple(
        sorted(
            findings,
            key=lambda d: (order.get(id(d.primary.span.source), len(order)), d.primary.span.start, d.code),
        )
    )


def _with_variant(world: World, program: Program, variant: str) -> Program:
    """The program with one variant in the place of the mixture it is of."""
    names = [name for name, mixture in program.mixtures.items() if mixture.variant_of]
    if variant not in names:
        near = nearest(variant, names)
        source = SourceFile("command line", f"--variant {variant}")
        world.findings.error(
            "MIX110",
            f"no variant `{variant}`",
            Span(source, 10, 10 + len(variant)),
            hint=did_you_mean(near, f"variants are: {listing(names) or 'none'}"),
        )
        return program
    base = program.mixtures[variant].variant_of
    kept = {variant}
    pending = [variant]
    while pending:
        for component in program.mixtures[pending.pop()].components:
            if component.kind == "mixture" and component.rows not in kept:
                kept.add(component.rows)
                pending.append(component.rows)
    return replace(
        program,
        mixtures={name: m for name, m in program.mixtures.items() if name in kept},
        trains={
            n: replace(t, mixture=variant) if t.mixture == base else t
            for n, t in program.trains.items()
            if t.mixture in (base, *kept)
        },
        exports={
            n: _beside(e, variant) if e.mixture == base else e
            for n, e in program.exports.items()
            if e.mixture in (base, *kept)
        },
    )


def _beside(export: ExportDecl, variant: str) -> ExportDecl:
    """A mixture's export as one of its variant: in a directory of its own, which names it, not over the mixture's."""
    path = export.attributes.get("path")
    attributes = dict(export.attributes)
    if path is not None:
        attributes["path"] = replace(path, value=f"{str(path.value).rstrip('/')}-{variant}")
    return replace(export, mixture=variant, attributes=attributes)
