"""The option `-p`, the same for every command that compiles a spec; `compiling.given_params` reads it."""

from __future__ import annotations

import argparse


def add_params_option(parser: argparse.ArgumentParser, where: str = "") -> None:
    """Add `-p NAME=VALUE`, which can be given several times. where: behind its help, for a command with two sides."""
    parser.add_argument(
        "-p",
        dest="params",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"value of a param{where}",
    )
