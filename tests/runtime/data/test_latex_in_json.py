"""LaTeX in JSON whose backslashes a model did not double survives, and JSON that is well formed stays what it says."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixwright_runtime.values.control_characters import control_character_in
from mixwright_runtime.values.json_in_text import ParseFailed, json_of, last_json
from mixwright_runtime.values.latex_in_json import _COMMANDS, _ESCAPE, without_broken_escapes
from mixwright_runtime.values.parse import compile_parse

JSON = {"call": "json", "args": [], "keywords": {}}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        # What can only be LaTeX.
        (r"\frac{1}{2} + \beta", r"\frac{1}{2} + \beta"),
        (r"\(x\) and \[y\] and \{z\}", r"\(x\) and \[y\] and \{z\}"),
        (r"\underline{a} \uparrow", r"\underline{a} \uparrow"),
        (r"\begin{cases}1\end{cases}", r"\begin{cases}1\end{cases}"),
        (r"It\'s", "It's"),
        # What can be both: next to what can only be LaTeX, alone, and where the writer doubles backslashes.
        (r"\alpha \neq \nu \to \theta", r"\alpha \neq \nu \to \theta"),
        (r"2 \times 3", r"2 \times 3"),
        (r"f: A \to B", r"f: A \to B"),
        (r"a $\nu$ b", r"a $\nu$ b"),
        (r"\nabla f, \text{if} \rho", r"\nabla f, \text{if} \rho"),
        (r"\\alpha is\nu", "\\alpha is\nu"),
        (r"\\alpha is\nabla", "\\alpha is\nabla"),
        (r"so.\nu = \frac12", "so.\nu = \\frac12"),
        (r"one\n\nabla", "one\n\\nabla"),
        # What JSON says.
        (r"one\ntwo\tthree\r\nfour", "one\ntwo\tthree\r\nfour"),
        (r"a\nu = 3\ne = 2\n\nNow", "a\nu = 3\ne = 2\n\nNow"),
        (r"$$\nu = 3\n$$", "$$\nu = 3\n$$"),
        (r"def f():\n\treturn 1\n\ttop = 2", "def f():\n\treturn 1\n\ttop = 2"),
        (r"\u00e9 \"q\" \/ \\", 'é "q" / \\'),
        (r"C:\\new\\temp", r"C:\new\temp"),
    ],
)
def test_what_a_backslash_means(written: str, meant: str) -> None:
    assert json_of(f'{{"a": "{written}"}}') == {"a": meant}
    assert last_json(
        f'Here \\alpha is it:\n```json\n{{"a": "{written}"}}\n```\nGood?', {"type": "object"}
    ) == {"a": meant}


def test_words_around_json_do_not_decide_over_it() -> None:
    assert last_json(r'With $\alpha$: {"a": "is\nu = 3"} and $\beta$.') == {"a": "is\nu = 3"}


_VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(_VALUES)
def test_json_with_real_line_ends_stays(value: Any) -> None:
    text = json.dumps(value)
    if re.search(r"\\[bf][A-Za-z]", text) or any(
        m[1:] in _COMMANDS for m in re.findall(r"\\[ntr][A-Za-z]+", text)
    ):
        return
    assert json_of(text) == value


@given(
    st.lists(
        st.sampled_from(["the", "next", "line", "u", "e", "o", "it", "x = 1", "# Title", "- item"]),
        min_size=1,
    )
)
def test_lines_stay_lines(lines: list[str]) -> None:
    text = "\n".join(lines) + ".\n\t" + "\t".join(lines)
    assert json_of(json.dumps({"a": text})) == {"a": text}


@given(
    st.lists(
        st.sampled_from([*sorted(_COMMANDS), "frac", "beta", "alpha", "forall", "bar", "sum", "underline"]),
        min_size=1,
    )
)
def test_commands_survive(commands: list[str]) -> None:
    text = " ".join(f"\\{command}{{x}}" for command in commands)
    assert json_of(f'{{"a": "{text}"}}') == {"a": text}


@given(st.text())
def test_every_backslash_is_an_escape_that_json_has(text: str) -> None:
    fixed, broken = without_broken_escapes(text)
    assert [fixed[at : at + 2] for at in broken] == ["\\\\"] * len(broken)
    for escape in _ESCAPE.findall(fixed):
        assert escape[1] in '"\\/bfnrtu'


@pytest.mark.parametrize(
    "text", [r'{"a": "x\f"}', r'{"a": "\u0007"}', r'{"a": "\u0085"}', r'{"a\b": 1}', r'["\u007f"]']
)
def test_control_characters_are_told(text: str) -> None:
    assert control_character_in(json_of(text)).startswith("U+")
    assert control_character_in(["a\tb\r\n", {"é": "\u200b\U0001f600"}, None, 1]) == ""


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ('Here is the JSON:\n```json\n{"a": 1}\n```\nHope it helps!', {"a": 1}),
        ('The object {"a": 1} is it.', {"a": 1}),
        ('First {"a": 0}, no: {"a": 1}', {"a": 1}),
        ("```\n[1, 2]\n```", [1, 2]),
        ("42", 42),
    ],
)
def test_parse_reads_what_verifiers_read(answer: str, value: Any) -> None:
    assert compile_parse(JSON)(answer) == value == last_json(answer)


def test_a_field_is_looked_for_in_an_object() -> None:
    assert compile_parse({"call": "json", "args": ["a"]})('{"a": "x"}, see [1]') == "x"


@pytest.mark.parametrize(
    "answer", ['So: {"a": {"b": 1}, ', "no JSON", '{"a": NaN}', "[" * 300_000, '{"a":' * 100_000]
)
def test_what_parse_does_not_read(answer: str) -> None:
    with pytest.raises(ParseFailed):
        compile_parse(JSON)(answer)
