"""The closed sets of calls and words that attributes take: `parse`, `on_fail`, `on_verdict` and `shortfall`."""

from __future__ import annotations

CALLS: dict[str, dict[str, tuple[tuple[str, ...], int]]] = {
    "parse": {
        "after": (("text",), 1),
        "before": (("text",), 1),
        "between": (("text", "text"), 2),
        "regex": (("regex",), 1),
        "json": (("text",), 0),
        "last_line": ((), 0),
    },
    "on_fail": {"retry": (("count",), 1)},
    "on_verdict": {"retry": (("count",), 1), "repair": (("template", "count"), 1)},
    "shortfall": {"fill": (("name",), 1)},
}
"""Set -> function -> types of its arguments, and how many of them must be given."""

WORDS: dict[str, tuple[str, ...]] = {
    "parse": (),
    "on_fail": ("drop", "keep"),
    "on_verdict": ("drop", "keep"),
    "shortfall": ("error", "warn"),
}
"""Bare words that may stand for a call."""

MEANT = {
    **dict.fromkeys(("discard", "exclude", "filter", "ignore", "reject", "remove", "skip"), "drop"),
    **dict.fromkeys(("accept", "allow", "continue", "pass"), "keep"),
    **dict.fromkeys(("abort", "fail", "raise", "stop"), "error"),
    **dict.fromkeys(("log", "warning"), "warn"),
}
"""Words of other tools -> the one of these sets that they mean."""
