"""`mixwright fix`: what is sure is mended, guesses only when asked for, and nothing is made worse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mixwright.cli import main
from mixwright.fixing import fixed
from mixwright_dsl.source import SourceFile

SPEC = """edition 2026

source people inline {
  rows = [{ name = "Ada" }, { name = "Bob" }]
  license = "MIT"  # as published
}

# mix: allow MIX111 -- no reason left
pipeline chats {
  from people
  filter { where = len(nmae) > 1 }
  chat { user = name, assistant = name }
}

mixture main {
  seed = 1
  chats = 2
}
"""
SURE = SPEC.replace('"MIT"', '"mit"').replace("# mix: allow MIX111 -- no reason left\n", "")


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "a.mix"
    path.write_text(SPEC)
    return path


def test_what_is_sure_is_mended_and_guesses_are_not(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SPEC.replace("nmae", "name")
    spec.write_text(text)
    assert main(["fix", str(spec)]) == 0
    assert spec.read_text() == SURE.replace("nmae", "name")
    assert capsys.readouterr().err == f"fixed {spec}: MIX214, MIX906\n"
    assert main(["fix", str(spec)]) == 0
    assert capsys.readouterr().err == "", "the same again changes nothing"


def test_errors_are_guessed_only_when_asked_for(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fix", str(spec)]) == 1
    assert "MIX401" in capsys.readouterr().out and "nmae" in spec.read_text()
    assert main(["fix", "--guess", str(spec)]) == 0
    assert spec.read_text() == SURE.replace("nmae", "name")


def test_a_diff_writes_nothing(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fix", "--diff", "--guess", str(spec)]) == 1
    shown = capsys.readouterr().out
    assert '-  license = "MIT"  # as published\n+  license = "mit"  # as published\n' in shown
    assert spec.read_text() == SPEC
    spec.write_text(SURE.replace("nmae", "name"))
    assert main(["fix", "--diff", "--guess", str(spec)]) == 0
    assert capsys.readouterr().out == ""


def test_check_fixes_first(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.write_text(SPEC.replace("nmae", "name"))
    assert main(["check", "--fix", "--deny-warnings", str(spec)]) == 0
    assert spec.read_text() == SURE.replace("nmae", "name")


def test_line_ends_and_the_mark_at_the_beginning_stay(spec: Path) -> None:
    spec.write_bytes(b"\xef\xbb\xbf" + SPEC.replace("nmae", "name").replace("\n", "\r\n").encode())
    assert main(["fix", str(spec)]) == 0
    assert spec.read_bytes() == b"\xef\xbb\xbf" + SURE.replace("nmae", "name").replace("\n", "\r\n").encode()


def test_a_fix_that_uncovers_another_error_is_not_taken(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec.write_text(SURE.replace("nmae", "name").replace("user = name", "user = nam, sytem = 3"))
    assert main(["fix", "--guess", str(spec)]) == 1
    assert "user = name, sytem = 3" in spec.read_text(), "what `system = 3` would be is no better"
    assert "MIX105" in capsys.readouterr().out


@pytest.mark.parametrize(("stubborn", "trials"), [("", 2), (" sytem = 3,", 13)])
def test_fixes_are_tried_together(monkeypatch: pytest.MonkeyPatch, stubborn: str, trials: int) -> None:
    """Of 32 guesses the one that breaks something is found by halving."""
    from mixwright_compiler import stages

    compiled: list[str] = []
    compile_source = stages.compile_source

    def counted(source: SourceFile, **given: Any) -> Any:
        compiled.append(source.text)
        return compile_source(source, **given)

    monkeypatch.setattr(stages, "compile_source", counted)
    filters = "  filter { whre = len(name) > 1 }\n" * 31
    text = SURE.replace("  filter { where = len(nmae) > 1 }\n", filters).replace(
        "chat {", f"chat {{{stubborn}"
    )
    found = fixed(SourceFile("a.mix", text), params={}, guesses=True)
    assert found.codes == ("MIX105",) * 31
    assert found.text == text.replace("whre", "where")
    assert len(compiled) == trials


def test_what_is_misspelt_several_times_is_mended_everywhere() -> None:
    """A missing column is told where it is first read, so each trial uncovers the next one."""
    more = "  filter { where = nmae != name }\n  derive { loud = upper(nmae) }\n  chat {"
    text = SURE.replace("  chat {", more)
    found = fixed(SourceFile("a.mix", text), params={}, guesses=True)
    assert found.text == text.replace("nmae", "name")
    assert found.codes.count("MIX401") == 3


def test_what_cannot_be_read_or_written(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fix", str(spec.with_name("none.mix"))]) == 2
    spec.write_bytes(b"\xff")
    assert main(["fix", str(spec)]) == 2
    assert "it is not UTF-8" in capsys.readouterr().err
    spec.write_text(SPEC)
    spec.with_suffix(".lock").write_text("<<<<")
    assert main(["fix", str(spec)]) == 2
    assert "damaged" in capsys.readouterr().err
