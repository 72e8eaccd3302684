"""What an editor is offered while a spec is being written."""

from __future__ import annotations

from pathlib import Path

import pytest
from spec_at import PEOPLE, Editor, opened


@pytest.fixture
def editor(tmp_path: Path) -> Editor:
    return opened(tmp_path)


def test_blocks_at_the_top(editor: Editor) -> None:
    assert {"model", "source", "tool", "pipeline", "mixture", "train"} <= set(editor.offered("let {", "▮"))


def test_engines_behind_a_name_of_a_model(editor: Editor) -> None:
    assert editor.offered("let {", "model judge ▮") == ["openai", "transformers", "vllm"]


def test_kinds_of_tools_and_the_tools_that_a_model_is_offered(editor: Editor) -> None:
    assert "arithmetic" in editor.offered("let {", "tool sums ▮")
    with_tool = editor.documents.source(editor.path).text.replace("sums ", "sums arithmetic {}")
    editor.documents.change(editor.path, with_tool)
    editor.documents.analysis(editor.path)
    assert editor.offered("  filter {", "  generate again { tools = [▮] }") == ["sums"]


def test_steps_in_a_pipeline_and_verifiers_behind_their_word(editor: Editor) -> None:
    assert {"from", "use", "generate", "verify", "rounds"} <= set(editor.offered("  filter {", "  ge▮"))
    assert {"math", "code", "reward"} <= set(editor.offered("  filter {", "  verify ▮"))


def test_attributes_that_are_not_written_yet(editor: Editor) -> None:
    offered = editor.offered("  filter {", "  generate again { prompt = ask\n    ▮\n  }")
    assert "temperature" in offered
    assert "prompt" not in offered


def test_names_of_the_right_kind(editor: Editor) -> None:
    assert editor.offered("  filter {", "  generate again { model = ▮ }") == ["teacher"]


def test_names_of_templates(editor: Editor) -> None:
    assert editor.offered("  filter {", "  generate again { prompt = ▮ }") == ["ask"]


def test_words_that_an_attribute_takes(editor: Editor) -> None:
    offered = editor.offered("  filter {", "  generate again { prompt = ask, model = teacher, turn = ▮ }")
    assert offered == ["assistant", "user"]


def test_columns_that_are_there_at_the_step_and_not_those_that_come_later(editor: Editor) -> None:
    offered = editor.offered("  generate hello", "  filter { where = ▮ }")
    assert {"name", "age", "older", "len", "hot"} <= set(offered)
    assert "hello" not in offered


def test_columns_of_the_steps_that_use_a_template_inside_its_text(editor: Editor) -> None:
    assert editor.offered("    T\n", "    {{ ▮ }}") == ["name", "age", "older"]
    assert editor.offered("    T\n", "    ▮") == []


def test_rows_and_quotas_in_a_mixture(editor: Editor) -> None:
    assert {"greetings", "people", "dedup", "total"} - set(editor.offered("  seed = 1", "  ▮")) == {"total"}
    assert {"all", "take", "max"} <= set(editor.offered("  greetings = 100%", "  people = ▮"))


def test_columns_to_balance_by(editor: Editor) -> None:
    assert "hello" in editor.offered("  greetings = 100%", "  greetings = take(5, balance = ▮)")


def test_libraries_and_files_in_an_import(editor: Editor) -> None:
    (editor.path.parent / "lib").mkdir()
    offered = editor.offered("let {", 'import "▮')
    assert {"std:evol", "lib/", "spec.mix"} <= set(offered)


def test_a_test_offers_steps_pipelines_and_what_it_can_expect(editor: Editor) -> None:
    assert editor.offered("let {", 'test "t" ▮') == ["of"]
    assert editor.offered("let {", 'test "t" of ▮') == ["greetings", "all_of_it"]
    inside = editor.offered("let {", 'test "t" { given = people\n  ▮\n}')
    assert {"expect", "answers", "rows", "filter", "use"} <= set(inside)
    assert not {"from", "given"} & set(inside)
    expected = editor.offered("let {", 'test "t" { given = people\n  expect = ▮\n}')
    assert {"kept", "dropped", "render", "score", "golden", "contains"} <= set(expected)
    assert "short" not in expected


