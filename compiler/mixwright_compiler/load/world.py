"""What a compilation knows: the files read, what they declare, and how a name is found.

Every stage gets the one `World` and adds findings to it. A name that cannot be found is reported where it stands
and raises `Reported`, so that nothing is said twice about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from mixwright_compiler.catalog.catalog import Catalog
from mixwright_compiler.catalog.references import OF_VARIANT, REFERENCE_KINDS
from mixwright_compiler.findings import Findings
from mixwright_compiler.load.uses import at_home
from mixwright_compiler.suggest import did_you_mean, listing, nearest, replace_fix
from mixwright_dsl.diagnostic import Diagnostic, Label
from mixwright_dsl.lazy_dataclass import dataclass, field
from mixwright_dsl.nodes import Block, File, Ref
from mixwright_dsl.source import SourceFile, Span

NAMED_KINDS = (
    "model",
    "source",
    "template",
    "operator",
    "tool",
    "fragment",
    "pipeline",
    "mixture",
    "variant",
    "param",
    "let",
)
"""Kinds whose names other declarations can refer to."""

BUILTIN_SOURCE = "nothing"
"""The source that is there without a declaration: of kind `nothing`."""

UNTOLD = ("variant", "operator")
"""Kinds that can stand for another one, by whose name messages call what can be there."""

CHAIN_LIMIT = 60
"""Declarations that may lead from one to the next: far more than a person follows, and few enough for the stack."""


@dataclass(eq=False)
class Declaration:
    """One name of one file. `node` is its block, or for a `let` the attribute that gives its value."""

    kind: str
    name: str
    module: Module
    node: Any
    name_span: Span
    is_used: bool = False
    variant: Declaration | None = None
    """The variant whose this is: what it reads, or its steps, are otherwise there."""

    @cached_property
    def qualified(self) -> str:
        of = OF_VARIANT + self.variant.qualified if self.variant is not None else ""
        return self.module.prefix + self.name + of


@dataclass(eq=False)
class Module:
    """One file. `prefix` is what its names are qualified with: empty for the spec itself, `tulu.` for an import.

    `imports` maps to None where the import was reported as broken: names under it are then taken on trust.
    """

    prefix: str
    file: File
    directory: Path
    imports: dict[str, Module | None] = field(default_factory=dict)
    import_spans: dict[str, Span] = field(default_factory=dict)
    plugin_spans: dict[str, Span] = field(default_factory=dict)
    """Where each plugin of `import python` is named."""
    used_imports: set[str] = field(default_factory=set)
    declarations: dict[str, Declaration] = field(default_factory=dict)
    unnamed: list[Block] = field(default_factory=list)
    """Blocks that nothing refers to: train, export, policy, test."""
    edition: int | None = None
    library: str = ""
    """`std:NAME` of a file that comes with Mixwright."""
    beside: tuple[Module, ...] = ()
    """All files as a variant has them, of one that it has so (`mixwright_compiler/bind/changed_pipelines.py`)."""

    @property
    def source(self) -> SourceFile:
        return self.file.source


@dataclass(frozen=True)
class Mention:
    """A place in a file that names a declaration, or the import that it came through (`declaration` is None)."""

    span: Span
    declared: Span
    declaration: Declaration | None = None


@dataclass(eq=False)
class World:
    """What a compilation knows: its files and their declarations, and what it found in them."""

    catalog: Catalog
    findings: Findings
    directory: Path
    """Directory of the spec: relative paths in the program start here."""
    root: Path
    """Directory that no path may leave."""
    given: Mapping[str, str]
    """Values of `-p name=value`."""
    lock: Any = None
    modules: list[Module] = field(default_factory=list)
    constants: dict[int, Any] = field(default_factory=dict)
    """Values of lets and params by identity of their declaration."""
    ask: Callable[[Declaration, Span], Any] = lambda declaration, use: None
    """Binds a declaration that is referred to; set by the resolver."""
    paths: list[tuple[Span, Path]] = field(default_factory=list)
    """Every path that the spec and its imports name, absolute, with where it is written."""
    is_read: bool = True
    """Did every file parse?"""
    plugins: dict[str, Any] = field(default_factory=dict)
    """Plugins by their names (`mixwright_compiler.plugins.reading.Plugin`): those that files import, and installed
    ones."""
    declared_at: dict[str, Span] = field(default_factory=dict)
    """Catalog key -> where a plugin declares it."""
    used_plugins: set[str] = field(default_factory=set)
    """Names of the plugins of which a kind is named."""
    left_out: list[Any] = field(default_factory=list)
    """Installed plugins that cannot be used."""
    contested: dict[str, list[str]] = field(default_factory=dict)
    """Catalog key -> the installed plugins that declare it, where they are several."""
    has_looked: bool = False
    """For installed plugins?"""
    is_short_of_kinds: bool = False
    """Was a plugin reported? A kind that nothing declares may be one of its."""
    trusted: set[str] = field(default_factory=set)
    """Words in the headers of blocks that were reported: a name that nothing declares may be one of theirs."""
    _unknown: dict[tuple[int, str, tuple[str, ...]], Diagnostic] = field(default_factory=dict)
    """What was reported of names that nothing declares: where else one stands is added to it."""
    builtin: dict[str, Declaration] = field(default_factory=dict)
    """Built-in declarations that were referred to."""
    mentions: list[Mention] = field(default_factory=list)
    """Where each name leads that was looked up, once for each time."""
    opened: Mapping[Path, str] = field(default_factory=dict)
    """Texts that stand for files, as an editor has them."""
    named_size: int = 0
    """Characters of constants, counted at each place that names one."""
    depth: int = 0
    """Constants that are being worked out, one for the next."""

    @property
    def spec(self) -> Module:
        return self.modules[0]

    def home(self, module: Module, span: Span) -> Module:
        """The file that a place stands in, which is `module` for all but what a fragment or its use brought there."""
        source = at_home(span).source
        if source is module.source:
            return module
        return next((other for other in module.beside or self.modules if other.source is source), module)

    def find(
        self, module: Module, ref: Ref, *, is_use: bool = True
    ) -> tuple[Declaration | None, tuple[str, ...]]:
        """What the longest start of `ref` names, and the parts that are left over.

        is_use: what is found is used by that; else it is only looked for, by a name that may mean something else.

        Raises:
            Reported: the name goes through an import that could not be read.
        """
        from mixwright_compiler.findings import Reported

        module, parts = self.home(module, ref.span), ref.parts
        while len(parts) > 1 and parts[0] in module.imports:
            target = module.imports[parts[0]]
            if is_use:
                module.used_imports.add(parts[0])
            if is_use and parts[0] in module.import_spans:
                self._mention(ref, len(parts), module.import_spans[parts[0]])
            if target is None:
                raise Reported
            module, parts = target, parts[1:]
        found = module.declarations.get(parts[0])
        if found is not None and is_use:
            found.is_used = True
            self._mention(ref, len(parts), found.name_span, found)
        return found, (parts[1:] if found is not None else parts)

    def _mention(self, ref: Ref, left: int, declared: Span, declaration: Declaration | None = None) -> None:
        """The part of `ref` that is the first of the `left` last ones names this."""
        span = at_home(ref.part_spans[len(ref.parts) - left])
        # What a declaration says of itself is no mention of it.
        if span != declared:
            self.mentions.append(Mention(span, declared, declaration))

    def need(self, module: Module, ref: Ref, kind: str) -> Declaration:
        """The declaration `ref` names, of a kind that `ref:KIND` allows.

        Raises:
            Reported: there is no such name (MIX101), or it names something else (MIX102).
        """
        kinds = REFERENCE_KINDS[kind]
        found, rest = self.find(module, ref)
        if found is None and "source" in kinds and ref.parts == (BUILTIN_SOURCE,):
            return self._builtin_source(ref)
        wanted = _either(kinds)
        if found is None or rest:
            raise self.unknown(module, ref, kinds)
        if found.kind not in kinds:
            names = self._others(self.home(module, ref.span), ref, kinds)
            near = self._same_last(ref, names) or nearest(ref.name, names)
            raise self.findings.error(
                "MIX102",
                f"`{ref.name}` is a {found.kind}, not {wanted}",
                ref.span,
                f"{wanted} is needed here",
                secondary=(Label(found.name_span, f"declared as a {found.kind} here"),),
                hint=_choose(near, names, kinds),
                fix=replace_fix(ref.span, near) if near else None,
            )
        return found

    def _builtin_source(self, ref: Ref) -> Declaration:
        """The declaration that nobody writes; its place is where it is named first."""
        if BUILTIN_SOURCE not in self.builtin:
            block = Block("source", ref.span, (ref, ref), (), False, ref.span)
            self.builtin[BUILTIN_SOURCE] = Declaration("source", BUILTIN_SOURCE, self.spec, block, ref.span)
        return self.builtin[BUILTIN_SOURCE]

    def too_long(self, name: str, use: Span) -> Exception:
        """Report a chain of declarations beyond CHAIN_LIMIT."""
        return self.findings.error(
            "MIX127",
            f"`{name}` is reached through more than {CHAIN_LIMIT} other declarations",
            use,
            "the chain is too long",
            hint="refer to the one that is meant",
        )

    def unknown(self, module: Module, ref: Ref, kinds: Iterable[str]) -> Exception:
        """Report a name that nothing declares, with the nearest name of the right kind; at its first use alone."""
        from mixwright_compiler.findings import Reported

        module, kinds = self.home(module, ref.span), tuple(kinds)
        if ref.parts[0] in self.trusted:
            return Reported()
        key = (id(module), ref.name, kinds)
        first = self._unknown.get(key)
        if first is not None:
            if first.primary.span.start != ref.span.start:
                self._unknown[key] = self.findings.also(first, Label(ref.span, "and here"))
            return Reported()
        names = self._others(module, ref, kinds)
        builtin = [BUILTIN_SOURCE] if "source" in kinds else []
        near = self._same_last(ref, names) or nearest(
            ref.name, [*names, *builtin], self.visible(module, NAMED_KINDS)
        )
        reported = self.findings.error(
            "MIX101",
            f"no {kinds[0] if len(kinds) == 1 else ' or '.join(k for k in kinds if k not in UNTOLD)} `{ref.name}`",
            ref.span,
            "not declared",
            secondary=self._declared_near(module, near),
            hint=_choose(near, names, kinds),
            fix=replace_fix(ref.span, near) if near else None,
        )
        self._unknown[key] = self.findings.items[-1]
        return reported

    def _same_last(self, ref: Ref, names: list[str]) -> str | None:
        """The name that differs in what stands before it alone: `lib.people` for `people`, `ask` for `template.ask`."""
        last = ref.parts[-1]
        found = [name for name in names if name == last or ("." in name and name.rpartition(".")[2] == last)]
        return found[0] if len(found) == 1 and (len(ref.parts) > 1 or found[0] != last) else None

    def _declared_near(self, module: Module, near: str | None) -> tuple[Label, ...]:
        """Where the name that may be meant is declared, when nothing refers to it: the mistake may be there."""
        found = module.declarations.get(near) if near else None
        if found is None or found.is_used:
            return ()
        return (Label(found.name_span, "declared here, and not used so far"),)

    def _others(self, module: Module, ref: Ref, kinds: tuple[str, ...]) -> list[str]:
        """Visible names without the declaration that the reference stands in."""
        place = at_home(ref.span)
        start = place.start if place.source is module.source else -1
        return [
            name
            for name, declared in visible_names(module, kinds)
            if not (declared.node.span.start <= start < declared.node.span.end and declared.module is module)
        ]

    def visible(self, module: Module, kinds: Iterable[str]) -> list[str]:
        """Names of these kinds as they are written in a module, its own first."""
        return [name for name, _ in visible_names(module, tuple(kinds))]

    @cached_property
    def by_name(self) -> dict[str, Declaration]:
        """Every declaration by its qualified name. Ask only after all files are loaded."""
        return {d.qualified: d for d in self.all_declarations()}

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of all declarations. Ask only after all files are loaded."""
        return frozenset(declaration.kind for declaration in self.all_declarations())

    def declared(self, qualified: str) -> Declaration:
        """The declaration of that name, a built-in one too."""
        return self.by_name.get(qualified) or self.builtin[qualified]

    def all_declarations(self) -> Iterator[Declaration]:
        for module in self.modules:
            yield from module.declarations.values()


