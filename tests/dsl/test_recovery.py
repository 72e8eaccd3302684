"""Wrong files: each mistake found once, at its place, with its fix; nothing that is only an echo of another."""

from __future__ import annotations

import random

import pytest

from mixwright_dsl import one_edit
from mixwright_dsl.brackets import SIGNS, Nesting, is_balanced
from mixwright_dsl.diagnostic import Applicability, Diagnostic
from mixwright_dsl.parser import parse
from mixwright_dsl.source import SourceFile
from mixwright_dsl.tokens import Token, number_lines

SPEC = """edition 2026

model teacher openai {
  model = "qwen"
  context = 4Ki
}

template solve {
  system = "You are careful."
  user = <<~JINJA
    Solve: {{ problem }}

    # no comment
    JINJA
}

source problems jsonl {
  path = "a.jsonl"
  columns = { problem = question, solution = answer }
  where = len(problem) < 400 and not (problem in ["a", "b"])
}

pipeline maths {
  from problems { limit = 100 }
  generate solution {
    prompt = solve
    model = teacher
    parse = after("Answer:")
  }
  filter {
    where = len(solution) > 3
  }
  chat { user = problem, assistant = solution }
}

mixture all {
  seed = 42
  group math { maths = take(50k, balance = kind) }
}
"""


def findings(text: str) -> tuple[Diagnostic, ...]:
    return parse(SourceFile("a.mix", text)).diagnostics


def apply_fixes(text: str) -> str:
    """The text after every machine-applicable fix."""
    edits = [
        edit
        for finding in findings(text)
        if finding.fix and finding.fix.applicability is Applicability.MACHINE
        for edit in finding.fix.edits
    ]
    for edit in sorted(edits, key=lambda edit: -edit.span.start):
        text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    return text


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("a: 3\n", "a = 3\n"),
        ("a := 3\n", "a = 3\n"),
        ("a == 3\n", "a = 3\n"),
        ("a = 'x'\n", 'a = "x"\n'),
        ("a = 1; b = 2\n", "a = 1, b = 2\n"),
        ("a = 1;\n", "a = 1\n"),
        ('"a": 3\n', "a = 3\n"),
        ("a = [1 2]\n", "a = [1, 2]\n"),
        ("a = [\n  1\n  2\n]\n", "a = [\n  1,\n  2\n]\n"),
        ("a = f(x y = 2)\n", "a = f(x, y = 2)\n"),
        ("m { a = 1 b = 2 }\n", "m { a = 1, b = 2 }\n"),
        ("m = {\n}\nmodel x = {\n}\n", "m = {\n}\nmodel x {\n}\n"),
        ("model x: {\n}\n", "model x {\n}\n"),
        ("a = b && c || !d\n", "a = b and c or not d\n"),
        ("// c\na = 1  // d\n", "# c\na = 1  # d\n"),
        ('a = "\\d"\n', 'a = "\\\\d"\n'),
        ("a\u00a0= 3\n", "a = 3\n"),
        ("p {\n  g x\n    a = 1\n  }\n}\n", "p {\n  g x {\n    a = 1\n  }\n}\n"),
    ],
)
def test_a_known_slip_has_a_fix_that_mends_it(wrong: str, right: str) -> None:
    assert findings(wrong) != ()
    assert apply_fixes(wrong) == right
    assert findings(right) == ()


