"""Eight mistakes that data-building tools let through to the first request, each in an otherwise right spec.

Each is one error, at the line and column of the mistake, and nothing follows from it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mixwright_compiler.stages import compile_file

RIGHT = """\
edition 2026

model teacher openai {
  base_url = "http://127.0.0.1:8000/v1"
  model = "tiny"
}

source personas inline { rows = [{ persona = "a beekeeper" }, { persona = "a pilot" }] }

template write_problem {
  system = "You write problems."
  user = <<~JINJA
    Write a problem for:
    {{ persona }}
    JINJA
}

template solve { user = "Solve this: {{ problem }}" }

pipeline problems {
  from personas { repeat = 10 }
  generate problem {
    prompt = write_problem
    model = teacher
    temperature = 0.7
    max_tokens = 256
  }
  generate solution { prompt = solve, model = teacher }
  chat { user = problem, assistant = solution }
}

mixture main {
  seed = 1
  problems = 10
}

export out of main { path = "out/main" }
"""

DEFECTS = {
    # defect: (what to replace, with what, code, line, column, a word of the hint)
    "typo in a template variable": (
        "    {{ persona }}",
        "    {{ persnoa }}",
        ("MIX303", 14, 8, "did you mean `persona`?"),
    ),
    "a column that no step makes": (
        "assistant = solution }",
        "assistant = answer }",
        ("MIX401", 29, 38, "solution"),
    ),
    "misspelt attribute": (
        "    temperature = 0.7",
        "    temprature = 0.7",
        ("MIX105", 25, 5, "did you mean `temperature`?"),
    ),
    "temperature below zero": (
        "temperature = 0.7",
        "temperature = -3",
        ("MIX117", 25, 19, "`0`"),
    ),
    "text where a count is needed": (
        "max_tokens = 256",
        'max_tokens = "many"',
        ("MIX107", 26, 18, "for example"),
    ),
    "unknown model": (
        "generate solution { prompt = solve, model = teacher }",
        "generate solution { prompt = solve, model = techer }",
        ("MIX101", 28, 47, "did you mean `teacher`?"),
    ),
    "cycle": (
        "from personas { repeat = 10 }",
        "from problems",
        ("MIX103", 21, 8, "start from a source"),
    ),
    "duplicate name": (
        "template solve {",
        'template write_problem { user = "Again: {{ problem }}" }\ntemplate solve {',
        ("MIX114", 18, 10, "rename one"),
    ),
}


def findings(tmp_path: Path, text: str) -> list[tuple[str, int, int, str]]:
    spec = tmp_path / "spec.mix"
    spec.write_text(text, encoding="utf-8")
    result = compile_file(spec)
    return [
        (d.code, d.primary.span.position.line, d.primary.span.position.column, d.hint)
        for d in result.diagnostics
        if d.code not in ("MIX104", "MIX908")
    ]


def test_spec_without_a_defect_has_no_finding(tmp_path: Path) -> None:
    assert findings(tmp_path, RIGHT) == []


@pytest.mark.parametrize("defect", DEFECTS)
def test_defect_is_the_one_finding(defect: str, tmp_path: Path) -> None:
    old, new, (code, line, column, hint) = DEFECTS[defect]
    assert RIGHT.count(old) == 1
    found = findings(tmp_path, RIGHT.replace(old, new))
    assert [f[:3] for f in found] == [(code, line, column)]
    assert hint in found[0][3]


def test_all_defects_in_one_spec_are_found_at_once(tmp_path: Path) -> None:
    text = RIGHT
    for name, (old, new, _) in DEFECTS.items():
        if name not in ("misspelt attribute", "cycle"):  # they take the place of others
            text = text.replace(old, new)
    codes = sorted(code for code, *_ in findings(tmp_path, text))
    assert codes == ["MIX101", "MIX107", "MIX114", "MIX117", "MIX303", "MIX401"]
