"""What `check` says of constraints: carets, hints, and what is left alone. The codes' pages have an example each."""

from __future__ import annotations

from pathlib import Path

import pytest
from front_specs import compiled

HEAD = 'edition 2026\nsource people inline { rows = [{ answer = "No.", wanted = ["punctuation:no_comma"], n = 1 }] }\n'


def findings(directory: Path, steps: str, head: str = "") -> list[tuple[str, str, str, str]]:
    """(code, message, what the caret is under, hint) of each finding but unused names."""
    result = compiled(directory, f"{HEAD}{head}pipeline p {{\n  from people\n  {steps}\n}}\n")
    return [
        (d.code, d.message, d.primary.span.text, d.hint)
        for d in result.diagnostics
        if d.code not in ("MIX104", "MIX112")
    ]


def verify(constraints: str, more: str = "") -> str:
    return f"verify constraints {{ response = answer, constraints = {constraints}{more} }}"


@pytest.mark.parametrize(
    "step",
    [
        verify("wanted"),
        verify('["punctuation:no_comma", { id = "keywords:existence", keywords = ["oak"] }]'),
        verify(
            '[{ id = "keywords:existence", kwargs = { keywords = ["oak"] } }]',
            ", compat = google, mode = loose",
        ),
        verify('["punctuation:no_comma"]', ", language = zh, min = 0.5, pick = best"),
        verify('["count:numbers"]', ", kwargs = wanted"),
        verify("mine"),
        "draw d { from = constraints(ifeval), count = 3 }",
        'draw d { from = constraints(ifeval, ifbench, training, language = zh, without = ["punctuation:no_comma"]) }',
        'draw d { from = constraints("count:numbers", words = ["oak", "elm"], least = 1), count = 1 }',
        "draw d { from = people }",
    ],
)
def test_what_is_right_is_left_alone(tmp_path: Path, step: str) -> None:
    assert findings(tmp_path, step, 'let { mine = ["punctuation:no_comma"] }\n') == []


def test_unknown_kinds_are_named_with_the_nearest(tmp_path: Path) -> None:
    for written, near in (
        ("punctuation:no_commas", "punctuation:no_comma"),
        ("no_comma", "punctuation:no_comma"),
        ("keyword:existence", "keywords:existence"),
    ):
        found = findings(tmp_path, verify(f'["{written}"]'))
        assert found == [
            ("MIX860", f"no kind of constraint `{written}`", f'"{written}"', f"did you mean `{near}`?")
        ]
    assert findings(tmp_path, "draw d { from = constraints(ifevals) }") == [
        ("MIX860", "no family of constraints `ifevals`", "ifevals", "did you mean `ifeval`?")
    ]


def test_a_conflict_is_under_the_second_with_the_reason(tmp_path: Path) -> None:
    written = """[
      { id = "length_constraints:number_words", num_words = 50, relation = "less than" },
      { id = "length_constraints:number_words", num_words = 100, relation = "at least" }
    ]"""
    result = compiled(tmp_path, f"{HEAD}pipeline p {{\n  from people\n  {verify(written)}\n}}\n")
    (found,) = result.errors
    assert found.message == "no response follows both: nothing is at least 100 and less than 50"
    assert [found.primary.span.position.line, found.secondary[0].span.position.line] == [7, 6]


@pytest.mark.parametrize(
    ("constraint", "message", "hint"),
    [
        (
            '{ id = "count:numbers" }',
            "`count:numbers`: `N` is missing",
            'write `{ id = "count:numbers", N = 3 }`',
        ),
        (
            '{ id = "count:numbers", n = 3 }',
            "`count:numbers`: `n` is no argument of it",
            "did you mean `N`?",
        ),
        (
            '{ id = "count:numbers", N = "3" }',
            '`count:numbers`: `N` is a whole number, not "3"',
            'write `{ id = "count:numbers", N = 3 }`',
        ),
        (
            '{ id = "keywords:existence", keywords = "oak" }',
            "`keywords:existence`: `keywords` is a list of texts",
            'write `{ id = "keywords:existence", keywords = ["…"] }`',
        ),
        (
            '{ id = "sentence:keyword", word = "oak", N = 0 }',
            "`sentence:keyword`: `N` is at least 1, not 0",
            None,
        ),
        ("{ N = 3 }", "a constraint is an id, or an object with an `id`", None),
    ],
)
def test_wrong_arguments(tmp_path: Path, constraint: str, message: str, hint: str | None) -> None:
    ((code, found, _, advice),) = findings(tmp_path, verify(f"[{constraint}]"))
    assert (code, found) == ("MIX862", message)
    assert hint is None or advice == hint


def test_kinds_and_compat_that_do_not_fit_a_language(tmp_path: Path) -> None:
    ((code, message, caret, _),) = findings(
        tmp_path, verify('["words:odd_even_syllables"]', ", language = unicode")
    )
    assert (code, caret) == ("MIX863", '"words:odd_even_syllables"')
    assert message == "`words:odd_even_syllables` means nothing under `language = unicode`"
    ((code, message, caret, hint),) = findings(tmp_path, verify("wanted", ", compat = google, language = zh"))
    assert (code, caret, hint) == ("MIX863", "google", "delete `compat = google`")


@pytest.mark.parametrize(
    ("step", "code", "message"),
    [
        (
            'draw d { from = constraints("copy:copy") }',
            "MIX864",
            "1 constraint is drawn, and at most 0 can stand together",
        ),
        (
            'draw d { from = constraints("count:numbers"), count = 2 }',
            "MIX864",
            "2 constraints are drawn, and at most 1 can stand together",
        ),
        (
            "draw d { from = constraints(ifeval, least = 3), count = 2 }",
            "MIX864",
            "at least 3 are drawn, and at most 2",
        ),
        ("draw d { from = constraints(ifeval, least = 0) }", "MIX117", "`least` is at least 1, here 0"),
        ("draw d { from = constraints(ifeval, most = 3) }", "MIX122", "`constraints` has no argument `most`"),
        ("draw d { from = constrains(ifeval) }", "MIX122", "`from` has no `constrains(…)`"),
        (
            "draw d { from = constraints(ifeval, language = fr) }",
            "MIX118",
            "`language` takes one of: en, zh, unicode",
        ),
        ("draw d { from = constraints(3) }", "MIX107", "`constraints` takes families and ids"),
        (verify("n"), "MIX503", "`constraints` takes a list, and `n` is int"),
        (verify("[]"), "MIX862", "there is no constraint to check"),
        (verify("nowhere"), "MIX401", "no column `nowhere` in rows of `p`"),
    ],
)
def test_draws_and_columns_that_cannot_work(tmp_path: Path, step: str, code: str, message: str) -> None:
    assert [(found[0], found[1]) for found in findings(tmp_path, step)] == [(code, message)]


def test_a_missing_package_is_named_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mixwright_compiler.checks import constraints

    monkeypatch.setattr(constraints, "missing_modules", lambda modules: modules)
    ((code, message, _, hint),) = findings(tmp_path, verify('["change_case:english_capital"]'))
    assert (code, hint) == ("MIX908", "pip install 'mixwright[if]'")
    assert message == "`change_case:english_capital` needs a package that is not installed: langdetect"
    assert findings(tmp_path, verify('["punctuation:no_comma"]')) == []
