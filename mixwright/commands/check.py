"""Find mistakes in specs before anything runs.

Reads the specs, what they import and the lock files beside them; asks no model, reads no row, needs no network.
Of a directory it checks every .mix file below that is not hidden; `-` is standard input. With --fix what has one right
answer is mended first, as by 'mixwright fix'. --portable leaves out what is wrong with this machine alone: packages and
directories of models that are not here, and data that the lock pins; for commit hooks and CI.
'mixwright explain MIX101' tells more about a code.

Exit status: 0 no errors; 1 errors (with --deny-warnings also warnings); 2 a file cannot be read.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mixwright.params_option import add_params_option

if TYPE_CHECKING:
    from mixwright_dsl.diagnostic import Diagnostic
    from mixwright_dsl.source import SourceFile

FORMATS = ("text", "concise", "json", "sarif", "github")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "specs", type=Path, nargs="+", metavar="FILE", help=".mix files, directories of them, or -"
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="how findings are printed [text]")
    add_params_option(parser)
    parser.add_argument("--fix", action="store_true", help="first apply the fixes that are sure")
    parser.add_argument(
        "--portable", action="store_true", help="only what any machine with the spec and its lock would find"
    )
    parser.add_argument("--deny-warnings", action="store_true", help="exit with 1 on warnings too")


def run(arguments: argparse.Namespace) -> int:
    """Print what is wrong; returns the exit status."""

    from mixwright.compiling import distinct, given_params, params_of_each
    from mixwright.spec_files import specs_of
    from mixwright.version import VERSION
    from mixwright_dsl.diagnostic import Severity
    from mixwright_dsl.render import render, wants_color

    diagnostics: list[Diagnostic] = []
    is_unreadable = False
    specs = list(specs_of(arguments.specs))
    given = params_of_each(specs, given_params(arguments.params))
    if arguments.fix:
        from mixwright.fixing import fix_file

        for spec in specs:
            if spec.is_file():
                fix_file(spec, given[spec], guesses=False, diff=False)
    for spec in specs:
        source, problem = _read(spec)
        if problem is None:
            found, problem = _check(source, spec, given[spec], arguments.portable)
            diagnostics += found
        if problem is not None:
            is_unreadable = True
            diagnostics.append(problem)
    if len(specs) > 1:
        diagnostics = distinct(diagnostics)
    style = "full" if arguments.format == "text" else arguments.format
    color = wants_color(sys.stdout) if style == "full" else False
    sys.stdout.write(render(diagnostics, style, color=color, version=VERSION, command="check"))
    if is_unreadable:
        return 2
    refused = (Severity.ERROR, Severity.WARNING) if arguments.deny_warnings else (Severity.ERROR,)
    if any(d.severity in refused for d in diagnostics):
        return 1
    if style == "full" and not diagnostics:
        from mixwright.terminal import number_of

        print(f"{number_of(len(specs), 'file')} checked, nothing found")
    return 0


def _read(spec: Path) -> tuple[SourceFile, Diagnostic | None]:
    """A spec, `-` being standard input; with the finding that it cannot be read, and an empty text."""
    from mixwright_dsl.source import SourceFile, read_source, source_of

    name = "<stdin>" if str(spec) == "-" else str(spec)
    try:
        if name == "<stdin>":
            return source_of(sys.stdin.buffer.read(), name, Path("stdin.mix")), None
        return read_source(spec), None
    except UnicodeDecodeError as error:
        reason = f"it is not UTF-8, from byte {error.start + 1} on"
    except IsADirectoryError:
        reason = "no .mix file is in it"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    source = SourceFile(name, "", spec)
    return source, _unreadable(source, f"`{name}` cannot be read: {reason}")


def _unreadable(source: SourceFile, message: str) -> Diagnostic:
    from mixwright_dsl.diagnostic import error

    return error("MIX108", message, source.span(0, 0))


def _check(
    source: SourceFile, spec: Path, given: dict[str, str], is_portable: bool
) -> tuple[tuple[Diagnostic, ...], Diagnostic | None]:
    """Findings in a spec, and the one that its lock cannot be read."""
    from mixwright.compiling import held_to_budgets
    from mixwright_compiler.stages import compile_source
    from mixwright_dsl.source import SourceFile

    lock, problem = None, None
    lock_file = spec.with_suffix(".lock")
    if str(spec) != "-" and lock_file.exists():
        from mixwright_compiler.bind.lock import LockUnreadable, read_lock

        try:
            lock = read_lock(lock_file)
        except (LockUnreadable, OSError, UnicodeDecodeError) as error:
            place = SourceFile(str(lock_file), "", lock_file)
            problem = _unreadable(place, " ".join(str(error).split()))
    if problem is not None:
        return (), problem
    result = held_to_budgets(compile_source(source, params=given, lock=lock), spec, lock)
    if is_portable:
        from mixwright.portable import portable

        return portable(result), None
    return result.diagnostics, None
