"""The editor grammar and the commit hooks agree with the language and the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from mixwright.cli import COMMANDS
from mixwright_dsl.escapes import ESCAPES
from mixwright_dsl.grammar import GRAMMAR_PATH

ROOT = Path(__file__).parents[2]
GRAMMAR = json.loads((ROOT / "editors/vscode/syntaxes/mix.tmLanguage.json").read_text())["repository"]


def patterns(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [
            value
            for key, value in node.items()
            if key in ("match", "begin", "end") and isinstance(value, str)
        ]
        return own + [found for value in node.values() for found in patterns(value)]
    return [found for value in node for found in patterns(value)] if isinstance(node, list) else []


def test_the_words_of_the_language_are_those_highlighted() -> None:
    words = set(re.findall(r'^[A-Z]+\.7: "([a-z]+)"$', GRAMMAR_PATH.read_text(), re.MULTILINE))
    shown = GRAMMAR["constant"]["match"] + GRAMMAR["operator"]["patterns"][0]["match"]
    assert set(re.findall(r"[a-z]{2,}", shown)) == words


def test_the_escapes_are_those_of_strings() -> None:
    escape = re.compile(GRAMMAR["string"]["patterns"][0]["match"])
    assert all(escape.fullmatch(f"\\{letter}") for letter in ESCAPES)
    assert escape.fullmatch(r"\u00e9") and not escape.match(r"\d")


def test_no_kind_of_block_or_step_is_named_in_the_grammar() -> None:
    text = " ".join(patterns({key: value for key, value in GRAMMAR.items() if not key.startswith("jinja")}))
    assert not re.search(r"pipeline|mixture|source|generate|dedup", text)


def test_what_begins_a_block_and_what_sets_an_attribute() -> None:
    block, attribute = re.compile(GRAMMAR["block"]["match"]), re.compile(GRAMMAR["attribute"]["match"])
    assert [
        block.match(line) is not None
        for line in ("edition 2026", 'import python "plugins/x.py"', "  a b {", "x {", "x = 3", "y in z")
    ] == [
        True,
        True,
        True,
        True,
        False,
        False,
    ]
    assert [attribute.match(line) is not None for line in ("x = 3", "a.b =c", "x == 3")] == [
        True,
        True,
        False,
    ]


def test_the_hooks_run_commands_that_exist() -> None:
    hooks = (ROOT / ".pre-commit-hooks.yaml").read_text()
    entries = re.findall(r"entry: mixwright (\S+)( .+)?$", hooks, re.MULTILINE)
    assert sorted(entries) == [("check", " --portable"), ("fmt", "")]
    assert {command for command, _ in entries} <= set(COMMANDS)


def test_the_extension_is_made_of_files_that_are_there_and_starts_a_command_that_there_is() -> None:
    folder = ROOT / "editors/vscode"
    package = json.loads((folder / "package.json").read_text())
    contributed = package["contributes"]
    paths = [g["path"] for g in contributed["grammars"]] + [
        x["configuration"] for x in contributed["languages"]
    ]
    assert all((folder / path).is_file() for path in paths)
    client = (folder / "extension.js").read_text()
    (started,) = re.findall(r'args: \["([a-z-]+)"\]', client)
    assert started in COMMANDS
    for setting in contributed["configuration"]["properties"]:
        assert f'"{setting.partition(".")[2]}"' in client
    assert contributed["commands"][0]["command"] in client
    locked = json.loads((folder / "package-lock.json").read_text())["packages"]
    assert locked[""]["devDependencies"] == package["devDependencies"]
    assert not any("resolved" in one for one in locked.values()), (
        "where packages come from is each machine's own business"
    )
