"""The library that comes with Mixwright: imported from anywhere, pinned by the lock, and copied to be changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mixwright
from mixwright.cli import main
from mixwright_compiler.load import library
from mixwright_compiler.load.library import library_folder, library_names
from mixwright_compiler.stages import compile_file
from mixwright_dsl.formatter import format_text
from mixwright_dsl.render import render
from mixwright_dsl.source import SourceFile

SPEC = """edition 2026
import "std:answered" as lib
source asked inline { rows = [{ q = "1 + 1?" }, { q = "2 + 2?" }] }
model teacher openai { base_url = "http://localhost:8000/v1", model = "tiny" }
pipeline p {
  from asked
  use lib.answered { to = q, model = teacher, id = a }
  chat { user = q, assistant = response }
}
mixture m { seed = 1, p = 1 }
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".mixwright").mkdir()
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "spec.mix"
    path.write_text(SPEC)
    return path


@pytest.fixture
def other_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The library of another version: one line of `answered` differs."""
    folder = tmp_path / "newer"
    folder.mkdir()
    text = (library_folder() / "answered.mix").read_text()
    changed = text.replace(
        "temperature { type = float, default = 0.7 }", "temperature { type = float, default = 0.2 }"
    )
    assert changed != text
    (folder / "answered.mix").write_text(changed)
    monkeypatch.setattr(library, "_CHECKOUT", folder)
    return folder


@pytest.mark.parametrize("name", library_names())
def test_a_library_checks_by_itself_and_is_formatted(name: str) -> None:
    file = library_folder() / f"{name.removeprefix('std:')}.mix"
    assert compile_file(file).diagnostics == (), render(compile_file(file).diagnostics)
    text = file.read_text()
    assert format_text(SourceFile(name, text)).text == text
    assert text.startswith("# "), "its first line says what it is for"


def test_the_lock_pins_a_library_and_a_changed_one_shows(
    spec: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    assert main(["lock", "spec.mix"]) == 0
    locked = json.loads(spec.with_suffix(".lock").read_text())
    assert list(locked["libraries"]) == ["std:answered"]
    assert main(["check", "spec.mix"]) == 0
    before = mixwright.plan(spec)
    request.getfixturevalue("other_library")
    capsys.readouterr()
    assert main(["check", "spec.mix"]) == 0
    assert "warning[MIX806]: `std:answered` is not the one that was locked" in capsys.readouterr().out
    from mixwright_compiler.plan.diff import differences

    assert [str(one) for one in differences(before, mixwright.plan(spec))] == [
        "~ pipeline.p.a.generate_response (row: temperature 0.7 -> 0.2)"
    ]
    assert main(["lock", "spec.mix"]) == 0
    assert "~ library std:answered: " in capsys.readouterr().out
    assert main(["check", "spec.mix"]) == 0
    assert "MIX806" not in capsys.readouterr().out


def test_a_copy_of_a_library_makes_the_same_steps(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = mixwright.plan(spec)
    assert main(["vendor", "std:answered"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "wrote lib/answered.mix"
    spec.write_text(SPEC.replace("std:answered", "lib/answered.mix"))
    after = mixwright.plan(spec)
    one, other = ([s.fingerprint for s in plan.pipelines["p"].steps] for plan in (before, after))
    assert one == other


def test_a_changed_copy_is_not_written_over(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vendor", "answered", "--to", "mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "format_version": "1.1",
        "command": "vendor",
        "library": "std:answered",
        "path": "mine/answered.mix",
        "written": True,
    }
    assert main(["vendor", "answered", "--to", "mine"]) == 0
    assert "is there already" in capsys.readouterr().out
    Path("mine/answered.mix").write_text("edition 2026\n")
    assert main(["vendor", "answered", "--to", "mine"]) == 2
    assert "is another file already" in capsys.readouterr().err
    assert Path("mine/answered.mix").read_text() == "edition 2026\n"


def test_libraries_are_listed_and_a_misspelt_one_is_shown_with_the_nearest(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["vendor"]) == 0
    assert "std:answered" in capsys.readouterr().out
    assert main(["vendor", "std:answerd"]) == 2
    assert "did you mean std:answered?" in capsys.readouterr().err
    assert main(["vendor", "nope"]) == 2
    assert "did you mean" not in capsys.readouterr().err
