"""A name that nothing declares, and a declaration of nearly that name that nothing uses: one of the two is misspelt."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mixwright_compiler.load.world import Module, World
from mixwright_compiler.program import FragmentDecl
from mixwright_compiler.suggest import did_you_mean, nearest, replace_fix
from mixwright_dsl.diagnostic import Diagnostic, Label
from mixwright_dsl.lazy_dataclass import replace
from mixwright_dsl.source import Span

UNKNOWN = ("MIX101", "MIX119")
"""Codes of a name that nothing declares."""


def blame_declarations(world: World, fragments: Iterable[FragmentDecl]) -> None:
    """Where several places agree in a name and one declaration is called nearly so and used nowhere, the declaration is
    wrong: the finding goes there. `top_p = top_p` counts as two. Of one place it stays there, and the param of a fragment
    that may be meant is named."""
    unused = [(fragment.span, param.name, param.span) for fragment in fragments for param in fragment.unused]
    meant = {id(module.source): _unused(module) for module in world.modules}
    for number, found in enumerate(world.findings.items):
        if found.code not in UNKNOWN:
            continue
        name = found.primary.span.text
        params = {n: at for inside, n, at in unused if _is_in(found.primary.span, inside)}
        if params:
            near = nearest(name, params)
            at = params.get(near or "")
        else:
            # Only one of the kind that is needed counts, which is the one that the hint has.
            near, at = meant.get(id(found.primary.span.source), {}).get(found.hint, (None, None))
        if near is None or at is None:
            continue
        others = [label for label in found.secondary if label.span.text == name]
        if others or _is_handed_on(found.primary.span):
            world.findings.items[number] = _at_declaration(found, name, near, at, others)
        elif params:
            world.findings.items[number] = replace(
                found,
                secondary=(Label(at, "declared here, and named nowhere"),),
                hint=did_you_mean(near),
                fix=replace_fix(found.primary.span, near),
            )


def _at_declaration(
    found: Diagnostic, name: str, declared: str, at: Span, others: Iterable[Label]
) -> Diagnostic:
    return replace(
        found,
        message=f"nothing uses `{declared}`, and `{name}` is not declared",
        primary=Label(at, "misspelt here, or everywhere else"),
        secondary=(Label(found.primary.span, "named here"), *others),
        hint=did_you_mean(name),
        fix=replace_fix(at, name),
    )


def _unused(module: Module) -> dict[str, tuple[str, Span]]:
    """The declarations of a file that nothing has named, and where, by the hint that means each."""
    unused = (each for each in module.declarations.values() if not each.is_used)
    return {did_you_mean(each.name): (each.name, each.name_span) for each in unused}


def _is_handed_on(span: Span) -> bool:
    """Whether the attribute that is given a name is called so itself."""
    before = span.source.text[max(0, span.start - 200) : span.start].rstrip()
    return before.endswith("=") and re.search(rf"(?<![\w.]){re.escape(span.text)}\s*=$", before) is not None


def _is_in(span: Span, other: Span) -> bool:
    return span.source is other.source and other.start <= span.start and span.end <= other.end
