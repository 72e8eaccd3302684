"""Mend what has one right answer: apply the fixes that findings carry, and check again.

  mixwright fix specs/                apply what is sure
  mixwright fix --guess math.mix      also what may be meant otherwise: `did you mean …`, values out of range
  mixwright fix --diff specs/         show it, write nothing
  mixwright fix --edition specs/      take the files to the newest edition of the language

A fix is only kept when its finding is gone afterwards and no other error has come; the same command again changes
nothing. Files are replaced in one step, and their layout stays ('mixwright fmt' changes that). Findings that are left are
printed as by 'mixwright check'.

With `--edition` nothing else is mended. What is written otherwise in the newest edition is rewritten, and the rest
stays as it is. All files that are named are taken over together: each must compile afterwards, and its plan must be the
one that it was, to the identities of the rows. What would mean something else is told and not written, unless `--guess`
is given.

Exit status: 0 no error is left; 1 errors are left, with --diff: something would change, with --edition: a file cannot be
taken over; 2 a file cannot be read or
written, misuse.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mixwright.params_option import add_params_option

if TYPE_CHECKING:
    from mixwright_dsl.diagnostic import Diagnostic


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "specs", type=Path, nargs="+", metavar="FILE", help=".mix files, or directories of them"
    )
    add_params_option(parser)
    parser.add_argument("--guess", action="store_true", help="also apply fixes that may be incorrect")
    parser.add_argument(
        "--edition", action="store_true", help="take the files to the newest edition; mend nothing else"
    )
    parser.add_argument("--diff", action="store_true", help="write nothing; print what would change")


def run(arguments: argparse.Namespace) -> int:
    """Apply the fixes; returns the exit status."""
    from mixwright.compiling import given_params
    from mixwright.fixing import fix_file
    from mixwright.spec_files import specs_of
    from mixwright_dsl.render import render, wants_color

    given = given_params(arguments.params)
    if arguments.edition:
        from mixwright.migrating import take_over

        specs = list(specs_of(arguments.specs))
        return take_over(specs, given, changes=arguments.guess, diff=arguments.diff)
    left: list[Diagnostic] = []
    status = 0
    for spec in specs_of(arguments.specs):
        worse, found = fix_file(spec, given, guesses=arguments.guess, diff=arguments.diff)
        status = max(status, worse)
        left += found
    if not arguments.diff:
        sys.stdout.write(render(left, color=wants_color(sys.stdout)))
        if any(finding.is_error for finding in left):
            status = max(status, 1)
    return status
