"""How findings look: to a person in a terminal, and to machines."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixwright_dsl.diagnostic import Diagnostic, Edit, Fix, Label, Severity, error, warning
from mixwright_dsl.parser import parse
from mixwright_dsl.render import FORMATS, render, summary
from mixwright_dsl.source import SourceFile

SOURCE = SourceFile("specs/a.mix", "edition 2026\n\npipeline p {\n  sead = 4, sead = 5\n}\n")


def span(text: str, source: SourceFile = SOURCE, last: bool = False) -> object:
    start = source.text.rindex(text) if last else source.text.index(text)
    return source.span(start, start + len(text))


def lines(*diagnostics: Diagnostic) -> list[str]:
    return render(diagnostics).rstrip("\n").split("\n")[:-2]


def test_one_place_with_its_hint() -> None:
    finding = error(
        "MIX105", "no attribute `sead`", span("sead"), "known here: seed", hint="did you mean `seed`?"
    )
    assert lines(finding) == [
        "error[MIX105]: no attribute `sead`",
        "  --> specs/a.mix:4:3",
        "4 |   sead = 4, sead = 5",
        "  |   ^^^^ known here: seed",
        "hint: did you mean `seed`?",
    ]


def test_a_note_of_several_lines_stands_below_itself() -> None:
    finding = error("MIX973", "another text", span("sead"), notes=("--- expected\n+++ found\n",))
    assert lines(finding)[-2:] == ["  = note: --- expected", "          +++ found"]


def test_two_labels_on_one_line_and_one_above() -> None:
    finding = error(
        "MIX006",
        "set twice",
        span("sead", last=True),
        "again",
        secondary=(Label(span("sead"), "first"), Label(span("pipeline"), "in this")),
        notes=("a note",),
    )
    assert lines(finding) == [
        "error[MIX006]: set twice",
        "  --> specs/a.mix:4:13",
        "3 | pipeline p {",
        "  | -------- in this",
        "4 |   sead = 4, sead = 5",
        "  |   ----      ^^^^ again",
        "  |   first",
        "  = note: a note",
    ]


def test_a_gap_between_lines_and_another_file() -> None:
    other = SourceFile("lib.mix", "x = 1\n")
    finding = warning(
        "MIX113",
        "m",
        span("}"),
        secondary=(Label(span("edition"), "e"), Label(other.span(0, 1), "there")),
    )
    assert lines(finding) == [
        "warning[MIX113]: m",
        "  --> specs/a.mix:5:1",
        "1 | edition 2026",
        "  | ------- e",
        "...",
        "5 | }",
        "  | ^",
        "  ::: lib.mix:1:1",
        "1 | x = 1",
        "  | - there",
    ]


def test_tabs_wide_characters_and_combining_marks_keep_the_caret_in_place() -> None:
    source = SourceFile("a.mix", '\tx = "日本e\u0301" ~\n')
    finding = error("MIX001", "m", span("~", source))
    assert lines(finding)[2:] == ['1 |     x = "日本e\u0301" ~', "  | " + " " * 16 + "^"]


def test_a_span_over_several_lines() -> None:
    source = SourceFile("a.mix", "p {\n  a = 1\n}\n")
    finding = error("MIX001", "m", source.span(0, len(source.text)), "all of it")
    assert lines(finding)[2:] == [
        "1 | p {",
        "  | ^^^",
        "2 |   a = 1",
        "  |   ^^^^^",
        "3 | }",
        "  | ^ all of it",
    ]


def test_a_long_line_is_cut_around_the_mark() -> None:
    source = SourceFile("a.mix", "x = " + "y" * 500 + " ~ " + "z" * 500 + "\n")
    shown, marks = lines(error("MIX001", "m", span("~", source)))[2:]
    assert len(shown) < 160
    assert shown[marks.index("^")] == "~"


def test_no_place_needs_a_character_under_it() -> None:
    source = SourceFile("a.mix", "a =")
    assert lines(error("MIX001", "m", source.span(3, 3), "value"))[2:] == ["1 | a =", "  |    ^ value"]


HOSTILE = "\x1b[31mred\x07 \u202eevil\u2066 \x9b \u2028 \x7f"


@pytest.mark.parametrize("format", FORMATS)
def test_control_characters_never_reach_the_terminal(format: str) -> None:
    source = SourceFile(f"a{HOSTILE}.mix", f"x = {HOSTILE}\n")
    finding = error(
        "MIX001",
        HOSTILE,
        source.span(4, 8),
        HOSTILE,
        hint=HOSTILE,
        notes=(HOSTILE,),
        secondary=(Label(source.span(0, 1)),),
    )
    text = render([finding], format)
    assert not set(text) & set("\x1b\x07\u202e\u2066\x9b\u2028\x7f")
    assert "\\u202e" in text if format in ("json", "sarif") else "<U+202E>" in text


def test_colour_only_when_asked() -> None:
    finding = error("MIX001", "m", span("sead"))
    assert "\x1b[" not in render([finding])
    coloured = render([finding], color=True)
    assert "\x1b[1;31merror[MIX001]\x1b[0m" in coloured


def test_concise_is_one_line_each() -> None:
    findings = [error("MIX001", "a\nb", span("sead")), warning("MIX104", "c", span("p"))]
    assert render(findings, "concise") == (
        "specs/a.mix:4:3: error[MIX001]: a b\nspecs/a.mix:3:1: warning[MIX104]: c\n"
    )


FIXED = error(
    "MIX005",
    "found `:`",
    span("sead"),
    "here",
    hint="h",
    fix=Fix("use it", (Edit(span("sead"), "seed"),)),
    secondary=(Label(span("pipeline"), "in"),),
)


def test_json_has_positions_fixes_and_counts() -> None:
    document = json.loads(render([FIXED], "json"))
    assert document == {
        "format_version": "1.1",
        "diagnostics": [
            {
                "code": "MIX005",
                "severity": "error",
                "message": "found `:`",
                "file": "specs/a.mix",
                "start": {"line": 4, "column": 3, "offset": 29},
                "end": {"line": 4, "column": 7, "offset": 33},
                "label": "here",
                "secondary": [
                    {
                        "file": "specs/a.mix",
                        "start": {"line": 3, "column": 1, "offset": 14},
                        "end": {"line": 3, "column": 9, "offset": 22},
                        "label": "in",
                    }
                ],
                "notes": [],
                "hint": "h",
                "fix": {
                    "message": "use it",
                    "applicability": "machine-applicable",
                    "edits": [
                        {
                            "file": "specs/a.mix",
                            "start": {"line": 4, "column": 3, "offset": 29},
                            "end": {"line": 4, "column": 7, "offset": 33},
                            "text": "seed",
                        }
                    ],
                },
            }
        ],
        "summary": {"errors": 1, "warnings": 0, "lints": 0},
    }


def test_sarif_has_what_code_hosts_read() -> None:
    document = json.loads(render([FIXED, FIXED], "sarif", version="0.1.0"))
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    assert run["tool"]["driver"]["version"] == "0.1.0"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["MIX005"]
    first, second = run["results"]
    assert (first["ruleId"], first["ruleIndex"], first["level"]) == ("MIX005", 0, "error")
    location = first["locations"][0]["physicalLocation"]
    assert location["artifactLocation"] == {"uri": "specs/a.mix"}
    assert location["region"] == {"startLine": 4, "startColumn": 3, "endLine": 4, "endColumn": 7}
    replacement = first["fixes"][0]["artifactChanges"][0]["replacements"][0]
    assert replacement["insertedContent"] == {"text": "seed"}
    hashes = [result["partialFingerprints"]["primaryLocationLineHash"] for result in (first, second)]
    assert [each.split(":")[1] for each in hashes] == ["1", "2"]
    assert hashes[0].split(":")[0] == hashes[1].split(":")[0]


def test_the_sarif_fingerprint_survives_lines_above() -> None:
    def fingerprint(text: str) -> Sequence[str]:
        source = SourceFile("a.mix", text)
        run = json.loads(render(parse(source).diagnostics, "sarif"))["runs"][0]
        return [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]

    assert fingerprint("a: 1\n") == fingerprint("\n# more\n  a: 1\n")


def test_github_annotations() -> None:
    source = SourceFile("a,b.mix", "x\n")
    finding = Diagnostic("MIX104", Severity.LINT, "100% a\nb", Label(source.span(0, 1)), hint="h")
    assert render([finding], "github") == (
        "::notice file=a%2Cb.mix,line=1,endLine=1,col=1,endColumn=2,title=MIX104::100%25 a%0Ab%0Ahint: h\n"
    )


def test_nothing_found_prints_nothing_to_people() -> None:
    assert render([], "full") == render([], "concise") == render([], "github") == ""
    assert json.loads(render([], "json"))["diagnostics"] == []
    assert summary(
        [error("A", "m", span("p")), error("A", "m", span("p")), warning("A", "m", span("p"))]
    ) == ("2 errors, 1 warning")


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="formats: full, concise"):
        render([], "xml")


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80), st.data())
def test_any_span_of_any_text_can_be_rendered(text: str, data: st.DataObject) -> None:
    source = SourceFile("a.mix", text)
    ends = [data.draw(st.integers(0, len(text) + 1)) for _ in range(4)]
    first, second = sorted(ends[:2]), sorted(ends[2:])
    finding = error("MIX001", text, source.span(*first), text, secondary=(Label(source.span(*second), text),))
    for format in FORMATS:
        assert render([finding], format)
