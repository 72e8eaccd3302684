"""What all commands share: a manual with exit statuses, one contract of their JSON, completion in three shells."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from mixwright.cli import COMMANDS, main, parser_of
from mixwright.json_output import document_text
from mixwright.reference.commands import commands_page


@pytest.mark.parametrize("command", COMMANDS)
def test_every_manual_says_its_exit_statuses(command: str) -> None:
    manual = parser_of(command).description or ""
    *_, last = manual.strip().split("\n\n")
    assert last.startswith("Exit status: 0 ") and "; 2 " in last, last
    assert all(len(line) <= 122 for line in parser_of(command).format_help().splitlines()[:1])


def test_the_page_has_every_argument_of_every_command() -> None:
    page = commands_page()
    for command in COMMANDS:
        section = page.partition(f"\n## {command}\n")[2].partition("\n## ")[0]
        for action in parser_of(command)._actions:
            for name in action.option_strings:
                assert name in ("-h", "--help") or f"`{name}" in section, (command, name)


def test_json_is_one_object_that_says_its_format_and_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = tmp_path / "a.mix"
    spec.write_text(
        'edition 2026\nsource people inline { rows = [{ name = "Ada" }], license = "mit" }\n'
        "pipeline chats {\n  from people\n  chat { user = name, assistant = name }\n}\n"
        "mixture main {\n  seed = 1\n  chats = 1\n}\n"
    )
    lines = {
        "check": ["check", "--format", "json", "a.mix"],
        "lock": ["lock", "--check", "--format", "json", "a.mix"],
        "plan": ["plan", "--json", "a.mix"],
        "run": ["run", "--json", "a.mix"],
        "status": ["status", "--json"],
        "diff": ["diff", "--format", "json", "a.mix", "a.mix"],
        "preview": ["preview", "--json", "--prompts", "1", "a.mix"],
        "explain": ["explain", "--json", "MIX401"],
        "vendor": ["vendor", "--json"],
        "verify-store": ["verify-store", "--json"],
    }
    for command, line in lines.items():
        main(line)
        found = json.loads(capsys.readouterr().out)
        assert (found["format_version"], found["command"]) == ("1.1", command), line
    main(["explain", "--json", "verify.math"])
    assert json.loads(capsys.readouterr().out)["kinds"][0]["kind"] == "verify.math"
    assert document_text("explain", {"code": "MIX1", "text": "\x1b[2J"}).isascii()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["di"], "diff"),
        (["diff", "--form"], "--format"),
        (["diff", "--format", "m"], "markdown"),
        (["check", "--format", "sa"], "sarif"),
        (["init", "--template", "pe"], "persona-math"),
        (["explain", "MIX20"], "MIX201 MIX202 MIX203 MIX205 MIX206 MIX208 MIX209"),
        (["explain", "verify.ma"], "verify.math"),
        (["diff", "prese"], "present.mix"),
        (["breaking", "prese"], "present.mix"),
    ],
)
def test_bash_completes_commands_options_and_words(
    words: list[str],
    expected: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("shtab")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "present.mix").touch()
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    typed = " ".join(["mixwright", *words])
    asked = f"COMP_WORDS=({typed}); COMP_CWORD={len(words)}; _shtab_mixwright mixwright {words[-1]} x"
    shell = ["bash", "-c", f'{script}\n{asked}\necho "${{COMPREPLY[@]}}"']
    assert (
        subprocess.run(shell, capture_output=True, text=True, check=True).stdout.split() == expected.split()
    )


@pytest.mark.parametrize(("shell", "first"), [("zsh", "#compdef mixwright"), ("fish", "")])
def test_other_shells_have_every_command(shell: str, first: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert script.startswith(first) and all(command in script for command in COMMANDS)


def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mixwright.commands.completion.find_spec", lambda name: None)
    assert main(["completion", "bash"]) == 2
    assert "pip install 'mixwright[completion]'" in capsys.readouterr().err
