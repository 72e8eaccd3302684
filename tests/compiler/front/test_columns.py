"""Columns on their way through a pipeline, templates against them, and what a lock adds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from front_specs import compiled, expected, found

HEAD = """edition 2026
model m openai { base_url = "http://localhost/v1", model = "tiny" }
source people inline { rows = [{ name = "Ada", age = 36, tags = ["a"], home = { city = "London" } }] }
"""


def columns(tmp_path: Path, steps: str) -> dict[str, str]:
    program = compiled(tmp_path, f"{HEAD}pipeline p {{\n  from people\n{steps}\n}}\n").program
    assert program is not None
    return dict(program.pipelines["p"].columns)


def test_inline_rows_have_types(tmp_path: Path) -> None:
    assert columns(tmp_path, "") == {
        "name": "text",
        "age": "int",
        "tags": "list[text]",
        "home": "struct{city: text}",
    }


def test_each_step_adds_what_it_makes(tmp_path: Path) -> None:
    steps = """
  draw shots { from = people, count = 1 }
  draw topic { values = ["a", "b"] }
  draw pair { values = [1, 2, 3], count = 2 }
  derive { half = age / 2, city = home.city, loud = upper(name), known = name in tags }
  generate answer { prompt = ask, model = m }
  generate parts { prompt = ask, model = m, parse = json() }
  render line { templates = [ask] }
  chat { user = name, assistant = answer }
}
template ask { user = "{{ name }}"
"""
    found = columns(tmp_path, steps)
    person = "struct{name: text, age: int, tags: list[text], home: struct{city: text}}"
    assert {n: t for n, t in found.items() if n not in ("name", "age", "tags", "home")} == {
        "shots": person,
        "topic": "text",
        "pair": "list[int]",
        "half": "float",
        "city": "text",
        "loud": "text",
        "known": "bool",
        "answer": "text",
        "parts": "json",
        "line": "text",
        "line_template": "text",
        "messages": "chat",
    }


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("nme == 1", "MIX401"),
        ('age == "36"', "MIX123"),
        ("len(age) > 1", "MIX123"),
        ("name + 1 == name", "MIX123"),
        ("age", "MIX123"),
        ("home.town == name", "MIX123"),
        ('"a" in name', "MIX123"),
        ("contains(tags, 3)", "MIX123"),
        ('extract(name, "(a)", 2) == name', "MIX124"),
        ('matches(name, "(")', "MIX124"),
        # Python reads these, RE2 does not.
        ('matches(name, "(?x)a b")', "MIX124"),
        ('matches(name, "a{1001}")', "MIX124"),
        ('matches(name, "(?=a)")', "MIX124"),
        # The RE2 of rows reads these, the older one of tables does not, or finds halves of characters.
        ('matches(name, "(?<letter>a)")', "MIX124"),
        (r'matches(name, "\\C")', "MIX124"),
        ("lenn(name) > 1", "MIX122"),
        ("len(name, name) > 1", "MIX122"),
        ("age > 10s", "MIX125"),
        ("age == null", "MIX418"),
        ("not name", "MIX123"),
    ],
)
def test_wrong_expression_is_one_finding(expression: str, code: str, tmp_path: Path) -> None:
    text = f"{HEAD}pipeline p {{\n  from people\n  filter {{ where = {expression} }}\n}}\n"
    assert [d.code for d in compiled(tmp_path, text).diagnostics] == [code]


def test_both_sides_of_an_operator_are_checked(tmp_path: Path) -> None:
    text = f"{HEAD}pipeline p {{\n  from people\n  filter {{ where = nme == 1 and ag > 2 }}\n}}\n"
    assert [d.code for d in compiled(tmp_path, text).diagnostics] == ["MIX401", "MIX401"]


def test_a_broken_step_does_not_hide_or_echo(tmp_path: Path) -> None:
    text = (
        HEAD
        + """pipeline p {
  from people
  generate question { prompt = nowhere, model = m }  # error[MIX101]
  genrate answer { prompt = ask, model = m }  # error[MIX116]
  chat { user = question, assistant = answer }
}
pipeline q { from p, filter { where = len(answer) > 3 } }
template ask { user = "{{ question }}" }
"""
    )
    assert found(compiled(tmp_path, text)) == expected(text)


def test_pipeline_from_a_pipeline_sees_its_columns(tmp_path: Path) -> None:
    text = (
        HEAD
        + "pipeline p { from people, derive { n = len(name) } }\npipeline q { from p { where = n > 1 } }\n"
    )
    program = compiled(tmp_path, text).program
    assert program is not None and program.pipelines["q"].columns["n"] == "int"


def test_steps_for_different_rows_may_make_one_column(tmp_path: Path) -> None:
    steps = """
  render line { templates = [t], when = age > 18 }
  render line { templates = [t], when = age <= 18 }
}
template t { user = "{{ name }}"
"""
    assert columns(tmp_path, steps)["line"] == "text"


def with_template(body: str) -> str:
    return (
        HEAD + "pipeline p {\n  from people\n  render r { templates = [t] }\n}\ntemplate t { " + body + " }\n"
    )


@pytest.mark.parametrize(
    "jinja",
    [
        "{% for t in tags %}{{ loop.index }} {{ t | upper }}{% endfor %}",
        "{% if nick is defined %}{{ nick }}{% else %}{{ name }}{% endif %}",
        "{{ nick | default(name) }}",
        "{% set n = age + 1 %}{{ n }}",
        "{{ home.city }} {{ home['city'] }} {{ name.strip() }} {{ tags[0] }} {{ name if age > 3 else '' }}",
        "{# {{ nowhere }} #}{% raw %}{{ nowhere }}{% endraw %}{{ tags | join(', ') }}",
        "{% for t in tags if t != name %}{{ t }}{% endfor %}{{ age ~ name }}",
    ],
)
def test_right_templates_have_no_finding(jinja: str, tmp_path: Path) -> None:
    text = with_template(f'user = "{jinja}"')
    assert [(d.code, d.message) for d in compiled(tmp_path, text).diagnostics] == []


@pytest.mark.parametrize(
    ("jinja", "code", "marked"),
    [
        ('Say \\"hi\\" to {{ nmae }}', "MIX303", "nmae"),
        ("{{ name | uper }}", "MIX305", "uper"),
        ("{{ name | random }}", "MIX306", "random"),
        ("{{ home.ctiy }}", "MIX309", "ctiy"),
        ("{{ name.first }}", "MIX309", "first"),
        ("{% for a in age %}{{ a }}{% endfor %}", "MIX309", "age"),
        ("{% for t in tags %}{{ t.x }}{% endfor %}", "MIX309", "x"),
        ("{% for t in tags %}{% endfor %}{{ t }}", "MIX303", "t"),
        ("name {{ name }} {% fi name %}", "MIX301", "fi"),
        ("{% endif %}", "MIX301", "endif"),
        ("{{ name", "MIX301", "{{"),
        ("{% if name %}x", "MIX301", "if"),
        ("{% include 'x' %}", "MIX308", "include"),
        ("{{ name is evn }}", "MIX305", "evn"),
        ("{{ range(3) }}", "MIX303", "range"),
        ("{{ name }} {{ nick | default(name) }} {{ nick }}", "MIX303", "nick"),
    ],
)
def test_wrong_template_is_one_finding_at_its_place(
    jinja: str, code: str, marked: str, tmp_path: Path
) -> None:
    text = with_template(f'user = "{jinja}"')
    result = compiled(tmp_path, text)
    assert [(d.code, d.primary.span.text) for d in result.errors] == [(code, marked)]


def test_finding_in_a_template_file_points_into_that_file(tmp_path: Path) -> None:
    text = with_template('file = "ask.j2"')
    result = compiled(tmp_path, text, files={"ask.j2": "Hello\n\n  {{ name }} and {{ nmae }}\n"})
    assert [(d.code, str(d.primary.span)) for d in result.errors] == [("MIX303", f"{tmp_path}/ask.j2:3:21")]


def test_finding_in_a_heredoc_points_at_its_line_and_column(tmp_path: Path) -> None:
    text = with_template("user = <<~JINJA\n      Hello\n        {{ nmae }}\n      JINJA\n")
    result = compiled(tmp_path, text)
    at = result.errors[0].primary.span
    assert (result.errors[0].code, at.position.line, at.text) == ("MIX303", 10, "nmae")
    assert text.split("\n")[9][at.position.column - 1 :].startswith("nmae")


def locked(tmp_path: Path, text: str, types: dict[str, str], rows: int = 10) -> object:
    """Compile twice: the first time to know the definition that a lock states."""
    from mixwright_compiler.bind.lock import Lock, SourceLock, source_definition, write_lock

    first = compiled(tmp_path, text).draft
    assert first is not None
    source = first.sources["s"]
    definition = source_definition(source.entry, source.attributes)
    write_lock(
        tmp_path / "spec.lock",
        Lock(sources={"s": SourceLock("sha256:0", rows, types, definition, license="mit")}),
    )
    return compiled(tmp_path, text)


SOURCE = 'edition 2026\nsource s jsonl {{ path = "data/problems.jsonl"{0} }}\n'


def test_lock_makes_columns_known(tmp_path: Path) -> None:
    text = SOURCE.format("") + "pipeline p { from s { where = len(questio) > 3 } }\n"
    assert [d.code for d in compiled(tmp_path, text).diagnostics] == ["MIX211"]
    result = locked(tmp_path, text, {"question": "text"})
    assert [(d.code, d.hint) for d in result.diagnostics] == [("MIX401", "did you mean `question`?")]  # type: ignore[attr-defined]


def test_lock_shows_a_column_that_the_file_does_not_have(tmp_path: Path) -> None:
    text = SOURCE.format(", columns = { problem = questio }")
    result = locked(tmp_path, text, {"question": "text"})
    assert [d.code for d in result.diagnostics] == ["MIX203"]  # type: ignore[attr-defined]


def test_lock_shows_a_quota_above_the_rows(tmp_path: Path) -> None:
    text = SOURCE.format("") + "mixture main {\n  seed = 1\n  s = 11\n}\n"
    result = locked(tmp_path, text, {"question": "text"}, rows=10)
    assert [(d.code, d.primary.message) for d in result.diagnostics] == [  # type: ignore[attr-defined]
        ("MIX604", "10 rows = 10 at most")
    ]


def test_mapping_names_columns_without_a_lock(tmp_path: Path) -> None:
    text = (
        SOURCE.format(", columns = { problem = question }")
        + "pipeline p { from s { where = problm == problem } }\n"
    )
    assert [d.code for d in compiled(tmp_path, text).diagnostics] == ["MIX401"]


def test_schema_in_a_json_heredoc(tmp_path: Path) -> None:
    schema = json.dumps({"type": "object", "$defs": {}})
    steps = """
  generate a {{
    prompt = t
    model = m
    schema = <<~JSON
      {0}
      JSON
  }}
}}
template t {{ user = "{{{{ name }}}}" }}
"""
    text = f"{HEAD}pipeline p {{\n  from people\n" + steps.format(schema)
    program = compiled(tmp_path, text).program
    assert program is not None
    assert program.pipelines["p"].steps[0].attributes["schema"].value == {"type": "object", "$defs": {}}
    broken = compiled(tmp_path, f"{HEAD}pipeline p {{\n  from people\n" + steps.format('{"type": }'))
    assert [(d.code, d.primary.span.text) for d in broken.errors] == [("MIX107", "}")]


def test_balance_of_a_draw_is_a_column_of_the_drawn_rows(tmp_path: Path) -> None:
    drawn = 'source topics inline { rows = [{ topic = "bees", kind = "animal" }] }\n'
    text = HEAD + drawn + "pipeline p {\n  from people\n  draw t { from = topics, balance = {0} }\n}\n"
    assert compiled(tmp_path, text.replace("{0}", "kind")).program is not None
    wrong = compiled(tmp_path, text.replace("{0}", "age"))
    assert [(d.code, d.primary.span.text) for d in wrong.errors] == [("MIX401", "age")]


def test_template_of_an_evaluation_is_checked_against_its_rows(tmp_path: Path) -> None:
    text = (
        HEAD
        + """source exam inline { rows = [{ problem = "1 + 1", answer = "2" }] }
