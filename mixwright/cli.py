"""The `mixwright` command: finds the command's module and hands over. Start-up imports argparse alone."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from types import ModuleType

from mixwright import told
from mixwright.terminal import guard_streams, guarded_streams
from mixwright.version import VERSION

COMMANDS: dict[str, str] = {
    "init": "begin a project: a spec that runs, with its data, its tests and CI",
    "vendor": "copy a library file into the project, to change it",
    "check": "find mistakes in specs before anything runs",
    "fix": "mend what has one right answer",
    "fmt": "format specs",
    "test": "run the tests in specs, without a model",
    "lock": "pin every source and model that a spec reads",
    "plan": "show what a run would do and cost; write plan.json",
    "diff": "show what a change of a spec does, and what it costs",
    "breaking": "find what breaks those who read what a spec exports",
    "run": "execute a spec or a plan",
    "launch": "write the files that start a run on several machines",
    "status": "show a run, also while it is going on",
    "explain": "walk a row back to where it came from, or explain a diagnostic code or a kind",
    "preview": "show examples as they will be trained on",
    "export": "write a mixture's files again",
    "train": "pack a mixture and train on it",
    "ablate": "train on a mixture and on its variants, and compare them",
    "verify-store": "read the whole store and check that it is complete",
    "lsp": "serve editors over the Language Server Protocol",
    "completion": "print what a shell completes commands and options by",
    "doctor": "look at this machine: sandbox, compilers, extras, GPUs",
}
"""Command -> one line of help. The module is `mixwright/commands/<name>.py` (dashes become underscores) and has
`configure(parser)`, which adds arguments, and `run(arguments) -> int`, which returns the exit status."""


SHORT_LIVED = ("check", "fix", "fmt", "explain")
"""Commands that keep nearly all they make until the process ends: garbage collection, also the one at the end, finds
nothing and takes a fifth of the time. DuckDB's bindings count what was not collected at the end as leaked, and say so."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 1 findings or failed rows, 2 misuse or machine failure.

    Without `argv` the command is the whole process, and ends with it.
    """
    if argv is not None:
        with guarded_streams():
            return _run(argv)
    _speak_utf8()
    guard_streams()
    if not set(SHORT_LIVED).intersection(sys.argv[1:2]):
        return _run(sys.argv[1:])
    gc.disable()
    try:
        return _run(sys.argv[1:])
    finally:
        if "duckdb" not in sys.modules:
            gc.freeze()


def _speak_utf8() -> None:
    """Start over in UTF-8 where the locale is another one: paths and texts of specs are UTF-8, whatever it says."""
    if sys.getfilesystemencoding().lower() != "utf-8" and not sys.flags.utf8_mode:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets its escape.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _run(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(_usage())
        return 0
    if argv[0] in ("-V", "--version"):
        print(f"mixwright {VERSION}")
        return 0
    name = argv[0]
    if name not in COMMANDS:
        print(_unknown(name), file=sys.stderr)
        return 2
    arguments = parser_of(name).parse_args(argv[1:])
    told.forget()
    status = _status(_module(name), arguments)
    if status and asks_for_json(arguments) and not getattr(sys.stdout, "is_written", True):
        sys.stdout.write(told.failure_text(name, status))
        _forget_output()
    return status


def asks_for_json(arguments: argparse.Namespace) -> bool:
    """Does somebody read a document on standard output?"""
    return bool(getattr(arguments, "json", False)) or getattr(arguments, "format", "") == "json"


def _status(module: ModuleType, arguments: argparse.Namespace) -> int:
    """The exit status of a command; what failed is told."""
    try:
        status = int(module.run(arguments))
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if isinstance(error, RuntimeError) and str(error) == "Query interrupted":
            return 130  # what DuckDB makes of a KeyboardInterrupt inside a query
        exit_code = getattr(error, "exit_code", None)
        text = str(error)
        if exit_code is None:
            from mixwright.failures import failure_text

            exit_code, text = 2, failure_text(error) or _of_plugin(error)
            if not text:
                raise
        _forget_output()
        told.tell(text)
        return int(exit_code)


def parser_of(name: str) -> argparse.ArgumentParser:
    """What a command takes; its manual is its module's docstring."""
    module = _module(name)
    parser = argparse.ArgumentParser(
        prog=f"mixwright {name}",
        description=module.__doc__,
        formatter_class=_formatter,
    )
    module.configure(parser)
    return parser


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Help as wide as the terminal; argparse makes one for each argument, and imports shutil to learn the width."""
    return argparse.RawDescriptionHelpFormatter(prog, width=_columns() - 2)


def _columns() -> int:
    """`shutil.get_terminal_size().columns`, without the archive formats that come with that module."""
    stated = os.environ.get("COLUMNS", "")
    if stated.isdecimal() and int(stated):
        return int(stated)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (ValueError, OSError):
        return 80


def _of_plugin(error: Exception) -> str:
    """What is told of an error that came from a plugin's code; empty for one of our own."""
    loading = sys.modules.get("mixwright_runtime.plugins.loading")
    return str(loading.fault_of(error) or "") if loading is not None else ""


def _forget_output() -> None:
    """What could not be written to a full standard output must not fail once more when Python ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _module(name: str) -> ModuleType:
    return import_module(f"mixwright.commands.{name.replace('-', '_')}")


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    return (
        "usage: mixwright COMMAND [ARGUMENTS]\n\n"
        + "\n".join(lines)
        + ("\n\n'mixwright COMMAND --help' tells more; 'mixwright --version' prints the version.")
    )


def _unknown(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else "; 'mixwright help' lists them"
    return f"error: no command '{name}'{hint}"


if __name__ == "__main__":
    sys.exit(main())
