"""The compiler knows operations by what the catalog declares of them, never by name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mixwright_compiler.catalog.blocks import STEP_FAMILIES
from mixwright_compiler.catalog.catalog import builtin_catalog
from tests.checkout import PACKAGES

COMPILER = PACKAGES["mixwright_compiler"]
ENTRIES = builtin_catalog().entries.values()
NAMED = ("step", *STEP_FAMILIES, "model", "source", "export", "train")
"""Families whose entries are operations; their own names are words of the language."""
NAMES = {entry.name for entry in ENTRIES if entry.family in NAMED}
ALSO_ATTRIBUTES = {schema.name for entry in ENTRIES for schema in entry.attributes}
"""`statement.name == "where"` means an attribute."""
OF_AN_OPERATION = ("kind", "name", "engine", "operation", "format", "key")
"""What a name is compared with when an operation is meant by it."""
OF_THE_CATALOG = ("trainers.py",)
"""Other programs' abilities, by export format: data of the catalog in a table of their own."""


def keys_in(text: str) -> set[str]:
    return {f"{entry.family}.{entry.name}" for entry in ENTRIES if f"{entry.family}.{entry.name}" == text}


def named_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of every operation that is meant by a constant."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and keys_in(node.value):
            yield node.lineno, node.value
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            attributes = {side.attr for side in sides if isinstance(side, ast.Attribute)}
            if attributes & set(OF_AN_OPERATION):
                found = [named for side in sides for named in _names_in(side)]
                yield from (
                    named for named in found if attributes != {"name"} or named[1] not in ALSO_ATTRIBUTES
                )
        elif isinstance(node, ast.Match):
            subject = node.subject
            if isinstance(subject, ast.Attribute) and subject.attr in OF_AN_OPERATION:
                for case in node.cases:
                    yield from _names_in(case.pattern)


def _names_in(node: ast.AST) -> Iterator[tuple[int, str]]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and inner.value in NAMES:
            yield inner.lineno, inner.value


def test_no_operation_is_meant_by_its_name() -> None:
    found = [
        f"{path.relative_to(COMPILER)}:{line}: {name}"
        for path in sorted(COMPILER.rglob("*.py"))
        if path.name not in OF_THE_CATALOG
        for line, name in named_in(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


def test_the_test_sees_what_it_looks_for() -> None:
    seen = [
        name
        for text in (
            'x.key == "step.generate"',
            'block.kind in ("derive", "draw")',
            'match step.operation:\n    case "verify.math": pass',
            'entries["train.sft"]',
            'step.entry.name == "math"',
        )
        for _, name in named_in(ast.parse(text))
    ]
    assert seen == ["step.generate", "derive", "draw", "verify.math", "train.sft", "math"]


def test_every_rule_is_checked_and_declared() -> None:
    from mixwright_compiler.catalog.catalog import RULES

    checks = "".join(path.read_text(encoding="utf-8") for path in (COMPILER / "checks").glob("*.py"))
    assert {rule for rule in RULES if not re.search(rf'"{rule}"', checks)} == set()
    assert {rule for entry in ENTRIES for rule in entry.rules} == set(RULES)
