"""Placeholders of other template languages: what would give every row one prompt is told, with its place and its fix."""

from __future__ import annotations

from pathlib import Path

import pytest
from front_specs import compiled

from mixwright_dsl.diagnostic import Diagnostic

SPEC = """edition 2026

source people inline {{ rows = [{{ name = "Ada", home = {{ city = "Paris" }} }}, {{ name = "Alan", home = null }}] }}
model teacher openai {{ base_url = "http://localhost:8000/v1", model = "tiny" }}
template ask {{ {prompt} }}

pipeline problems {{
  from people
  {step}
}}
"""
GENERATE = "generate problem { prompt = ask, model = teacher }"


def spec(prompt: str, step: str = GENERATE) -> str:
    return SPEC.format(prompt=prompt, step=step)


def findings(directory: Path, text: str, **files: str) -> list[Diagnostic]:
    found = compiled(
        directory, text, files={name.replace("_", "."): content for name, content in files.items()}
    )
    return [d for d in found.diagnostics if d.code in ("MIX304", "MIX310", "MIX303", "MIX301")]


def fixed(text: str, found: list[Diagnostic]) -> str:
    """The text after the fix of every finding."""
    edits = [edit for finding in found if finding.fix for edit in finding.fix.edits]
    for edit in sorted(edits, key=lambda edit: -edit.span.start):
        text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    return text


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("{name}", "{{ name }}"),
        ("{ name }", "{{ name }}"),
        ("${name}", "{{ name }}"),
        ("#{name}", "{{ name }}"),
        ("{ { name } }", "{{ name }}"),
        ("｛｛ name ｝｝", "{{ name }}"),
        ("｛name｝", "{{ name }}"),
        ("{name!r}", "{{ name }}"),
        ("{name:>20}", "{{ name }}"),
        ("{home.city}", "{{ home.city }}"),
        ("%(name)s", "{{ name }}"),
        ("<name>", "{{ name }}"),
        ("<<name>>", "{{ name }}"),
        ("[name]", "{{ name }}"),
        ("$name", "{{ name }}"),
    ],
)
def test_a_column_between_other_signs_is_told_and_the_fix_mends_it(
    written: str, right: str, tmp_path: Path
) -> None:
    text = spec(f'user = "Write to {written} now."')
    (finding,) = findings(tmp_path, text)
    assert (finding.code, finding.primary.span.text, finding.hint) == ("MIX310", written, f"write `{right}`")
    mended = fixed(text, [finding])
    assert f'"Write to {right} now."' in mended
    assert findings(tmp_path, mended) == []


@pytest.mark.parametrize(
    "prompt",
    [
        "To {{ name }}: write \\\\boxed{name}, x^{name}, \\\\frac{1}{name}",
        'To {{ name }}: answer {\\"name\\": 1} or {name, city}',
        "<name>{{ name }}</name>",
        "To {{ name }}: put it as <name> or [name]",
        "To {{ name }}: {% raw %}{name}{% endraw %}{# {name} #}",
        "{% if name is defined %}Dear {{ name }}{% endif %}",
        "To {{ name }}, who lives in {town}",
        "{{ {'a': name}['a'] }}",
    ],
)
def test_what_may_be_meant_is_left_alone(prompt: str, tmp_path: Path) -> None:
    assert findings(tmp_path, spec(f'user = "{prompt}"')) == []


def test_every_place_of_one_name_is_one_finding_with_one_fix(tmp_path: Path) -> None:
    text = spec('system = "You know {name}.", user = "Dear {name}, or {name}, {{ home.city }}"')
    found = findings(tmp_path, text)
    assert [(d.code, d.primary.span.text) for d in found] == [("MIX310", "{name}")] * 2
    assert findings(tmp_path, fixed(text, found)) == []


def test_a_template_in_a_file_is_read_as_closely(tmp_path: Path) -> None:
    (finding,) = findings(tmp_path, spec('file = "ask.j2"'), ask_j2="Dear\n{name},\n")
    at = finding.primary.span
    assert (finding.code, Path(at.source.name).name, at.position.line, at.text) == (
        "MIX310",
        "ask.j2",
        2,
        "{name}",
    )


def test_a_template_that_reads_no_column_is_told_with_a_column_that_is_there(tmp_path: Path) -> None:
    text = spec('user = "Write about {topic}."')
    (finding,) = findings(tmp_path, text)
    assert (finding.code, finding.hint) == ("MIX304", "put a column into it: `{{ name }}`")
    assert finding.secondary[0].message == "a column is written `{{ name }}`, not `{topic}`"
    assert findings(tmp_path, fixed(text, [finding])) == []


@pytest.mark.parametrize(
    "step", ['derive { greeting = "Dear {name}!" }', 'derive { greeting = "Dear {{ name }}!" }']
)
def test_a_text_in_an_expression_has_no_placeholders(step: str, tmp_path: Path) -> None:
    text = spec('user = "{{ name }}"', step)
    (finding,) = findings(tmp_path, text)
    assert (finding.code, finding.hint) == ("MIX310", 'a text is joined: `"Dear " + name + "!"`')
    mended = fixed(text, [finding])
    assert findings(tmp_path, mended) == []
    assert compiled(tmp_path, mended).errors == ()


@pytest.mark.parametrize("written", ["{{name}", "{{{name}}}", "{{ name", "{{ name }"])
def test_braces_that_do_not_fit_are_no_jinja(written: str, tmp_path: Path) -> None:
    (finding,) = findings(tmp_path, spec(f'user = "Dear {written} now"'))
    assert finding.code == "MIX301"


def test_an_evaluation_that_asks_the_same_of_every_problem(tmp_path: Path) -> None:
    text = (
        spec('user = "{{ name }}"', "chat { user = name, assistant = name }")
        + """source exam inline { rows = [{ problem = "Who is Emmy?", answer = "Emmy" }] }
template solve { user = "Solve this." }
mixture main { seed = 1, problems = all }
train student on main {
  base = "base"
  output = "out"
  evaluate exam { on = exam, prompt = solve, verify math { response = reply, answer = answer } }
}
"""
    )
    (finding,) = findings(tmp_path, text)
    assert (finding.code, finding.hint) == ("MIX304", "put a column into it: `{{ problem }}`")
