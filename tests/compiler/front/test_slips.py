"""Slips of the first week: each is one finding at its place, and its fix, typed in, is right."""

from __future__ import annotations

from pathlib import Path

import pytest
from front_specs import compiled

from mixwright_dsl.diagnostic import Diagnostic

SPEC = """edition 2026
model teacher openai { base_url = "http://localhost:8000/v1", model = "tiny" }
source sums inline { rows = [{ q = "What is 1 + 1?", a = "2", tags = ["x", "y"], n = 3 }] }
template ask {
  user = "Solve {{ q }}"
}
pipeline solved {
  from sums { repeat = 20 }
  derive { y = len(q) }
  filter { where = n > 2 }
  generate b { prompt = ask, model = teacher, samples = 4 }
  verify math { response = b, answer = a, pick = first }
  chat { user = q, assistant = b }
}
mixture main { seed = 1, solved = 10 }
"""


def errors(directory: Path, text: str) -> tuple[Diagnostic, ...]:
    return compiled(directory, text).errors


def fixed(text: str, finding: Diagnostic) -> str:
    assert finding.fix is not None
    for edit in sorted(finding.fix.edits, key=lambda edit: -edit.span.start):
        text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    return text


def test_the_spec_is_right(tmp_path: Path) -> None:
    assert compiled(tmp_path, SPEC).diagnostics == ()


@pytest.mark.parametrize(
    ("right", "wrong", "at"),
    [
        ("samples = 4", "samples 4", ""),
        ("samples = 4", "samples: 4", ":"),
        ("samples = 4", "samples := 4", ":"),
        ("samples = 4", "samples => 4", "=>"),
        ("samples = 4", "samples -> 4", "->"),
        ("samples = 4", "samples == 4", "=="),
        ("samples = 4", "samples = 4;", ";"),
        ("samples = 4", '"samples" = 4', '"samples"'),
        ("seed = 1,", "seed = 1;", ";"),
        ("pipeline solved {", "pipeline solved ｛", "｛"),
        ("seed = 1, solved", "seed ＝ 1， solved", "＝"),
        ("seed = 1", "seed = １", "１"),
        ("len(q)", "len（q）", "（"),
        ('["x", "y"]', '【"x"、 "y"】', "【"),
        ("seed = 1", "seed\u00a0=\u00a01", "\u00a0"),
        ("seed = 1", "seed\u3000= 1", "\u3000"),
        ("seed = 1", "seed\u200b = 1", "\u200b"),
        ("samples", "sam\u200bples", "\u200b"),
        ("seed = 1,", "seed = 1,\u2028", "\u2028"),
        ("model teacher", "\ufeffmodel teacher", "\ufeff"),
        ('"Solve {{ q }}"', "'Solve {{ q }}'", "'Solve {{ q }}'"),
        ('"Solve {{ q }}"', "“Solve {{ q }}”", "“"),
        ('"Solve {{ q }}"', "„Don’t solve {{ q }}“", "„"),
        ('"Solve {{ q }}"', '"Solve {{ q }}”', "”"),
        ('"Solve {{ q }}"', 'f"Solve {q}"', "f"),
        ('"Solve {{ q }}"', 'r"Solve {{ q }}"', "r"),
        ('"Solve {{ q }}"', '"""Solve {{ q }}"""', '"""'),
        ('"Solve {{ q }}"', '"""\n  Solve {{ q }}\n\n  "Now."\n  """', '"""'),
        ('"Solve {{ q }}"', '"""Solve {{ q }}\nnow"""', '"""'),
        ('"Solve {{ q }}"', "<<~JINJA\n\tSolve {{ q }}\n    now\n    JINJA", "\t"),
        ("  filter", "  // only large ones\n  filter", "//"),
        ("  filter", "  /* only\n   * large ones */\n  filter", "/*"),
        ("  filter", "  <!-- only large ones -->\n  filter", "<!--"),
        ("n > 2", "n > 2 && n < 4", "&&"),
        ("n > 2", "n > 2 || n < 4", "||"),
        ("n > 2", "n > 2 AND n < 4", "AND"),
        ("n > 2", "!is_null(q)", "!"),
        ("n > 2", "n === 3", "==="),
        ("n > 2", "n !== 2", "!=="),
        ("n > 2", "n <> 2", "<>"),
        ("n > 2", "q is not null", "is"),
        ("n > 2", "n > 1 and q is null", "is"),
        ("where = n > 2", "where = n = 3", "="),
        ("n > 2", "True", "True"),
        ("y = len(q)", "y = coalesce(None, q)", "None"),
        ("y = len(q)", 'y = n > 2 ? "a" : "b"', "?"),
        ("y = len(q)", 'y = "a" if n > 2 else "b"', "if"),
        ("y = len(q)", "y = tags[0]", "["),
        ("y = len(q)", "y = len(tags[1]) + 1", "["),
        ("y = len(q)", "y = q | upper", "|"),
        ("y = len(q)", 'y = q | replace("a", "b")', "|"),
        ("y = len(q)", "y = length(q)", "length"),
        ("y = len(q)", "y = str(n)", "str"),
        ("y = len(q)", "y = q.len()", "len"),
        ("y = len(q)", 'y = q.replace("a", "b")', "replace"),
        ("y = len(q)", 'y = f"{q}, {n}!"', "f"),
        ("solved = 10", "solved = 149,960", "149"),
        ("solved = 10", "solved = 1,149,960", "1"),
        ("solved = 10", "solved = max(149,960)", "149,960"),
        ("solved = 10", "solved = 10 k", "k"),
        ("repeat = 20", "repeat 20", ""),
        ("prompt = ask", "prompt = template.ask", "template.ask"),
        ("from sums { repeat = 20 }", "from sums { repeat = 20 }\n  limit = 10", "limit = 10"),
        ("from sums { repeat = 20 }", "from sums { repeat = 20 }\n  limit 10", "limit 10"),
        ("from sums { repeat = 20 }", "from sums\n  where = n > 1", "where = n > 1"),
        ("from sums { repeat = 20 }", "source = sums", "source = sums"),
        ("from sums { repeat = 20 }", "source sums", "source sums"),
    ],
)
def test_a_slip_is_one_finding_and_its_fix_is_right(right: str, wrong: str, at: str, tmp_path: Path) -> None:
    assert SPEC.count(right) >= 1
    text = SPEC.replace(right, wrong, 1)
    (finding,) = errors(tmp_path, text)
    assert finding.primary.span.text == at
    first = SPEC.index(right)
    assert first <= finding.primary.span.start <= first + len(wrong)
    left = [d for d in errors(tmp_path, fixed(text, finding)) if d.code != "MIX604"]
    assert left == []


