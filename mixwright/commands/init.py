"""Begin a project: write a spec that checks and runs, its data, its tests and what CI does with it.

  mixwright init                            the quickstart, here: from nothing to a trained model in three minutes
  mixwright init math --template persona-math
  mixwright init --list                     what templates there are, and what each asks

A project has `specs/` with a spec, its lock and the small model that it asks, `data/`, `README.md` with the next
commands, a workflow for GitHub with the action that it uses, hooks for pre-commit, `.gitignore`, and `.mixwright/`, which
marks the project's root and will hold its store. Nothing that is there is overwritten: a spec or data of the same name
that differs ends the command before it writes anything, other files stay as they are. With --force all of the
template's files are written, whatever was there.

Exit status: 0 everything is there; 2 a file of the same name is another one, nothing can be written, misuse.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

from mixwright.file_changes import write_atomically
from mixwright.json_output import document_text
from mixwright.project_templates import DEFAULT, TEMPLATES, Template, project_files
from mixwright.terminal import printable
from mixwright.told import tell
from mixwright_compiler.load.project_root import store_directory

OURS = ("specs/", "data/")
"""Without these a spec does not run, so that they cannot be somebody else's."""


class InitReport(TypedDict):
    """Where the project is, what was written, what of the template's was left as it is, and what to type next."""

    directory: str
    template: str
    written: list[str]
    kept: list[str]
    next: list[str]


class TemplateFacts(TypedDict):
    """A template, and what a run of it asks: the small model, no model, or a server."""

    name: str
    about: str
    asks: str
    spec: str


class TemplateList(TypedDict):
    """What a project can begin with."""

    templates: list[TemplateFacts]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("directory", nargs="?", type=Path, help="where to; by default here")
    parser.add_argument("--template", choices=TEMPLATES, help=f"what to begin with [{DEFAULT}]")
    parser.add_argument("--list", action="store_true", help="list the templates, and write nothing")
    parser.add_argument("--force", action="store_true", help="overwrite files of the same names")
    parser.add_argument("--json", action="store_true", help="print what was written, or the list, as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Write what is missing: 0 when all of it is there, 2 when something is in the way."""
    if arguments.list:
        if arguments.directory or arguments.template or arguments.force:
            tell("--list writes nothing, so it takes no directory and no template")
            return 2
        _print_list(arguments.json)
        return 0
    into: Path = arguments.directory or Path()
    name: str = arguments.template or DEFAULT
    files = project_files(name)
    differing = [path for path, content in files.items() if _is_other(into / path, content)]
    in_the_way = [path for path in differing if path.startswith(OURS)]
    if in_the_way and not arguments.force:
        _say_in_the_way(into, name, in_the_way)
        return 2
    kept = [] if arguments.force else differing
    written = [
        path for path in files if path not in kept and (path in differing or not (into / path).exists())
    ]
    for path in written:
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(into / path, files[path])
    store_directory(into).mkdir(exist_ok=True)
    template = TEMPLATES[name]
    if arguments.json:
        made: InitReport = {
            "directory": str(into),
            "template": name,
            "written": written,
            "kept": kept,
            "next": list(template.commands()),
        }
        sys.stdout.write(document_text("init", made))
    else:
        _say_done(into, template, written, kept)
    return 0


def _print_list(as_json: bool) -> None:
    if as_json:
        listed: TemplateList = {
            "templates": [
                {"name": name, "about": one.about, "asks": one.asks, "spec": one.spec}
                for name, one in TEMPLATES.items()
            ]
        }
        sys.stdout.write(document_text("init", listed))
        return
    width = max(map(len, TEMPLATES))
    for name, one in TEMPLATES.items():
        print(f"{name:<{width}}  {one.about}; asks {one.asks}")


def _say_in_the_way(into: Path, name: str, paths: list[str]) -> None:
    places = _listed(str(into / path) for path in paths)
    differs = "is another file" if len(paths) == 1 else "are other files"
    tell(
        f"{places} {differs} already; nothing was written",
        hint=f"name an empty directory, as in 'mixwright init my-{name} --template {name}', or overwrite with --force",
    )


def _say_done(into: Path, template: Template, written: list[str], kept: list[str]) -> None:
    count = "1 file written" if len(written) == 1 else f"{len(written)} files written"
    print(count if written else "everything is there already")
    if kept:
        print(f"left as it was there: {_listed(kept)}")
    inside = "" if into == Path() else f"cd {shlex.quote(printable(str(into)))} && "
    lead = f"next: {inside}"
    for command in template.commands():
        print(f"{lead}{command}")
        lead = "      "
    if template.asks == "a server":
        print("a run asks a server; README.md says how to name it")


def _listed(paths: Iterable[str]) -> str:
    shown = [printable(path) for path in paths]
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return ", ".join(shown[:3]) + more


def _is_other(path: Path, content: bytes) -> bool:
    return path.exists() and (not path.is_file() or path.read_bytes() != content)
