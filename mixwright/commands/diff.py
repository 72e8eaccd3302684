"""Show what a change of a spec does: to rows, quotas and licenses, and what it costs.

  mixwright diff old.mix new.mix         two files; one of a revision is REV:FILE
  mixwright diff main                    the specs here against those at a git revision
  mixwright diff v1..v2 specs/math.mix   one spec at two revisions
  mixwright diff main...HEAD             since the branch left main

At a revision a spec has the imports, templates and lock of that revision; the working tree is not touched. Data that
is not committed is taken to be as it is here, or as the lock pins it. Without a FILE all specs below the working
directory are compared that no other file imports.

Changes are shown by what they cost: `row` changes make rows again, `set` changes want other rows and keep those there
are, `meta` changes nothing in the data, `run` only how it is executed. Requests, tokens and dollars are those that
`mixwright plan` expects; with a store they come from what its runs measured.

Exit status: 0 shown, with --exit-code: no difference; 1 differs, with --exit-code; 2 a spec has errors or cannot be
read, no such revision.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from mixwright.params_option import add_params_option

FORMATS = ("text", "json", "markdown")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "what", nargs="+", metavar="OLD NEW | REV[..REV] [FILE]", help="two files, or revisions and specs"
    )
    add_params_option(parser, ", on both sides")
    parser.add_argument("--variant", metavar="NAME", help="compare this variant in the place of its mixture")
    parser.add_argument("--format", choices=FORMATS, default="text", help="how it is printed [text]")
    parser.add_argument("--exit-code", action="store_true", help="exit with 1 when something differs")
    parser.add_argument("--store", type=Path, metavar="DIR", help="the store to forecast with (.mixwright)")


def run(arguments: argparse.Namespace) -> int:
    """Print what differs; returns the exit status."""
    from mixwright.changes.facts import report, spec_diff
    from mixwright.changes.sides import Side, Sides, refuse_unknown, side
    from mixwright_dsl.render import render, wants_color

    with Sides() as sides:
        opened = sides.opened(arguments.what)
        diffs = []
        seen: list[Side] = []
        for pair in opened.pairs:
            old, new = (side(place, arguments.params, arguments.variant) for place in (pair.old, pair.new))
            seen += old, new
            diff = spec_diff(pair.spec, old, new, arguments.store, is_named=opened.is_named)
            diffs.append(replace(diff, was=pair.was))
            if diff.status == "broken":
                sys.stderr.write(render(diff.problems, color=wants_color(sys.stderr)))
    refuse_unknown(arguments.params, seen)
    match arguments.format:
        case "json":
            from mixwright.json_output import document_text

            sys.stdout.write(document_text("diff", report(diffs, opened.old, opened.new)))
        case "markdown":
            from mixwright.changes.markdown import diff_markdown

            sys.stdout.write(diff_markdown(diffs, opened.old, opened.new))
        case _:
            from mixwright.changes.text import diff_text

            color = wants_color(sys.stdout)
            sys.stdout.write(diff_text(diffs, opened.old, opened.new, color=color))
    if any(diff.status == "broken" for diff in diffs):
        return 2
    return int(arguments.exit_code and any(diff.differs for diff in diffs))
