"""The option `--sandbox`, the same for every command that has it."""

from __future__ import annotations

import argparse

_BACKENDS = ("bwrap", "landlock", "container")


def add_sandbox_option(parser: argparse.ArgumentParser) -> None:
    """Add `--sandbox NAME`."""
    parser.add_argument(
        "--sandbox",
        default="bwrap",
        type=_named,
        metavar="NAME",
        help="what confines programs that models wrote: bwrap, or where there are no user namespaces landlock, container "
        "or container:IMAGE [bwrap]",
    )


def _named(text: str) -> str:
    backend, colon, image = text.partition(":")
    if backend not in _BACKENDS or (colon and (backend != "container" or not image)):
        raise argparse.ArgumentTypeError(f"'{text}' is none of bwrap, landlock, container, container:IMAGE")
    return text
