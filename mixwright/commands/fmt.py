"""Format specs: one canonical layout, comments kept, prompts unchanged to the byte.

Without options the files are rewritten. A directory stands for every .mix file below it; `-` reads from standard
input and writes to standard output. A file with syntax errors is left alone and its errors are printed.

Exit status: 0 all is formatted; 1 a file would change (--check, --diff) or has errors; 2 misuse.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mixwright_compiler.load.project_root import STORE_DIRECTORY

if TYPE_CHECKING:
    from mixwright_dsl.source import SourceFile

SKIPPED = frozenset((".git", STORE_DIRECTORY, ".venv", "node_modules"))


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("paths", nargs="+", metavar="FILE|DIR|-", help="what to format")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="write nothing; list the files that would change")
    mode.add_argument("--diff", action="store_true", help="write nothing; print what would change")


def run(arguments: argparse.Namespace) -> int:
    """Format everything named; goes on after a bad file and returns the worst exit status."""
    if "-" in arguments.paths:
        if len(arguments.paths) > 1:
            print("error: `-` stands alone: standard input is one file", file=sys.stderr)
            return 2
        return _format_stdin(arguments)
    status = 0
    for given in arguments.paths:
        path = Path(given)
        if path.is_dir():
            found = list(_specs_below(path))
            if not found:
                print(f"error: no .mix files in {given}", file=sys.stderr)
                status = 2
        elif path.exists():
            found = [path]
        else:
            print(f"error: no such file: {given}", file=sys.stderr)
            status, found = 2, []
        for spec in found:
            status = max(status, _format_file(spec, arguments))
    return status


def _specs_below(directory: Path) -> Iterable[Path]:
    for folder, folders, files in os.walk(directory):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        yield from (Path(folder, name) for name in sorted(files) if name.endswith(".mix"))


def _format_file(path: Path, arguments: argparse.Namespace) -> int:
    from mixwright_dsl.source import SourceFile

    try:
        original = path.read_bytes()
        text = original.decode("utf-8-sig")
    except OSError as problem:
        print(f"error: cannot read {path}: {problem.strerror}", file=sys.stderr)
        return 2
    except UnicodeDecodeError as problem:
        print(f"error: {path} is not UTF-8: byte {problem.start}", file=sys.stderr)
        return 2
    formatted, status = _formatted(SourceFile(str(path), text.replace("\r\n", "\n"), path))
    if formatted is None:
        return status
    # Compared as bytes: a byte order mark and \r\n line ends go too.
    if formatted.encode() == original:
        return 0
    if arguments.diff:
        from mixwright.file_changes import print_diff

        print_diff(text, formatted, str(path), "formatted")
        return 1
    if arguments.check:
        print(f"would reformat {path}")
        return 1
    from mixwright.file_changes import write_atomically

    try:
        write_atomically(path, formatted.encode())
    except OSError as problem:
        print(f"error: cannot write {path}: {problem.strerror}", file=sys.stderr)
        return 2
    print(f"reformatted {path}", file=sys.stderr)
    return 0


def _format_stdin(arguments: argparse.Namespace) -> int:
    from mixwright_dsl.source import SourceFile

    try:
        text = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        print(f"error: standard input is not UTF-8: byte {problem.start}", file=sys.stderr)
        return 2
    formatted, status = _formatted(SourceFile("<stdin>", text.replace("\r\n", "\n")))
    if formatted is None:
        return status
    if arguments.diff:
        from mixwright.file_changes import print_diff

        print_diff(text, formatted, "<stdin>", "formatted")
    elif not arguments.check:
        # As bytes: the locale of the terminal must not decide what a file may hold.
        sys.stdout.buffer.write(formatted.encode())
        sys.stdout.flush()
    return int(formatted != text) if arguments.diff or arguments.check else 0


def _formatted(source: SourceFile) -> tuple[str | None, int]:
    """The canonical text, or None and the exit status after printing why there is none."""
    from mixwright_dsl.formatter import format_text
    from mixwright_dsl.render import render, wants_color

    result = format_text(source)
    if result.diagnostics:
        sys.stderr.write(render(result.diagnostics, color=wants_color(sys.stderr)))
        return None, 1
    return result.text, 0
