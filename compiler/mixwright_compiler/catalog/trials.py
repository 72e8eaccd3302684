"""Words that a test in a spec and its trial in the runtime share."""

from __future__ import annotations

TESTED = ("pipeline", "mixture", "variant")
"""Kinds of declarations that a test can be of."""

FROM = "from"
"""What a row is dropped by that the pipeline's own `from` does not let in."""

ANSWER_FIELDS = ("text", "finish", "reasoning", "calls")
"""What a recorded answer may say that is more than a text."""

LOSSES = "losses"
LOSS_FIELDS = (LOSSES, "prefix", "at")
"""What a recorded answer says of how hard tokens are: in nats, behind which prefix, and behind which part of the text."""

LIKELY = "token_at"
"""What a recorded answer says of how likely one token is in the places of a text."""

ENDS = ("kept", "dropped", "quarantined")
"""How a row can end."""

SHORT = "short"
"""What a test of a mixture can expect besides: that its components have too few rows."""

EXPECTING = ("render", "score", "golden")
"""Functions that only what a test expects has."""
