"""Which statement a `# mix: allow` comment speaks of."""

from __future__ import annotations

import pytest

from mixwright_dsl.diagnostic import warning
from mixwright_dsl.formatter import format_text
from mixwright_dsl.parser import parse
from mixwright_dsl.source import SourceFile
from mixwright_dsl.suppressions import Suppressions, suppressions


def found(text: str) -> Suppressions:
    return suppressions(parse(SourceFile("a.mix", text)).file)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("# mix: allow MIX104 -- kept\nsource a csv {\n  path = b\n}\n", "source a csv {\n  path = b\n}"),
        ("# mix: allow MIX104\n\n# more\nx = 1\ny = 2\n", "x = 1"),
        ("p {\n  # mix: allow MIX104\n  a = 1\n  b = 2\n}\n", "a = 1"),
        ("p {\n  a = 1  # mix: allow MIX104\n  b = 2\n}\n", "a = 1"),
        ("p {  # mix: allow MIX104\n  a = 1\n}\n", "p {\n  a = 1\n}".replace("{", "{  # mix: allow MIX104")),
        ("p { a = 1, b = 2 }  # mix: allow MIX104\n", "p { a = 1, b = 2 }"),
        ("p {\n  a = 1, b = 2,  # mix: allow MIX104\n}\n", "b = 2"),
        ("a = 1, p {  # mix: allow MIX104\n  b = 2\n}\n", "p {  # mix: allow MIX104\n  b = 2\n}"),
        ("a = [\n  1,\n]  # mix: allow MIX104\n", "a = [\n  1,\n]"),
        ("a = [\n  1,  # mix: allow MIX104\n]\n", "a = [\n  1,  # mix: allow MIX104\n]"),
        ("a = 1\n# mix: allow MIX104\n", None),
    ],
)
def test_the_target_is_the_next_statement_or_the_one_on_the_line(text: str, target: str | None) -> None:
    (item,) = found(text).items
    assert (item.target.text if item.target else None) == target


def test_formatting_leaves_a_suppression_with_its_statement() -> None:
    source = SourceFile(
        "a.mix", "p { a = 1, b = 2 # mix: allow MIX104\n}\nx = 1, y = 2 # mix: allow MIX105\n"
    )
    before = [item.target.text for item in found(source.text).items if item.target]
    after = [item.target.text for item in found(format_text(source).text).items if item.target]
    assert before == after == ["b = 2", "y = 2"]


def test_codes_reason_and_place() -> None:
    (item,) = found("#mix: allow MIX104, MIX113 -- used by hand \nx = 1\n").items
    assert (item.codes, item.reason) == (("MIX104", "MIX113"), "used by hand")
    assert item.span.text == "#mix: allow MIX104, MIX113 -- used by hand"


def test_it_covers_its_codes_inside_its_target_only() -> None:
    source = SourceFile("a.mix", "# mix: allow MIX104\nx = abc\ny = abc\n")
    (item,) = suppressions(parse(source).file).items
    inside, outside = source.text.index("abc"), source.text.rindex("abc")
    assert item.covers(warning("MIX104", "m", source.span(inside, inside + 3)))
    assert not item.covers(warning("MIX105", "m", source.span(inside, inside + 3)))
    assert not item.covers(warning("MIX104", "m", source.span(outside, outside + 3)))


def test_one_that_cannot_be_read_is_reported() -> None:
    result = found("# mix: alow MIX104\n# mix: allow 104\n# mixing\nx = 1\n")
    assert result.items == ()
    assert [d.primary.span.text for d in result.diagnostics] == ["# mix: alow MIX104", "# mix: allow 104"]


def test_nothing_inside_a_string_or_heredoc_suppresses() -> None:
    assert found('x = "# mix: allow MIX104"\ny = <<~T\n  # mix: allow MIX104\n  T\n').items == ()
