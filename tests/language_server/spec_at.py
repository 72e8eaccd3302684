"""A spec as it stands in an editor, with marks for the places that a test is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lsprotocol import types as lsp

from mixwright.language_server.completion import Known, completions
from mixwright.language_server.cursor import cursor_at
from mixwright.language_server.documents import Documents
from mixwright.language_server.hover import hover_text
from mixwright.language_server.places import Place, place_at
from mixwright.language_server.positions import offset_of
from mixwright_dsl.source import SourceFile

MARK = "▮"

PEOPLE = """edition 2026

model teacher openai { base_url = "http://localhost:8000/v1", model = "m" }
source people inline {
  rows = [{ name = "Ada", age = 36 }]
}
let { hot = 0.9 }
template ask {
  user = <<~T
    Say hello to {{ name }}, who is {{ age }}.
    T
}
pipeline greetings {
  from people
  derive { older = age + 1 }
  generate hello { prompt = ask, model = teacher, temperature = hot }
  filter { where = len(hello) > 3 }
  chat { user = name, assistant = hello }
}
mixture all_of_it {
  seed = 1
  total = 10
  greetings = 100%
}
"""


@dataclass
class Editor:
    """One file of a project, open."""

    path: Path
    documents: Documents

    def place(self, needle: str, *, times: int = 1, behind: int = 1) -> Place | None:
        """What stands where `needle` is found for the given time, so many characters behind its start."""
        analysis = self.documents.analysis(self.path)
        at = -1
        for _ in range(times):
            at = analysis.source.text.index(needle, at + 1)
        return place_at(analysis, self.documents.program(self.path), at + behind)

    def hover(self, needle: str, *, times: int = 1, behind: int = 1) -> str:
        place = self.place(needle, times=times, behind=behind)
        return "" if place is None else hover_text(place, self.documents.program(self.path))

    def offered(self, before: str, typed: str) -> list[str]:
        """What is offered when `typed`, with the cursor's mark, is being written ahead of the line `before`."""
        text = self.documents.source(self.path).text.replace(before, f"{typed}\n{before}", 1)
        offset = text.index(MARK)
        self.documents.change(self.path, text.replace(MARK, ""))
        draft = self.documents.draft(self.path)
        assert draft is not None
        known = Known(
            self.documents.catalog(self.path),
            self.documents.program(self.path),
            draft.module,
            self.path.parent,
        )
        found = completions(cursor_at(self.documents.source(self.path), offset), known)
        return [item.label for item in found]


def opened(directory: Path, text: str = PEOPLE, name: str = "spec.mix") -> Editor:
    """A project with this spec, which is open and was read once."""
    (directory / ".git").mkdir(exist_ok=True)
    path = (directory / name).resolve()
    path.write_text(text, encoding="utf-8")
    documents = Documents()
    documents.change(path, text)
    documents.analysis(path)
    return Editor(path, documents)


def edited(text: str, edits: Sequence[lsp.TextEdit]) -> str:
    """The text as an editor has it after the edits."""
    source = SourceFile("a.mix", text)
    for edit in sorted(edits, key=lambda e: (e.range.start.line, e.range.start.character), reverse=True):
        start, end = offset_of(source, edit.range.start), offset_of(source, edit.range.end)
        text = text[:start] + edit.new_text + text[end:]
        source = SourceFile("a.mix", text)
    return text
