"""The line that says which version of the language a file is written in."""

from __future__ import annotations

from mixwright_compiler.catalog.blocks import EDITIONS
from mixwright_compiler.load.world import Module, World
from mixwright_compiler.suggest import listing
from mixwright_dsl.diagnostic import Applicability, Edit, Fix, Label
from mixwright_dsl.nodes import Attribute, Block, Quantity


def is_edition(statement: Attribute | Block | None) -> bool:
    """Is it the line, written rightly or as an attribute?"""
    match statement:
        case Attribute(name=name):
            return name.name == "edition"
        case Block(kind=kind):
            return kind == "edition"
    return False


def edition_as_attribute(world: World, module: Module, statement: Attribute) -> None:
    """Report `edition = 2026`; the file is taken for one of the newest."""
    module.edition = EDITIONS[-1]
    right = f"edition {EDITIONS[-1]}"
    world.findings.error(
        "MIX120",
        "`edition` is written without `=`",
        statement.name.span,
        hint=f"write `{right}`",
        fix=Fix(f"write `{right}`", (Edit(statement.span, right),), Applicability.MAYBE),
    )


def edition(world: World, module: Module, block: Block) -> None:
    """Note the edition of a file; report one that there is not, or a second line."""
    newest = EDITIONS[-1]
    if module.edition is not None:
        earlier = next(s for s in module.file.body if is_edition(s))
        world.findings.error(
            "MIX115",
            "`edition` is given twice",
            block.kind_span,
            secondary=(Label(earlier.span, "the first one"),),
            hint="delete one of them",
        )
        return
    if block.has_body:
        world.findings.error(
            "MIX120", "`edition` has no block", block.kind_span, hint=f"write `edition {newest}`"
        )
    match block.labels:
        case (Quantity(value=value),) if value in EDITIONS:
            module.edition = int(value)
            return
        case (Quantity(value=value), second, *_) if value in EDITIONS:
            module.edition = int(value)
            world.findings.error(
                "MIX120",
                f"`edition` has a label too many: `{second.span.text}`",
                second.span,
                "unexpected",
                hint=f"write `edition {int(value)}`",
            )
            return
        case (first, *_):
            span = first.span
        case _:
            span = block.kind_span
    module.edition = newest
    world.findings.error(
        "MIX008",
        f"no edition `{span.text}`" if block.labels else "the edition is missing",
        span,
        f"this version of mixwright reads {listing(map(str, EDITIONS))}",
        hint=f"write `edition {newest}`",
        fix=Fix(f"write `edition {newest}`", (Edit(block.span, f"edition {newest}"),), Applicability.MAYBE),
    )
