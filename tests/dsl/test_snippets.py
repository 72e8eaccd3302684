"""The snippets of the VS Code extension, taken as they come, are together a spec that checks, is formatted and passes its
tests."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mixwright.cli import main
from mixwright_dsl.formatter import format_text
from mixwright_dsl.source import SourceFile
from tests.checkout import ROOT

SNIPPETS = json.loads((ROOT / "editors/vscode/snippets/mix.json").read_text(encoding="utf-8"))
PLACE = re.compile(r"\$\{(\d+):((?:[^\\}]|\\.)*)\}|\$\{(\d+)\|([^|,]*)[^|]*\|\}|\$(\d+)")


def expanded(body: list[str]) -> str:
    """What VS Code writes when one takes all that is suggested: `${1:text}`, `${2|first,second|}`, `$1` once more."""
    chosen = {"0": ""}

    def put(found: re.Match[str]) -> str:
        number = found[1] or found[3]
        if number:
            chosen[number] = re.sub(r"\\(.)", r"\1", found[2] if found[1] else found[4])
            return chosen[number]
        return chosen[found[5]]

    return PLACE.sub(put, "\n".join(body))


def test_together_they_are_a_spec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    text = "edition 2026\n\n" + "\n".join(expanded(one["body"]) for one in SNIPPETS.values())
    Path("all.mix").write_text(text, encoding="utf-8")
    main(["check", "--format", "concise", "all.mix"])
    found = re.findall(r"(MIX\d+)\W+(.*)", capsys.readouterr().out)
    assert sorted(found) == [
        ("MIX104", "fragment `shouted` is not used"),
        ("MIX104", "source `questions` is not used"),
        ("MIX202", "no file `data/questions.jsonl`"),
    ]
    assert format_text(SourceFile("all.mix", text)).text.replace("\n\n", "\n") == text.replace("\n\n", "\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/questions.jsonl").write_text('{"question": "When?"}\n')
    assert main(["test", "--update", "all.mix"]) == 0, capsys.readouterr().out


def test_each_has_a_name_and_a_word_of_its_own() -> None:
    words = [one["prefix"] for one in SNIPPETS.values()]
    assert len(set(words)) == len(words)
    assert all(one["description"] == name for name, one in SNIPPETS.items())
    manifest = json.loads((ROOT / "editors/vscode/package.json").read_text(encoding="utf-8"))
    assert manifest["contributes"]["snippets"] == [{"language": "mix", "path": "./snippets/mix.json"}]
