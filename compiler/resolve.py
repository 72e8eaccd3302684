"""Syntax trees to the bound program: every name resolved, every attribute typed, every column known.

A declaration is bound when something first asks for it, so order in a file means nothing. Of an imported file only
what is asked for is bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compiler.binding import Place, bind_attributes, place_path
from compiler.blocks import COMMON_SOURCE, language_blocks
from compiler.catalog import Entry
from compiler.findings import Reported
from compiler.mixtures import bind_mixture
from compiler.params import constant_of, param_type
from compiler.pipelines import bind_pipeline
from compiler.program import (
    Bound,
    ExportDecl,
    MixtureDecl,
    ModelDecl,
    ParamDecl,
    PipelineDecl,
    PolicyDecl,
    Program,
    SourceDecl,
    TemplateDecl,
    TestDecl,
    TrainDecl,
)
from compiler.schema import Columns, columns_of_rows
from compiler.suggest import listing, nearest, replace_fix
from compiler.templates import ParsedTemplate, parse_messages
from compiler.world import CHAIN_LIMIT, Declaration, Module, World
from dsl.diagnostic import Label
from dsl.nodes import Attribute, Block, Ref, Text
from dsl.source import Span


class Resolver:
    """Bound declarations by qualified name, and how to bind one more."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.models: dict[str, ModelDecl] = {}
        self.sources: dict[str, SourceDecl] = {}
        self.templates: dict[str, TemplateDecl] = {}
        self.pipelines: dict[str, PipelineDecl] = {}
        self.mixtures: dict[str, MixtureDecl] = {}
        self.trains: dict[str, TrainDecl] = {}
        self.exports: dict[str, ExportDecl] = {}
        self.tests: dict[str, TestDecl] = {}
        self.policies: dict[str, PolicyDecl] = {}
        self.parsed: dict[str, ParsedTemplate] = {}
        self.columns: dict[str, Columns] = {}
        """What is known of the rows of each source, pipeline and mixture."""
        self._done: dict[str, Any] = {}
        self._underway: list[tuple[Declaration, Span]] = []

    def resolve(self) -> Program:
        """Bind the spec's declarations and everything they reach."""
        spec = self.world.spec
        for declaration in list(spec.declarations.values()):
            if declaration.kind == "let":
                self._value_of(declaration)
            else:
                self.ask(declaration, declaration.name_span)
        for block in spec.unnamed:
            self._unnamed(spec, block)
        params = {
            d.qualified: self._done[d.qualified]
            for d in self.world.all_declarations()
            if d.kind == "param" and self._done.get(d.qualified) is not None
        }
        return Program(
            source=spec.source,
            files=tuple(m.source for m in self.world.modules),
            edition=spec.edition or 0,
            params=params,
            lets={
                d.name: self.world.constants[id(d)].value
                for d in spec.declarations.values()
                if d.kind == "let" and hasattr(self.world.constants.get(id(d)), "value")
            },
            models=self.models,
            sources=self.sources,
            templates=self.templates,
            pipelines=self.pipelines,
            mixtures=self.mixtures,
            trains=self.trains,
            exports=self.exports,
            tests=self.tests,
            policies=self.policies,
        )

    def ask(self, declaration: Declaration, use: Span) -> Any:
        """The bound declaration; None when it was reported. A circle is reported at `use` (MIX103)."""
        key = declaration.qualified
        if key in self._done:
            return self._done[key]
        for position, (underway, _) in enumerate(self._underway):
            if underway is declaration:
                self._circle(position, declaration, use)
                return None
        if len(self._underway) >= CHAIN_LIMIT:
            self.world.too_long(declaration.name, use)
            return None
        self._underway.append((declaration, use))
        try:
            result = self._bind(declaration)
        except Reported:
            result = None
        self._underway.pop()
        self._done[key] = result
        return result

    def _circle(self, position: int, declaration: Declaration, use: Span) -> None:
        path = [d for d, _ in self._underway[position:]] + [declaration]
        self.world.findings.error(
            "MIX103",
            f"rows go in a circle: {' → '.join(d.name for d in path)}",
            use,
            "this closes the circle",
            secondary=tuple(Label(d.name_span, f"`{d.name}` is declared here") for d in path[:-1]),
            hint=f"let `{path[0].name}` start from a source",
        )

    def _bind(self, declaration: Declaration) -> Any:
        match declaration.kind:
            case "model":
                return self._model(declaration)
            case "source":
                return self._source(declaration)
            case "template":
                return self._template(declaration)
            case "pipeline":
                pipeline = bind_pipeline(self, declaration)
                if pipeline is not None:
                    self.pipelines[declaration.qualified] = pipeline
                return pipeline
            case "mixture" | "variant":
                mixture = bind_mixture(self, declaration)
                if mixture is not None:
                    self.mixtures[declaration.qualified] = mixture
                return mixture
            case "param":
                return self._param(declaration)
            case _:
                return self._value_of(declaration)

    def _value_of(self, declaration: Declaration) -> Any:
        ref = Ref((declaration.name,), declaration.name_span, (declaration.name_span,))
        was_used = declaration.is_used
        try:
            return constant_of(self.world, declaration.module, ref)
        except Reported:
            return None
        finally:
            declaration.is_used = was_used

    def _param(self, declaration: Declaration) -> ParamDecl | None:
        entry = language_blocks()["param"]
        place = Place(self.world, declaration.module)
        bind_attributes(
            place, entry, declaration.node.body, declaration.name_span, f"param `{declaration.name}`"
        )
        type = param_type(declaration)
        constant = self._value_of(declaration)
        if type is None or constant is None:
            return None
        return ParamDecl(
            name=declaration.qualified, type=type, value=constant.value, span=declaration.node.span
        )

    def kind_entry(self, family: str, block: Block, labels: Sequence[Any], what: str) -> Entry:
        """The catalog entry of the kind that a block's label names; raises Reported (MIX116, MIX120)."""
        entries = self.world.catalog.family(family)
        if not labels or not isinstance(labels[0], Ref):
            raise self.world.findings.error(
                "MIX120",
                f"`{block.kind}` needs {what}",
                labels[0].span if labels else block.kind_span,
                hint=f"{what}s are: {listing(entries, 20)}".removeprefix("a "),
            )
        name = labels[0].name
        if family == "source" and name == "sql":
            name = "duckdb"
        if name not in entries:
            near = nearest(name, entries)
            raise self.world.findings.error(
                "MIX116",
                f"no {family} kind `{name}`",
                labels[0].span,
                f"kinds are: {listing(entries, 20)}",
                hint=f"did you mean `{near}`?" if near else f"write one of: {listing(entries, 20)}",
                fix=replace_fix(labels[0].span, near) if near else None,
            )
        return entries[name]

    def extra_labels(self, block: Block, labels: Sequence[Any], shape: str) -> None:
        """Report labels that have no meaning."""
        if labels:
            self.world.findings.error(
                "MIX120",
                f"`{block.kind}` has a label too many: `{labels[0].span.text}`",
                labels[0].span,
                "unexpected",
                hint=f"write `{shape}`",
            )

    def _model(self, declaration: Declaration) -> ModelDecl:
        block = declaration.node
        entry = self.kind_entry("model", block, block.labels[1:], "an engine")
        self.extra_labels(block, block.labels[2:], f"model {declaration.name} {entry.name} {{ … }}")
        place = Place(self.world, declaration.module)
        attributes = bind_attributes(
            place, entry, block.body, declaration.name_span, f"model `{declaration.name}`"
        )
        decl = ModelDecl(
            name=declaration.qualified,
            entry=entry,
            attributes=attributes,
            span=block.span,
            name_span=declaration.name_span,
            engine=entry.name,
        )
        self.models[decl.name] = decl
        return decl

    def _source(self, declaration: Declaration) -> SourceDecl:
        block = declaration.node
        entry = self.kind_entry("source", block, block.labels[1:], "a kind")
        self.extra_labels(block, block.labels[2:], f"source {declaration.name} {entry.name} {{ … }}")
        title = f"source `{declaration.name}`"
        place = Place(self.world, declaration.module, rows_words=title)
        first = bind_attributes(
            place,
            entry,
            [s for s in block.body if not _is(s, "where")],
            declaration.name_span,
            title,
            common=tuple(a for a in COMMON_SOURCE if entry.attribute(a.name) is None),
        )
        columns, locked_rows = self._source_columns(declaration, entry, first)
        place.columns = columns
        where = [s for s in block.body if _is(s, "where")]
        attributes = dict(first)
        if where:
            schema = entry.attribute("where") or COMMON_SOURCE[2]
            only = Entry(entry.family, entry.name, entry.doc, attributes=(schema,))
            attributes.update(bind_attributes(place, only, where, declaration.name_span, title))
        decl = SourceDecl(
            name=declaration.qualified,
            entry=entry,
            attributes=attributes,
            span=block.span,
            name_span=declaration.name_span,
            kind=entry.name,
            columns=None if columns.is_open else columns.types,
            mapping=attributes["columns"].value if "columns" in attributes else {},
            where=attributes["where"].value if "where" in attributes else None,
            locked_rows=locked_rows,
        )
        self.sources[decl.name] = decl
        self.columns[decl.name] = columns
        return decl

    def _source_columns(
        self, declaration: Declaration, entry: Entry, attributes: dict[str, Bound]
    ) -> tuple[Columns, int | None]:
        """Columns after `columns`, and the number of rows where it is known."""
        mapping = attributes["columns"].value if "columns" in attributes else None
        in_file: dict[str, str] | None = None
        rows: int | None = None
        if entry.name == "inline":
            written = attributes["rows"].value if "rows" in attributes else None
            if written is None or not all(isinstance(row, dict) for row in written):
                if written is not None:
                    self._not_rows(declaration, attributes["rows"], written)
                return Columns(is_open=True), None
            in_file, rows = columns_of_rows(written), len(written)
        elif (locked := self._locked(declaration.qualified, entry, attributes)) is not None:
            in_file, rows = dict(locked.columns), int(locked.rows)
        if "columns" not in attributes and any(_is(s, "columns") for s in declaration.node.body):
            return Columns(is_open=True), rows  # the mapping itself was reported
        if mapping is None:
            return Columns(in_file or {}, is_open=in_file is None), rows
        if in_file is None:
            return Columns(dict.fromkeys(mapping, "any")), rows
        types = {}
        for new, old in mapping.items():
            types[new] = self._mapped_type(declaration, attributes["columns"].span, new, old, in_file)
        return Columns(types), rows

    def _mapped_type(
        self, declaration: Declaration, at: Span, new: str, old: str, in_file: dict[str, str]
    ) -> str:
        if old in in_file:
            return in_file[old]
        first, _, rest = old.partition(".")
        if rest and first in in_file:
            return "any"
        near = nearest(old, in_file)
        span = at
        for statement in declaration.node.body:
            if _is(statement, "columns") and hasattr(getattr(statement, "value", None), "body"):
                for item in statement.value.body:
                    if isinstance(item, Attribute) and item.name.name == new:
                        span = item.value.span
        self.world.findings.error(
            "MIX203",
            f"source `{declaration.name}` has no column `{old}`",
            span,
            f"its columns are: {listing(in_file)}",
            hint=f"did you mean `{near}`?" if near else f"write one of: {listing(in_file)}",
            fix=replace_fix(span, near) if near else None,
        )
        return "any"

    def _not_rows(self, declaration: Declaration, bound: Bound, written: list[Any]) -> None:
        place = next(i for i, row in enumerate(written) if not isinstance(row, dict))
        self.world.findings.error(
            "MIX212",
            f"row {place + 1} of source `{declaration.name}` is no object",
            bound.span,
            hint='rows are objects: `rows = [{ text = "…" }]`',
        )

    def _locked(self, name: str, entry: Entry, attributes: dict[str, Bound]) -> Any:
        """What the lock knows of a source; None when it is not locked, or locked under another definition."""
        lock = self.world.lock
        locked = lock.sources.get(name) if lock is not None else None
        if locked is None:
            return None
        from compiler.lock import is_stale

        return None if is_stale(locked, entry, attributes) else locked

    def _template(self, declaration: Declaration) -> TemplateDecl:
        block = declaration.node
        entry = language_blocks()["template"]
        title = f"template `{declaration.name}`"
        self.extra_labels(block, block.labels[1:], f"template {declaration.name} {{ … }}")
        place = Place(self.world, declaration.module)
        attributes = bind_attributes(place, entry, block.body, declaration.name_span, title)
        parsed = parse_messages(self.world, declaration, attributes)
        decl = TemplateDecl(
            name=declaration.qualified,
            entry=entry,
            attributes=attributes,
            span=block.span,
            name_span=declaration.name_span,
            messages=parsed.messages,
            inputs=frozenset(parsed.inputs),
        )
        self.templates[decl.name] = decl
        self.parsed[decl.name] = parsed
        return decl

    def _unnamed(self, module: Module, block: Block) -> None:
        try:
            match block.kind:
                case "train":
                    self._train(module, block)
                case "export":
                    self._export(module, block)
                case "policy":
                    self._policy(module, block)
                case "test":
                    self._test(block)
        except Reported:
            pass

    def _name_and_mixture(self, module: Module, block: Block, word: str) -> tuple[Ref, Ref, str]:
        """The labels of `train NAME on MIXTURE` and `export NAME of MIXTURE`; raises Reported."""
        match block.labels:
            case (Ref(parts=(_,)) as name, Ref(parts=(found,)), Ref() as mixture) if found == word:
                found_mixture = self.world.need(module, mixture, "mixture")
                self.ask(found_mixture, mixture.span)
                return name, mixture, found_mixture.qualified
        raise self.world.findings.error(
            "MIX120",
            f"`{block.kind}` needs a name and a mixture",
            block.labels[0].span if block.labels else block.kind_span,
            hint=f"write `{block.kind} my_{block.kind} {word} my_mixture {{ … }}`",
        )

    def _fresh(self, table: dict[str, Any], name: str, span: Span) -> None:
        if name in table:
            raise self.world.findings.error(
                "MIX114",
                f"`{name}` is declared twice",
                span,
                "declared again here",
                secondary=(Label(table[name].name_span, "first declared here"),),
                hint=f"rename one: `{name}_2`",
            )

    def _train(self, module: Module, block: Block) -> None:
        name, mixture, qualified = self._name_and_mixture(module, block, "on")
        entry = self.world.catalog.entries["train.sft"]
        self._fresh(self.trains, name.name, name.span)
        attributes = bind_attributes(
            Place(self.world, module), entry, block.body, name.span, f"train `{name.name}`"
        )
        self.trains[name.name] = TrainDecl(
            name=name.name,
            entry=entry,
            attributes=attributes,
            span=block.span,
            name_span=name.span,
            mixture=qualified,
            mixture_span=mixture.span,
        )

    def _export(self, module: Module, block: Block) -> None:
        name, mixture, qualified = self._name_and_mixture(module, block, "of")
        entries = self.world.catalog.family("export")
        self._fresh(self.exports, name.name, name.span)
        written = next((s.value for s in block.body if isinstance(s, Attribute) and _is(s, "format")), None)
        chosen = written.name if isinstance(written, Ref) else getattr(written, "value", "messages")
        entry = entries.get(str(chosen)) or entries.get("messages") or next(iter(entries.values()))
        attributes = bind_attributes(
            Place(self.world, module), entry, block.body, name.span, f"export `{name.name}`"
        )
        self.exports[name.name] = ExportDecl(
            name=name.name,
            entry=entry,
            attributes=attributes,
            span=block.span,
            name_span=name.span,
            mixture=qualified,
            mixture_span=mixture.span,
        )

    def _policy(self, module: Module, block: Block) -> None:
        match block.labels:
            case (Ref(parts=(_,)) as name,):
                pass
            case _:
                raise self.world.findings.error(
                    "MIX120", "`policy` needs a name", block.kind_span, hint="write `policy release { … }`"
                )
        self._fresh(self.policies, name.name, name.span)
        entry, blocks = language_blocks()["policy"], language_blocks()
        place = Place(self.world, module)
        attributes = bind_attributes(
            place,
            entry,
            block.body,
            name.span,
            f"policy `{name.name}`",
            taken=lambda s: isinstance(s, Block) and s.kind == "budget",
        )
        for item in block.body:
            if isinstance(item, Block) and item.kind == "budget":
                budget = bind_attributes(place, blocks["budget"], item.body, item.kind_span, "`budget`")
                attributes["budget"] = Bound(value={k: b.value for k, b in budget.items()}, span=item.span)
        self.policies[name.name] = PolicyDecl(
            name=name.name, entry=entry, attributes=attributes, span=block.span, name_span=name.span
        )

    def _test(self, block: Block) -> None:
        match block.labels:
            case (Text(value=name, span=span),):
                pass
            case _:
                raise self.world.findings.error(
                    "MIX120", "`test` needs a quoted name", block.kind_span, hint='write `test "…" { … }`'
                )
        self._fresh(self.tests, name, span)
        self.tests[name] = TestDecl(
            name=name, entry=language_blocks()["test"], attributes={}, span=block.span, name_span=span
        )


def _is(statement: Any, name: str) -> bool:
    return (statement.name.name if isinstance(statement, Attribute) else statement.kind) == name


__all__ = ["Resolver", "place_path"]