@pytest.mark.parametrize(
    ("text", "code", "quoted", "message"),
    [
        ("a = \n", "MIX001", "", "unexpected end of line"),
        ("a = ", "MIX001", "", "unexpected end of file"),
        ("a = b\n  and c\n", "MIX001", "and", "a statement cannot begin with `and`"),
        ("in = 3\n", "MIX001", "in", "`in` is a reserved word and cannot be a name"),
        ("a = 1 < b < 2\n", "MIX001", "<", "comparisons cannot be chained"),
        ('a = r"x"\n', "MIX001", "r", "strings take no prefix `r`"),
        ("let x = 3\n", "MIX001", "=", "unexpected `=` after `let x`"),
        ("a = 日本語\n", "MIX001", "日本語", "unexpected `日本語`"),
        ("a = 3 }\n", "MIX001", "}", "unexpected `}`: nothing is open here"),
        ("a = f(x\nb = 2\n", "MIX002", "", "parenthesis opened by `(` is not closed"),
        ("a = [1,\n  2\nb = 2\n", "MIX002", "", "list opened by `[` is not closed"),
        ("p {\n  a = 1\n\nq {\n  b = 1\n}\n", "MIX002", "", "block opened by `{` is not closed"),
        ('a { b = "c }\n', "MIX003", '"c }', "string is not closed on its line"),
        ("a = <<~T\n  x\n", "MIX003", "<<~T", "heredoc `<<~T` is not closed"),
        ("a = <<T\n  x\n  T\n", "MIX003", "<<T", "`<<T` does not open a heredoc"),
        ("a = <<~T x\n  T\n", "MIX003", "<<~T x", "nothing may follow `<<~T` on its line"),
        ("a = <<~T\n x\n  T\n", "MIX004", " ", "heredoc line starts left of its closing tag `T`"),
        ("a = 4K\n", "MIX009", "K", "unknown unit `K` in `4K`"),
        ("a = $3k\n", "MIX009", "$3k", "an amount of money takes no unit, found `k`"),
        ("a = x = 3\n", "MIX005", "=", "found `=` inside an expression"),
        ("a = 'x\n", "MIX005", "'", "found `'` where `\"` is meant"),
        ("a = “x”\n", "MIX005", "“", 'found `“` where `"` is meant'),
        ("m { a = 1, a = 2 }\n", "MIX006", "a", "`a` is set twice in one block"),
        ("m = f(a = 1, a = 2)\n", "MIX006", "a", "`a` is set twice in one block"),
    ],
)
def test_one_mistake_is_one_finding_at_its_place(text: str, code: str, quoted: str, message: str) -> None:
    (finding,) = findings(text)
    assert (finding.code, finding.primary.span.text, finding.message) == (code, quoted, message)


def test_a_unit_in_the_wrong_case_gets_the_right_ones() -> None:
    assert findings("a = 4K\n")[0].hint == "did you mean `4k` or `4Ki`?"
    (finding,) = findings("a = 10S\n")
    assert finding.fix is not None
    assert (finding.hint, finding.fix.edits[0].replacement) == ("did you mean `10s`?", "s")


def test_a_missing_bracket_is_shown_where_it_is_missing_by_indentation() -> None:
    text = SPEC.replace('    parse = after("Answer:")\n  }\n', '    parse = after("Answer:")\n')
    (finding,) = findings(text)
    assert finding.code == "MIX002"
    assert finding.primary.span.start == text.index("\n  filter {")
    assert finding.secondary[0].span.start == text.index("{", text.index("generate solution"))
    assert apply_fixes(text) == SPEC


@pytest.mark.parametrize("gone", ["\n}\n\nmixture", "\n  }\n  filter", "\n}\n\ntemplate", "\n}\n\npipeline"])
def test_the_line_that_a_bracket_left_empty_is_where_it_is_missing(gone: str) -> None:
    """What an editor leaves when a `}` is deleted: the empty line is the place."""
    start = SPEC.index(gone) + 1
    text = SPEC[:start] + SPEC[start:].replace("}", "", 1)
    (finding,) = findings(text)
    assert finding.code == "MIX002"
    assert finding.primary.span.position.line == 1 + SPEC[:start].count("\n")
    assert apply_fixes(text) == SPEC


