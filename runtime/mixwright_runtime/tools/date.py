"""Tool `date`: the day on which a row is written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date as Day
from typing import Any

from mixwright_runtime.plugins.declare import attribute, declare
from mixwright_runtime.tools.kinds import Tool, ToolCall, ToolError

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


@declare(
    "tool",
    "date",
    one_of=(("day",), ("column",)),
    attributes=(
        attribute("day", "text", 'The day, for every row: `"2024-03-05"`.', holds="day"),
        attribute(
            "column",
            "column",
            "A column of the rows it is used on with the day, as `2024-03-05`; a time behind it counts for nothing.",
        ),
        attribute("doc", "text", "What models are told of it.", default="Gives today's date."),
    ),
)
class Date(Tool):
    """A calendar without a clock: it takes nothing and gives the day.

    The result is a sentence, `Today is Tuesday, March 5, 2024.` The day is that of the row, or one for all of them, and
    never that of the run: a row made again tomorrow says the same.

    ```mix
    tool calendar date { column = written_on }
    ```
    """

    def given(self, columns: Mapping[str, Any]) -> Mapping[str, Any]:
        """The day, as it is written."""
        column = self.spec.attributes.get("column")
        stated = self.spec.attributes.get("day") if column is None else columns.get(column)
        return {"day": None if stated is None else str(stated)[:10]}

    async def run(self, call: ToolCall) -> str:
        """The day in words."""
        stated = call.given["day"]
        try:
            day = Day.fromisoformat(str(stated))
        except ValueError:
            raise ToolError("nobody knows what day it is") from None
        return f"Today is {WEEKDAYS[day.weekday()]}, {MONTHS[day.month - 1]} {day.day}, {day.year}."
