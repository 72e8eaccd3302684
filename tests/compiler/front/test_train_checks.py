"""What a `train` block says that cannot be trained: the place, and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixwright_dsl.diagnostic import Diagnostic
from tests.compiler.front.front_specs import compiled

SPEC = """edition 2026

source people inline {{ rows = [{{ q = "1+1", a = "2" }}] }}
pipeline chats {{
  from people
  chat {{ user = q, assistant = a }}
}}
mixture main {{
  seed = 1
  chats = all
}}
train student on main {{
  base = "base"
  output = "out/student"
  {more}
}}
"""


def chat_template(tmp_path: Path, written: str, files: dict[str, str] | None = None) -> list[Diagnostic]:
    text = SPEC.format(more=f"chat_template = {written}")
    found = compiled(tmp_path, text, files={"base/config.json": "{}", **(files or {})}).diagnostics
    return [d for d in found if d.code in ("MIX202", "MIX764", "MIX902")]


@pytest.mark.parametrize(
    ("template", "line", "message"),
    [
        ("{% for m in messages %}\n{{ m.content }}\n", 2, "does not parse: unexpected end of template"),
        ("{{ messages }}\n{% endfor %}", 2, "does not parse: encountered unknown tag 'endfor'"),
        (
            "{% for m in messages %}\n{{ m.content +\n eos_tokn }}\n{% endfor %}",
            3,
            "fails on a question and its answer: 'eos_tokn' is undefined",
        ),
        (
            "{{ messages }}\n{{ raise_exception('No conversation is right.') }}",
            2,
            "fails on a question and its answer: no conversation is right",
        ),
    ],
)
def test_a_template_that_writes_no_conversation_is_shown_in_its_file(
    tmp_path: Path, template: str, line: int, message: str
) -> None:
    [found] = chat_template(tmp_path, '"chat.jinja"', {"chat.jinja": template})
    assert found.code == "MIX764"
    assert found.message == f"the chat template {message}"
    place = found.primary.span
    assert Path(place.source.name).name == "chat.jinja" and place.position.line == line
    assert [label.span.text for label in found.secondary] == ['"chat.jinja"']


def test_one_that_leaves_out_the_answer_has_no_line_at_fault(tmp_path: Path) -> None:
    [found] = chat_template(
        tmp_path, '"chat.jinja"', {"chat.jinja": "{% for m in messages %}{{ m.text }}{% endfor %}"}
    )
    assert found.message == "the chat template leaves out what the assistant says"
    assert found.primary.span.text == '"chat.jinja"'


def test_one_that_stands_in_the_spec_is_shown_there(tmp_path: Path) -> None:
    [found] = chat_template(tmp_path, "<<~J\n    {{ messages }}\n    {{ 1 + nothing.at_all }}\n    J")
    assert found.primary.span.text == "{{ 1 + nothing.at_all }}"
    [found] = chat_template(tmp_path, '"{% if messages %}"')
    assert found.primary.span.text == "{% if messages %}"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{{ c }}"
            "{% endfor %}{% endfor %}{% endfor %}",
            "its loops run more than 100,000 lines",
        ),
        (
            "{% for n in [0, 0] recursive %}{{ loop([0, 0]) }}{% endfor %}",
            "maximum recursion depth exceeded",
        ),
        ("{{ 9 ** 9 ** 9 }}", "it takes a power that is too large"),
        ("{{ 'a' * 9 ** 12 }}", "it makes a text longer than 1,000,000 characters"),
    ],
)
def test_one_that_does_not_end_ends_the_check_nevertheless(
    tmp_path: Path, template: str, message: str
) -> None:
    [found] = chat_template(tmp_path, '"chat.jinja"', {"chat.jinja": template})
    assert message in found.message


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ m.role }}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}",
        "{% if messages[0].role != 'system' %}{{ raise_exception('no system') }}{% endif %}{{ messages[-1].content }}",
        "{% for m in messages %}{% for part in m.content %}{{ part.text + eos_token }}{% endfor %}{% endfor %}",
        "{{ tools | length }}{{ tools | tojson(indent=2) }}{% for m in messages %}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{{ m.content | upper }}{% endfor %}",
        "{{ strftime_now('%Y') }}{% for m in messages if not enable_thinking %}{{ m.content }}{% endfor %}",
    ],
)
def test_templates_as_transformers_reads_them_are_right(tmp_path: Path, template: str) -> None:
    assert chat_template(tmp_path, '"chat.jinja"', {"chat.jinja": template}) == []


def test_a_file_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    [found] = chat_template(tmp_path, '"chta.jinja"', {"chat.jinja": "{{ messages }}"})
    assert (found.code, found.message, found.hint) == (
        "MIX202",
        "no file `chta.jinja`",
        "did you mean `chat.jinja`?",
    )
    assert found.primary.span.text == '"chta.jinja"'
    [found] = chat_template(tmp_path, '"../chat.jinja"')
    assert found.code == "MIX902"
