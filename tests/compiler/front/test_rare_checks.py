"""Checks that are imported where a spec has what they look at: each stands in a table, and is found by its name there."""

from __future__ import annotations

import ast
from pathlib import Path

from mixwright_compiler import checks
from mixwright_compiler.catalog.stored_entries import StoredEntries


def test_every_check_stands_in_one_table() -> None:
    written = {
        f"{path.stem}.{node.name}"
        for path in Path(checks.__file__).parent.glob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and [a.arg for a in node.args.args] == ["checked"]
        if node.name.startswith("check_")
    }
    always = {f"{c.__module__.rpartition('.')[2]}.{c.__name__}" for c in (*checks.CHECKS, *checks.LAST)}
    rare = {name for _, names in checks.RARE for name in names}
    assert written == always | rare and not always & rare


def test_a_rare_check_is_found_by_its_name() -> None:
    for _, names in checks.RARE:
        for name in names:
            assert checks.named(name).__name__ == name.partition(".")[2]


def test_entries_of_a_stored_catalog_are_made_when_they_are_asked_for() -> None:
    made: list[int] = []
    entries = StoredEntries({"a": 1, "b": 2}, lambda raw: made.append(raw) or f"entry {raw}")
    assert "a" in entries and list(entries) == ["a", "b"] and len(entries) == 2 and entries.get("c") is None
    assert not made
    assert (entries["b"], entries["b"], made) == ("entry 2", "entry 2", [2])
