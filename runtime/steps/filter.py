"""Step `filter`."""

from __future__ import annotations

from runtime.plugin import REQUIRED, attribute, declare
from runtime.steps.attributes import COMMON


@declare(
    "step",
    "filter",
    attributes=(
        attribute("where", "expr:bool", "rows for which this is true are kept", default=REQUIRED),
        *COMMON,
    ),
)
class Filter:
    """Keeps the rows for which `where` is true.

    As in SQL, a row for which the condition is null (a column it needs is null) is dropped.
    """
