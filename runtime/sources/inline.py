"""Source kind `inline`: rows written in the spec."""

from __future__ import annotations

from runtime.plugin import REQUIRED, attribute, declare
from runtime.sources.attributes import COMMON


@declare(
    "source",
    "inline",
    attributes=(
        attribute("rows", "list[json]", "the rows, each `{ column = value }`", default=REQUIRED),
        *COMMON,
    ),
)
class Inline:
    """Rows written in the spec itself: seeds, topics, small tests.

    A key that a row lacks is null. The place of a row is `inline:N`, counted from 1.
    """
