"""Syntax trees to the bound program: every name resolved, every attribute typed, every column known.

A declaration is bound when something first asks for it, so order in a file means nothing. Of an imported file only
what is asked for is bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from mixwright_compiler.bind.attributes import bind_attributes
from mixwright_compiler.bind.labels import extra_labels, kind_entry
from mixwright_compiler.bind.mixtures import bind_mixture
from mixwright_compiler.bind.outputs import bind_output
from mixwright_compiler.bind.pipelines import bind_pipeline
from mixwright_compiler.bind.place import Place
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.bind.sources import bind_source
from mixwright_compiler.catalog.blocks import language_blocks
from mixwright_compiler.findings import Reported
from mixwright_compiler.load.params import constant_of, param_type
from mixwright_compiler.load.world import Declaration, World
from mixwright_compiler.program import (
    ModelDecl,
    ParamDecl,
    Program,
    TemplateDecl,
)
from mixwright_compiler.schema import Columns
from mixwright_compiler.templates.messages import parse_messages
from mixwright_dsl.nodes import Ref

if TYPE_CHECKING:
    from mixwright_compiler.bind.remembered import Remembered


def resolve(world: World, remembered: Remembered | None = None) -> tuple[Program, Mapping[str, Columns]]:
    """Bind the spec's declarations and everything they reach; with it the columns of rows, by their owner.

    remembered: what of it was bound before.
    """
    scope = Scope(world, _bind)
    if remembered is not None:
        remembered.begin(world)
        scope = Scope(world, partial(remembered.bind, _bind))
    spec = world.spec
    for declaration in list(spec.declarations.values()):
        if declaration.kind == "let":
            _value_of(scope, declaration)
        else:
            scope.ask(declaration, declaration.name_span)
    for block in spec.unnamed:
        if block.kind == "test":
            # Here: most specs that are checked have none.
            from mixwright_compiler.bind.spec_tests import bind_test

            bind_test(scope, spec, block)
        else:
            bind_output(scope, spec, block)
    for declaration in spec.declarations.values():
        if declaration.kind == "fragment" and not declaration.is_used:
            from mixwright_compiler.bind.tried import try_alone

            try_alone(scope, declaration)
    params = {
        d.qualified: scope.bound(d.qualified)
        for d in world.all_declarations()
        if d.kind == "param" and scope.bound(d.qualified) is not None
    }
    program = Program(
        source=spec.source,
        files=tuple(m.source for m in world.modules),
        edition=spec.edition or 0,
        params=params,
        lets={
            d.name: world.constants[id(d)].value
            for d in spec.declarations.values()
            if d.kind == "let" and hasattr(world.constants.get(id(d)), "value")
        },
        models=scope.models,
        sources=scope.sources,
        templates=scope.templates,
        pipelines=scope.pipelines,
        mixtures=scope.mixtures,
        trains=scope.trains,
        exports=scope.exports,
        policies=scope.policies,
        catalog=world.catalog,
        plugins=world.plugins,
        fragments=scope.fragments,
        tools=scope.tools,
        tests=scope.tests,
        trials=scope.trials,
    )
    return program, scope.columns


def _bind(scope: Scope, declaration: Declaration) -> Any:
    match declaration.kind:
        case "model":
            return _model(scope, declaration)
        case "source":
            return bind_source(scope, declaration)
        case "template":
            return _template(scope, declaration)
        case "operator":
            # Here, as below: few specs have operators, tools or fragments of their own.
            from mixwright_compiler.bind.operators import bind_operator

            return bind_operator(scope, declaration)
        case "tool":
            from mixwright_compiler.bind.tools import bind_tool

            return bind_tool(scope, declaration)
        case "fragment":
            from mixwright_compiler.bind.fragments import bind_fragment

            scope.fragments[declaration.qualified] = bind_fragment(scope, declaration)
            return scope.fragments[declaration.qualified]
        case "pipeline":
            pipeline = bind_pipeline(scope, declaration)
            if pipeline is not None:
                scope.pipelines[declaration.qualified] = pipeline
            return pipeline
        case "mixture" | "variant":
            mixture = bind_mixture(scope, declaration)
            if mixture is not None:
                scope.mixtures[declaration.qualified] = mixture
            return mixture
        case "param":
            return _param(scope, declaration)
        case _:
            return _value_of(scope, declaration)


def _value_of(scope: Scope, declaration: Declaration) -> Any:
    ref = Ref((declaration.name,), declaration.name_span, (declaration.name_span,))
    # That it is bound is no use of it: what nothing else names is told as unused.
    was_used = declaration.is_used
    try:
        return constant_of(scope.world, declaration.module, ref)
    except Reported:
        return None
    finally:
        declaration.is_used = was_used


def _param(scope: Scope, declaration: Declaration) -> ParamDecl | None:
    entry = language_blocks()["param"]
    extra_labels(
        scope.world, declaration.node, declaration.node.labels[1:], f"param {declaration.name} {{ … }}"
    )
    place = Place(scope.world, declaration.module)
    bind_attributes(place, entry, declaration.node.body, declaration.name_span, f"param `{declaration.name}`")
    type = param_type(declaration)
    constant = _value_of(scope, declaration)
    if type is None or constant is None:
        return None
    return ParamDecl(name=declaration.qualified, type=type, value=constant.value, span=declaration.node.span)


def _model(scope: Scope, declaration: Declaration) -> ModelDecl:
    block = declaration.node
    entry = kind_entry(scope.world, "model", block, block.labels[1:], "an engine")
    extra_labels(scope.world, block, block.labels[2:], f"model {declaration.name} {entry.name} {{ … }}")
    place = Place(scope.world, declaration.module)
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
    scope.models[decl.name] = decl
    return decl


def _template(scope: Scope, declaration: Declaration) -> TemplateDecl:
    block = declaration.node
    entry = language_blocks()["template"]
    title = f"template `{declaration.name}`"
    extra_labels(scope.world, block, block.labels[1:], f"template {declaration.name} {{ … }}")
    place = Place(scope.world, declaration.module)
    attributes = bind_attributes(place, entry, block.body, declaration.name_span, title)
    parsed = parse_messages(scope.world, declaration, attributes)
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
    scope.templates[decl.name] = decl
    scope.parsed[decl.name] = parsed
    return decl
