"""The line that says which version of the language a file is written in."""

from __future__ import annotations

from mixwright_compiler.catalog.blocks import EDITIONS
from mixwright_compiler.load.world import Module, World
from mixwright_compiler.suggest import listing
from mixwright_dsl.diagnostic import Applicability, Edit, Fix, Label
from mixwright_dsl.nodes import Attribute, Block, Quantity
from mixwright_dsl.source import Span


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
    message, hint = f"no edition `{span.text}`", f"write `edition {newest}`"
    if not block.labels:
        message = "the edition is missing"
    elif span.text.isdecimal() and int(span.text) > newest:
        message = f"edition `{span.text}` is of a later mixwright"
        hint = f"`pip install -U mixwright`, or write `edition {newest}`"
    world.findings.error(
        "MIX008",
        message,
        span,
        f"this version of mixwright reads {listing(map(str, EDITIONS))}",
        hint=hint,
        fix=Fix(f"write `edition {newest}`", (Edit(block.span, f"edition {newest}"),), Applicability.MAYBE),
    )


def check_edition(world: World, module: Module) -> None:
    """Report a file that does not say its edition, or not on its first line."""
    if module.edition is None:
        line = f"edition {EDITIONS[-1]}"
        world.findings.error(
            "MIX008",
            "the file does not say its edition",
            Span(module.source, 0, 1),
            hint=f"begin the file with `{line}`",
            fix=Fix(f"add `{line}`", (Edit(Span(module.source, 0, 0), f"{line}\n\n"),)),
        )
    elif not is_edition(module.file.body[0]):
        later = next(s for s in module.file.body if is_edition(s))
        world.findings.error(
            "MIX008", "`edition` is not the first line", later.span, hint="move it to the top of the file"
        )
