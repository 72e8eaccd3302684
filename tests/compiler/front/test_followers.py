"""One mistake is one finding: what only follows from it is not said."""

from __future__ import annotations

from pathlib import Path

import pytest
from front_specs import compiled

SPEC = """edition 2026
model teacher openai { base_url = "http://localhost:8000/v1", model = "tiny" }
source problems inline { rows = [{ problem = "1 + 1" }, { problem = "2 + 2" }] }
template solve { user = "{{ problem }}" }
param scale { type = float, default = 2, min = 0.5, max = 4 }
pipeline solved {
  from problems { repeat = 20 }
  generate solution { prompt = solve, model = teacher, samples = 8 }
  verify math { response = solution, agree = 5, pick = first }
  chat { user = problem, assistant = solution }
}
pipeline again {
  from solved
  generate other { prompt = solve, model = teacher }
}
mixture main { seed = 1, solved = 4 * scale, again = 8 }
"""


def test_the_spec_is_right(tmp_path: Path) -> None:
    assert compiled(tmp_path, SPEC).diagnostics == ()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("samples = 8", "samples = eight", [(8, "MIX119")]),
        ("samples = 8", "smaples = 8", [(8, "MIX105")]),
        ("samples = 8", "samples 8", [(8, "MIX005")]),
        ("verify math", "verify maths", [(9, "MIX116")]),
        ("verify math", "verfy math", [(9, "MIX116")]),
        ("pick = first", "pick = frist", [(9, "MIX118")]),
        ("repeat = 20", "repeat = all", [(7, "MIX119")]),
        ("repeat = 20", "repaet = 20", [(7, "MIX105")]),
        ("  from problems", "  form problems", [(7, "MIX116")]),
        ('user = "{{', 'User = "{{', [(4, "MIX105")]),
        ("default = 2", "dfault = 2", [(5, "MIX105")]),
        ("type = float", "type = flaot", [(5, "MIX118")]),
        ("model teacher openai", "model openai teacher", [(2, "MIX116")]),
        ("model teacher openai", "teacher model openai", [(2, "MIX116")]),
        ("template solve {", "template { solve = 1, ", [(4, "MIX120"), (8, "MIX101")]),
        ("template solve {", "tempalte solve {", [(4, "MIX116")]),
        ("edition 2026", "edition 2,026", [(1, "MIX005")]),
        ("edition 2026", "edition 2026 2026", [(1, "MIX120")]),
        ("param scale {", "param scale factor {", [(5, "MIX120")]),
        ("seed = 1, solved", "sed = 1, solved", [(16, "MIX105")]),
    ],
)
def test_one_mistake_is_told_once(
    old: str, new: str, expected: list[tuple[int, str]], tmp_path: Path
) -> None:
    found = compiled(tmp_path, SPEC.replace(old, new, 1)).diagnostics
    assert [(d.primary.span.position.line, d.code) for d in found] == expected


def test_a_name_that_nothing_declares_is_told_where_it_is_first_used(tmp_path: Path) -> None:
    (finding,) = compiled(tmp_path, SPEC.replace("template solve", "template slove")).diagnostics
    assert (finding.code, finding.hint) == ("MIX101", "did you mean `slove`?")
    places = [(label.span.position.line, label.message) for label in finding.secondary]
    assert places == [(4, "declared here, and not used so far"), (14, "and here")]
