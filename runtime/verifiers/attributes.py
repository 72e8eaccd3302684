"""Attributes that verifiers share."""

from __future__ import annotations

from compiler.catalog import AttributeSchema
from runtime.plugin import attribute

ON_FAIL = attribute(
    "on_fail",
    "call:on_fail",
    "what happens to a row that fails: `drop`, `keep`, or `retry(n)`, which asks the model again up to n times",
    default="drop",
    cls="set",
)


def pick(choices: str, default: str) -> AttributeSchema:
    """Attribute `pick`: which of a row's passing candidates go on."""
    return attribute(
        "pick", f"enum:{choices}", "which of a row's passing candidates go on", default=default, cls="set"
    )
