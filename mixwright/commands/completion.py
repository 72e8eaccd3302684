"""Print what a shell completes mixwright's commands, options, words and files by.

  mixwright completion bash > ~/.local/share/bash-completion/completions/mixwright
  mixwright completion zsh > ~/.zfunc/_mixwright      with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc
  mixwright completion fish > ~/.config/fish/completions/mixwright.fish

Needs `pip install 'mixwright[completion]'`. Print it again after an update.

Exit status: 0 printed; 2 the package is missing.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

SHELLS = ("bash", "zsh", "fish")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("shell", choices=SHELLS, help="which shell")


def run(arguments: argparse.Namespace) -> int:
    """Print the script; returns the exit status."""
    if find_spec("shtab") is None:
        print("error: completion needs shtab: pip install 'mixwright[completion]'", file=sys.stderr)
        return 2
    import shtab

    sys.stdout.write(shtab.complete(whole_parser(), shell=arguments.shell).rstrip("\n") + "\n")
    return 0


def whole_parser() -> argparse.ArgumentParser:
    """One parser of all commands, in which arguments that are paths say so, and those that are names which."""
    import shtab

    from mixwright.cli import COMMANDS, parser_of
    from mixwright_compiler.catalog.catalog import builtin_catalog
    from mixwright_compiler.codes import titles
    from mixwright_compiler.load.library import PREFIX, library_names

    whole = argparse.ArgumentParser(prog="mixwright")
    whole.add_argument("--version", action="store_true", help="print the version")
    commands = whole.add_subparsers(dest="command")
    for name, words in COMMANDS.items():
        own = parser_of(name)
        for action in own._actions:
            if action.type is Path or "FILE" in str(action.metavar):
                action.complete = shtab.FILE  # type: ignore[attr-defined]
            # What is typed is not held to these: they are offered, and a row's id can be asked for all the same.
            if (name, action.dest) == ("explain", "what"):
                action.choices = [*titles(), *sorted(builtin_catalog().entries)]
            if (name, action.dest) == ("vendor", "library"):
                action.choices = [each.removeprefix(PREFIX) for each in library_names()]
        commands.add_parser(name, help=words, parents=[own], add_help=False)
    return whole