def visible_names(module: Module, kinds: tuple[str, ...]) -> list[tuple[str, Declaration]]:
    """Declarations of these kinds, by their names as they are written in a module, its own first."""
    # Of a thousand misspelt names each is compared with a thousand others: nothing is called for one of them.
    found = [(declared.name, declared) for declared in module.declarations.values() if declared.kind in kinds]
    for alias, target in module.imports.items():
        if target is not None:
            found += [(f"{alias}.{d.name}", d) for d in target.declarations.values() if d.kind in kinds]
    return found


def _either(kinds: tuple[str, ...]) -> str:
    shown = [k for k in kinds if k not in UNTOLD]
    text = " or ".join(f"a {k}" for k in shown)
    return text or "a declaration"


_SHAPES = {
    "model": "model {0} openai {{ … }}",
    "source": 'source {0} jsonl {{ path = "{0}.jsonl" }}',
    "template": "template {0} {{ … }}",
    "tool": "tool {0} arithmetic {{ }}",
    "fragment": "fragment {0} {{ … }}",
    "pipeline": "pipeline {0} {{ … }}",
    "mixture": "mixture {0} {{ … }}",
    "let": "let {{ {0} = … }}",
}


def _choose(near: str | None, names: list[str], kinds: tuple[str, ...]) -> str:
    if near:
        return did_you_mean(near)
    if names:
        return f"this file can name: {listing(names)}"
    shape = _SHAPES.get(kinds[0])
    return f"declare it: `{shape.format('name')}`" if shape else ""
