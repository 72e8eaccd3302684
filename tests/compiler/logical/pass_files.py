"""Files of cases of a pass: `== title`, lines of a spec, `-- out --`, the logical plan behind the pass.

What stands before the first title goes in front of every case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mixwright_compiler.logical.build import build
from mixwright_compiler.logical.nodes import LogicalPlan
from mixwright_compiler.logical.reach import reach
from mixwright_compiler.stages import compile_source
from mixwright_dsl.render import render
from mixwright_dsl.source import SourceFile

OUT = "-- out --\n"


@dataclass(frozen=True)
class PassCase:
    """One case: the whole spec, and the text of the plan that the pass makes of it."""

    path: Path
    title: str
    text: str
    out: str


def cases_of(path: Path) -> list[PassCase]:
    """The cases of a file."""
    shared, *parts = re.split(r"^== ", path.read_text(encoding="utf-8"), flags=re.M)
    found = []
    for part in parts:
        title, _, rest = part.partition("\n")
        spec, _, out = rest.partition(OUT)
        found.append(PassCase(path, title, shared + spec, out.rstrip("\n") + "\n"))
    return found


def rewrite(case: PassCase, out: str) -> None:
    """Put this in the place of what comes out of a case."""
    shared, *parts = re.split(r"^== ", case.path.read_text(encoding="utf-8"), flags=re.M)
    for at, part in enumerate(parts):
        if part.startswith(f"{case.title}\n"):
            end = "\n" if at < len(parts) - 1 else ""
            parts[at] = f"{part.partition(OUT)[0]}{OUT}{out}{end}"
    case.path.write_text("== ".join([shared, *parts]), encoding="utf-8")


def planned(text: str, directory: Path) -> LogicalPlan:
    """The logical plan of a spec before any pass."""
    (directory / ".mixwright").mkdir(exist_ok=True)
    (directory / "web.jsonl").touch()
    result = compile_source(SourceFile("spec.mix", text, directory / "spec.mix"))
    assert result.program is not None, render(result.errors)
    return build(result.program, reach(result.program))
