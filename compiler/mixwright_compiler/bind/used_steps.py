"""The steps that a `use` stands for: a copy of the fragment's, with what was given in the place of its params.

    use lib.answered { model = teacher, id = a }
      generate response { … }      as it is: `response` is in `makes`
      generate draft { … }         generate `a.draft`: a column that the fragment keeps to itself
      filter { where = draft … }   filter { where = `a.draft` … }

The copy is bound as every step is, so whatever is checked of steps is checked of these. Its spans say which use they
are read for (mixwright_compiler/load/uses.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mixwright_compiler.bind.fragments import OWN, bodies_of, used_fragment
from mixwright_compiler.bind.operators import guarded
from mixwright_compiler.bind.param_kinds import check_kind
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.bind.step_copy import StepCopy
from mixwright_compiler.bind.step_ids import numbered
from mixwright_compiler.findings import Reported
from mixwright_compiler.load.uses import Use, use_of
from mixwright_compiler.load.world import Module, World
from mixwright_compiler.program import FragmentDecl, FragmentParam
from mixwright_compiler.suggest import listing, nearest, suggested
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.lazy_dataclass import replace
from mixwright_dsl.nodes import (
    Attribute,
    Block,
    Bool,
    Expression,
    Quantity,
    Ref,
    Statement,
    Text,
    named,
)
from mixwright_dsl.source import Span


def expanded(
    scope: Scope, module: Module, blocks: Sequence[Block], taken: dict[str, Span] | None = None
) -> list[Block]:
    """Steps as they are written, with the steps of its fragment for each `use`, also inside other steps.

    A `use` that was reported stays where it is. `taken`: ids of the uses so far.
    """
    taken = {} if taken is None else taken
    found: list[Block] = []
    for block in blocks:
        if block.kind == "use":
            try:
                found += _used(scope, module, block, taken)
            except Reported:
                found.append(block)
            continue
        inside = bodies_of(scope.world, block)
        if inside and any(step.kind == "use" or step.body for step in inside):
            body: list[Statement] = []
            for statement in block.body:
                is_step = any(statement is step for step in inside)
                body += expanded(scope, module, [statement], taken) if is_step else [statement]  # type: ignore[list-item]
            block = replace(block, body=tuple(body))
        found += guarded(scope, module, block)
    return found


def alone(scope: Scope, module: Module, fragment: FragmentDecl) -> list[Block]:
    """The steps of a fragment that nothing uses, with something of its type for each param."""
    use = Use(
        id=fragment.name.rpartition(".")[2],
        fragment=fragment.name,
        span=fragment.name_span,
        is_trial=True,
    )
    arguments = {
        param.name: param.default if param.default is not None else _stand_in(scope.world, param)
        for param in fragment.params.values()
    }
    return _copied(scope, module, fragment, use, arguments, {})


def _stand_in(world: World, param: FragmentParam) -> Expression:
    """Something of a param's type, where nothing is given."""
    from mixwright_dsl.quantity import Unit

    match param.type:
        case "column":
            return Ref((param.name,), param.span, (param.span,))
        case "text":
            return Text(param.name, param.span)
        case "bool":
            return Bool(True, param.span)
        case "share":
            return Quantity(0.5, Unit.SHARE, param.span)
        case "duration":
            return Quantity(1, Unit.DURATION, param.span)
        case "count" | "int" | "float":
            return Quantity(1, Unit.NUMBER, param.span)
    # A name that nobody can write, and that nothing is said of: what it stands for is for the use to say.
    name = f"<{param.name}>"
    world.trusted.add(name)
    return Ref((name,), param.span, (param.span,))


def _used(scope: Scope, module: Module, block: Block, taken: dict[str, Span]) -> list[Block]:
    fragment = used_fragment(scope, module, block)
    arguments = _arguments(scope, module, fragment, block)
    outer = use_of(block.kind_span)
    prefix = outer.prefix if outer is not None else ""
    use = Use(
        id=_id(scope, block, prefix, fragment, taken),
        fragment=fragment.name,
        span=block.kind_span.to(block.labels[-1].span),
    )
    return _copied(scope, module, fragment, use, arguments, taken)


