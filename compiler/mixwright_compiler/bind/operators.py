"""Operators: a prompt with a weight, and a guard that its results must pass.

A step that is asked with one of several prompts can name operators among them. Such a prompt is a template under the
operator's name; behind the step stands a filter for each guard, of the rows that took this operator.
"""

from __future__ import annotations

from mixwright_compiler.bind.attributes import bind_attributes
from mixwright_compiler.bind.fragment_names import refs_in
from mixwright_compiler.bind.kinds import step_kind
from mixwright_compiler.bind.place import Place
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.bind.step_copy import StepCopy
from mixwright_compiler.catalog.blocks import OPERATOR_KINDS, language_blocks
from mixwright_compiler.findings import Reported
from mixwright_compiler.load.uses import Use, use_of
from mixwright_compiler.load.world import Declaration, Module
from mixwright_compiler.program import OperatorDecl
from mixwright_compiler.suggest import did_you_mean, nearest, replace_fix
from mixwright_dsl.lazy_dataclass import replace
from mixwright_dsl.nodes import (
    Attribute,
    Binary,
    Block,
    Call,
    Expression,
    ListNode,
    Quantity,
    Ref,
    Statement,
    Text,
)
from mixwright_dsl.quantity import Unit
from mixwright_dsl.source import Span

PROMPTS = "some[ref:template]"
"""Type of the attribute in which a step names what it is asked with."""
RESULT = "result"
"""What a guard calls the column that the step makes."""


def bind_operator(scope: Scope, declaration: Declaration) -> OperatorDecl:
    """The operator; its prompt becomes a template of its name. Raises Reported."""
    block, findings = declaration.node, scope.findings
    match block.labels:
        case (Ref(), Ref(parts=("depth" | "breadth" as kind,))):
            pass
        case _:
            written = block.labels[1] if len(block.labels) > 1 else None
            near = nearest(written.span.text, OPERATOR_KINDS) if written is not None else None
            raise findings.error(
                "MIX120",
                "an operator has a name, and is `depth` or `breadth`",
                written.span if written is not None else declaration.name_span,
                hint=did_you_mean(near, f"write `operator {declaration.name} depth {{ … }}`"),
                fix=replace_fix(written.span, near) if near and written is not None else None,
            )
    guard = next((s.value for s in block.body if isinstance(s, Attribute) and s.name.name == "guard"), None)
    attributes = bind_attributes(
        Place(scope.world, declaration.module),
        language_blocks()["operator"],
        block.body,
        declaration.name_span,
        f"operator `{declaration.name}`",
        taken=lambda s: isinstance(s, Attribute) and s.name.name == "guard",
    )
    prompt = str(attributes["prompt"].value) if "prompt" in attributes else ""
    template, parsed = scope.templates.get(prompt), scope.parsed.get(prompt)
    if template is None or parsed is None:
        raise Reported
    columns = [] if guard is None else _columns_of(scope, declaration.module, guard)
    if guard is not None and not columns:
        raise findings.error(
            "MIX459",
            f"the guard of `{declaration.name}` reads no column",
            guard.span,
            "the same for every row",
            hint=f"say it of what the model wrote: `guard = len({RESULT}) > 20`",
        )
    doc = {"doc": attributes["doc"]} if "doc" in attributes else {}
    scope.templates[declaration.qualified] = replace(
        template,
        name=declaration.qualified,
        operator=kind,
        attributes={**template.attributes, **doc},
        name_span=declaration.name_span,
    )
    scope.parsed[declaration.qualified] = replace(parsed, name=declaration.qualified)
    return OperatorDecl(
        name=declaration.qualified,
        entry=language_blocks()["operator"],
        attributes=attributes,
        span=block.span,
        name_span=declaration.name_span,
        guard=guard,
        reads=tuple(columns),
    )


def _columns_of(scope: Scope, module: Module, guard: Expression) -> list[str]:
    """Names in a guard that are no constants of its file."""
    found = []
    for ref in refs_in([guard]):
        declaration, _ = scope.world.find(module, ref)
        if declaration is None or declaration.kind not in ("let", "param"):
            found.append(ref.parts[0])
    return list(dict.fromkeys(found))


def guarded(scope: Scope, module: Module, block: Block) -> list[Block]:
    """A step as it is written, with the weights of the operators that it names, and their guards behind it."""
    entry = step_kind(scope.world, block)
    prompts = (a.name for a in entry.attributes if a.type == PROMPTS) if entry is not None else iter(())
    written = {s.name.name: s for s in block.body if isinstance(s, Attribute)}
    prompt = written.get(next(prompts, ""))
    label = block.labels[0] if block.labels else None
    if prompt is None or not isinstance(label, Ref):
        return [block]
    refs = prompt.value.items if isinstance(prompt.value, ListNode) else (prompt.value,)
    operators = [_operator(scope, module, ref) for ref in refs]
    if not any(operators):
        return [block]
    weights = [
        1.0 if o is None or "weight" not in o.attributes else o.attributes["weight"].value for o in operators
    ]
    choose = written.get("choose")
    is_random = choose is None or choose.value.span.text == "random"
    if len(refs) > 1 and is_random and "weights" not in written and len(set(weights)) > 1:
        at = prompt.value.span
        items = tuple(Quantity(weight, Unit.NUMBER, at) for weight in weights)
        body: tuple[Statement, ...] = (
            *block.body,
            Attribute(Ref(("weights",), at, (at,)), ListNode(items, at), at),
        )
        block = replace(block, body=body)
    guards = [
        _guard(scope, block, label, operator, ref.span, is_one_of_several=len(refs) > 1)
        for operator, ref in zip(operators, refs, strict=True)
        if operator is not None and operator.guard is not None
    ]
    return [block, *guards]


def _operator(scope: Scope, module: Module, ref: Expression) -> OperatorDecl | None:
    if not isinstance(ref, Ref):
        return None
    try:
        found, rest = scope.world.find(module, ref)
    except Reported:
        return None
    if found is None or rest or found.kind != "operator":
        return None
    operator = scope.ask(found, ref.span)
    return operator if isinstance(operator, OperatorDecl) else None


def _guard(
    scope: Scope, block: Block, label: Ref, operator: OperatorDecl, at: Span, *, is_one_of_several: bool
) -> Block:
    """The filter of the rows that took an operator; rows without a result go on."""
    around = use_of(block.kind_span)
    known = around.names if around is not None else {}
    column = label.parts[0]
    use = Use(
        id=(around.prefix if around is not None else "") + operator.name.rpartition(".")[2],
        fragment=operator.name,
        span=at
        if use_of(at) is around
        else Span(block.kind_span.source, block.kind_span.start, block.kind_span.end),
        names={**{name: known.get(name, name) for name in operator.reads}, RESULT: column},
        is_guard=True,
    )
    copy = StepCopy(scope, operator, use, {}, ())
    assert operator.guard is not None
    span = copy.at(operator.guard.span)

    def either(left: Expression, right: Expression) -> Expression:
        return Binary("or", left, right, span, span)

    def is_null(name: str) -> Expression:
        return Call(Ref(("is_null",), span, (span,)), (Ref((name,), span, (span,)),), (), span)

    where = either(is_null(column), copy.typed(operator.guard, "expr:bool"))
    if is_one_of_several:
        taken = f"{column}_template"
        use.names[taken] = taken  # type: ignore[index]
        name = Text(operator.name.rpartition(".")[2], span)
        other = Binary("!=", Ref((taken,), span, (span,)), name, span, span)
        where = either(is_null(taken), either(other, where))
    body = (Attribute(Ref(("where",), span, (span,)), where, span),)
    return Block("filter", span, (), body, True, span)
