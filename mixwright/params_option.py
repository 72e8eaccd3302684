"""The option `-p`, the same for every command that compiles a spec; `compiling.given_params` reads it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mixwright_compiler.plan.plan import Plan


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


def params_written(plan: Plan, given: str) -> list[str]:
    """The options by which a command gets the params of a plan again; none where it is given the plan itself, a
    `.json`."""
    if given.endswith(".json"):
        return []
    return [word for name, value in plan.params.items() for word in ("-p", f"{name}={value}")]
