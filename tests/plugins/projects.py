"""Projects with plugins, written in a test."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mixwright.catalog import ROOT
from mixwright.cli import main

NAMED = re.compile(r"```\w+ (\S+)\n(.*?)```", re.DOTALL)


def files_of_page(name: str) -> dict[str, str]:
    """The files that a page of the manual shows, by their names."""
    text = (ROOT / "docs/language" / name).read_text(encoding="utf-8")
    return dict(NAMED.findall(text))


def write(directory: Path, files: Mapping[str, str]) -> None:
    (directory / ".mixwright").mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")


def typed(*words: object) -> int:
    """The exit status of a command."""
    return main([str(word) for word in words])


HEAD = """from mixwright.plugin import *

"""

SHOUT = (
    HEAD
    + """
@declare("step", "shout", label="new_column", makes={"{label}": "text"}, attributes=(
    attribute("on", "column", "what to shout", default=REQUIRED), *STEP))
class Shout(Apply):
    def __init__(self, step, context):
        self.on, self.label = step.attributes["on"], step.label

    def apply(self, row):
        return row.with_columns(**{self.label: row.columns[self.on].upper()})
"""
)

SHOUTING = """edition 2026

import python "plugins/shout.py"

source notes inline { rows = [{ note = "thanks" }, { note = "off" }] }

pipeline loud {
  from notes
  shout said { on = note }
  chat { user = note, assistant = said }
}

mixture m { seed = 1, loud = all }
export e of m { format = messages, path = "out", card = false }
"""
