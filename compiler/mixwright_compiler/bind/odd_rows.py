"""Rows that are written in a spec, one of which is not as all the others are: most likely a slip."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mixwright_compiler.findings import Findings
from mixwright_compiler.schema import is_number, type_of_value
from mixwright_compiler.suggest import did_you_mean, replace_fix
from mixwright_dsl.nodes import Attribute, ListNode, ObjectNode, Ref
from mixwright_dsl.source import Span

LEAST_ROWS = 3
"""Rows from which on one that differs from all others stands out."""


def check_odd_rows(findings: Findings, title: str, node: ListNode, rows: Sequence[Any]) -> None:
    """MIX215: one of the rows calls a column otherwise than all others. MIX219: it has a value of another kind there.

    rows: the values of the list's items. title: what has the rows, in words.
    """
    written = [
        ({s.name.name: s for s in item.body if isinstance(s, Attribute)}, row)
        for item, row in zip(node.items, rows, strict=False)
        if isinstance(item, ObjectNode) and isinstance(row, Mapping)
    ]
    if len(node.items) != len(rows) or len(written) < LEAST_ROWS:
        return
    counts = Counter(name for names, _ in written for name in names)
    for names, _ in written:
        missing = [name for name, count in counts.items() if count == len(written) - 1 and name not in names]
        own = [name for name in names if counts[name] == 1]
        if len(missing) == len(own) == 1:
            _odd_name(findings, title, names[own[0]].name, missing[0])
    for name, count in counts.items():
        if count >= LEAST_ROWS:
            _check_values(
                findings,
                title,
                name,
                [(row.get(name), names[name]) for names, row in written if name in names],
            )


def _odd_name(findings: Findings, title: str, name: Ref, usual: str) -> None:
    findings.lint(
        "MIX215",
        f"only this row of {title} has `{name.name}`, and all others have `{usual}`",
        name.span,
        f"`{usual}` is null here, `{name.name}` everywhere else",
        hint=did_you_mean(usual),
        fix=replace_fix(name.span, usual),
    )


def _check_values(findings: Findings, title: str, name: str, values: Sequence[tuple[Any, Attribute]]) -> None:
    """MIX219, where one value of a column is of another kind than all the others are."""
    kinds: dict[str, list[tuple[Any, Attribute]]] = {}
    for value, at in values:
        if value is not None:
            kinds.setdefault(_kind(value), []).append((value, at))
    if len(kinds) != 2:
        return
    (odd, ones), (usual, others) = sorted(kinds.items(), key=lambda found: len(found[1]))
    if len(ones) > 1 or len(others) < LEAST_ROWS - 1:
        return
    value, at = ones[0]
    right = _as(value, at.value.span, usual)
    findings.lint(
        "MIX219",
        f"only this row of {title} has {odd} in `{name}`, and all others have {usual}",
        at.value.span,
        f"`{name}` is {usual} everywhere else",
        hint=did_you_mean(right, f"write {usual} here, or the same kind of value everywhere"),
        fix=replace_fix(at.value.span, right) if right else None,
    )


def _kind(value: Any) -> str:
    """The type of a value in words, as coarse as a slip is: all numbers are one kind, and so are all objects."""
    if is_number(value):
        return "a number"
    if isinstance(value, Mapping):
        return "an object"
    return {"text": "a text", "bool": "true or false"}.get(type_of_value(value), "a list")


def _as(value: Any, span: Span, kind: str) -> str:
    """How a value is written as another kind: a number in quotes without them, a number as a text."""
    if kind == "a text" and not isinstance(value, Mapping | list):
        return json.dumps(span.text, ensure_ascii=False)
    if kind == "a number" and isinstance(value, str):
        try:
            return value.strip() if is_number(json.loads(value)) else ""
        except ValueError:
            return ""
    return ""
