"""Fragments as they are declared: params, the columns they need and leave behind, and their steps, not bound yet.

What a `use` of one stands for is in mixwright_compiler/bind/used_steps.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from mixwright_compiler.bind.attributes import bind_attributes
from mixwright_compiler.bind.columns_ahead import columns_ahead
from mixwright_compiler.bind.fragment_names import unused
from mixwright_compiler.bind.kinds import step_kind
from mixwright_compiler.bind.labels import extra_labels, given_twice
from mixwright_compiler.bind.loops import body_of, carried
from mixwright_compiler.bind.param_kinds import check_kind
from mixwright_compiler.bind.place import Place
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.catalog.blocks import language_blocks
from mixwright_compiler.catalog.makes import is_always_made, remakes
from mixwright_compiler.findings import Reported
from mixwright_compiler.load.world import Declaration, Module, World
from mixwright_compiler.program import FragmentDecl, FragmentParam
from mixwright_compiler.schema import UNTYPED, element_of, fields_of
from mixwright_compiler.suggest import listing, nearest, suggested
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.nodes import (
    Attribute,
    Block,
    Expression,
    Ref,
    Statement,
    Text,
    named,
)
from mixwright_dsl.source import Span

PARTS = ("params", "needs", "makes")
OWN = ("id",)
"""What a `use` says of itself, which no param can be called."""
TYPES = ("text", "int", "float", "bool", "chat", *UNTYPED)


def bind_fragment(scope: Scope, declaration: Declaration) -> FragmentDecl:
    """The fragment; raises Reported where its parts cannot be told."""
    block, findings = declaration.node, scope.findings
    title = f"fragment `{declaration.name}`"
    extra_labels(scope.world, block, block.labels[1:], f"fragment {declaration.name} {{ … }}")
    entry = language_blocks()["fragment"]
    attributes = bind_attributes(
        Place(scope.world, declaration.module),
        entry,
        block.body,
        declaration.name_span,
        title,
        taken=lambda s: isinstance(s, Block),
    )
    parts = {name: _part(scope, block, name) for name in PARTS}
    params = _params(scope, declaration, parts["params"])
    needs, makes = (_columns(scope, parts[name], name) for name in ("needs", "makes"))
    body = tuple(s for s in block.body if isinstance(s, Block) and s.kind not in PARTS)
    if not body:
        raise findings.error(
            "MIX106",
            f"{title} has no step",
            declaration.name_span,
            "nothing is in it",
            hint="write its steps behind `params`, as in a pipeline",
        )
    for step in body:
        if step.kind == "from":
            raise findings.error(
                "MIX417",
                f"{title} has a `from`",
                step.kind_span,
                "its rows come from the pipeline that uses it",
                hint="delete it, and name the columns that it reads: `needs { problem = text }`",
            )
    made: dict[str, Made] = {}
    for step in body:
        made.update(_made(scope, declaration, step))
    # A step of an unknown kind, which is told where it is bound, may make what no other one does.
    is_open = any(_is_unknown(scope.world, step) for step in body)
    owed = {name: of for name, of in makes.items() if name in made or not is_open}
    _check_made(scope, declaration, params, needs, owed, made)
    return FragmentDecl(
        name=declaration.qualified,
        entry=entry,
        attributes=attributes,
        span=block.span,
        name_span=declaration.name_span,
        params=params,
        needs=needs,
        makes=makes,
        body=body,
        inner=frozenset(made.keys() - makes.keys() - params.keys() - needs.keys()),
        after={name: column.of for name, column in made.items() if column.of},
        unused=tuple(unused(scope, declaration, params, {*needs, *makes}, body)),
    )


def _part(scope: Scope, block: Block, kind: str) -> Sequence[Statement]:
    """The statements of `params`, `needs` or `makes`."""
    found = [s for s in block.body if isinstance(s, Block) and s.kind == kind]
    for part in found:
        extra_labels(scope.world, part, part.labels, f"{kind} {{ … }}")
    for again in found[1:]:
        given_twice(scope.findings, kind, again.kind_span, found[0].kind_span)
    return found[0].body if found else ()


def _params(
    scope: Scope, declaration: Declaration, statements: Sequence[Statement]
) -> dict[str, FragmentParam]:
    findings, params, is_wrong = scope.findings, dict[str, FragmentParam](), False
    for statement in statements:
        name, span = named(statement)
        if isinstance(statement, Attribute) or not statement.has_body or statement.labels:
            findings.error(
                "MIX120",
                f"param `{name}` does not say what it stands for",
                span,
                "not a block",
                hint=f"write `{name} {{ type = text }}`",
            )
            continue
        if name in OWN:
            findings.error(
                "MIX120",
                f"a param cannot be called `{name}`",
                span,
                f"`{name}` is what a `use` is called",
                hint=f"rename it: `{name}_of_row`",
            )
            continue
        if name in params:
            findings.error(
                "MIX114",
                f"`{name}` is declared twice",
                span,
                "declared again here",
                secondary=(Label(params[name].span, "first declared here"),),
                hint=f"rename one: `{name}_2`",
            )
            continue
        default = next((s for s in statement.body if _is(s, "default")), None)
        bound = bind_attributes(
            Place(scope.world, declaration.module),
            language_blocks()["params"],
            statement.body,
            span,
            f"param `{name}`",
            taken=lambda s: _is(s, "default") and isinstance(s, Attribute),
        )
        if "type" in bound:
            value = default.value if isinstance(default, Attribute) else None
            params[name] = FragmentParam(
                name=name,
                type=bound["type"].value,
                default=value,
                span=span,
                doc=bound["doc"].value if "doc" in bound else "",
            )
            if value is not None:
                try:
                    check_kind(scope.world, declaration.module, declaration.name, params[name], value)
                except Reported:
                    is_wrong = True
        else:
            raise Reported
    if is_wrong:
        raise Reported
    return params


def _is(statement: Statement, name: str) -> bool:
    return named(statement)[0] == name


def _columns(scope: Scope, statements: Sequence[Statement], part: str) -> dict[str, tuple[str, Span]]:
    """Name -> type and place, of the columns in `needs` or `makes`."""
    found: dict[str, tuple[str, Span]] = {}
    for statement in statements:
        if isinstance(statement, Block) or len(statement.name.parts) > 1:
            name, span = named(statement)
            scope.findings.error(
                "MIX120",
                f"`{part}` takes a column and its type, here `{name}`",
                span,
                hint=f"write `{name.rpartition('.')[2]} = text`",
            )
            continue
        found[statement.name.name] = _type(scope, statement), statement.name.span
    return found


def _type(scope: Scope, statement: Attribute) -> str:
    value = statement.value
    written = value.name if isinstance(value, Ref) else value.value if isinstance(value, Text) else ""
    if is_type(written):
        return written
    near, right = nearest(written, TYPES), '"list[text]"' if written == "list" else "text"
    scope.findings.error(
        "MIX118",
        f"no type of columns `{written or value.span.text}`",
        value.span,
        f'types are: {listing(TYPES)}, and `"list[text]"` in quotes',
        **suggested(near, value.span, f"write `{statement.name.name} = {right}`"),
    )
    return "any"


def is_type(written: str) -> bool:
    """Whether this is a type of columns, as `mixwright_compiler.schema` writes them."""
    if written in TYPES:
        return True
    if (fields := fields_of(written)) is not None:
        return all(re.fullmatch(r"[A-Za-z_]\w*", name) and is_type(type) for name, type in fields.items())
    return written.startswith("list[") and is_type(element_of(written) or "")


def bodies_of(world: World, block: Block) -> tuple[Block, ...]:
    """The steps inside a step, such as those of a loop; the blocks that are its attributes are none."""
    entry = step_kind(world, block)
    return tuple(body_of(block, entry)) if entry is not None and entry.loops else ()


def _is_unknown(world: World, step: Block) -> bool:
    """Whether nothing is known of a step, or of one inside it, but its name."""
    is_known = step.kind == "use" or step_kind(world, step) is not None
    return not is_known or any(_is_unknown(world, inner) for inner in bodies_of(world, step))


@dataclass(frozen=True)
class Made:
    """A column that a step of a fragment makes. `is_fixed`: the step calls it so itself, and it has no other name.
    `of`: the column after which the step calls it, as it calls `task_template` after `task`. `is_changed`: the step may
    make it of one that is there."""

    span: Span
    is_fixed: bool = False
    of: str = ""
    is_changed: bool = False


def _made(scope: Scope, declaration: Declaration, block: Block) -> dict[str, Made]:
    """Columns that a step of a fragment makes, as far as its text shows, with those of the steps inside it."""
    world = scope.world
    if block.kind == "use":
        fragment = used_fragment(scope, declaration.module, block)
        given = {s.name.name: s.value for s in block.body if isinstance(s, Attribute)}
        called = {name: _made_by_use(fragment, given, name) for name in fragment.makes}
        others = [
            (called[of] + name.removeprefix(of), called[of])
            for name, of in fragment.after.items()
            if of in called
        ]
        return {
            **{name: Made(block.kind_span, of=of) for name, of in others},
            **{name: Made(block.kind_span, is_changed=True) for name in called.values()},
        }
    entry = step_kind(world, block)
    first = block.labels[0] if block.labels else None
    ahead = {} if entry is not None and entry.loops else columns_ahead(world, block)
    made = {name: Made(span, is_changed=entry is not None and remakes(entry)) for name, span in ahead.items()}
    if entry is None:
        return made
    if not remakes(entry):
        always = [name for name, type in entry.makes.items() if is_always_made(type)]
        made |= {name: Made(block.kind_span, is_fixed=True) for name in always if "{" not in name}
    if entry.label == "new_column" and isinstance(first, Ref):
        made[first.name] = Made(first.span)
        after = [name.replace("{label}", first.name) for name in entry.makes if name.startswith("{label}")]
        made |= {name: Made(first.span, of=first.name) for name in after if name != first.name}
    for statement in block.body:
        if not isinstance(statement, Attribute) or not isinstance(statement.value, Ref):
            continue
        schema = entry.attribute(statement.name.name)
        if schema is not None and schema.type == "new_column":
            made[statement.value.name] = Made(statement.value.span)
    for step in bodies_of(world, block):
        made |= _made(scope, declaration, step)
    if entry.loops:
        made |= {name: Made(span, is_changed=True) for name, span in carried(block).items()}
    return made


def _made_by_use(fragment: FragmentDecl, given: Mapping[str, Expression], name: str) -> str:
    """What a column of `makes` is called where the fragment is used: a param for a column stands for another name."""
    param = fragment.params.get(name)
    if param is None or param.type != "column":
        return name
    value = given.get(name, param.default)
    return value.name if isinstance(value, Ref) else name


def used_fragment(scope: Scope, module: Module, block: Block) -> FragmentDecl:
    """The fragment that a `use` names; raises Reported."""
    match block.labels:
        case (Ref() as name,):
            pass
        case _:
            raise scope.findings.error(
                "MIX120",
                "`use` needs the name of a fragment",
                block.labels[1].span if len(block.labels) > 1 else block.kind_span,
                hint="write `use my_fragment { … }`",
            )
    found = scope.world.need(module, name, "fragment")
    fragment = scope.ask(found, name.span)
    if fragment is None:
        raise Reported
    assert isinstance(fragment, FragmentDecl)
    return fragment


def _check_made(
    scope: Scope,
    declaration: Declaration,
    params: Mapping[str, FragmentParam],
    needs: Mapping[str, tuple[str, Span]],
    makes: Mapping[str, tuple[str, Span]],
    made: Mapping[str, Made],
) -> None:
    """MIX432: `makes` and the steps do not agree. MIX433: a param that is no column, made as one."""
    findings = scope.findings
    for name, (_, span) in makes.items():
        if name in made:
            of = made[name].of
            if of and of not in makes:
                findings.error(
                    "MIX432",
                    f"`{name}` is called after `{of}`, which `makes` does not name",
                    span,
                    secondary=(Label(made[name].span, "made here"),),
                    hint=f"add `{of} = text`",
                )
            continue
        near = nearest(name, made.keys() - makes.keys())
        findings.error(
            "MIX432",
            f"no step of `{declaration.name}` makes `{name}`",
            span,
            f"its steps make: {listing(made)}" if made else "its steps make no column",
            **suggested(near, span, "make it in a step, or delete the line"),
        )
    for name, column in made.items():
        param = params.get(name)
        if param is not None and param.type != "column":
            findings.error(
                "MIX433",
                f"param `{name}` is a {param.type}, and a step makes a column of this name",
                column.span,
                secondary=(Label(param.span, "declared here"),),
                hint=f"rename one of the two: `{name}_2`",
            )
        elif name not in makes and (
            param is not None or column.is_fixed or (name in needs and column.is_changed)
        ):
            is_theirs = column.is_changed and not column.is_fixed
            findings.error(
                "MIX432",
                f"`{declaration.name}` {'changes' if is_theirs else 'leaves'} `{name}`"
                f"{'' if is_theirs else ' behind'} and does not say so",
                column.span,
                "made here, under this name",
                hint=f"add `makes {{ {name} = … }}`",
            )
