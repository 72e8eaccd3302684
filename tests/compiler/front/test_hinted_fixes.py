"""Fixes out of hints: each mends what it is about, on the page of every code, and none is made of what explains."""

from __future__ import annotations

from pathlib import Path

import pytest
from front_specs import compiled
from test_codes import AGAINST, AT_RUN, CODES, LOCKED, MISSING, PLANNED, TESTED, examples

from mixwright_compiler.checks.hinted_fixes import is_slip
from mixwright_compiler.stages import compile_source
from mixwright_dsl.diagnostic import Applicability, Diagnostic
from mixwright_dsl.formatter import format_text
from mixwright_dsl.parser import parse
from mixwright_dsl.source import SourceFile

UNCOVERS = {
    "MIX002": "MIX417",
    "MIX003": "MIX202",
    "MIX110": "MIX613",
    "MIX431": "MIX105",
    "MIX881": "MIX880",
}
"""Pages whose wrong example has a second mistake behind the first, or another place that must change with it: the command
does not take such a fix."""
STILL_WRONG = ("MIX005",)
"""Pages whose wrong example has more than one mistake that keeps it from being read."""
PAGES = [
    code for code in CODES if code not in (*AT_RUN, *AGAINST, *TESTED, PLANNED, LOCKED, "MIX136", "MIX830")
]


@pytest.fixture(autouse=True)
def _tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")


def first(code: str, directory: Path) -> tuple[Diagnostic, tuple[Diagnostic, ...]]:
    wrong, _ = examples(code)
    result = compiled(directory, wrong.spec, files=wrong.files, missing=MISSING.get(code, ()))
    return next(d for d in result.diagnostics if d.code == code), result.diagnostics


def test_fixes_of_the_pages_mend_what_they_are_about(tmp_path: Path) -> None:
    fixed = 0
    for code in PAGES:
        directory = tmp_path / code
        directory.mkdir()
        finding, before = first(code, directory)
        if finding.fix is None:
            continue
        fixed += 1
        if finding.fix.applicability is Applicability.PLACEHOLDER:
            continue
        path = Path(finding.fix.edits[0].span.source.name)
        text = path.read_text()
        for edit in sorted(finding.fix.edits, key=lambda edit: -edit.span.start):
            text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
        was_tidy = format_text(SourceFile("a.mix", path.read_text())).changed is False
        path.write_text(text)
        if path.suffix == ".mix" and code not in STILL_WRONG:
            assert parse(SourceFile("a.mix", text)).ok, (code, finding.hint, text)
            assert not was_tidy or format_text(SourceFile("a.mix", text)).text == text, (code, text)
        spec = (directory / "spec.mix").read_text()
        after = compiled(directory, spec, missing=MISSING.get(code, ())).diagnostics
        counts = [sum(d.code == code for d in findings) for findings in (before, after)]
        assert counts[1] < counts[0], (code, finding.hint, text)
        fresh = {d.code for d in after if d.is_error} - {d.code for d in before}
        assert fresh <= {UNCOVERS.get(code)}, (code, finding.hint, fresh)
    assert fixed >= 184, "of 241 pages"


def findings(text: str) -> list[Diagnostic]:
    return list(compile_source(SourceFile("a.mix", text, Path("a.mix"))).diagnostics)


def edits(text: str, code: str) -> list[tuple[str, str]]:
    """What the fix of the first finding of a code takes out, and what it puts there."""
    fix = next(d.fix for d in findings(text) if d.code == code)
    return [] if fix is None else [(edit.span.text, edit.replacement) for edit in fix.edits]


SPEC = """edition 2026
source people inline { rows = [{ name = "Ada" }, { name = "Bob" }] }
pipeline chats {
  from people
  chat { user = name, assistant = name }
}
mixture main {
  chats = 2  # both
}
"""


def test_an_attribute_is_added_as_the_others_stand() -> None:
    assert edits(SPEC, "MIX801") == [("", "\n  seed = 42")]
    assert edits(SPEC.replace("{\n  chats = 2  # both\n}", "{ chats = 2 }"), "MIX801") == [
        ("", ", seed = 42")
    ]


ASKING = """edition 2026
model teacher openai { base_url = "http://localhost:8000/v1", model = "tiny" }
template ask { user = "{{ name }}" }
source people inline { rows = [{ name = "Ada" }, { name = "Bob" }] }
pipeline asked {
  from people
  generate said { prompt = ask, model = teacher, samples = 2, on_fail = drop }
  verify where { expr = said != "" }
}
mixture main { seed = 1, asked = 2 }
"""


@pytest.mark.parametrize(
    ("old", "new", "code", "edit"),
    [
        ("", "", "MIX415", (", pick = first",)),
        ("on_fail = drop", "on_fail = skip", "MIX118", ("drop",)),
        (", asked = 2", "", "MIX613", (", asked = all",)),
        ("asked = 2", "group some { }", "MIX613", ("",)),
        ("asked = 2 }", 'asked = 2 }\nexport e of main { format = messages, path = "o" }', "MIX710", None),
        (
            "asked = 2 }",
            'asked = 2 }\nexport e of main { format = preference, group = said, path = "o" }',
            "MIX479",
            (", pick = first",),
        ),
    ],
)
def test_what_is_missing_elsewhere_is_put_there(
    old: str, new: str, code: str, edit: tuple[str, ...] | None
) -> None:
    found = next(d for d in findings(ASKING.replace(old, new)) if d.code == code)
    assert found.fix is not None, found.hint
    if edit is not None:
        assert tuple(each.replacement for each in found.fix.edits) == edit, found.hint
    else:
        assert "\n  chat { user = …, assistant = … }" in found.fix.edits[0].replacement


