"""The example of docs/language/plugins.md: a source, an engine, a step, a verifier and an export format of a project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from projects import files_of_page, typed, write

import mixwright
from mixwright_compiler.bind.lock import read_lock
from mixwright_runtime.store.store import Store

FILES = files_of_page("plugins.md")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path, FILES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def cards(project: Path) -> list[str]:
    lines = (project / "out/cards.jsonl").read_text(encoding="utf-8").splitlines()
    return sorted(json.loads(line)["card"] for line in lines)


def test_it_is_checked_locked_and_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("lock", "post.mix") == 0
    assert typed("check", "post.mix", "--deny-warnings") == 0
    assert typed("run", "post.mix") == 0
    assert cards(project) == [
        "I hear: A KIND WORD COSTS NOTHING.",
        "I hear: DEAR ADA, YOU ARE KIND.",
        "I hear: GO AWAY!",
    ]
    lock = read_lock(project / "post.lock")
    assert lock.sources["letters"].columns == {"letter": "text"}
    assert list(lock.plugins) == ["plugins/letters.py"]


def test_it_is_planned_and_priced_like_what_ships(project: Path) -> None:
    assert typed("lock", "post.mix") == 0
    plan = mixwright.plan("post.mix")
    requests = {e.node: e.requests for e in plan.estimates}
    assert (requests["kind_letters.generate_answer"], requests["kind_letters.verify_kind"]) == (3, 3)
    (plugin,) = plan.plugins.values()
    assert [f"{e['family']}.{e['name']}" for e in plugin.entries] == [
        "export.cards", "model.echo", "source.letters", "step.shout", "verify.kind",
    ]  # fmt: skip


def test_what_was_made_is_found_until_the_plugin_is_edited(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("run", "post.mix") == typed("run", "post.mix") == 0
    assert "\n0 requests, 3 answers reused" in capsys.readouterr().out
    plugin = project / "plugins/letters.py"
    plugin.write_text(plugin.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")
    assert typed("plan", "post.mix") == 0
    said = capsys.readouterr().out
    assert "~ pipeline.kind_letters.shout_loud (row: plugin sha256:" in said
    assert "~ model.parrot (row: plugin sha256:" in said
    assert "~ export.cards (run: plugin sha256:" in said
    assert typed("run", "post.mix") == 0
    assert "6 requests, 0 answers reused" in capsys.readouterr().out


def test_a_row_tells_what_the_plugin_found(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("run", "post.mix") == 0
    with Store.open(project / ".mixwright", read_only=True) as store:
        ((row,),) = store.sql("SELECT hex(row_id) FROM row_outcome WHERE columns LIKE '%GO AWAY%'")
    capsys.readouterr()
    assert typed("explain", row) == 0
    said = capsys.readouterr().out
    assert "said: I hear: Is this kind? I hear: GO AWAY!" in said
    assert "shout_loud (step.shout)  post.mix:13: shout loud { on = letter }" in said


def test_its_docstrings_are_manual_pages(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("explain", "verify.kind", "--spec", "post.mix") == 0
    said = capsys.readouterr().out
    assert "Asks a model about a text: score 1 where `kind` is in what it says, else 0." in said
    assert "| `longest` | count | `8` | at least 1 | row | Longest answer, in tokens |" in said
    line = FILES["plugins/letters.py"].split("\n").index('    "kind",') + 1
    assert f"Declared by plugin plugins/letters.py at plugins/letters.py:{line}." in said


def test_the_page_shows_what_is_said(project: Path) -> None:
    """That its spec needs no formatting."""
    assert typed("fmt", "--check", "post.mix") == 0
