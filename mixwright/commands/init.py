"""Begin a project: write the quickstart, which goes from nothing to a trained model in three minutes on two CPU cores.

It writes `specs/quickstart.mix` with its lock file, and `specs/tiny/`: a model of 0.56 million parameters and the
lessons that it learned from; `.gitignore` where there is none; and `.mixwright/`, which marks the project's root and
will hold its store. Files that are there already stay as they are; a spec that differs ends the command before it
writes anything.

Exit status: 0 everything is there; 2 a file of the same name is another one, or nothing can be written.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TypedDict

from mixwright.json_output import document_text
from mixwright.terminal import printable

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
"""Where an installed package has them; a checkout has them in `specs/`."""
FILES = (
    "quickstart.mix",
    "quickstart.lock",
    "tiny/teacher.mix",
    "tiny/teacher.lock",
    "tiny/ablation.mix",
    "tiny/ablation.lock",
    "tiny/model",
)


class InitReport(TypedDict):
    """Where the project is, and the files that were not there before."""

    directory: str
    written: list[str]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("directory", nargs="?", type=Path, default=Path(), help="where to; by default here")
    parser.add_argument("--json", action="store_true", help="print the files' names as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Write what is missing: 0 when all of it is there, 2 when something is in the way."""
    into: Path = arguments.directory
    found = {into / "specs" / name: content for name, content in contents().items()}
    differing = [path for path, content in found.items() if _is_other(path, content)]
    if differing:
        print(
            f"error: {printable(str(differing[0]))} is another file already; nothing was written",
            file=sys.stderr,
        )
        print("  hint: name an empty directory, as in 'mixwright init quickstart'", file=sys.stderr)
        return 2
    written = []
    for path, content in (found | {into / ".gitignore": b".mixwright/\nout/\n"}).items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            written.append(path.relative_to(into).as_posix())
    (into / ".mixwright").mkdir(exist_ok=True)
    if arguments.json:
        made: InitReport = {"directory": str(into), "written": written}
        sys.stdout.write(document_text("init", made))
        return 0
    print(f"{len(written)} files written" if written else "everything is there already")
    inside = "" if into == Path() else f"cd {shlex.quote(printable(str(into)))} && "
    print(f"next: {inside}mixwright check specs/quickstart.mix")
    print("      mixwright run specs/quickstart.mix --limit 5")
    print("      mixwright run specs/quickstart.mix && mixwright train specs/quickstart.mix")
    return 0


def contents() -> dict[str, bytes]:
    """The quickstart's files by their names below `specs/`."""
    root = EXAMPLES if EXAMPLES.is_dir() else EXAMPLES.parents[1] / "specs"
    files = [file for name in FILES for file in sorted([root / name, *(root / name).rglob("*")])]
    return {
        file.relative_to(root).as_posix(): file.read_bytes()
        for file in files
        if file.is_file() and ".mixwright" not in file.parts
    }


def _is_other(path: Path, content: bytes) -> bool:
    return path.exists() and (not path.is_file() or path.read_bytes() != content)
