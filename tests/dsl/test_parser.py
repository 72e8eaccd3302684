"""From text to tree: values, spans, precedence; and the promise that no text raises."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import fields, is_dataclass

import lark
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_specs import specs

from mixwright_dsl import nodes
from mixwright_dsl.grammar import GRAMMAR_PATH
from mixwright_dsl.grammar_tables import OPTIONS
from mixwright_dsl.parser import ParseResult, parse
from mixwright_dsl.quantity import Unit
from mixwright_dsl.source import SourceFile, Span

TEXTS = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from("{}[]()=\"#\n \t,.:;<>~\\'$%abAB01")), max_size=200
)


def parsed(text: str) -> ParseResult:
    return parse(SourceFile("a.mix", text))


def body(text: str) -> tuple[nodes.Statement, ...]:
    result = parsed(text)
    assert result.diagnostics == ()
    return result.file.body


def value(text: str) -> nodes.Expression:
    (statement,) = body(f"x = {text}\n")
    assert isinstance(statement, nodes.Attribute)
    return statement.value


def shape(node: nodes.Expression) -> object:
    """The tree as nested tuples, for comparing precedence."""
    match node:
        case nodes.Binary():
            return (shape(node.left), node.operator, shape(node.right))
        case nodes.Unary():
            return (node.operator, shape(node.operand))
        case nodes.Ref():
            return node.name
        case nodes.Quantity():
            return node.value
    raise AssertionError(node)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_no_text_raises_and_every_span_is_inside(text: str) -> None:
    result = parsed(text)
    for finding in result.diagnostics:
        for label in (finding.primary, *finding.secondary):
            assert 0 <= label.span.start <= label.span.end <= len(text) + 1


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(specs, st.randoms(use_true_random=False))
def test_no_mutated_spec_raises(text: str, random: random.Random) -> None:
    for _ in range(random.randint(1, 4)):
        start = random.randint(0, len(text))
        end = min(len(text), start + random.randint(0, 5))
        text = (
            text[:start]
            + random.choice(["", "{", "}", '"', "<<~A\n", "\n", "= =", "é", ")", "#"])
            + text[end:]
        )
    parsed(text)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(specs)
def test_spans_nest_and_quote_the_source(text: str) -> None:
    def visit(node: object, outer: Span) -> None:
        if isinstance(node, tuple):
            for item in node:
                visit(item, outer)
            return
        if not is_dataclass(node) or isinstance(node, Span | SourceFile):
            return
        span: Span = node.span  # type: ignore[attr-defined]
        assert outer.start <= span.start < span.end <= outer.end
        if isinstance(node, nodes.Ref):
            assert [part.text for part in node.part_spans] == list(node.parts)
        for each in fields(node):
            visit(getattr(node, each.name), span)

    source = SourceFile("a.mix", text)
    visit(parse(source).file.body, source.span(0, len(text)))


def test_statements_of_every_shape() -> None:
    statements = body(
        'edition 2026\nimport "a.mix" as a\nfrom things\npipeline p { seed = 1, from x }\na.b = c\n'
    )
    kinds = [s.kind if isinstance(s, nodes.Block) else s.name.name for s in statements]
    assert kinds == ["edition", "import", "from", "pipeline", "a.b"]
    edition, imported, bare, pipeline, _ = statements
    assert isinstance(edition, nodes.Block) and isinstance(edition.labels[0], nodes.Quantity)
    assert isinstance(imported, nodes.Block) and isinstance(imported.labels[0], nodes.Text)
    assert isinstance(bare, nodes.Block) and not bare.has_body
    assert isinstance(pipeline, nodes.Block) and pipeline.has_body and len(pipeline.body) == 2
    assert pipeline.span.text == "pipeline p { seed = 1, from x }"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a or b and c", ("a", "or", ("b", "and", "c"))),
        ("a and b or c", (("a", "and", "b"), "or", "c")),
        ("not a == b", ("not", ("a", "==", "b"))),
        ("not a and b", (("not", "a"), "and", "b")),
        ("a + b * c - d", (("a", "+", ("b", "*", "c")), "-", "d")),
        ("a - b - c", (("a", "-", "b"), "-", "c")),
        ("-a * b", (("-", "a"), "*", "b")),
        ("- - a", ("-", ("-", "a"))),
        ("(a + b) * c", (("a", "+", "b"), "*", "c")),
        ("a + 1 < b * 2", (("a", "+", 1), "<", ("b", "*", 2))),
        ("a not in b", ("not", ("a", "in", "b"))),
        ("(a == b) == c", (("a", "==", "b"), "==", "c")),
        ("a.b / 2", ("a.b", "/", 2)),
        ("a and\n  b", ("a", "and", "b")),
        ("(a\n  and b)", ("a", "and", "b")),
    ],
)
def test_precedence(text: str, expected: object) -> None:
    assert shape(value(text)) == expected


def test_the_span_of_an_operator_covers_the_parentheses_around_its_operands() -> None:
    node = value("(a + b) * c")
    assert isinstance(node, nodes.Binary)
    assert (node.span.text, node.left.span.text, node.operator_span.text) == ("(a + b) * c", "(a + b)", "*")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("149_960", (149_960, Unit.NUMBER)),
        ("150k", (150_000, Unit.COUNT)),
        ("4Ki", (4096, Unit.COUNT)),
        ("1.5k", (1500, Unit.COUNT)),
        ("30%", (0.3, Unit.SHARE)),
        ("2h", (7200.0, Unit.DURATION)),
        ("512MiB", (512 * 2**20, Unit.BYTES)),
        ("5e-6", (5e-6, Unit.NUMBER)),
        ("0.29%", (0.0029, Unit.SHARE)),
        ("1.2345k", (1234.5, Unit.COUNT)),
        ("2.5e3", (2500.0, Unit.NUMBER)),
        ("7_000.5e-3KB", (7000.5e-3 * 1000, Unit.BYTES)),
        ("9223372036854775.807k", (2**63 - 1, Unit.COUNT)),
        ("$25", (25.0, Unit.MONEY)),
    ],
)
def test_quantities(text: str, expected: tuple[float, Unit]) -> None:
    node = value(text)
    assert isinstance(node, nodes.Quantity)
    assert (node.value, node.unit) == expected


@pytest.mark.parametrize(
    "text",
    [
        "1e999",
        "9" * 50,
        "1e308G",
        "9223372036854775808",
        "1e99999999999999999999k",
        "$1e400",
        "9000000000000000000.5k",
    ],
)
def test_a_number_too_large_is_a_finding_and_not_infinity(text: str) -> None:
    assert [d.code for d in parsed(f"x = {text}\n").diagnostics] == ["MIX009"]


def test_escapes_in_strings() -> None:
    node = value(r'"a\n\t\"\\ \u00e9 \ud83d\ude00"')
    assert isinstance(node, nodes.Text)
    assert node.value == 'a\n\t"\\ é 😀'
    at = node.value.index("😀")
    assert node.span.source.text[node.offset_of(at) :].startswith(r"\ud83d")


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    node = value(r'"\ud83d"')
    assert isinstance(node, nodes.Text)
    assert node.value.encode() == "\N{REPLACEMENT CHARACTER}".encode()


def test_a_heredoc_is_dedented_by_its_closing_tag_and_maps_back() -> None:
    text = "t {\n  user = <<~JINJA\n    one\n      two\n\n    JINJA is no end\n    JINJA\n}\n"
    (block,) = body(text)
    assert isinstance(block, nodes.Block)
    node = block.body[0].value  # type: ignore[union-attr]
    assert isinstance(node, nodes.Heredoc)
    assert (node.value, node.tag) == ("one\n  two\n\nJINJA is no end", "JINJA")
    for index, character in enumerate(node.value):
        assert text[node.offset_of(index)] == character


def test_moving_a_heredoc_changes_no_byte_of_it() -> None:
    narrow, wide = value("<<~T\n a\n  b\n T"), value("<<~T\n\t\ta\n\t\t b\n\t\tT")
    assert isinstance(narrow, nodes.Heredoc) and isinstance(wide, nodes.Heredoc)
    assert narrow.value == wide.value == "a\n b"


def test_an_empty_heredoc() -> None:
    node = value("<<~T\nT")
    assert isinstance(node, nodes.Heredoc)
    assert (node.value, len(node.lines)) == ("", 1)


def test_calls_take_arguments_and_keywords() -> None:
    node = value("take(50k * scale, balance = category,)")
    assert isinstance(node, nodes.Call)
    assert node.function.name == "take"
    assert len(node.arguments) == 1
    assert [keyword.name.name for keyword in node.keywords] == ["balance"]


def test_deep_nesting_and_long_chains_are_findings() -> None:
    deep = parsed("x = " + "[" * 100 + "]" * 100 + "\n")
    assert [d.code for d in deep.diagnostics] == ["MIX011"]
    unary = parsed("x = " + "-" * 5000 + "1\n")
    assert [d.code for d in unary.diagnostics] == ["MIX011"]
    folded = "1"
    for _ in range(30):
        folded = f"({folded}{' + 1' * 20})"
    assert {d.code for d in parsed(f"x = {folded}\n").diagnostics} == {"MIX011"}


# -- the grammar


def test_the_grammar_is_free_of_conflicts_and_of_terminals_that_overlap() -> None:
    text = GRAMMAR_PATH.read_text(encoding="utf-8")
    lark.Lark(text, strict=True, **OPTIONS)


def test_nothing_that_reads_a_spec_imports_lark() -> None:
    code = (
        "import sys\nfrom mixwright_dsl.parser import parse\nfrom mixwright_dsl.source import SourceFile\n"
        "assert parse(SourceFile('a.mix', 'edition 2026\\n')).ok\nprint('lark' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == "False", found.stderr
