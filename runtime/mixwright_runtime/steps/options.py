"""Step `options`."""

from __future__ import annotations

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.errors import RowError
from mixwright_runtime.plugins.attributes import SALT, STEP
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Apply
from mixwright_runtime.values.choices import decided_by
from mixwright_runtime.values.rows import Dropped, Row, digest, order_key

PLAIN = "OPTIONS:\n"
STARTS = (
    PLAIN,
    "Options:\n",
    "Choices:\n",
    "Choose from:\n",
    "Choose one:\n",
    "Pick one of these:\n",
    "Possible answers:\n",
    "The options are:\n",
    "Available answers:\n",
    "Your choices:\n",
    "Answer with one of:\n",
    "Select an answer:\n",
    "Which of these is it?\n",
    "Here are the answers to choose from:\n",
    "(options)\n",
    "\n",
)
"""What may stand before the items: as many as FLAN 2022 has, in words of our own."""
ENDS = ("", "\n", "\n\n")

_MARKS = (
    "{}.",
    "{})",
    "({})",
    "[{}]",
    "{}:",
    "{} -",
    "<{}>",
    "{{{}}}",
    "{}/",
    "{} =",
    "{}]",
    "option {}:",
    "#{}",
)
_BULLETS = (
    "-",
    "*",
    "•",
    "+",
    "–",
    "—",
    "·",
    "○",
    "►",
    ">",
    "->",
    "=>",
    "~",
    "|",
    ":",
    ";",
    "--",
    ">>",
    "**",
    "++",
    "::",
    "..",
)
_LIMIT = 26


def _roman(number: int) -> str:
    values = ((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))
    written = ""
    for value, letters in values:
        while number >= value:
            written, number = written + letters, number - value
    return written


def _items() -> tuple[tuple[str, ...], ...]:
    """Ways to name items, of up to 26 each. Those that name each otherwise come first."""
    letters = tuple(chr(ord("a") + i) for i in range(_LIMIT))
    numbers = tuple(str(i + 1) for i in range(_LIMIT))
    roman = tuple(_roman(i + 1) for i in range(_LIMIT))
    upper = tuple(name.upper() for name in letters)
    named = [
        tuple(mark.format(name) for name in names)
        for mark in _MARKS
        for names in (letters, upper, numbers, roman, tuple(name.upper() for name in roman))
    ]
    return (*named, *((bullet,) * _LIMIT for bullet in _BULLETS))


ITEMS = _items()
"""87 ways to name items, as many as FLAN 2022 has."""


@declare(
    "step",
    "options",
    label="new_column",
    makes={"{label}": "text", "{label}.gold": "text if with gold"},
    attributes=(
        attribute("of", "expr:list[text]", "the answers to choose from", default=REQUIRED),
        attribute("gold", "column", "the right one, which is one of them", holds="text"),
        attribute(
            "items",
            "enum:plain|any",
            "how they are listed: `plain` with dashes under `OPTIONS:`, or in a way that is drawn for each row",
            default="plain",
        ),
        SALT,
        *STEP,
    ),
)
class Options(Apply):
    """Writes out the answers that a question can have, for a template to show: `{{ NAME }}`.

    `plain` is `OPTIONS:` and a dash before each. With `any` one of 16 beginnings, 87 ways to name items and 3 ends is
    drawn for each row, by its identity. Where items have names of their own (`A.`, `(2)`, `iv)`), the right answer is
    the item: `NAME.gold` holds what is to be answered, as it is asked for there. A row whose `gold` is none of its
    answers is dropped, and so is one with more than 26.

        options shown { of = ["yes", "no"], gold = answer, items = any }
        render task { templates = [nli_1, nli_2], targets = true }      # which read `shown` and `shown.gold`

    After Longpre et al. 2023 (the FLAN collection), whose numbers these are; the words are our own.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        self.step = step
        self._of = context.expression(step.attributes["of"])
        self._gold: str | None = step.attributes.get("gold")
        self._is_plain = step.attributes.get("items") != "any"
        self._seed = context.seed

    def apply(self, row: Row) -> Row | Dropped:
        """The row with its answers written out, and the right one as it is named there."""
        found = self._of(row.columns)
        if not isinstance(found, list | tuple) or not found or not all(isinstance(a, str) for a in found):
            raise RowError("`of` is no list of texts, or has none")
        if len(found) > _LIMIT:
            return Dropped(row, self.step.id, "options: too many", {"options": len(found), "most": _LIMIT})
        start, items, end = self._form(row)
        lines = "\n".join(f"{item} {answer}" for item, answer in zip(items, found, strict=False))
        made: dict[str, object] = {self.step.label: f"{start}{lines}{end}"}
        if self._gold is not None:
            gold = row.columns.get(self._gold)
            if gold not in found:
                return Dropped(row, self.step.id, "options: gold is none of them", {"gold": gold})
            at = list(found).index(gold)
            made[f"{self.step.label}.gold"] = gold if items[0] == items[1] else items[at]
        return row.with_columns(**made)

    def _form(self, row: Row) -> tuple[str, tuple[str, ...], str]:
        if self._is_plain:
            return PLAIN, ("-",) * _LIMIT, ""
        drawn = order_key(self._seed, digest("mixwright.options.v1", *decided_by(self.step, row)))
        drawn, start = divmod(drawn, len(STARTS))
        drawn, items = divmod(drawn, len(ITEMS))
        return STARTS[start], ITEMS[items], ENDS[drawn % len(ENDS)]
