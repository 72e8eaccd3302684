"""JSON that somebody else may have written: a lock, a plan, what a killed process left."""

from __future__ import annotations

import json
from typing import Any


class Damaged(ValueError):
    """A file of ours does not hold what it should; the message names it and says what to do."""

    exit_code = 2


def json_of(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is no JSON, or nested deeper than the machine can follow.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
