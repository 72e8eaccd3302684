"""Values of `let` and `param` names, evaluated when first asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mixwright_compiler.catalog.blocks import PARAM_TYPES, language_blocks
from mixwright_compiler.findings import Reported
from mixwright_compiler.load.constants import EXAMPLES, TYPE_WORDS, Constant, as_type, evaluate
from mixwright_compiler.load.world import CHAIN_LIMIT, Declaration, Module, World
from mixwright_compiler.suggest import SPELLINGS, did_you_mean, listing, misspelt_word, nearest
from mixwright_dsl.diagnostic import Applicability, Edit, Fix, Label
from mixwright_dsl.nodes import Attribute, Block, Expression, Ref, Text
from mixwright_dsl.quantity import Unit, parse_quantity
from mixwright_dsl.source import SourceFile, Span

LARGEST_IN_ALL = 64_000_000
"""Characters that constants may come to, counted at each place that names one. Chosen: more than any spec needs, and
little enough to hold."""

COMMAND_LINE = "command line"
"""Name of the file that findings on `-p` point into."""

_PARAM_ATTRIBUTES = {a.name for a in language_blocks()["param"].attributes}

_UNDERWAY: Any = object()


def constant_of(world: World, module: Module, ref: Ref) -> Constant | None:
    """What a name stands for as a constant; None when it names no constant at all.

    Raises:
        Reported: its value is broken, or it goes in a circle (MIX103).
    """
    found, rest = world.find(module, ref)
    if found is None or found.kind not in ("let", "param"):
        return None
    value = _value_of(world, found, ref.span)
    for part, span in zip(rest, ref.part_spans[len(ref.parts) - len(rest) :], strict=True):
        if not isinstance(value.value, dict) or part not in value.value:
            names = list(value.value) if isinstance(value.value, dict) else []
            near = nearest(part, names)
            raise world.findings.error(
                "MIX101",
                f"`{found.name}` has no `{part}`",
                span,
                hint=did_you_mean(near, f"it has: {listing(names)}" if names else ""),
            )
        value = Constant(value.value[part], is_vouched=value.is_vouched, parts_size=value.parts_size)
    world.named_size += value.size
    if world.named_size > LARGEST_IN_ALL:
        raise world.findings.error(
            "MIX119",
            f"constants make more than {LARGEST_IN_ALL:,} characters of the spec",
            ref.span,
            "each place that names one holds it whole",
            hint="keep large texts in a file that a source reads",
        )
    return value


def constant_expression(
    world: World, module: Module, node: Expression, *, bare_words: bool = False
) -> Constant:
    """Evaluate a constant expression of a module; raises Reported."""
    return evaluate(
        node, lambda ref: _constant_or_report(world, module, ref), world.findings, bare_words=bare_words
    )


def _constant_or_report(world: World, module: Module, ref: Ref) -> Constant | None:
    found = constant_of(world, module, ref)
    if found is not None:
        return found
    declaration, _ = world.find(module, ref)
    if declaration is not None:
        raise world.findings.error(
            "MIX102",
            f"`{ref.name}` is a {declaration.kind}, not a constant",
            ref.span,
            secondary=(Label(declaration.name_span, "declared here"),),
            hint="a `let` or `param` name can stand here",
        )
    if ref.name in SPELLINGS:
        raise misspelt_word(world.findings, ref.name, ref.span)
    near = nearest(ref.name, world.visible(module, ("let", "param")))
    if near is not None or len(ref.parts) > 1:
        raise world.unknown(module, ref, ("let", "param"))
    return None


def _value_of(world: World, declaration: Declaration, use: Span) -> Constant:
    key = id(declaration)
    value = world.constants.get(key)
    if value is None:
        if world.depth >= CHAIN_LIMIT:
            raise world.too_long(declaration.name, use)
        world.constants[key] = _UNDERWAY
        world.depth += 1
        try:
            value = _compute(world, declaration)
        except Reported:
            value = Reported
        world.depth -= 1
        world.constants[key] = value
    if value is _UNDERWAY:
        world.constants[key] = Reported
        raise world.findings.error(
            "MIX103",
            f"`{declaration.name}` is defined by itself",
            use,
            "this closes the circle",
            secondary=(Label(declaration.name_span, "its value is being worked out here"),),
            hint=f"give `{declaration.name}` a value of its own",
        )
    if value is Reported:
        raise Reported
    assert isinstance(value, Constant)
    return value


def _compute(world: World, declaration: Declaration) -> Constant:
    if declaration.kind == "let":
        assert isinstance(declaration.node, Attribute)
        return constant_expression(world, declaration.module, declaration.node.value)
    return _param(world, declaration)


def param_type(declaration: Declaration) -> str | None:
    """The type word of a param block; None when there is no valid one."""
    for item in declaration.node.body:
        if isinstance(item, Attribute) and item.name.name == "type" and isinstance(item.value, Ref):
            return item.value.name if item.value.name in PARAM_TYPES else None
    return None


def _param(world: World, declaration: Declaration) -> Constant:
    block, module = declaration.node, declaration.module
    assert isinstance(block, Block)
    type = param_type(declaration)
    if type is None:
        raise Reported  # the binder reports the missing or unknown word
    attributes = {a.name.name: a for a in block.body if isinstance(a, Attribute)}
    subject = f"`{declaration.name}`"
    if declaration.qualified in world.given:
        constant, span = _given(world, declaration, type)
    elif (default := attributes.get("default")) is not None:
        raw = constant_expression(world, module, default.value)
        constant = Constant(as_type(raw, type, subject, default.value.span, world.findings), _unit_of(type))
        span = default.value.span
    elif not attributes.keys() <= _PARAM_ATTRIBUTES:
        raise Reported  # by the binder, and it may be the default
    else:
        doc = attributes.get("doc")
        raise world.findings.error(
            "MIX109",
            f"parameter `{declaration.name}` has no value",
            declaration.name_span,
            "no default, and none given",
            notes=(doc.value.value,) if doc is not None and isinstance(doc.value, Text) else (),
            hint=f"add `-p {declaration.qualified}={EXAMPLES.get(type, 'value').strip(chr(34))}`",
        )
    limits: dict[str, Attribute] = {name: attributes[name] for name in ("min", "max") if name in attributes}
    bounds: dict[str, int | float] = {
        name: _limit(world, module, limit, type) for name, limit in limits.items()
    }
    if len(bounds) == 2 and bounds["min"] > bounds["max"]:
        raise world.findings.error(
            "MIX109",
            f"parameter `{declaration.name}` has a `min` above its `max`",
            limits["min"].value.span,
            "no value lies between them",
            secondary=(Label(limits["max"].span, "the other limit"),),
            hint="change them about",
        )
    for name, words in (("min", "at least"), ("max", "at most")):
        if (limit := limits.get(name)) is None:
            continue
        bound = bounds[name]
        if constant.value < bound if name == "min" else constant.value > bound:
            written = limit.value.span.text
            raise world.findings.error(
                "MIX109",
                f"parameter `{declaration.name}` is {words} {written}, here {constant.value:g}",
                span,
                "out of range",
                secondary=(Label(limit.span, "the limit"),),
                hint=f"give one that is {words} {written}: "
                + (
                    f"`-p {declaration.qualified}={written}`"
                    if span.source.name == COMMAND_LINE
                    else f"`default = {written}`"
                ),
            )
    return constant


def _limit(world: World, module: Module, limit: Attribute, type: str) -> int | float:
    """The value of `min` or `max`, which has the type of the parameter."""
    name = limit.name.name
    if type in ("text", "bool", "path"):
        raise world.findings.error(
            "MIX107",
            f"`{name}` limits a number, and the parameter is {TYPE_WORDS[type]}",
            limit.name.span,
            "has no effect",
            hint="delete it",
            fix=Fix("delete it", (Edit(limit.span, ""),), Applicability.MAYBE),
        )
    constant = constant_expression(world, module, limit.value)
    value: int | float = as_type(constant, type, f"`{name}`", limit.value.span, world.findings)
    return value


def _unit_of(type: str) -> Unit:
    return {
        "count": Unit.COUNT,
        "share": Unit.SHARE,
        "duration": Unit.DURATION,
        "bytes": Unit.BYTES,
        "money": Unit.MONEY,
    }.get(type, Unit.NUMBER)


def command_line_span(name: str, value: str) -> Span:
    """A place to point at for `-p name=value`: the value, or all of it when the value is empty."""
    source = SourceFile(COMMAND_LINE, f"-p {name}={value}")
    return Span(source, 3 if not value else 4 + len(name), len(source.text))


def _given(world: World, declaration: Declaration, type: str) -> tuple[Constant, Span]:
    text = world.given[declaration.qualified]
    span = command_line_span(declaration.qualified, text)
    if type == "text":
        return Constant(text), span
    if type == "path":
        # Typed at a prompt, so it starts at the working directory, unlike a path in a file.
        return Constant(str(Path(os.path.abspath(text))), is_vouched=True), span
    if type == "bool" and text in ("true", "false"):
        return Constant(text == "true"), span
    if type != "bool":
        sign = -1 if text.startswith("-") else 1
        try:
            value, unit = parse_quantity(text.removeprefix("-"))
        except ValueError:
            pass
        else:
            raw = Constant(sign * value, unit)
            return Constant(
                as_type(raw, type, f"`{declaration.name}`", span, world.findings), _unit_of(type)
            ), span
    raise world.findings.error(
        "MIX109",
        f"parameter `{declaration.name}` takes {TYPE_WORDS.get(type, type)}, here `{text}`",
        span,
        secondary=(Label(declaration.name_span, "declared here"),),
        hint=f"for example `-p {declaration.qualified}={EXAMPLES.get(type, 'value')}`",
    )


def check_given(world: World) -> None:
    """Report every `-p` that names no parameter."""
    params = [d.qualified for d in world.all_declarations() if d.kind == "param"]
    for name, value in world.given.items():
        if name in params:
            continue
        source = SourceFile(COMMAND_LINE, f"-p {name}={value}")
        near = nearest(name, params)
        world.findings.error(
            "MIX109",
            f"no parameter `{name}`",
            Span(source, 3, 3 + len(name)),
            hint=did_you_mean(
                near, f"parameters are: {listing(params)}" if params else "this spec declares no parameters"
            ),
        )