ROWS = """edition 2026
source rows inline {
  rows = [
    { a = "x", b = [1, 2] },
    { a = "y", b = [3, 4] },
    { a = "z", b = [5, 6] },
  ]
}
"""


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ('a = "y", b = [3, 4] },', "`{` is missing: the block closed on this line is opened nowhere"),
        ('{ a = "y", b = [3, 4] ,', "block opened by `{` is not closed"),
        ('{ a = "y", b = [3, 4] }},', "unexpected `}`"),
        ('{{ a = "y", b = [3, 4] },', "unexpected `{`"),
        ('( a = "y", b = [3, 4] },', "unexpected `(`"),
        ('{ a = "y", b = [3, 4] ],', "unexpected `]`"),
        ('{ a = "y", b = 3, 4] },', "`[` is missing: the list closed on this line is opened nowhere"),
        ('{ a = "y", b = [3, 4 },', "list opened by `[` is not closed"),
        ('{ a = "y", b = [3} 4] },', "unexpected `}`"),
        ('{ a = "y", } = [3, 4] },', "unexpected `}`"),
        ("{ a = }, b = [3, 4] },", "unexpected `}`"),
        ('"y" a = "y", b = [3, 4] },', 'unexpected `"y"`'),
    ],
)
def test_one_wrong_bracket_in_a_list_of_rows_is_one_finding_on_its_line(wrong: str, message: str) -> None:
    text = ROWS.replace('{ a = "y", b = [3, 4] },', wrong)
    (finding,) = findings(text)
    assert (finding.primary.span.position.line, finding.message) == (5, message)
    if finding.fix is not None:
        assert findings(apply_fixes(text)) == ()


@pytest.mark.parametrize("wrong", ["  )\n}", "  rows\n}", "}"])
def test_a_wrong_end_of_a_list_is_one_finding(wrong: str) -> None:
    assert len(findings(ROWS.replace("  ]\n}", wrong))) == 1


def test_an_unclosed_heredoc_before_another_with_its_tag() -> None:
    text = "template a {\n  user = <<~T\n    x\n}\ntemplate b {\n  user = <<~T\n    y\n    T\n}\n"
    (finding,) = findings(text)
    assert (finding.code, finding.primary.span.start) == ("MIX003", text.index("<<~T"))


def test_several_mistakes_are_found_in_one_run_and_the_rest_is_read() -> None:
    text = (
        SPEC.replace("context = 4Ki", "context: 4K")
        .replace('path = "a.jsonl"', "path = 'a.jsonl'")
        .replace("where = len(solution) > 3", "where = > 3")
        .replace("seed = 42", "seed = = 42")
    )
    result = parse(SourceFile("a.mix", text))
    assert [d.code for d in result.diagnostics] == ["MIX005", "MIX009", "MIX005", "MIX001", "MIX001"]
    kinds = [statement.kind for statement in result.file.body]  # type: ignore[union-attr]
    assert kinds == ["edition", "model", "template", "source", "pipeline", "mixture"]


def test_a_line_that_is_no_statement_costs_only_itself() -> None:
    text = SPEC.replace("    prompt = solve\n", "    prompt solve, ) = (\n")
    result = parse(SourceFile("a.mix", text))
    assert {d.primary.span.position.line for d in result.diagnostics} == {26}


def test_an_unindented_file_is_not_cut_inside_its_blocks() -> None:
    text = "model a openai {\nmodel = x\ncontext: 4\n}\n"
    assert [d.code for d in findings(text)] == ["MIX005"]


def test_random_single_token_damage_gives_one_finding_near_it() -> None:
    """Take out or double one token of a good spec: the first finding is near, and echoes are rare."""
    random_source = random.Random(7)
    from mixwright_dsl.grammar import lex

    tokens = [token for token in number_lines(lex(SPEC)) if token.type != "_NL"]
    damaged = near = echoes = 0
    for _ in range(300):
        token = random_source.choice(tokens)
        start, end = token.start_pos or 0, token.end_pos or 0
        replacement = random_source.choice(["", f"{token} {token}", random_source.choice("}{)(]=,:")])
        text = SPEC[:start] + replacement + SPEC[end:]
        found = findings(text)
        if not found:
            continue
        damaged += 1
        lines = [finding.primary.span.position.line for finding in found]
        lines += [label.span.position.line for finding in found for label in finding.secondary]
        near += any(abs(line - (token.line or 0)) <= 1 for line in lines)
        echoes += len(found) > 1
    assert damaged > 150
    assert near / damaged > 0.93
    assert echoes / damaged < 0.15


