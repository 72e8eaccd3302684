"""Pin every source, model and plugin that a spec reads, in NAME.lock beside NAME.mix.

Each source is read whole: its digest, rows, columns and types, license, the commit of a hub data set, and how many
rows its 'where' and 'limit' let in are written down. A model's configuration, tokenizer and weights are digested where
they are on this machine. Afterwards 'check' is offline and knows every column, and 'run' notices a source that changed.
Commit the lock file.

While it works it tells how far it is, and each source that is read is written at once. Where it is broken off, the lock
says what it did not come to (MIX805, MIX807), and the next 'mixwright lock' goes on there: of the others it only
compares digests. A source that cannot be read does not stop the others.

--check reads everything again and writes nothing: each place of the spec that the lock does not fit is a finding
(MIX807) with its line and what drifted: SQL, `where`, `limit`, a file, a model, a plugin. 'mixwright run --locked' runs
only what its lock fits.

Exit status: 0 written, with --check: the lock holds; 1 errors in the spec, with --check: something drifted, or the lock
cannot be read; 2 misuse, or a file that cannot be read or written.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from mixwright.params_option import add_params_option
from mixwright.terminal import table
from mixwright.told import findings, tell
from mixwright_compiler.bind.lock import (
    Lock,
    LockUnreadable,
    SourceLock,
    lock_changes,
    lock_path,
    read_lock,
    write_lock,
)
from mixwright_compiler.plugins.files import short

if TYPE_CHECKING:
    from mixwright.compiling import Compiled

FORMATS = ("text", "concise", "json", "sarif", "github")


class Locked(TypedDict):
    """What was written. is_new: the lock was another one before; changes: in words, a line each."""

    lock: str
    is_new: bool
    changes: list[str]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", type=Path, metavar="FILE", help="a .mix file")
    add_params_option(parser)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when something drifted")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help="how it is printed; only text and json without --check [text]",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write or verify the lock file; returns the exit status."""
    from mixwright.compiling import Misuse, compiled, given_params
    from mixwright.lock_progress import LockProgress
    from mixwright.locking import Locking

    if arguments.format not in ("text", "json") and not arguments.check:
        raise Misuse(f"--format {arguments.format} is for findings: 'mixwright lock --check' has some")
    result = compiled(arguments.spec, arguments.params, lock=Lock(), errors_only=True)
    if result is None:
        return _errors_told(arguments)
    path = lock_path(arguments.spec)
    try:
        old = read_lock(path)
    except LockUnreadable as error:
        if arguments.check:
            tell(str(error))
            return 1
        old = Lock()

    def write(lock: Lock) -> None:
        try:
            write_lock(path, lock)
        except OSError as error:
            raise Misuse(f"{path} cannot be written: {error.strerror}; the old one is untouched") from None

    locking = Locking(
        result,
        arguments.spec,
        given_params(arguments.params),
        before=Lock() if arguments.check else old,
        progress=LockProgress(is_quiet=arguments.format != "text"),
        commit=(lambda _: None) if arguments.check else write,
    )
    locking.read()
    new = locking.lock
    if locking.failed:
        for failure in locking.failed:
            tell(str(failure))
        if not arguments.check and path.exists():
            print(f"{path} has what could be read; 'mixwright lock' goes on with the rest", file=sys.stderr)
        return 2
    if arguments.check:
        # Of what is there now every column has its type, and so has every expression.
        typed = compiled(arguments.spec, arguments.params, lock=new, errors_only=True)
        return _errors_told(arguments) if typed is None else _told(typed, path, old, new, arguments)
    changes = lock_changes(old, new)
    write(new)
    if arguments.format == "json":
        from mixwright.json_output import document_text

        written: Locked = {"lock": str(path), "is_new": old != new, "changes": changes}
        sys.stdout.write(document_text("lock", written))
        return 0
    for line in changes:
        print(line)
    print(summary_text(new))
    print(f"wrote {path}" if changes or old != new else f"wrote {path}, as it was")
    return 0


def _errors_told(arguments: argparse.Namespace) -> int:
    """What the spec's errors end with; CI that reads findings gets these in its format, too."""
    if arguments.check and arguments.format != "text":
        from mixwright.version import VERSION
        from mixwright_dsl.render import render

        sys.stdout.write(render(findings(), arguments.format, version=VERSION, command="lock"))
    return 1


def _told(result: Compiled, path: Path, old: Lock, new: Lock, arguments: argparse.Namespace) -> int:
    """Print where spec and lock do not fit; returns the exit status."""
    from mixwright.version import VERSION
    from mixwright_compiler.plan.lock_fit import misfits
    from mixwright_dsl.render import render, wants_color

    changes, found = lock_changes(old, new), misfits(result.program, result.plan, old, new)
    if arguments.format != "text":
        sys.stdout.write(render(found, arguments.format, version=VERSION, command="lock"))
        return int(bool(changes or found))
    for line in changes:
        print(line)
    sys.stdout.write(render(found, color=wants_color(sys.stdout)))
    print(f"{len(changes)} differ from {path}; 'mixwright lock' accepts them" if changes else f"{path} holds")
    return int(bool(changes or found))


def summary_text(lock: Lock) -> str:
    """What is pinned, a line each: sources with rows, columns and license, models with what identifies them."""
    rows = [
        ("source", name, _rows_text(s), f"{len(s.columns)} columns", s.license or "no license")
        for name, s in lock.sources.items()
    ]
    rows += [
        ("model", name, model.definition, f"{model.size_bytes / 1e6:,.1f} MB" if model.size_bytes else "", "")
        for name, model in lock.models.items()
    ]
    rows += [("plugin", name, short(plugin.identity), "", "") for name, plugin in lock.plugins.items()]
    rows += [("library", name, short(library.identity), "", "") for name, library in lock.libraries.items()]
    return table(rows, indent="") if rows else "the spec reads no source and no model"


def _rows_text(source: SourceLock) -> str:
    return (
        f"{source.rows:,} rows" if source.selected is None else f"{source.selected:,} of {source.rows:,} rows"
    )
