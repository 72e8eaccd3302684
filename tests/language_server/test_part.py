"""What is answered right after a keystroke: from the part of the text that a place hangs on, as from the whole."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from spec_at import PEOPLE

from mixwright.language_server.documents import Analysis, Documents
from mixwright.language_server.hover import hover_text
from mixwright.language_server.part import declarations_of, part_of
from mixwright.language_server.places import Named, OfColumn, place_at, real_place
from mixwright_dsl.grammar import lex
from mixwright_dsl.recovery import split
from mixwright_dsl.tokens import number_lines

OTHERS = """template lengthen { user = "{{ hello }} {{ age }}" }
operator longer depth { prompt = lengthen }
fragment greeted {
  params { model { type = model } }
  needs { name = text }
  makes { greeting = text }
  generate greeting { prompt = greet, model = model }
}
template greet { user = "Hail {{ name }}" }
pipeline hailed {
  from people
  use greeted { model = teacher }
  chat { user = name, assistant = greeting }
}
pipeline grown {
  from greetings { columns = [name, age, hello] }
  generate more { prompt = longer, model = teacher }
  chat { user = name, assistant = more }
}
"""


def around(tmp_path: Path, text: str, offset: int) -> Analysis:
    """What is known of a place of a text of which nothing was known before."""
    path = (tmp_path / "spec.mix").resolve()
    documents = Documents()
    documents.change(path, text)
    found = documents.analysis_around(path, offset)
    assert documents.draft(path) is None, "the whole text was compiled"
    return found


def part_as_text(text: str, offset: int) -> str:
    """The text with all but the part blank."""
    part = part_of(text, offset)
    return "".join(d.text if d in part else re.sub(r"[^\n]", " ", d.text) for d in declarations_of(text))


def told(analysis: Analysis, offset: int) -> str:
    found = place_at(analysis, analysis.compilation.draft, analysis.there(offset))
    place = real_place(found, analysis.real)
    where = (
        place.declared if isinstance(place, Named) else getattr(getattr(place, "column", None), "span", None)
    )
    text = hover_text(place, analysis.compilation.draft) if place is not None else ""
    return f"{place.span.start if place else ''} {(where.start, where.end) if where else ''} {text}"


def test_every_place_is_told_of_as_from_the_whole_text(tmp_path: Path) -> None:
    text = f"# A comment.\n{PEOPLE}{OTHERS}"
    path = (tmp_path / "spec.mix").resolve()
    documents = Documents()
    documents.change(path, text)
    whole = documents.analysis(path)
    assert whole.compilation.program is not None
    parts: dict[str, Analysis] = {}
    for word in re.finditer(r"\w+", text):
        part = part_as_text(text, word.start())
        if part not in parts:
            parts[part] = around(tmp_path, text, word.start())
        assert told(parts[part], word.start()) == told(whole, word.start()), word
    assert len(parts) >= 8


@pytest.mark.parametrize(
    ("place", "kept", "left_out"),
    [
        ("filter {", ("people", "ask", "teacher"), ("all_of_it", "greet", "hailed", "longer")),
        (
            "{{ hello",
            ("grown", "greetings", "people"),
            ("all_of_it", "hailed"),
        ),  # told by who uses the operator
        (
            "Hail",
            ("greeted", "hailed", "people"),
            ("greetings", "longer"),
        ),  # used by a fragment, that by a pipeline
        ("total", ("greetings",), ("hailed", "grown")),
    ],
)
def test_a_part_has_what_its_place_hangs_on(
    place: str, kept: tuple[str, ...], left_out: tuple[str, ...]
) -> None:
    text = PEOPLE + OTHERS
    part = part_as_text(text, text.index(place))
    assert [len(line) for line in part.split("\n")] == [len(line) for line in text.split("\n")]
    declared = re.findall(r"^(?:\w+) (\w+)", part, re.MULTILINE)
    assert set(kept) <= set(declared) and not set(left_out) & set(declared)
    assert "let { hot = 0.9 }" in part


def test_what_was_typed_just_now_counts_and_a_mistake_elsewhere_does_not(tmp_path: Path) -> None:
    text = PEOPLE.replace("  filter {", "  derive { twice = age * 2 }\n  filter {").replace(
        "seed = 1", "seed = "
    )
    analysis = around(tmp_path, text, text.index("twice"))
    place, named = (
        real_place(place_at(analysis, analysis.compilation.draft, analysis.there(offset)), analysis.real)
        for offset in (text.index("twice"), text.index("ask, model"))
    )
    assert isinstance(place, OfColumn) and place.column.type == "int"
    assert isinstance(named, Named) and named.declared.start == text.index("ask {")


@pytest.mark.parametrize(
    "typed",
    [
        "filter { where = len(hello) > 3",  # the bracket is to come
        "filter { where = len(hello) > 3 }\n  }\n  {",
        "generate more { prompt = <<~T",
        "\nchat = 1",
    ],
)
def test_a_text_with_mistakes_is_cut_where_the_parser_cuts_it(typed: str) -> None:
    text = PEOPLE.replace("filter { where = len(hello) > 3 }", typed) + OTHERS
    cuts = [0, *(chunk[0].start_pos for chunk in split(number_lines(lex(text)))), len(text)]
    for start, behind in pairwise(cuts):
        for place in (start, behind - 1):
            assert text[start:behind].rstrip() in part_as_text(text, place)


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# only a comment", "edition 2026", "}{", "pipeline p {\nfrom x\n}\n", "<<~T\n"]
)
def test_any_text_has_a_part(text: str) -> None:
    for offset in range(len(text) + 1):
        assert len(part_as_text(text, offset)) == len(text)
