"""Words that a test in a spec and its trial in the runtime share."""

from __future__ import annotations

FROM = "from"
"""What a row is dropped by that the pipeline's own `from` does not let in."""

ANSWER_FIELDS = ("text", "finish", "reasoning", "calls")
"""What a recorded answer may say that is more than a text."""

ENDS = ("kept", "dropped", "quarantined")
"""How a row can end."""

EXPECTING = ("render", "score", "golden")
"""Functions that only what a test expects has."""
