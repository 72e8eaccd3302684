"""`mixwright export` writes what the last run selected, and says when the spec has moved on."""

from __future__ import annotations

import json

import pytest

from mixwright.cli import main

SPEC = """edition 2026

source web inline {
  license = "mit"
  rows = [{ q = "1 + 1?", a = "2" }, { q = "2 + 2?", a = "4" }, { q = "3 + 3?", a = "6" }]
}

pipeline qa {
  from web
  chat { user = q, assistant = a }
}

mixture small {
  seed = 7
  qa = 2
}

export hub of small { path = "out/small" }
"""


@pytest.fixture
def spec(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo.mix").write_text(SPEC)
    return tmp_path / "demo.mix"


def run(spec):
    assert main(["run", str(spec)]) == 0


def rows(directory):
    lines = (directory / "data" / "train-00000-of-00001.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_deleted_files_come_back_as_they_were(spec, capsys):
    run(spec)
    file = spec.parent / "out/small/data/train-00000-of-00001.jsonl"
    before = file.read_bytes()
    file.unlink()
    assert main(["export", str(spec)]) == 0
    assert file.read_bytes() == before
    assert capsys.readouterr().out.endswith(f"export hub: 2 rows of run 1 in {spec.parent / 'out/small'}\n")


def test_what_was_written_is_told_as_json(spec, capsys):
    run(spec)
    capsys.readouterr()
    assert main(["export", str(spec), "--report", "run.html", "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    (export,) = written["exports"]
    assert (export["name"], export["rows"], export["run"], written["report"]) == ("hub", 2, 1, "run.html")


def test_an_export_can_move_without_running_again(spec, capsys):
    run(spec)
    spec.write_text(SPEC.replace("out/small", "elsewhere"))
    assert main(["export", str(spec)]) == 0
    assert rows(spec.parent / "elsewhere") == rows(spec.parent / "out/small")
    assert capsys.readouterr().err == ""


def test_a_changed_quota_is_told_and_the_old_rows_are_written(spec, capsys):
    run(spec)
    capsys.readouterr()
    spec.write_text(SPEC.replace("qa = 2", "qa = 3"))
    assert main(["export", str(spec)]) == 0
    assert capsys.readouterr().err.startswith("note: mixture.small changed since run 1 selected these rows; ")
    assert len(rows(spec.parent / "out/small")) == 2


def test_an_edited_card_blocks_no_run(spec, capsys):
    run(spec)
    card = spec.parent / "out/small/README.md"
    card.write_text("Mine above.\n" + card.read_text() + "Mine below.\n")
    edited = card.read_text()
    run(spec)
    assert card.read_text() == edited
    assert main(["export", str(spec), "--force"]) == 0
    assert card.read_text() == edited


def test_a_run_refuses_a_foreign_directory_before_it_starts(spec, capsys):
    (spec.parent / "out/small").mkdir(parents=True)
    (spec.parent / "out/small/thesis.txt").write_text("mine")
    assert main(["run", str(spec)]) == 2
    assert "was not written by mixwright" in capsys.readouterr().err
    assert not (spec.parent / ".mixwright").exists()


def test_every_run_has_a_page_and_the_last_one_is_the_report(spec, capsys):
    run(spec)
    first = (spec.parent / ".mixwright/reports/run-1.html").read_bytes()
    run(spec)
    assert capsys.readouterr().out.endswith(f"report: {spec.parent / '.mixwright/reports/run-2.html'}\n")
    assert (spec.parent / ".mixwright/reports/run-1.html").read_bytes() == first
    second = (spec.parent / ".mixwright/reports/run-2.html").read_bytes()
    assert second != first and (spec.parent / ".mixwright/report.html").read_bytes() == second
    assert "demo.mix" in (spec.parent / ".mixwright" / "report.html").read_text(encoding="utf-8")


def test_a_report_can_be_written_elsewhere(spec):
    run(spec)
    assert main(["export", str(spec), "--report", "page.html"]) == 0
    assert "<!DOCTYPE html>" in (spec.parent / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there is no store at "),
        (["--mixture", "other"], "demo.mix has no mixture 'other'; it has small"),
    ],
)
def test_what_cannot_be_exported_names_the_way(spec, capsys, arguments, message):
    assert main(["export", str(spec), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_plan_can_be_exported_too(spec):
    run(spec)
    assert main(["plan", str(spec), "--out", "plan.json"]) == 0
    assert main(["export", "plan.json"]) == 0