@pytest.mark.parametrize(
    ("right", "wrong", "line", "hint"),
    [
        (
            "  filter { where = n > 2 }",
            "<<<<<<< HEAD\n  filter { where = n > 2 }\n=======\n  filter { where = n > 3 }\n>>>>>>> branch",
            10,
            "keep one of the versions, and delete the other with all marks",
        ),
        (
            "  filter",
            "<<<<<<< HEAD\n  filter",
            10,
            "keep one of the versions, and delete the other with all marks",
        ),
        (
            '"http://localhost:8000/v1"',
            "$URL",
            2,
            'a secret is `env("URL")`; any other input is a `param`, set with `-p`',
        ),
        ("y = len(q)", "y = q.len", 9, "write `len(q)`"),
        ("y = len(q)", 'y = "a" + 1', 9, "convert it: `text(1)`"),
        (
            "http://localhost",
            "http://me:hunter2@localhost",
            2,
            'take it out of the URL; a key is given by `api_key = env("API_KEY")`',
        ),
    ],
)
def test_a_slip_without_a_fix_has_words(right: str, wrong: str, line: int, hint: str, tmp_path: Path) -> None:
    (finding,) = errors(tmp_path, SPEC.replace(right, wrong, 1))
    assert (finding.primary.span.position.line, finding.hint) == (line, hint)


def test_line_ends_and_marks_of_other_systems_are_read(tmp_path: Path) -> None:
    spec = tmp_path / "spec.mix"
    (tmp_path / ".mixwright").mkdir()
    spec.write_bytes(b"\xef\xbb\xbf" + SPEC.replace("\n", "\r\n").encode())
    from mixwright_compiler.stages import compile_file

    assert compile_file(spec).diagnostics == ()


def test_old_line_ends_are_one_finding_with_one_fix(tmp_path: Path) -> None:
    text = SPEC.replace("\n", "\r")
    (finding,) = errors(tmp_path, text)
    assert (finding.code, finding.hint) == ("MIX001", "use a line end")
    assert fixed(text, finding) == SPEC
