"""Step `profile`: how often each value of a column comes by, in the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import STEP
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Keep, Shape
from mixwright_runtime.values.distributions import chi_square_of_fit, chi_square_of_two, l1
from mixwright_runtime.values.rows import Dropped, Row, canonical_json

MOST = 100_000
"""Different values that are counted by name; what comes after them counts as one."""
SHOWN = 50
"""Values that the report names, those of most rows, and those with a share."""
OTHERS = "(others)"
VALUE = 80
"""Characters of a value that are kept."""


@declare(
    "step",
    "profile",
    breaker=True,
    rules=("profiled",),
    attributes=(
        attribute(
            "of", "column", "whose values are counted; of a list each different item", default=REQUIRED
        ),
        attribute(
            "shares",
            "map[share]",
            "what share each value should have: `{ chat = 40%, code = 60% }`",
            cls="meta",
        ),
        attribute(
            "against",
            "name",
            "the `id` of a `profile` before it in the pipeline, with which this one is compared",
            cls="meta",
        ),
        *STEP,
    ),
)
class Profile(Keep):
    """Counts the values of a column where it stands, and compares: with shares, or with another place of the pipeline.

    ```mix
    pipeline spread {
      from pool
      profile { of = topic, id = before }
      balance { by = topic, most = 200 }
      profile { of = topic, id = after, against = before }
    }
    ```

    Every row goes on as it is. The report names the values of most rows with their shares, and says

    - how uneven they are: chi-square of the counts against as many of each value (YuLan-Chat's measure of topics);
    - with `shares`: chi-square against these, the L1 distance (0 equal, 2 nothing in common), of each value the share
      wanted and found, and how many rows have a value that none is named for;
    - with `against`: chi-square of both places being the same, and their L1 distance.

    Chi-square grows with the number of rows: compare its values over as many rows, or go by L1. Counted are the rows that
    a run starts, which may be more than a mixture takes. Null is a value of its own.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._of = str(attributes["of"])
        shares = attributes.get("shares")
        self._shares: dict[str, float] | None = None if shares is None else dict(shares)
        self._against: str | None = attributes.get("against")
        self.counts: Counter[str] = Counter()
        self._rows = 0
        self._other: Profile | None = None

    def keep(self, rows: Sequence[Row]) -> list[Row | Dropped]:
        """All of them."""
        for row in rows:
            self._rows += 1
            for value in _values(row.columns.get(self._of)):
                is_known = value in self.counts or len(self.counts) < MOST
                self.counts[value if is_known else OTHERS] += 1
        return list(rows)

    def beside(self, steps: Mapping[str, Shape]) -> None:
        """Finds the place that this one is compared with."""
        other = steps.get(self._against or "")
        self._other = other if isinstance(other, Profile) else None

    def report(self) -> dict[str, Any] | None:
        """Rows, values, their shares, and what these are compared with."""
        counts = self.counts
        if not counts:
            return None
        total = sum(counts.values())
        uneven, freedom = chi_square_of_fit(counts, dict.fromkeys(counts, 1.0))
        found: dict[str, Any] = {
            "rows": self._rows,
            "values": len(counts),
            "uneven": {"chi_square": uneven, "freedom": freedom},
        }
        if self._shares is not None:
            found["shares"] = self._compared(self._shares)
        if self._other is not None and self._other.counts:
            chi_square, freedom = chi_square_of_two(self._other.counts, counts)
            distance = l1(self._other.counts, counts)
            found["against"] = {
                "step": self._against,
                "chi_square": chi_square,
                "freedom": freedom,
                "l1": distance,
            }
        named = sorted(counts.most_common(SHOWN), key=lambda one: (-one[1], one[0]))
        found["counts"] = {value: [count, count / total] for value, count in named}
        return found

    def _compared(self, shares: Mapping[str, float]) -> dict[str, Any]:
        named = {value: self.counts.get(value, 0) for value in shares}
        total = sum(self.counts.values())
        outside = total - sum(named.values())
        told: dict[str, Any] = {"outside": outside, "l1": l1(shares, self.counts)}
        if outside < total:
            chi_square, freedom = chi_square_of_fit(named, shares)
            told |= {"chi_square": chi_square, "freedom": freedom}
        told["values"] = {
            value: {"wanted": share, "found": named[value] / total}
            for value, share in list(shares.items())[:SHOWN]
        }
        return told


def _values(value: object) -> Iterable[str]:
    """The names of a row's values."""
    return dict.fromkeys(map(_name, value)) if isinstance(value, list) else (_name(value),)


def _name(value: object) -> str:
    name = value if isinstance(value, str) else canonical_json(value)
    return name if len(name) <= VALUE else name[: VALUE - 1] + "…"
