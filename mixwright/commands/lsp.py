"""Serve editors: findings as one types, hover, completion, definitions, references, rename, formats.

Speaks the Language Server Protocol over standard input and output; an editor starts it. What goes wrong inside is told on
standard error, and in the file of --log. Needs `pip install 'mixwright[lsp]'`.

Exit status: 0 the editor ended it; 2 the packages are missing.
"""

from __future__ import annotations

import argparse
import gc
import sys
from importlib.util import find_spec
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--log", type=Path, metavar="FILE", help="where faults are written, too")
    # Editors' clients give it; there is no other way here.
    parser.add_argument("--stdio", action="store_true", help="as always: over standard input and output")


def run(arguments: argparse.Namespace) -> int:
    """Serve until the editor says `exit`; returns the exit status."""
    if find_spec("pygls") is None:
        print("error: the language server needs pygls: pip install 'mixwright[lsp]'", file=sys.stderr)
        return 2
    import logging

    from mixwright.language_server.server import server

    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if arguments.log is not None:
        handlers.append(logging.FileHandler(arguments.log, encoding="utf-8"))
    logging.basicConfig(level=logging.WARNING, handlers=handlers, format="%(asctime)s %(name)s %(message)s")
    # A collection of a large spec's trees takes longer than an answer may: the server does it while nobody types.
    gc.disable()
    server().start_io()
    return 0
