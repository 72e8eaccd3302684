"""The Python API: the commands' stages as functions."""

from __future__ import annotations

from pathlib import Path

import pytest

import mixwright

SPEC = """edition 2026

source numbers inline { license = "cc0-1.0", rows = [{ n = 1 }, { n = 2 }, { n = 3 }] }

pipeline even {
  from numbers
  derive { question = "twice " + text(n), answer = text(2 * n) }
  filter { where = n > 1 }
  chat { user = question, assistant = answer }
}

mixture all_even {
  seed = 1
  even = 1
}
"""


def spec_file(directory: Path, text: str = SPEC) -> Path:
    path = directory / "even.mix"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_spec_is_checked_planned_run_and_read(tmp_path):
    spec = spec_file(tmp_path)
    assert mixwright.check(spec) == ()
    plan = mixwright.plan(spec)
    assert plan.pipelines["even"].columns["messages"] == "chat"
    report = mixwright.run(plan, store=tmp_path / "store")
    assert (report.status, report.exit_code) == ("done", 0)
    (row,) = mixwright.rows(tmp_path / "store", "all_even")
    assert row["answer"] == str(2 * row["n"])
    assert row["n"] > 1


def test_a_spec_with_errors_raises_its_findings(tmp_path):
    spec = spec_file(tmp_path, SPEC.replace("where = n > 1", "where = m > 1"))
    with pytest.raises(mixwright.SpecError) as raised:
        mixwright.plan(spec)
    (finding,) = raised.value.findings
    assert (finding.code, finding.primary.span.position.line) == ("MIX401", 8)
    assert "no column `m`" in str(raised.value)


def test_rows_under_an_unknown_name_are_an_error(tmp_path):
    mixwright.run(spec_file(tmp_path), store=tmp_path / "store")
    with pytest.raises(Exception, match="holds no rows of 'odd'"):
        list(mixwright.rows(tmp_path / "store", "odd"))