def _copied(
    scope: Scope,
    module: Module,
    fragment: FragmentDecl,
    use: Use,
    arguments: Mapping[str, Expression],
    taken: dict[str, Span],
) -> list[Block]:
    around = use.outer.names if use.outer is not None else {}
    names = {name: use.prefix + name for name in fragment.inner}
    names |= {name: around.get(name, name) for name in (*fragment.needs, *fragment.makes)}
    places: dict[str, Span] = {}
    given, defaults = dict(arguments), set[str]()
    for param in fragment.params.values():
        value = given[param.name]
        if value is param.default:
            defaults.add(param.name)
        if param.type != "column" or not isinstance(value, Ref):
            continue
        if param.name in defaults:
            # It names a column of the rows here, which the fragment around may call otherwise.
            value = Ref((around.get(value.name, value.name),), value.span, (value.span,))
        names[param.name], given[param.name] = value.name, value
        places[param.name] = use.span if param.name in defaults else value.span
    names |= {name: names[of] + name.removeprefix(of) for name, of in fragment.after.items() if of in names}
    use = replace(use, names=names, params=places)
    copy = StepCopy(scope, fragment, use, given, defaults)
    return expanded(scope, module, [copy.step(step) for step in fragment.body], taken)


def _id(scope: Scope, block: Block, prefix: str, fragment: FragmentDecl, taken: dict[str, Span]) -> str:
    """`id = name` as written, else the fragment's name, with a number when taken."""
    written = next((s for s in block.body if isinstance(s, Attribute) and s.name.name == "id"), None)
    if written is None:
        name = numbered(prefix + fragment.name.rpartition(".")[2], taken)
        taken[name] = block.kind_span
        return name
    match written.value:
        case Ref(parts=(word,)):
            name = prefix + word
        case _:
            raise scope.findings.error(
                "MIX107", "`id` takes a name", written.value.span, hint="for example `id = a`"
            )
    if name in taken:
        raise scope.findings.error(
            "MIX114",
            f"use `{word}` is declared twice",
            written.value.span,
            "declared again here",
            secondary=(Label(taken[name], "first declared here"),),
            hint=f"rename one: `{word}_2`",
        )
    taken[name] = written.value.span
    return name


def _arguments(scope: Scope, module: Module, fragment: FragmentDecl, block: Block) -> dict[str, Expression]:
    """What stands for each param; raises Reported when one of them cannot be told."""
    findings, params = scope.findings, fragment.params
    given: dict[str, Expression] = {}
    has_failed = False
    for statement in block.body:
        is_block = isinstance(statement, Block)
        name, span = named(statement)
        if name in OWN and not is_block:
            continue
        if name not in params:
            has_failed = True
            near = nearest(name, [n for n in params if n not in given], OWN)
            findings.error(
                "MIX105",
                f"`{fragment.name}` has no param `{name}`",
                span,
                "unknown",
                secondary=(Label(fragment.name_span, "the fragment"),),
                **suggested(near, span, f"it takes: {listing([*params, *OWN], 30)}"),
            )
        elif isinstance(statement, Block):
            has_failed = True
            findings.error(
                "MIX107",
                f"`{name}` is a param, not a block",
                span,
                hint=f"write `{name} = …`",
            )
        else:
            given[name] = statement.value
    for param in params.values():
        value = given.get(param.name, param.default)
        if value is not None:
            try:
                if value is not param.default:
                    check_kind(scope.world, module, fragment.name, param, value)
            except Reported:
                has_failed = True
            given[param.name] = value
        elif not has_failed:
            has_failed = True
            findings.error(
                "MIX106",
                f"`{fragment.name}` is not given its `{param.name}`",
                block.labels[0].span,
                f"a {param.type} is missing",
                secondary=(Label(param.span, "it has no default"),),
                notes=(param.doc,) if param.doc else (),
                hint=f"add `{param.name} = {_EXAMPLES.get(param.type, f'my_{param.type}')}`",
            )
    if has_failed:
        raise Reported
    return given


_EXAMPLES = {
    "templates": "[my_template]",
    "tools": "[my_tool]",
    "count": "3",
    "int": "3",
    "share": "30%",
    "float": "0.7",
    "duration": "10s",
    "text": '"…"',
    "bool": "true",
}
