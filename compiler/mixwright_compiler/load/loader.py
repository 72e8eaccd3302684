"""Reads a spec and everything it imports, and collects what each file declares."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mixwright_compiler.catalog.blocks import (
    INSIDE,
    KIND_BLOCKS,
    STEP_FAMILIES,
    language_blocks,
    top_blocks,
)
from mixwright_compiler.catalog.references import REFERENCE_KINDS
from mixwright_compiler.findings import Findings
from mixwright_compiler.load.editions import check_edition, edition, edition_as_attribute
from mixwright_compiler.load.library import PREFIX, library_file, library_names, nearest_library
from mixwright_compiler.load.world import BUILTIN_SOURCE, NAMED_KINDS, Declaration, Module, World
from mixwright_compiler.suggest import MOST_KINDS, did_you_mean, listing, nearest, replace_fix, suggested
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.nodes import Attribute, Block, File, Quantity, Ref, Text
from mixwright_dsl.source import SourceFile, Span, read_source
from mixwright_dsl.tree import missing_equal

if TYPE_CHECKING:
    from mixwright_dsl.parser import ParseResult

WHOLE = ("MIX006", "MIX007", "MIX008", "MIX010", "MIX012")
"""Findings of the parser that leave the tree whole, so that the other stages can go on."""

PYTHON = "python"
"""`import python "plugins/tone.py"` brings in the kinds of a plugin."""


def load(world: World, source: SourceFile, parsed: ParseResult | None = None) -> None:
    """Parse the spec and its imports into `world.modules`, the spec first. parsed: its tree, where there is one."""
    _load(world, source, "", (), {}, parsed)


def _load(
    world: World,
    source: SourceFile,
    prefix: str,
    chain: tuple[Path, ...],
    known: dict[Path, Module],
    parsed: ParseResult | None = None,
) -> Module:
    from mixwright_dsl.parser import parse

    result = parse(source) if parsed is None else parsed
    for diagnostic in result.diagnostics:
        world.findings.add(diagnostic)
    path = (source.path or Path(source.name)).resolve()
    module = Module(prefix, result.file, path.parent)
    world.modules.append(module)
    # Before its imports are followed: a file that is reached twice is one module.
    known[path] = module
    imports = _imports(result.file)
    # Before the declarations are collected: whether a kind is known depends on the plugins.
    for block in imports:
        if _is_of_plugin(block):
            _import_plugin(world, module, block)
    if all(d.code in WHOLE for d in result.diagnostics):
        _collect(world, module)
    else:
        world.is_read = False
    for block in imports:
        if not _is_of_plugin(block):
            _import(world, module, block, (*chain, path), known)
    return module


def _header_words(block: Block) -> list[str]:
    """Every word before the body of a block that was reported: one of them may be the name that others refer to."""
    return [
        block.kind,
        *(label.name for label in block.labels if isinstance(label, Ref) and len(label.parts) == 1),
    ]


def _imports(file: File) -> list[Block]:
    return [s for s in file.body if isinstance(s, Block) and s.kind == "import"]


def _is_of_plugin(block: Block) -> bool:
    return isinstance(first := (*block.labels, None)[0], Ref) and first.parts == (PYTHON,)


def _import_plugin(world: World, module: Module, block: Block) -> None:
    match block.labels:
        case (_, Text() as where) if not block.has_body:
            if "\0" in where.value:
                world.findings.error("MIX108", "a path with a NUL character", where.span)
                world.is_short_of_kinds = True
                return
            from mixwright_compiler.load.plugin_imports import import_plugin

            import_plugin(world, module, where)
        case (_, Text() as where, *rest):
            world.is_short_of_kinds = True
            world.findings.error(
                "MIX120",
                "the kinds of a plugin need no name before them",
                rest[0].span.to(block.labels[-1].span) if rest else block.span,
                hint=f"write `import python {where.span.text}`",
            )
        case _:
            world.is_short_of_kinds = True
            world.findings.error(
                "MIX120",
                "the import of a plugin names its file",
                block.span,
                hint='for example `import python "plugins/tone.py"`',
            )


def _import(
    world: World, module: Module, block: Block, chain: tuple[Path, ...], known: dict[Path, Module]
) -> None:
    match block.labels:
        case (Text() as where, Ref(parts=("as",)), Ref() as alias) if len(alias.parts) == 1:
            pass
        case _:
            world.findings.error(
                "MIX120",
                "an import names a file and a name for it",
                block.span,
                hint=f'for example `import "lib/math.mix" as math`, or `import {PYTHON} "plugins/tone.py"`',
            )
            module.imports.update(dict.fromkeys(_header_words(block)))
            return
    name = alias.name
    if where.value.endswith(".py"):
        right = f"import {PYTHON} {where.span.text}"
        world.findings.error(
            "MIX120",
            "the kinds of a plugin need no name before them",
            block.span,
            hint=f"write `{right}`",
            fix=replace_fix(block.span, right),
        )
        module.imports[name] = None
        world.is_short_of_kinds = True
        return
    if "\0" in where.value:
        module.imports[name] = None
        world.findings.error("MIX108", "a path with a NUL character", where.span)
        return
    if name in module.import_spans or name in module.declarations:
        other = module.import_spans.get(name) or module.declarations[name].name_span
        first, again = sorted((other, alias.span), key=lambda span: span.start)
        _duplicate(world.findings, name, again, first)
        module.imports.setdefault(name, None)
        return
    module.import_spans[name] = alias.span
    module.imports[name] = None
    if where.value.startswith(PREFIX):
        _import_library(world, module, where, name, chain, known)
        return
    target = (module.directory / where.value).resolve()
    if (problem := _import_problem(world, where.value, target, chain)) is not None:
        message, hint = problem
        near = _similar_file(target) if not target.exists() else None
        world.findings.error(
            "MIX108",
            message,
            where.span,
            hint=did_you_mean(near, hint),
        )
        return
    if target in known:
        module.imports[name] = known[target]
        return
    shown = os.path.normpath(os.path.join(os.path.dirname(module.source.name), where.value))
    try:
        opened = world.opened.get(target)
        source = read_source(target, shown) if opened is None else SourceFile(shown, opened, target)
    except (OSError, UnicodeDecodeError):
        world.findings.error("MIX108", f"cannot read `{where.value}`", where.span, "not a UTF-8 text file")
        return
    module.imports[name] = _load(world, source, f"{module.prefix}{name}.", chain, known)


def _import_library(
    world: World, module: Module, where: Text, name: str, chain: tuple[Path, ...], known: dict[Path, Module]
) -> None:
    """A file that comes with Mixwright."""
    found = library_file(where.value)
    if found is None or found.resolve() in chain:
        near = nearest_library(where.value)
        world.findings.error(
            "MIX108",
            f"no library `{where.value}`"
            if found is None
            else f"imports go in a circle: `{where.value}` imports itself",
            where.span,
            "none of this name comes with Mixwright" if found is None else "",
            hint=did_you_mean(near, f"there are: {listing(library_names())}"),
            fix=replace_fix(where.span, f'"{near}"') if near else None,
        )
        return
    target = found.resolve()
    if target not in known:
        source = read_source(target, where.value)
        _load(world, source, f"{module.prefix}{name}.", chain, known).library = where.value
    module.imports[name] = known[target]


def _import_problem(world: World, text: str, target: Path, chain: tuple[Path, ...]) -> tuple[str, str] | None:
    if not target.is_relative_to(world.root):
        return f"`{text}` is outside the project", f"move it under `{world.root.name}/`"
    if target in chain:
        files = [p.name for p in chain[chain.index(target) :]] + [target.name]
        return f"imports go in a circle: {' → '.join(files)}", "move what both need into a third file"
    if not target.is_file():
        return f"no file `{text}`", "a path starts at the directory of the file that imports it"
    return None


def _similar_file(target: Path) -> str | None:
    try:
        return nearest(target.name, (p.name for p in target.parent.iterdir() if p.suffix == ".mix"))
    except OSError:
        return None


def _duplicate(findings: Findings, name: str, span: Span, first: Span) -> None:
    findings.error(
        "MIX114",
        f"`{name}` is declared twice",
        span,
        "declared again here",
        secondary=(Label(first, "first declared here"),),
        hint=f"rename one: `{name}_2`",
    )


def _collect(world: World, module: Module) -> None:
    """Fill in what a file declares, and report statements that cannot stand at the top of a file."""
    findings = world.findings
    for statement in module.file.body:
        if isinstance(statement, Attribute) and statement.name.name == "edition":
            edition_as_attribute(world, module, statement)
        elif isinstance(statement, Attribute):
            findings.error(
                "MIX121",
                f"`{statement.name.name}` stands outside every block",
                statement.name.span,
                hint=f"constants go in `let {{ {statement.name.name} = … }}`",
            )
        elif statement.kind == "edition":
            edition(world, module, statement)
        elif statement.kind == "let":
            _let(findings, module, statement)
        elif statement.kind in NAMED_KINDS:
            _declare(world, module, statement)
        elif statement.kind in ("train", "export", "policy", "test"):
            module.unnamed.append(statement)
        elif statement.kind != "import":
            _unknown_block(world, statement)
    check_edition(world, module)


def _let(findings: Findings, module: Module, block: Block) -> None:
    if block.labels:
        findings.error(
            "MIX120",
            "`let` has no name of its own",
            block.labels[0].span,
            hint="write `let { name = value }`",
        )
    for item in block.body:
        if isinstance(item, Block):
            if not item.has_body and len(item.labels) == 1:
                findings.add(missing_equal(item.kind, item.kind_span))
                continue
            findings.error("MIX121", f"`{item.kind}` cannot stand in `let`", item.kind_span)
        elif len(item.name.parts) != 1:
            findings.error("MIX120", "a constant's name has no dot", item.name.span)
        else:
            _add(findings, module, Declaration("let", item.name.name, module, item, item.name.span))


def _declare(world: World, module: Module, block: Block) -> None:
    findings = world.findings
    name = block.labels[0] if block.labels else None
    if not isinstance(name, Ref) or len(name.parts) != 1:
        found = (
            f"`{name.span.text}`"
            if isinstance(name, Ref | Quantity)
            else "a quoted text"
            if name
            else "nothing"
        )
        findings.error(
            "MIX120",
            f"`{block.kind}` needs a plain name, here {found}",
            name.span if name is not None else block.kind_span,
            hint=f"for example `{block.kind} my_{block.kind} …`",
        )
        world.trusted.update(_header_words(block))
        return
    kind = block.labels[1] if block.kind in KIND_BLOCKS and len(block.labels) > 1 else None
    if isinstance(kind, Ref) and f"{block.kind}.{kind.name}" not in world.catalog.entries:
        world.trusted.update(_header_words(block))
    if name.name == BUILTIN_SOURCE and block.kind in REFERENCE_KINDS["rows"]:
        findings.error(
            "MIX114",
            f"`{BUILTIN_SOURCE}` is built in: the source of one empty row",
            name.span,
            "declared again here",
            hint=f"rename it: `my_{name.name}`",
        )
    _add(findings, module, Declaration(block.kind, name.name, module, block, name.span))


def _add(findings: Findings, module: Module, declaration: Declaration) -> None:
    first = module.declarations.get(declaration.name)
    if first is not None:
        _duplicate(findings, declaration.name, declaration.name_span, first.name_span)
        return
    module.declarations[declaration.name] = declaration


def _unknown_block(world: World, block: Block) -> None:
    top = top_blocks()
    steps = set(world.catalog.family("step")) | {"from", "use", *STEP_FAMILIES}
    if block.kind in steps or block.kind in language_blocks():
        place = "a pipeline" if block.kind in steps else INSIDE.get(block.kind, "a mixture or variant")
        world.findings.error(
            "MIX121",
            f"`{block.kind}` cannot stand at the top of a file",
            block.kind_span,
            f"it belongs in {place}",
            hint="wrap it: `pipeline name { … }`" if block.kind in steps else "",
        )
        return
    near = nearest(block.kind, top)
    world.trusted.update(_header_words(block))
    world.findings.error(
        "MIX116",
        f"no block `{block.kind}`",
        block.kind_span,
        **suggested(near, block.kind_span, f"blocks are: {listing(top, MOST_KINDS)}"),
    )