template solve { user = "{{ problm }}" }  # error[MIX303]
pipeline p { from people, derive { reply = name }, chat { user = name, assistant = reply } }
mixture main {
  seed = 1
  p = all
  decontaminate ngram { against = [exam] }
}
train student on main {
  base = "base"
  output = "out"
  evaluate { on = exam, prompt = solve, answer = answer }
}
"""
    )
    found_errors = [f for f in found(compiled(tmp_path, text)) if f[1] == "error"]
    assert found_errors == expected(text)


def test_filters_and_tests_are_those_of_the_runtime() -> None:
    from mixwright_compiler.templates.walk import FILTERS, TESTS
    from mixwright_runtime.values.templates import FILTERS as RUNTIME_FILTERS
    from mixwright_runtime.values.templates import _environment

    assert set(FILTERS) <= set(RUNTIME_FILTERS)
    # `format` exists there only to be refused, and attributes are read with a dot.
    assert set(RUNTIME_FILTERS) - set(FILTERS) <= {"format", "attr"}
    assert set(_environment().tests) >= TESTS


def test_one_mistake_is_one_finding_however_often_it_is_met(tmp_path: Path) -> None:
    text = (
        HEAD
        + """pipeline p {
  from people
  derive { line = name + age }  # error[MIX123]
  filter { where = len(lin) > 3 }  # error[MIX401]
  dedup exact { on = lin }
  chat { user = line, assistant = lin }
}
pipeline q {
  from people
  gnerate more { prompt = t, model = m }  # error[MIX116]
  chat { user = name, assistant = what_it_would_make }
}
template t { user = "{{ name }}" }
mixture main {
  seed = 1
  p = all
  dedup exact { on = nmae }  # error[MIX401]
}
variant other of main { set { seed = 2 } }
"""
    )
    assert found(compiled(tmp_path, text)) == expected(text)
