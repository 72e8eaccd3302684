"""Whether a value is of the kind that a fragment's param is declared to be."""

from __future__ import annotations

from mixwright_compiler.findings import Findings, Reported
from mixwright_compiler.load.constants import as_type
from mixwright_compiler.load.params import constant_expression
from mixwright_compiler.load.world import Module, World
from mixwright_compiler.program import FragmentParam
from mixwright_compiler.suggest import nearest
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.nodes import Expression, ListNode, Ref

REFERENCES = {
    "model": "model",
    "template": "template",
    "templates": "template",
    "source": "start",
    "tool": "tool",
    "tools": "tool",
}
"""Type of a param that stands for declarations -> what they may be."""


def check_kind(world: World, module: Module, fragment: str, param: FragmentParam, value: Expression) -> None:
    """MIX433: what is given for a param, or what it is by default, is of another kind; raises Reported.

    module: where the value is written.
    """
    subject = f"`{param.name}` of `{fragment}`"
    match param.type:
        case "column":
            if not isinstance(value, Ref):
                raise _wrong_kind(world, subject, param, value, "the name of a column", "my_column")
        case "templates" | "tools" if isinstance(value, ListNode):
            for item in value.items:
                _check_reference(world, module, subject, param, item)
        case _ if param.type in REFERENCES:
            _check_reference(world, module, subject, param, value)
        case _:
            constant = constant_expression(world, module, value)
            told = Findings()
            try:
                as_type(constant, param.type, subject, value.span, told)
            except Reported:
                found = told.items[-1]
                declared = Label(param.span, f"a {param.type}")
                raise world.findings.error(
                    "MIX433",
                    found.message,
                    found.primary.span,
                    found.primary.message,
                    secondary=() if value is param.default else (declared,),
                    hint=found.hint,
                ) from None


def _check_reference(
    world: World, module: Module, subject: str, param: FragmentParam, value: Expression
) -> None:
    from mixwright_compiler.catalog.references import REFERENCE_KINDS

    word = REFERENCES[param.type]
    kinds = REFERENCE_KINDS[word]
    what = f"the name of a {' or '.join(kinds)}"
    if not isinstance(value, Ref):
        raise _wrong_kind(world, subject, param, value, what, f"my_{kinds[0]}")
    if value.name.startswith("<"):
        return  # a stand-in, handed on to a fragment inside
    found, rest = world.find(module, value)
    if found is None or rest:
        raise world.unknown(module, value, kinds)
    if found.kind not in kinds:
        names = [n for n in world.visible(world.home(module, value.span), kinds) if n != value.name]
        near = nearest(value.name, names) or (names[0] if len(names) == 1 else f"my_{kinds[0]}")
        declared = Label(found.name_span, f"declared as a {found.kind} here")
        raise _wrong_kind(
            world, subject, param, value, what, near, f"`{value.name}` is a {found.kind}", declared
        )


def _wrong_kind(
    world: World,
    subject: str,
    param: FragmentParam,
    value: Expression,
    what: str,
    example: str,
    label: str = "",
    *more: Label,
) -> Exception:
    return world.findings.error(
        "MIX433",
        f"{subject} takes {what}",
        value.span,
        label or f"expected {what}",
        secondary=(*more, *(() if value is param.default else (Label(param.span, f"a {param.type}"),))),
        hint=f"for example `{example}`",
    )
