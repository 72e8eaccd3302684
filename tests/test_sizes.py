"""A file over 400 lines, or a class over 250, has one job and a sentence in docs/architecture.md that says which."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from tests.checkout import PACKAGES, ROOT

LINES, CLASS_LINES = 400, 250


def test_every_long_file_and_class_is_defended() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = page.partition("## Long files, and why")[2].partition("\n## ")[0]
    rows = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]
    files = {file for row in rows if "`: `" not in row for file in re.findall(r"`([\w/]+\.py)`", row)}
    classes = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    texts = {
        file.relative_to(package).as_posix(): file.read_text(encoding="utf-8")
        for package in PACKAGES.values()
        for file in package.rglob("*.py")
    }
    assert sorted({name for name, text in texts.items() if text.count("\n") > LINES} - files) == []
    assert sorted(long_classes(texts.values()) - classes) == []


def long_classes(texts: Iterable[str]) -> set[str]:
    return {
        node.name
        for text in texts
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef) and (node.end_lineno or 0) - node.lineno >= CLASS_LINES
    }
