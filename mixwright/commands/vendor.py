"""Copy a file of the library that comes with Mixwright into the project, for those who want to change it.

`mixwright vendor std:answered` writes `lib/answered.mix`; a spec then says `import "lib/answered.mix" as …` instead of
`import "std:answered" as …`, with the path as it is from the spec. The copy makes the same rows and asks nothing anew
until it is changed. A file that is there and differs stays as it is. Without a name the libraries are listed.

Exit status: 0 the file is there; 2 no such library, or a file of the same name is another one.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TypedDict

from mixwright.json_output import document_text
from mixwright.terminal import printable, table
from mixwright.told import tell
from mixwright_compiler.load.library import PREFIX, library_file, library_names, nearest_library
from mixwright_compiler.suggest import listing


class Libraries(TypedDict):
    """Every library by its name, with what it is for."""

    libraries: dict[str, str]


class Vendored(TypedDict):
    """A library's copy; `written` where it was not there before."""

    library: str
    path: str
    written: bool


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("library", nargs="?", help="`std:NAME`; without it: list what there is")
    parser.add_argument(
        "--to", type=Path, default=Path("lib"), metavar="DIRECTORY", help="where to; by default lib/"
    )
    parser.add_argument("--json", action="store_true", help="print what was written, or the list, as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Write the file: 0 when it is there, 2 when it cannot be."""
    if arguments.library is None:
        about = {name: _about(name) for name in library_names()}
        if arguments.json:
            listed: Libraries = {"libraries": about}
            sys.stdout.write(document_text("vendor", listed))
        else:
            print(table([*about.items()], indent=""))
        return 0
    name = arguments.library if arguments.library.startswith(PREFIX) else f"{PREFIX}{arguments.library}"
    found = library_file(name)
    if found is None:
        near = nearest_library(name)
        hint = f"did you mean {near}?" if near else f"there are: {listing(library_names())}"
        tell(f"no library {printable(name)}", hint=hint)
        return 2
    path: Path = arguments.to / found.name
    content = found.read_bytes()
    if path.exists() and (not path.is_file() or path.read_bytes() != content):
        tell(
            f"{printable(str(path))} is another file already; nothing was written",
            hint="name another directory: --to lib/original",
        )
        return 2
    is_new = not path.exists()
    if is_new:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    if arguments.json:
        written: Vendored = {"library": name, "path": path.as_posix(), "written": is_new}
        sys.stdout.write(document_text("vendor", written))
        return 0
    print(f"wrote {printable(str(path))}" if is_new else f"{printable(str(path))} is there already")
    print(f'next: import "{path.as_posix()}" as {path.stem}   with the path from the spec')
    return 0


def _about(name: str) -> str:
    """What the first line of a library says that it is for."""
    found = library_file(name)
    assert found is not None
    return found.read_text(encoding="utf-8").partition("\n")[0].removeprefix("#").strip()