def test_a_large_file_full_of_mistakes_is_done_in_time() -> None:
    text = "p {\n" + "  a : ) = ( ]\n" * 3000 + "}\n" + "b = }\n" * 2000
    found = findings(text)
    assert 0 < len(found) < 500


def test_where_the_findings_are_cut_is_said() -> None:
    text = "\n".join(f"a{n} = )" for n in range(300))
    found = findings(text)
    assert len(found) == 201
    assert found[-1].message == "200 mistakes so far: the rest is not read"
    assert found[-1].primary.span.text == "a200"
    many = findings("p {\n" + "  a : ) = ( ]\n" * 300 + "}\n")
    (cut,) = [finding for finding in many if finding.message.endswith("line 1: the rest is not read")]
    assert cut.primary.span.start == max(finding.primary.span.start for finding in many)


def test_a_name_that_was_put_in_to_go_on_is_in_no_message() -> None:
    text = "p {\n  x y, ) = {\n    a = 1\n  }\n  x y, ) = {\n    a = 1\n  }\n  in = 3\n  in = 4\n}\n"
    assert all("`_`" not in finding.message for finding in findings(text))


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("g x { samples 4 }\n", "g x { samples = 4 }\n"),
        ('m { path "a.jsonl" }\n', 'm { path = "a.jsonl" }\n'),
        ("m { on_fail retry(2) }\n", "m { on_fail = retry(2) }\n"),
        ('m { stop ["a"] }\n', 'm { stop = ["a"] }\n'),
        ("m { low -1, flag true }\n", "m { low = -1, flag = true }\n"),
    ],
)
def test_an_attribute_without_its_sign(wrong: str, right: str) -> None:
    assert {finding.code for finding in findings(wrong)} == {"MIX005"}
    assert apply_fixes(wrong) == right
    assert findings(right) == ()


def test_an_edit_balances_brackets_when_the_edited_tokens_do() -> None:
    chance = random.Random(1)
    balanced = 0
    for _ in range(1_000):
        tokens = [Token(chance.choice([*SIGNS, "NAME"]), "") for _ in range(chance.randrange(8))]
        nesting = Nesting(tokens)
        for _ in range(10):
            start = chance.randrange(len(tokens) + 1)
            end = min(len(tokens), start + chance.randrange(2))
            kind = chance.choice([None, "NAME", *SIGNS])
            edited = [*tokens[:start], *([Token(kind, "")] if kind else []), *tokens[end:]]
            place = (tokens, start, end, kind)
            assert nesting.is_balanced_with(start, end, kind) == is_balanced(edited), place
            balanced += is_balanced(edited)
    assert balanced > 300


def test_only_edits_that_balance_the_brackets_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    applied = one_edit._Edit.applied
    monkeypatch.setattr(
        one_edit._Edit, "applied", lambda edit, tokens: made.append(edit) or applied(edit, tokens)
    )
    rows = [f'    {{ name = "n{i}", tags = ["a", "b"] }},\n' for i in range(100)]
    for at, sign in ((30, "{"), (60, "(")):
        rows[at] = rows[at].replace("[", sign)
    text = f"source a inline {{\n  rows = [\n{''.join(rows)}  ]\n}}\n"
    assert parse(SourceFile("a.mix", text)).diagnostics
    assert len(made) < 10, "of the hundreds that are thought of none mends two mistakes"
