"""What commands print as JSON has a schema each, made of the types that they print, and keeps to it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import SimpleNamespace

import jsonschema_rs
import pytest

from mixwright import cli, json_output
from mixwright.output_schemas import Unschemed, output_schemas, output_types
from tests.checkout import ROOT
from tests.output_contract import checked_document, faults_of

SPEC = """edition 2026
model teacher openai { base_url = "http://localhost:1/v1", model = "m", price_in = $1, price_out = $2 }
source people inline { rows = [{ name = "Ada" }, { name = "Alan" }] }
template ask { user = "Who is {{ name }}?" }
pipeline answers {
  from people
  generate answer { prompt = ask, model = teacher }
  chat { user = name, assistant = answer }
}
mixture main { seed = 1, people = 1, answers = 1, tag all_of_it { rows = [people, answers], least = 1 } }
test "the prompt names the person" of answers {
  given = { name = "Ada" }
  answers = { generate_answer = "A mathematician." }
  expect = contains(answer, "physicist")
}
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.mix").write_text(SPEC, encoding="utf-8")
    (tmp_path / "b.mix").write_text(
        SPEC.replace("people = 1", "people = 2").replace("Who", "What"), encoding="utf-8"
    )
    (tmp_path / "wrong.mix").write_text(SPEC.replace("{{ name }}", "{{ nam }}"), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "line",
    [
        "init new --json",
        "vendor --json",
        "vendor answered --json",
        "check wrong.mix --format json",
        "lock --check a.mix --format json",
        "plan a.mix --json",
        "diff a.mix b.mix --format json",
        "preview a.mix --prompts 1 --json",
        "test a.mix --json",
        "explain MIX101 --json",
        "explain verify.math --json",
        "fmt a.mix --check --json",
        "fmt a.mix --diff --json",
        "fix wrong.mix --diff --json",
        "fix --edition a.mix --json",
        "launch a.mix out --json",
        "lock a.mix --format json",
    ],
)
def test_what_is_printed_is_what_the_schema_says(
    line: str, spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(line.split()) in (0, 1)
    printed = json.loads(capsys.readouterr().out)
    assert printed["command"] == line.split()[0]
    assert faults_of(printed) == []
    path = ROOT / "docs/schemas/output" / f"{printed['command']}.schema.json"
    assert jsonschema_rs.validator_for(json.loads(path.read_text(encoding="utf-8"))).is_valid(printed)


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("plan wrong.mix --json", 1, "MIX303"),
        ("run wrong.mix --json", 1, "MIX303"),
        ("preview wrong.mix --prompts 1 --json", 1, "MIX303"),
        ("lock wrong.mix --format json", 1, "MIX303"),
        ("lock --check wrong.mix --format json", 1, "MIX303"),
        ("diff a.mix wrong.mix --format json", 2, "MIX303"),
        ("plan gone.mix --json", 2, "gone.mix cannot be read: No such file or directory"),
        ("fmt gone.mix --json", 2, ""),
        ("fmt - --json", 2, "standard input is one file"),
        ("status --json", 2, "no run in"),
        ("vendor nothing --json", 2, "no library std:nothing"),
        ("explain MIX999 --json", 1, "no diagnostic code MIX999"),
        ("test a.mix -k nothing --json", 2, "no test whose name holds"),
    ],
)
def test_what_fails_prints_a_document_too(
    line: str, status: int, said: str, spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(line.split()) == status
    printed = json.loads(capsys.readouterr().out)
    assert (printed["command"], faults_of(printed)) == (line.split()[0], [])
    codes = [found["code"] for found in printed.get("diagnostics", [])]
    codes += [found["code"] for each in printed.get("specs", []) for found in each["problems"]]
    assert said in [*codes, ""] or (said in printed["failure"] and printed["status"] == status)


def test_a_failure_is_not_that_of_the_command_before(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["plan", "wrong.mix", "--json"])
    capsys.readouterr()
    cli.main(["status", "--json"])
    assert json.loads(capsys.readouterr().out)["diagnostics"] == []


def test_findings_of_a_lock_that_cannot_be_compared_are_in_the_format_that_ci_reads(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["lock", "--check", "wrong.mix", "--format", "github"]) == 1
    assert capsys.readouterr().out.startswith("::error file=wrong.mix,line=")
    assert cli.main(["lock", "a.mix", "--format", "github"]) == 2, "without --check there are no findings"


def test_every_test_that_prints_json_is_held_to_the_schema() -> None:
    assert json_output.document is checked_document
    with pytest.raises(AssertionError, match="libraries"):
        checked_document("vendor", {"libraries": {"std:x": 1}})
    with pytest.raises(AssertionError, match="more"):
        checked_document("init", {"directory": ".", "written": [], "more": 1})


def test_a_command_that_prints_json_of_an_unknown_form_stops_the_schemas(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--format", choices=("text", "json"))

    monkeypatch.setitem(cli.COMMANDS, "news", "tell what is new")
    there = cli._module
    monkeypatch.setattr(
        cli, "_module", lambda name: SimpleNamespace(configure=configure) if name == "news" else there(name)
    )
    with pytest.raises(Unschemed, match="command `news` prints JSON of an unknown form"):
        output_schemas()


def test_a_type_of_a_command_that_prints_no_json_stops_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    types = output_types()
    monkeypatch.setattr("mixwright.output_schemas.output_types", lambda: {**types, "lsp": (int,)})
    with pytest.raises(Unschemed, match="command `lsp` prints no JSON"):
        output_schemas()
