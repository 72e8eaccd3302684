"""Checks of a bound program, one file per family of codes."""

from __future__ import annotations

from compiler.program import Program
from compiler.world import World


def run_checks(world: World, program: Program) -> None:
    """Add findings on what is well-formed and still wrong."""
