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

from mixwright.told import tell, tell_findings
from mixwright_compiler.load.project_root import STORE_DIRECTORY

if TYPE_CHECKING:
    from mixwright.file_reports import FileChange, FmtReport
    from mixwright_dsl.source import SourceFile

SKIPPED = frozenset((".git", STORE_DIRECTORY, ".venv", "node_modules"))


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("paths", nargs="+", metavar="FILE|DIR|-", help="what to format")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="write nothing; list the files that would change")
    mode.add_argument("--diff", action="store_true", help="write nothing; print what would change")
    parser.add_argument("--json", action="store_true", help="print what became of each file as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Format everything named; goes on after a bad file and returns the worst exit status."""
    if "-" in arguments.paths:
        if len(arguments.paths) > 1 or arguments.json:
            tell("`-` stands alone: standard input is one file, and standard output its text")
            return 2
        return _format_stdin(arguments)
    status = 0
    files: list[FileChange] = []
    for given in arguments.paths:
        path = Path(given)
        if path.is_dir():
            found = list(_specs_below(path))
            if not found:
                tell(f"no .mix files in {given}")
                status = 2
        elif path.exists():
            found = [path]
        else:
            tell(f"no such file: {given}")
            status, found = 2, []
        for spec in found:
            told, worse = _format_file(spec, arguments)
            status = max(status, worse)
            files.append(told)
    if arguments.json:
        from mixwright.json_output import document_text
        from mixwright.told import findings
        from mixwright_dsl.json_report import findings_report

        written: FmtReport = {"files": files, **findings_report(findings())}
        sys.stdout.write(document_text("fmt", written))
    return status


def _specs_below(directory: Path) -> Iterable[Path]:
    for folder, folders, files in os.walk(directory):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        yield from (Path(folder, name) for name in sorted(files) if name.endswith(".mix"))


def _format_file(path: Path, arguments: argparse.Namespace) -> tuple[FileChange, int]:
    """What became of a file, which is said as it happens, and the exit status."""
    from mixwright_dsl.source import SourceFile

    told: FileChange = {"file": str(path), "status": "same", "diff": ""}
    try:
        original = path.read_bytes()
        text = original.decode("utf-8-sig")
    except OSError as problem:
        tell(f"cannot read {path}: {problem.strerror}")
        return {**told, "status": "unreadable"}, 2
    except UnicodeDecodeError as problem:
        tell(f"{path} is not UTF-8: byte {problem.start}")
        return {**told, "status": "unreadable"}, 2
    formatted, status = _formatted(SourceFile(str(path), text.replace("\r\n", "\n"), path))
    if formatted is None:
        return {**told, "status": "broken"}, status
    # Compared as bytes: a byte order mark and \r\n line ends go too.
    if formatted.encode() == original:
        return told, 0
    told["status"] = "changed"
    from mixwright.file_changes import diff_text, write_atomically

    if arguments.diff:
        told["diff"] = diff_text(text, formatted, str(path), "formatted")
        print("" if arguments.json else told["diff"], end="")
        return told, 1
    if arguments.check:
        if not arguments.json:
            print(f"would reformat {path}")
        return told, 1
    try:
        write_atomically(path, formatted.encode())
    except OSError as problem:
        tell(f"cannot write {path}: {problem.strerror}")
        return {**told, "status": "unreadable"}, 2
    print(f"reformatted {path}", file=sys.stderr)
    return told, 0


def _format_stdin(arguments: argparse.Namespace) -> int:
    from mixwright_dsl.source import SourceFile

    try:
        text = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        tell(f"standard input is not UTF-8: byte {problem.start}")
        return 2
    formatted, status = _formatted(SourceFile("<stdin>", text.replace("\r\n", "\n")))
    if formatted is None:
        return status
    if arguments.diff:
        from mixwright.file_changes import diff_text

        print(diff_text(text, formatted, "<stdin>", "formatted"), end="")
    elif not arguments.check:
        # As bytes: the locale of the terminal must not decide what a file may hold.
        sys.stdout.buffer.write(formatted.encode())
        sys.stdout.flush()
    return int(formatted != text) if arguments.diff or arguments.check else 0


def _formatted(source: SourceFile) -> tuple[str | None, int]:
    """The canonical text, or None and the exit status after printing why there is none."""
    from mixwright_dsl.formatter import format_text

    result = format_text(source)
    if result.diagnostics:
        tell_findings(result.diagnostics)
        return None, 1
    return result.text, 0
