"""Prompts: what a template prints, and what it cannot do."""

from __future__ import annotations

from typing import Any

import pytest
from made import ORIGIN, template

from mixwright_compiler.plan.plan import TemplateMessage, TemplateSpec
from mixwright_runtime.errors import RowError, RunError
from mixwright_runtime.values.templates import OUTPUT_LIMIT, compile_template


def rendered(text: str, /, **columns: Any) -> str:
    return compile_template(template("t", text))(columns).messages[0]["content"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Hello {{ name }}!\n", "Hello Ada!"),
        ("{% if none %}x{% else %}y{% endif %}", "y"),
        ("{% for n in numbers %}\n{{ loop.index }}. {{ n }}\n{% endfor %}", "1. 10\n2. 20"),
        ("{{ numbers }} {{ who }}", '[10, 20] {"name": "é"}'),
        ("{{ who.name }}{{ who['name'] }}", "éé"),
        ("{{ none | default('-', true) }}", "-"),
        ("{{ html }}", "<b> & 'c'"),
        ("{{ html | tojson }}", "\"<b> & 'c'\""),
        ("{{ numbers | join(', ') }}", "10, 20"),
        ("{{ '%s' }}", "%s"),
    ],
)
def test_what_is_printed(text: str, expected: str) -> None:
    columns = {
        "name": "Ada", "none": None, "numbers": [10, 20], "who": {"name": "é"}, "html": "<b> & 'c'"
    }  # fmt: skip
    assert rendered(text, **columns) == expected


def test_messages_keep_their_roles_and_an_empty_system_is_left_out() -> None:
    spec = TemplateSpec(
        name="t",
        messages=(
            TemplateMessage(role="system", text="{{ rules }}"),
            TemplateMessage(role="user", text="{{ q }}"),
            TemplateMessage(role="assistant", text="Answer:\n"),
        ),
        inputs=("rules", "q"),
        origin=ORIGIN,
    )
    render = compile_template(spec)
    user, prefix = {"role": "user", "content": "2+2"}, {"role": "assistant", "content": "Answer:"}
    assert render({"rules": "Be kind.", "q": "2+2"}).messages == (
        {"role": "system", "content": "Be kind."},
        user,
        prefix,
    )
    assert render({"rules": "", "q": "2+2"}).messages == (user, prefix)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{{ missing }}", "'missing' is undefined"),
        ("{{ who.age }}", "has no attribute 'age'"),
        ("a {{ none }} b", "a null value is printed"),
        ("{{ blank }}", "renders an empty user message"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ name.__class__.__mro__ }}", "unsafe"),
        ("{{ name | attr('__class__') }}", "unsafe"),
        ("{{ who.update({'a': 1}) }}", "unsafe"),
        ("{{ range(10) }}", "'range' is undefined"),
        ("{{ lipsum(5) }}", "'lipsum' is undefined"),
        ("{{ 'a' * 1000000000 }}", "longer than"),
        ("{{ [1] * 1000000000 }}", "longer than"),
        ("{{ 10 ** 100000000 }}", "power that is too large"),
        ("{{ '%1000000000d' % 1 }}", "% is not available"),
        ("{{ '{:1000000000}'.format(1) }}", "unsafe"),
        ("{{ 'a'.ljust(1000000000) }}", "unsafe"),
        ("{{ name | indent(1000000000) }}", "a width above 1000"),
        ("{% for a in big %}{% for b in big %}{{ big }}{% endfor %}{% endfor %}", "renders more than"),
    ],
)
def test_a_row_that_cannot_be_rendered(text: str, problem: str) -> None:
    columns = {"name": "Ada", "none": None, "blank": " ", "who": {"name": "é"}, "big": "x" * 10_000}
    with pytest.raises(RowError, match=r"template 't'") as caught:
        rendered(text, **columns)
    assert problem in str(caught.value)


@pytest.mark.parametrize("text", ["{{ name | random }}", "{% include 'x' %}{{ name | format(1) }}", "{{ a"])
def test_what_is_no_template_here(text: str) -> None:
    with pytest.raises(RunError, match="template 't'"):
        compile_template(template("t", text))


def test_a_row_cannot_carry_a_template() -> None:
    assert rendered("{{ name }}", name="{{ secret }}{% for %}") == "{{ secret }}{% for %}"


def test_output_limit_is_above_any_model() -> None:
    assert len(rendered("{{ name }}", name="x" * (OUTPUT_LIMIT - 1))) == OUTPUT_LIMIT - 1
