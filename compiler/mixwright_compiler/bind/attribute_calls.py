"""The closed sets of calls that attributes take: `parse`, `on_fail`, `on_verdict` and `shortfall`."""

from __future__ import annotations

from typing import Any

from mixwright_compiler.catalog.calls import CALLS, MEANT, WORDS
from mixwright_compiler.expressions.regexes import regex_groups
from mixwright_compiler.findings import Findings
from mixwright_compiler.load.constants import as_type
from mixwright_compiler.load.params import constant_expression
from mixwright_compiler.load.world import Declaration, Module, World
from mixwright_compiler.program import CallValue
from mixwright_compiler.suggest import did_you_mean, listing, nearest, one_of, replace_fix
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.nodes import Attribute, Call, Expression, Ref
from mixwright_dsl.source import Span


def _shapes(kind: str) -> list[str]:
    shapes = list(WORDS[kind])
    examples = {"text": '"…"', "regex": '"…"', "count": "2", "name": "component", "template": "my_template"}
    for name, (types, _) in CALLS[kind].items():
        shapes.append(f"{name}({', '.join(examples[t] for t in types)})")
    return shapes


def bind_call(kind: str, subject: str, node: Expression, world: World, module: Module) -> str | CallValue:
    """A word or a call of the set `kind`; raises Reported."""
    findings = world.findings
    shapes = listing(_shapes(kind), 12)
    match node:
        case Ref(parts=(word,)) if word in WORDS[kind]:
            return word
        case Call():
            return _call(kind, subject, node, world, module)
        case Ref(parts=(word,)):
            near = nearest(word, WORDS[kind], CALLS[kind])
            near = near or next((each for each in WORDS[kind] if each == MEANT.get(word)), None)
            fix = replace_fix(node.span, near) if near in WORDS[kind] and near is not None else None
            if word in CALLS[kind]:
                near = next(s for s in _shapes(kind) if s.startswith(f"{word}("))
            raise findings.error(
                "MIX118",
                f"{subject} has no `{word}`",
                node.span,
                f"it takes: {shapes}",
                hint=did_you_mean(near, f"write one of: {shapes}"),
                fix=fix,
            )
    raise findings.error(
        "MIX118",
        f"{subject} takes one of: {shapes}",
        node.span,
        hint=f"for example `{_shapes(kind)[0]}`",
    )


def _call(kind: str, subject: str, node: Call, world: World, module: Module) -> CallValue:
    findings, name = world.findings, node.function.name
    if name not in CALLS[kind]:
        near = nearest(name, CALLS[kind])
        raise findings.error(
            "MIX122",
            f"{subject} has no `{name}(…)`",
            node.function.span,
            f"it takes: {listing(_shapes(kind), 12)}",
            hint=did_you_mean(near and f"{near}(…)", one_of(_shapes(kind), 12)),
            fix=replace_fix(node.function.span, near) if near else None,
        )
    types, required = CALLS[kind][name]
    if node.keywords:
        _no_keyword(name, node.keywords[0], findings)
    if not required <= len(node.arguments) <= len(types):
        shape = next(s for s in _shapes(kind) if s.startswith(f"{name}("))
        wanted = str(required) if required == len(types) else f"{required} to {len(types)}"
        raise findings.error(
            "MIX122",
            f"`{name}` takes {wanted} argument{'' if wanted == '1' else 's'}, here {len(node.arguments)}",
            node.span,
            hint=f"write `{shape}`",
        )
    values = [
        _argument(name, type, argument, world, module)
        for type, argument in zip(types, node.arguments, strict=False)
    ]
    spans = tuple(argument.span for argument in node.arguments)
    return CallValue(function=name, args=tuple(values), keywords={}, span=node.span, arg_spans=spans)


def _no_keyword(name: str, keyword: Attribute, findings: Findings) -> None:
    raise findings.error(
        "MIX122",
        f"`{name}` has no argument `{keyword.name.name}`",
        keyword.name.span,
        hint=f"write the value alone: `{name}({keyword.value.span.text})`",
    )


def _argument(name: str, type: str, node: Expression, world: World, module: Module) -> Any:
    findings = world.findings
    if type == "name" and isinstance(node, Ref):
        return node.name
    if type == "template":
        return _template(name, node, world, module)
    value = as_type(
        constant_expression(world, module, node),
        "text" if type in ("regex", "name") else type,
        f"`{name}`",
        node.span,
        findings,
    )
    if type == "regex":
        regex_groups(value, node.span, findings)
    if type == "count" and value < 0:
        raise _below_zero(name, value, node.span, findings)
    if type == "text" and value == "" and name != "json":
        raise findings.error("MIX122", f"`{name}` needs some text to look for", node.span, "empty text")
    return value


def _template(name: str, node: Expression, world: World, module: Module) -> str:
    if not isinstance(node, Ref):
        raise world.findings.error(
            "MIX107",
            f"`{name}` takes the name of a template",
            node.span,
            "not a template's name",
            hint="declare a template and write its name",
        )
    found = world.need(module, node, "template")
    refuse_operator(world, found, node.span, may_be=False)
    world.ask(found, node.span)
    return found.qualified


def refuse_operator(world: World, found: Declaration, at: Span, *, may_be: bool) -> None:
    """Report an operator where its guard would be ignored (MIX102)."""
    if found.kind == "operator" and not may_be:
        raise world.findings.error(
            "MIX102",
            f"`{found.name}` is an operator, not a template",
            at,
            "an operator stands in the `prompt` of a `generate`",
            secondary=(Label(found.name_span, "declared as an operator here"),),
            hint="write the name of its template",
        )


def _below_zero(name: str, value: int, span: Span, findings: Findings) -> Exception:
    return findings.error(
        "MIX117", f"`{name}` is at least 0, here {value}", span, "out of range", hint=f"write `{name}(1)`"
    )
