"""Find what breaks those who read what a spec exported, before it is released.

  mixwright breaking --against v1                 all specs here
  mixwright breaking --against main...HEAD a.mix  since the branch left main

What breaks: an export is gone or elsewhere (MIX950), it or a column has another form (MIX951), fewer rows (MIX952), a
license that asks more (MIX953), rows with other identities (MIX954). Only mixtures that are exported count, and what
their rows come from. Each finding stands at its place in the new spec; 'mixwright explain MIX952' tells more. --allow
MIX952 lets one kind pass, as a warning.

Exit status: 0 nothing breaks; 1 something does; 2 a spec has errors or cannot be read, no such revision.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from mixwright.params_option import add_params_option

if TYPE_CHECKING:
    from mixwright.changes.sides import Side
    from mixwright_dsl.diagnostic import Diagnostic

FORMATS = ("text", "concise", "json", "sarif", "github")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "specs", nargs="*", metavar="FILE", help="specs; all below the working directory by default"
    )
    parser.add_argument(
        "--against", required=True, metavar="REV", help="the released revision, or a range of revisions"
    )
    add_params_option(parser, ", on both sides")
    parser.add_argument("--format", choices=FORMATS, default="text", help="how findings are printed [text]")
    parser.add_argument(
        "--allow", action="append", default=[], metavar="CODE", help="findings of this code are warnings"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what breaks; returns the exit status."""
    from mixwright.changes.sides import Sides, refuse_unknown, side
    from mixwright.compiling import Misuse
    from mixwright.version import VERSION
    from mixwright_compiler.codes import page
    from mixwright_dsl.diagnostic import Severity
    from mixwright_dsl.render import render, wants_color

    for code in arguments.allow:
        if page(code) is None:
            raise Misuse(f"no code '{code}'; 'mixwright breaking --help' lists those that can be allowed")
    found: list[Diagnostic] = []
    problems: list[Diagnostic] = []
    seen: list[Side] = []
    with Sides() as sides:
        opened = sides.since(arguments.against, arguments.specs)
        for pair in opened.pairs:
            old, new = (side(place, arguments.params) for place in (pair.old, pair.new))
            seen += old, new
            if _wants_params(old, new) and not opened.is_named:
                print(f"note: {pair.spec} is left out, for a param of it has no value", file=sys.stderr)
                continue
            problems += [*old.problems, *new.problems]
            if pair.new is None and old.program is not None and old.program.exports:
                found.append(_gone(pair.spec, old, opened.new))
            found += _between(old, new)
    refuse_unknown(arguments.params, seen)
    allowed = [
        replace(each, severity=Severity.WARNING) if each.code in arguments.allow else each for each in found
    ]
    sys.stderr.write(render(problems, color=wants_color(sys.stderr)))
    style = "full" if arguments.format == "text" else arguments.format
    color = wants_color(sys.stdout) if style == "full" else False
    # A person reads errors of a spec above; what reads findings gets these among the others.
    shown = allowed if style == "full" else [*problems, *allowed]
    sys.stdout.write(render(shown, style, color=color, version=VERSION, command="breaking"))
    if problems:
        return 2
    if style == "full" and not allowed:
        print(f"nothing in {opened.new} breaks what {opened.old} exports")
    return int(any(each.is_error for each in allowed))


def _wants_params(*sides: Side) -> bool:
    problems = [problem for each in sides for problem in each.problems]
    return bool(problems) and all(problem.code == "MIX109" for problem in problems)


def _between(old: Side, new: Side) -> tuple[Diagnostic, ...]:
    from mixwright_compiler.plan.breaking import Spec, breaking_changes

    if old.program is None or old.plan is None or new.program is None or new.plan is None:
        return ()
    return breaking_changes(Spec(old.program, old.plan), Spec(new.program, new.plan))


def _gone(spec: str, old: Side, where: str) -> Diagnostic:
    """The finding that a spec with exports is not there any more: at its place, where no text is left."""
    from pathlib import Path

    from mixwright_dsl.diagnostic import Label, error
    from mixwright_dsl.source import SourceFile

    assert old.program is not None
    exports = list(old.program.exports.values())
    source = SourceFile(spec, "", Path(spec))
    return error(
        "MIX950",
        f"`{spec}` is not in {where}, and its exports are gone",
        source.span(0, 0),
        secondary=tuple(Label(export.name_span, "it was here") for export in exports),
        hint="keep the spec, or tell the readers of its exports",
    )
