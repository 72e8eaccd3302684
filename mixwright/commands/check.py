"""Find mistakes in specs before anything runs.

Reads the specs, what they import and the lock files beside them; asks no model, reads no row, needs no network.
Exit status: 0 no errors, 1 errors (with --deny-warnings also warnings), 2 a file cannot be read.
'mixwright explain MIX101' tells more about a code.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsl.diagnostic import Diagnostic

FORMATS = ("text", "concise", "json", "sarif", "github")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("specs", type=Path, nargs="+", metavar="FILE", help=".mix files")
    parser.add_argument("--format", choices=FORMATS, default="text", help="how findings are printed [text]")
    parser.add_argument(
        "-p", dest="params", action="append", default=[], metavar="NAME=VALUE", help="value of a param"
    )
    parser.add_argument("--deny-warnings", action="store_true", help="exit with 1 on warnings too")


def run(arguments: argparse.Namespace) -> int:
    """Print what is wrong; returns the exit status."""
    from dsl.bare_lark import import_lark
    from dsl.diagnostic import Severity
    from dsl.render import render, wants_color
    from mixwright import __version__

    import_lark()
    given: dict[str, str] = {}
    for text in arguments.params:
        name, equals, value = text.partition("=")
        if not equals or not name:
            print(f"error: -p takes NAME=VALUE, here {text!r}", file=sys.stderr)
            return 2
        given[name] = value
    diagnostics: list[Diagnostic] = []
    is_unreadable = False
    for spec in arguments.specs:
        found = _check(spec, given)
        if found is None:
            is_unreadable = True
        else:
            diagnostics += found
    style = "full" if arguments.format == "text" else arguments.format
    color = wants_color(sys.stdout) if style == "full" else False
    sys.stdout.write(render(diagnostics, style, color=color, version=__version__))
    if is_unreadable:
        return 2
    refused = (Severity.ERROR, Severity.WARNING) if arguments.deny_warnings else (Severity.ERROR,)
    if any(d.severity in refused for d in diagnostics):
        return 1
    if style == "full" and not diagnostics:
        print(f"{len(arguments.specs)} file{'s' if len(arguments.specs) > 1 else ''} checked, nothing found")
    return 0


def _check(spec: Path, given: dict[str, str]) -> tuple[Diagnostic, ...] | None:
    """Findings in one spec; None, with a message on stderr, when it or its lock cannot be read."""
    from compiler.stages import compile_file

    lock = None
    lock_file = spec.with_suffix(".lock")
    try:
        if lock_file.exists():
            from compiler.lock import LockUnreadable, read_lock

            try:
                lock = read_lock(lock_file)
            except LockUnreadable as error:
                print(f"error: {error}", file=sys.stderr)
                return None
        return compile_file(spec, params=given, lock=lock).diagnostics
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        print(f"error: {spec} cannot be read: {reason}", file=sys.stderr)
        return None
