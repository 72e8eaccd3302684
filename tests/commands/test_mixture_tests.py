"""Tests of a mixture: what its own steps drop and its quotas take of the rows that are given for its components."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixwright.cli import main

HEAD = """edition 2026
model vectors openai { base_url = "http://localhost:1/v1", model = "v", task = embed }
source sums inline { rows = [{ ask = "a", topic = "x" }, { ask = "q", topic = "x" }] }
source bench inline { rows = [{ ask = "z", topic = "x" }] }
pipeline tasks {
  from sums
  filter { where = len(ask) > 0 }
}
mixture once { seed = 1, sums = 1, tasks = 1, dedup exact { on = ask } }
variant lenient of once { set { shortfall = warn } }
mixture balanced { seed = 1, tasks = take(2, cap = { by = topic, max = 1 }) }
mixture outer { seed = 1, once = 1, sums = take(2, repeat = 2) }
mixture near { seed = 1, sums = all, dedup semantic { on = ask, model = vectors } }
mixture clean { seed = 1, sums = all, decontaminate ngram { on = ask, against = [bench] } }
"""


def told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tests: str,
    *options: str,
) -> tuple[int, str]:
    """The exit status of `mixwright test` on a spec with these tests, and what it prints."""
    (tmp_path / ".mixwright").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.mix").write_text(HEAD + tests, encoding="utf-8")
    status = main(["test", *options])
    printed = capsys.readouterr()
    return status, printed.out + printed.err


LONG = "write a poem of bees and of their queen who lives in a hive full of honey"

PASSING = {
    "equal rows of two components, the later is dropped": """ of once {
  given = { sums = { ask = "a", topic = "x" }, tasks = [{ ask = "a", topic = "y" }, { ask = "b", topic = "y" }] }
  expect = [kept(2), kept(sums, 1), kept(tasks, 1), dropped(tasks, dedup_exact, 1), dropped(sums, 0), ask != "y"]
}""",
    "a component that has too little": """ of once {
  given = { sums = sums, tasks = [] }
  expect = [kept(1), short, short(tasks), short(tasks, 1), short(sums, 0)]
}""",
    "a shortfall that a run bears with": """ of lenient {
  given = { sums = [], tasks = { ask = "a", topic = "x" } }
  expect = kept(1)
}""",
    "a cap for each value": """ of balanced {
  given = { tasks = [{ ask = "a", topic = "x" }, { ask = "b", topic = "x" }, { ask = "c", topic = "y" }] }
  expect = [kept(2), ask != "b"]
}""",
    "a nested mixture, and rows that appear again": """ of outer {
  given = { once = { ask = "a", topic = "x" }, sums = take(sums, 1) }
  expect = [kept, kept(3), kept(sums, 2), ask == "a"]
}""",
    "vectors that are recorded": """ of near {
  given = { sums = [{ ask = "a", topic = "x" }, { ask = "b", topic = "x" }, { ask = "c", topic = "x" }] }
  answers = { dedup_semantic = [[1, 0], [1, 0.001], [0, 1]] }
  expect = [kept(2), dropped(dedup_semantic, 1), ask != "b"]
}""",
    "other rows to be clean of": f""" of clean {{
  given = {{ sums = [{{ ask = "{LONG}", topic = "x" }}, {{ ask = "b", topic = "x" }}] }}
  rows = {{ bench = {{ ask = "{LONG}", topic = "x" }} }}
  expect = [kept(1), dropped(decontaminate_ngram, 1), ask == "b"]
}}""",
}


def test_what_a_mixture_takes_of_given_rows(tmp_path, monkeypatch, capsys):
    tests = "".join(f'test "{name}"{body}\n' for name, body in PASSING.items())
    status, text = told(tmp_path, monkeypatch, capsys, tests)
    assert status == 0, text
    assert f"{len(PASSING)} tests: {len(PASSING)} passed" in text


def test_each_expectation_that_is_not_met_is_told_with_what_became_of_the_rows(tmp_path, monkeypatch, capsys):
    status, text = told(
        tmp_path,
        monkeypatch,
        capsys,
        """test "t" of once {
  given = { sums = [{ ask = "a", topic = "x" }, { ask = "c", topic = "x" }], tasks = { ask = "a", topic = "x" } }
  expect = [kept(sums, 2), kept(sums), dropped(tasks, 0), short, short(tasks, 3), short(sums), topic == "y"]
}
test "u" of once { given = { sums = sums, tasks = [] }, expect = [kept(1), dropped(tasks)] }
test "v" of lenient { given = { sums = sums, tasks = { ask = "b", topic = "x" } }, expect = short }
""",
    )
    assert status == 1
    for found in (
        "expected 2 rows of `sums` to be kept, found 1",
        "expected every row of `sums` to be kept, and 1 of 2 is not",
        "row 2 of `sums` was unused",
        "row 1 of `tasks` was dropped by `dedup_exact`, duplicate",
        "expected 0 rows of `tasks` to be dropped, found 1",
        "expected `tasks` to be short of 3 rows, and it lacks 1 row",
        "expected `sums` to be short, and it lacks nothing",
        "expected this to be true of row 1 of `sums`",
        "`once` is short of its quotas, which is an error in a run",
        "no row of `tasks` is given, so nothing can be said of it",
        "expected `lenient` to be short, and it lacks nothing",
    ):
        assert found in text


def test_a_golden_file_has_what_the_mixture_took_in_its_order(tmp_path, monkeypatch, capsys):
    spec = """test "t" of balanced {
  given = { tasks = [{ ask = "a", topic = "x" }, { ask = "b", topic = "x" }, { ask = "c", topic = "y" }] }
  expect = golden("took.json")
}
"""
    assert told(tmp_path, monkeypatch, capsys, spec, "--update")[0] == 0
    written = (tmp_path / "took.json").read_text(encoding="utf-8")
    assert written.count('"kept"') == 2 and written.count('"unused"') == 1 and '"of": "tasks"' in written
    assert told(tmp_path, monkeypatch, capsys, spec)[0] == 0


def test_a_mixture_of_no_stated_size_cannot_be_run(tmp_path, monkeypatch, capsys):
    spec = """mixture shares { seed = 1, sums = 50%, tasks = 50% }
mixture around { seed = 1, shares = 2 }
test "t" of shares { given = { sums = sums, tasks = { ask = "b", topic = "x" } }, expect = kept }
"""
    status, text = told(tmp_path, monkeypatch, capsys, spec)
    assert status == 1 and "error[MIX976]" in text and "write `total = …`" in text
