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
taken over; 2 a file cannot be read or written, misuse.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mixwright.params_option import add_params_option

if TYPE_CHECKING:
    from mixwright.file_reports import FixedFile, FixReport
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
    parser.add_argument("--json", action="store_true", help="print what was mended and what is left as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Apply the fixes; returns the exit status."""
    from mixwright.compiling import distinct, given_params, params_of_each
    from mixwright.fixing import fix_file
    from mixwright.spec_files import specs_of
    from mixwright_dsl.render import render, wants_color

    given = given_params(arguments.params)
    specs = list(specs_of(arguments.specs))
    files: list[FixedFile] = []
    left: list[Diagnostic] = []
    if arguments.edition:
        from mixwright.migrating import take_over

        taken = take_over(specs, given, changes=arguments.guess, diff=arguments.diff)
        files = [{**each, "fixed": []} for each in taken]
    else:
        own = params_of_each(specs, given)
        for spec in specs:
            told, found = fix_file(spec, own[spec], guesses=arguments.guess, diff=arguments.diff)
            files.append(told)
            left += found
        left = distinct(left)
    if arguments.json:
        from mixwright.json_output import document_text
        from mixwright_dsl.json_report import findings_report

        written: FixReport = {"files": files, **findings_report(left)}
        sys.stdout.write(document_text("fix", written))
    elif arguments.diff:
        print("".join(each["diff"] for each in files), end="")
    else:
        sys.stdout.write(render(left, color=wants_color(sys.stdout)))
    return _status(files, left, is_diff=arguments.diff)


def _status(files: Sequence[FixedFile], left: Sequence[Diagnostic], *, is_diff: bool) -> int:
    statuses = {each["status"] for each in files}
    if "unreadable" in statuses:
        return 2
    is_open = "changed" in statuses if is_diff else any(finding.is_error for finding in left)
    return int(is_open or "broken" in statuses)
