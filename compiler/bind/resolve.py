"""Syntax trees to the bound program: every name resolved, every attribute typed, every column known.

A declaration is bound when something first asks for it, so order in a file means nothing. Of an imported file only
what is asked for is bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compiler.bind.attributes import bind_attributes
from compiler.bind.kinds import is_excused, kind_of
from compiler.bind.mixtures import bind_mixture
from compiler.bind.outputs import bind_output
from compiler.bind.pipelines import bind_pipeline
from compiler.bind.place import Place
from compiler.bind.sources import bind_source
from compiler.catalog.blocks import language_blocks
from compiler.catalog.catalog import Entry
from compiler.findings import Reported
from compiler.load.params import constant_of, param_type
from compiler.load.world import CHAIN_LIMIT, Declaration, World
from compiler.program import (
    ExportDecl,
    MixtureDecl,
    ModelDecl,
    ParamDecl,
    PipelineDecl,
    PolicyDecl,
    Program,
    SourceDecl,
    TemplateDecl,
    TrainDecl,
)
from compiler.schema import Columns
from compiler.suggest import listing, nearest, replace_fix
from compiler.templates.messages import ParsedTemplate, parse_messages
from dsl.diagnostic import Label
from dsl.nodes import Block, Ref
from dsl.source import Span


class Resolver:
    """Bound declarations by qualified name, and how to bind one more."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.ask = self.ask
        self.models: dict[str, ModelDecl] = {}
        self.sources: dict[str, SourceDecl] = {}
        self.templates: dict[str, TemplateDecl] = {}
        self.pipelines: dict[str, PipelineDecl] = {}
        self.mixtures: dict[str, MixtureDecl] = {}
        self.trains: dict[str, TrainDecl] = {}
        self.exports: dict[str, ExportDecl] = {}
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
            bind_output(self, spec, block)
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
            policies=self.policies,
            catalog=self.world.catalog,
            plugins=self.world.plugins,
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
                return bind_source(self, declaration)
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
        self.extra_labels(declaration.node, declaration.node.labels[1:], f"param {declaration.name} {{ … }}")
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
                hint=f"{what.partition(' ')[2]}s are: {listing(entries, 20)}",
            )
        name = labels[0].name
        entry = kind_of(self.world, family, name)
        if entry is None:
            if is_excused(self.world, family, name, labels[0].span):
                raise Reported
            entries = self.world.catalog.family(family)
            near = nearest(name, entries)
            self.world.trusted.update(label.name for label in block.labels if isinstance(label, Ref))
            raise self.world.findings.error(
                "MIX116",
                f"no {family} kind `{name}`",
                labels[0].span,
                f"kinds are: {listing(entries, 20)}",
                hint=f"did you mean `{near}`?" if near else f"write one of: {listing(entries, 20)}",
                fix=replace_fix(labels[0].span, near) if near else None,
            )
        return entry

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
            reads=frozenset(parsed.reads),
        )
        self.templates[decl.name] = decl
        self.parsed[decl.name] = parsed
        return decl
