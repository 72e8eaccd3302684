"""What `fmt` promises: the canonical text, nothing lost, nothing moved, the same again the second time."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from random_specs import specs

from mixwright_dsl import formatter
from mixwright_dsl.formatter import TokensChanged, format_text, signature
from mixwright_dsl.parser import parse
from mixwright_dsl.source import SourceFile


def formatted(text: str) -> str:
    result = format_text(SourceFile("a.mix", text))
    assert result.diagnostics == ()
    return result.text


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(specs)
def test_formatting_keeps_every_token_and_comment_and_is_idempotent(text: str) -> None:
    assert parse(SourceFile("a.mix", text)).diagnostics == () or _only_values(text)
    once = format_text(SourceFile("a.mix", text))
    assert once.diagnostics == ()
    assert signature(SourceFile("b.mix", once.text)) == signature(SourceFile("a.mix", text))
    assert format_text(SourceFile("a.mix", once.text)).text == once.text
    for line in _outside_heredocs(once.text):
        assert line == line.rstrip()
    assert once.text == "" or (once.text.endswith("\n") and not once.text.endswith("\n\n"))


def _only_values(text: str) -> bool:
    codes = {d.code for d in parse(SourceFile("a.mix", text)).diagnostics}
    chained = {d.message for d in parse(SourceFile("a.mix", text)).diagnostics if d.code == "MIX001"}
    return codes <= formatter.FORMATTABLE | {"MIX001"} and chained <= {"comparisons cannot be chained"}


def _outside_heredocs(text: str) -> list[str]:
    lines, inside = [], False
    for line in text.split("\n"):
        if not inside:
            lines.append(line)
        inside = line.endswith("<<~TEXT") or (inside and not re.match(r"\s*TEXT\b", line))
    return lines


def test_the_canonical_layout() -> None:
    before = """

edition   2026   # first

param x{type=float,default=-1.0,}
let { a = 1 # one
 b = 2,c=3 , # three


 # last

}
empty {
}
"""
    after = """edition 2026  # first

param x { type = float, default = -1.0 }
let {
  a = 1  # one
  b = 2
  c = 3  # three

  # last
}
empty {}
"""
    assert formatted(before) == after


def test_a_list_keeps_its_lines_and_gets_a_trailing_comma() -> None:
    before = "x = [ # open\n  1,2,\n   3 # three\n   , 4\n\n   # before close\n]\ny = [1, 2,]\n"
    after = "x = [  # open\n  1, 2,\n  3,  # three\n  4,\n\n  # before close\n]\ny = [1, 2]\n"
    assert formatted(before) == after


def test_a_block_inside_a_list_hugs_its_brackets() -> None:
    before = "rows = [{ a = 1\n  b = 2 }, { a = 3 }]\n"
    assert formatted(before) == "rows = [{\n  a = 1\n  b = 2\n}, { a = 3 }]\n"


def test_a_line_break_after_an_operator_stays() -> None:
    before = "filter { where = a +   # plus\n# own\nb }\n"
    after = "filter {\n  where = a +  # plus\n    # own\n    b\n}\n"
    assert formatted(before) == after


def test_a_condition_in_parentheses_keeps_its_lines() -> None:
    before = "f { where = (a # a\n and not  b\n or -c < - 1) }\n"
    after = "f {\n  where = (\n    a  # a\n    and not b\n    or -c < -1\n  )\n}\n"
    assert formatted(before) == after


def test_a_heredoc_moves_with_its_statement_and_keeps_its_bytes() -> None:
    before = "template t {\n      user = <<~JINJA\n\t\tone  \n\n\t\t  two\n\t\tJINJA\n}\n"
    after = "template t {\n  user = <<~JINJA\n    one  \n\n      two\n    JINJA\n}\n"
    assert formatted(before) == after
    values = [parse(SourceFile("a", text)).file.body[0].body[0].value.value for text in (before, after)]
    assert values == ["one  \n\n  two"] * 2


def test_a_file_that_does_not_parse_is_left_alone() -> None:
    text = "a =   1\nb: 2\n"
    result = format_text(SourceFile("a.mix", text))
    assert (result.text, result.changed, [d.code for d in result.diagnostics]) == (text, False, ["MIX005"])


def test_a_duplicate_or_unknown_unit_does_not_stop_formatting() -> None:
    assert formatted('a=4K\na=r\nb="\\d"\n') == 'a = 4K\na = r\nb = "\\d"\n'


def test_a_formatter_bug_never_reaches_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formatter._Printer, "run", lambda self: "a = 1\n")
    with pytest.raises(TokensChanged, match=r"a\.mix"):
        format_text(SourceFile("a.mix", "a = 1 # lost\n"))


def test_two_statements_are_not_the_same_as_two_labels() -> None:
    assert signature(SourceFile("a", "a b\nc")) != signature(SourceFile("a", "a\nb c"))
    assert signature(SourceFile("a", "a { b, c }")) == signature(SourceFile("a", "a {\n b\n c,\n}\n"))