def test_what_says_nothing_is_taken_out_with_its_line_or_comma() -> None:
    unused = SPEC.replace("mixture main {", "# mix: allow MIX111 -- no\nmixture main {\n  seed = 1")
    assert edits(unused, "MIX906") == [("# mix: allow MIX111 -- no\n", "")]


def test_a_place_to_fill_in_is_told_and_not_typed() -> None:
    missing = SPEC.replace("user = name, assistant", "user")
    fix = next(d.fix for d in findings(missing) if d.code == "MIX126")
    assert fix is not None and fix.applicability is Applicability.PLACEHOLDER


PIPELINE = """edition 2026
source people inline { rows = [{ name = "Ada", age = 36 }, { name = "Bob", age = 4 }] }
template ask { user = "Who?" }
pipeline chats {
  from people
  %s
  derive { older = age + 1 }  # years
  chat { user = name, assistant = name }
}
"""


LATE = "  filter { where = older > 3 }\n"
CONVERTED = ("", "derive { age_text = text(age) }\n  ")


@pytest.mark.parametrize(
    ("step", "code", "expected"),
    [
        (LATE.strip(), "MIX402", [(LATE, ""), ("", LATE)]),
        ("derive { line = name + age }", "MIX123", [("age", "text(age)")]),
        ("chat { user = age, assistant = name }", "MIX503", [CONVERTED, ("age", "age_text")]),
    ],
)
def test_a_fix_can_change_two_places(step: str, code: str, expected: list[tuple[str, str]]) -> None:
    assert edits(PIPELINE % step, code) == expected


def test_names_in_quotes_keep_their_quotes() -> None:
    text = SPEC.replace("seed", "seed").replace("}] }", '}], license = "Apache-2.0" }')
    assert edits(text, "MIX214") == [('"Apache-2.0"', '"apache-2.0"')]


def test_a_fix_can_lie_in_another_block_by_its_head() -> None:
    text = """edition 2026
model teacher openai { base_url = "http://localhost:1/v1", model = "m" }
source people inline { rows = [{ name = "Ada" }, { name = "Bob" }] }
template ask { user = "Who is {{ name }}?" }
pipeline chats {
  from people
  generate answer { prompt = ask, model = teacher, samples = 4 }
  verify agreement { response = answer, agree = 5, pick = first }
  chat { user = name, assistant = answer }
}
"""
    assert edits(text, "MIX501") == [("4", "5")]


def test_a_slip_inside_a_larger_place_is_found() -> None:
    assert is_slip("objekt", "object") and not is_slip("type", "object") and not is_slip("object", "object")


def test_a_pipeline_begins_with_from_unless_it_has_one() -> None:
    text = SPEC.replace("  from people\n", "")
    assert edits(text, "MIX417") == [("", "from people\n  ")]
    later = SPEC.replace("  from people\n", "").replace("= name }\n}", "= name }\n  from people\n}")
    assert edits(later, "MIX417") == [("", "  from people\n"), ("  from people\n", "")]


def test_a_block_whose_end_is_not_there_has_no_place_for_an_attribute() -> None:
    text = 'source programs duckdb {\n  license license = "apache-2.0"\n  sql = <<~SQL'
    assert "MIX003" in {d.code for d in findings(text)}


TWICE = """edition 2026
source people inline { rows = [{ name = "Ada" }] }
pipeline chats {
  from people
  chat { user = name, assistant = name }
}
mixture main {
  seed = 1
  chats = 1
  budget { requests = 5 }
  budget { %s }
}
"""


def test_a_block_that_is_given_twice_goes_into_the_first_unless_both_say_the_same() -> None:
    assert edits(TWICE % "tokens = 7", "MIX115") == [("", ", tokens = 7"), ("  budget { tokens = 7 }\n", "")]
    assert edits(TWICE % "requests = 7", "MIX115") == []
    assert edits(TWICE % "tokens = 7\n  # why\n", "MIX115") == []


def test_a_quota_is_left_out_only_where_another_stays() -> None:
    text = """edition 2026
source people inline { rows = [{ name = "Ada" }], license = "cc-by-nc-4.0" }
policy open { licenses = ["mit"] }
pipeline chats {
  from people
  chat { user = name, assistant = name }
}
mixture main {
  seed = 1
  chats = 1
}
"""
    assert edits(text, "MIX206") == []
    own = 'source own inline { rows = [{ user = "a" }], license = "mit" }\nmixture main {\n  own = 1'
    assert edits(text.replace("mixture main {", own), "MIX206") == [("  chats = 1\n", "")]


def test_a_declaration_is_renamed_also_where_it_is_used() -> None:
    text = SPEC.replace(
        "pipeline chats", 'source People inline { rows = [{ name = "Bob" }] }\npipeline chats'
    )
    assert edits(text.replace("from people", "from People"), "MIX111") == [
        ("People", "People_2"),
        ("People", "People_2"),
    ]