def test_a_test_of_a_mixture_offers_its_components(editor: Editor) -> None:
    head = 'test "t" of all_of_it { given = { ▮ } }'
    assert "greetings" in editor.offered("let {", head)
    head = 'test "t" of all_of_it { given = { greetings = [] }, expect = ▮ }'
    assert {"kept", "short"} <= set(editor.offered("let {", head))
    head = 'test "t" of all_of_it { given = { greetings = [] }, expect = kept(▮) }'
    assert "greetings" in editor.offered("let {", head)


def test_what_comes_through_an_import(tmp_path: Path) -> None:
    (tmp_path / "lib.mix").write_text(
        "edition 2026\nlet { warm = 0.5 }\nsource more inline { rows = [{ x = 1 }] }\n"
    )
    text = 'edition 2026\nimport "lib.mix" as lib\npipeline p {\n  from lib.more\n  filter { where = x > lib.warm }\n}\n'
    editor = opened(tmp_path, text)
    assert "lib.more" in editor.offered("  filter {", "  from lib.▮")


CHECKED = """
test "a greeting is long" of greetings {
  given = { name = "Ada", age = 36 }
  answers = { generate_hello = "Hello, Ada." }
  expect = kept
}
test "sums are right" {
  given = [{ said = "4", right = 4 }]
  derive { doubled = right * 2 }
  verify math { response = said, answer = right }
  expect = kept
}
test "not finished" {
  given = [{ heard = "4" }]
  derive { louder = upper(heard) }
}
"""
OF, OWN = "  given = { name", "  given = [{ said"


@pytest.fixture
def tests_in(tmp_path: Path) -> Editor:
    return opened(tmp_path, PEOPLE + CHECKED)


@pytest.mark.parametrize(
    ("before", "typed", "there", "not_there"),
    [
        (OF, "  expect = ▮", {"hello", "older", "kept", "contains"}, {"said"}),
        (OF, "  expect = [kept, len(▮)]", {"hello", "name"}, set()),
        (OF, "  expect = { older = 37, ▮ }", {"hello", "name"}, {"older", "kept"}),
        (OF, "  expect = [kept(1), { ▮ }]", {"hello", "older"}, {"kept"}),
        (OF, "  expect = { older = ▮ }", {"approx", "hot"}, {"hello"}),
        (
            OF,
            "  expect = [kept, dropped(▮)]",
            {"filter", "generate_hello", "chat", "from", "because"},
            {"hello"},
        ),
        (OF, "  expect = contains(render(▮), name)", {"ask", "user"}, {"hello", "kept"}),
        (OF, "  answers = { ▮ }", {"generate_hello"}, {"filter"}),
        (OF, "  rows = { ▮ }", {"people"}, {"ask"}),
        (OWN, "  expect = score(▮)", {"verify_math"}, {"derive"}),
        (OWN, "  expect = ▮", {"doubled", "said"}, {"hello"}),
        ("  verify math", "  filter { where = ▮ }", {"doubled", "said"}, {"hello"}),
        ("  derive { doubled", "  filter { where = ▮ }", {"said", "right"}, {"doubled"}),
        ("  derive { louder", "  expect = ▮", {"louder", "heard"}, {"said"}),
    ],
)
def test_what_a_test_expects_is_completed(
    tests_in: Editor, before: str, typed: str, there: set[str], not_there: set[str]
) -> None:
    offered = set(tests_in.offered(before, typed))
    assert there <= offered and not not_there & offered, (there - offered, not_there & offered)


def test_what_a_step_of_a_pipeline_is_given(tests_in: Editor) -> None:
    typed = 'test "one step" of greetings.generate_hello {\n  given = { ▮ }\n}'
    assert tests_in.offered('test "a greeting', typed) == ["name", "age", "older"]
    typed = 'test "one step" of greetings.derive {\n  expect = { ▮ }\n}'
    assert "hello" not in tests_in.offered('test "a greeting', typed)
