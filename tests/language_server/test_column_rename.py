"""Columns with another name: everywhere that they are meant, or nowhere, with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from spec_at import PEOPLE, Editor, opened

from mixwright.language_server.cannot_rename import CannotRename
from mixwright.language_server.changes import rename, renamed_span

RICH = PEOPLE.replace(
    "mixture all_of_it {",
    """template rate {
  user = <<~T
    Is {{ hello | trim }} polite? It is no "hello" alone: {{ "hello" }} and {% if hello %}{{ hello }}{% endif %}.
    T
}
pipeline rated {
  from greetings
  generate rating { prompt = rate, model = teacher }
  filter { where = rating != hello and len(hello) < 99 }
}
mixture all_of_it {""",
)
RENAMED = (
    RICH.replace("generate hello", "generate greeting")
    .replace("len(hello)", "len(greeting)")
    .replace("assistant = hello", "assistant = greeting")
    .replace("{{ hello", "{{ greeting")
    .replace("{% if hello %}", "{% if greeting %}")
    .replace("!= hello and", "!= greeting and")
)


def renamed(editor: Editor, needle: str, new: str, *, times: int = 1, behind: int = 1) -> dict[str, str]:
    place = editor.place(needle, times=times, behind=behind)
    result = {}
    for path, edits in rename(editor.documents, editor.path, place, new).items():
        text = editor.documents.source(path).text
        for span, inserted in sorted(edits, key=lambda edit: edit[0].start, reverse=True):
            text = text[: span.start] + inserted + text[span.end :]
        result[path.name] = text
    return result


@pytest.mark.parametrize(
    ("needle", "behind"),
    [("generate hello", 10), ("len(hello)", 5), ("{{ hello |", 4), ("assistant = hello", 14)],
)
def test_a_column_gets_another_name_wherever_it_is_meant(tmp_path: Path, needle: str, behind: int) -> None:
    assert renamed(opened(tmp_path, RICH), needle, "greeting", behind=behind) == {"spec.mix": RENAMED}


def test_the_name_of_a_derived_column(tmp_path: Path) -> None:
    text = PEOPLE.replace("who is {{ age }}", "who will be {{ older }}")
    assert renamed(opened(tmp_path, text), "{{ older", "next_age", behind=4) == {
        "spec.mix": text.replace("older", "next_age")
    }


def test_specs_that_import_the_pipeline_change_with_it(tmp_path: Path) -> None:
    other = (
        'edition 2026\nimport "spec.mix" as base\npipeline more {\n  from base.greetings\n'
        "  derive { short = len(hello) }\n}\n"
        "mixture m { seed = 1, more = 1 }\n"
    )
    (tmp_path / "other.mix").write_text(other)
    changed = renamed(opened(tmp_path), "generate hello", "greeting", behind=10)
    assert changed["other.mix"] == other.replace("hello", "greeting")
    assert "generate greeting" in changed["spec.mix"]


REFUSED = {
    "of a source": (PEOPLE, "{{ name", 4, "who", "comes with the rows of `people`"),
    "taken": (PEOPLE, "generate hello", 10, "older", "have a column `older` already"),
    "a declaration": (PEOPLE, "generate hello", 10, "hot", "`hot` is declared in spec.mix already"),
    "no name": (PEOPLE, "generate hello", 10, "two words", "is no name"),
    "in a text": (
        RICH.replace("{% if hello %}", "{% set said = 1 %}{% if hello %}"),
        "generate hello",
        10,
        "said",
        "template `rate` has a name `said` already",
    ),
    "made twice": (
        PEOPLE.replace("  filter {", "  derive { hello = trim(hello) }\n  filter {"),
        "generate hello",
        10,
        "greeting",
        "is made in several places of `greetings`",
    ),
    "in a quota": (
        PEOPLE.replace("greetings = 100%", "greetings = take(1, balance = hello)").replace(
            "  total = 10\n", ""
        ),
        "generate hello",
        10,
        "greeting",
        "in a place that cannot be told from the text: spec.mix, line",
    ),
    "with errors": (PEOPLE.replace("total = 10", "totl = 10"), "generate hello", 10, "x", "has errors"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_renamed_safely_is_refused_with_the_reason(tmp_path: Path, case: str) -> None:
    text, needle, behind, new, why = REFUSED[case]
    with pytest.raises(CannotRename, match=why):
        renamed(opened(tmp_path, text), needle, new, behind=behind)


def test_a_text_in_a_file_of_its_own_is_no_place_that_can_be_told(tmp_path: Path) -> None:
    (tmp_path / "rate.j2").write_text("Is {{ hello }} polite?")
    asked = RICH[RICH.index("template rate {") : RICH.index("pipeline rated")]
    text = RICH.replace(asked, 'template rate { file = "rate.j2" }\n')
    with pytest.raises(CannotRename, match=r"rate\.j2, line 1"):
        renamed(opened(tmp_path, text), "generate hello", "greeting", behind=10)


def test_an_editor_is_told_beforehand_what_would_be_renamed(tmp_path: Path) -> None:
    editor = opened(tmp_path)
    source = editor.documents.source(editor.path)
    span = renamed_span(editor.place("len(hello)", behind=5), source)
    assert span.text == "hello" and span.start == source.text.index("len(hello)") + 4
    with pytest.raises(CannotRename, match="comes with the rows"):
        renamed_span(editor.place("{{ name", behind=4), source)
