"""Step `draw`."""

from __future__ import annotations

from typing import Any

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.attributes import SALT, STEP
from mixwright_runtime.plugins.declare import attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Apply
from mixwright_runtime.values.choices import Choices, decided_by
from mixwright_runtime.values.rows import Dropped, Row, canonical_json, digest
from mixwright_runtime.verifiers.constraints.drawing import ConstraintPool


@declare(
    "step",
    "draw",
    one_of=(("from",), ("values",)),
    label="new_column",
    makes={"{label}": "drawn"},
    attributes=(
        attribute(
            "from",
            "drawn",
            "the source to draw rows from; or `constraints(…)`, verifiable constraints that can stand together",
        ),
        attribute("values", "list[json]", "what to draw from, written out, instead of `from`"),
        attribute(
            "count",
            "count",
            "how many to draw, without repetition; above 1 the column is a list, of constraints always",
            default=1,
            minimum=1,
        ),
        attribute("balance", "name", "draw each value of this column of the drawn rows equally often"),
        attribute("column", "name", "take this column of the drawn row instead of the whole row"),
        SALT,
        *STEP,
    ),
)
class Draw(Apply):
    """Adds a random choice to each row: few-shot examples, constraints, topics, personas.

    The choice depends on the pipeline's seed, the row's identity, the step's label and its `salt`, so it is the
    same in every run and whatever the batching or the step's `id`. With `balance` a value of that column is
    chosen first, each equally likely, then a row that has it. With `count` above 1 the choices differ from each
    other.

    From `constraints(ifeval)` each row gets kinds that do not conflict, their arguments made up, as a list of
    `{ id, kwargs, sentence }`: a prompt asks for the sentences, `verify constraints` checks the rest. The call takes
    families (`ifeval`, `ifbench`, `training`) and ids; `without` leaves ids out, `language` is that of sentences and
    rules, `words` is where keywords come from, and with `least` a row gets from `least` to `count` constraints.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self.step = step
        self._seed = context.seed
        self._rows_of = context.rows_of
        self._from: Any = attributes.get("from")
        self._constraints: ConstraintPool | None = None
        self._values: list[Any] | None = attributes.get("values")
        self._count = int(attributes.get("count") or 1)
        self._balance: str | None = attributes.get("balance")
        self._column: str | None = attributes.get("column")
        self._strata: list[list[Any]] | None = None
        if (self._from is None) == (self._values is None):
            raise RunError(f"step '{step.id}': draw needs either from or values")
        if isinstance(self._from, dict):
            self._constraints = ConstraintPool.of(self._from)

    def apply(self, row: Row) -> Row | Dropped:
        """The row with what was drawn for it."""
        choices = Choices(digest("mixwright.draw.v1", self._seed, *decided_by(self.step, row)))
        if self._constraints is not None:
            return row.with_columns(**{self.step.label: self._constraints.draw(choices, self._count)})
        strata = self._drawn_from()
        if len(strata) == 1:
            drawn = choices.sample(strata[0], self._count)
        else:
            drawn = _balanced(choices, strata, self._count)
        return row.with_columns(**{self.step.label: drawn[0] if self._count == 1 else drawn})

    def _drawn_from(self) -> list[list[Any]]:
        """What is drawn from, by value of the `balance` column; one list without it. Read once."""
        if self._strata is None:
            rows = list(self._values if self._values is not None else self._rows_of(str(self._from)))
            if len(rows) < self._count:
                where = f"'{self._from}'" if self._from else "values"
                raise RunError(f"step '{self.step.id}': draws {self._count} rows, {where} has {len(rows)}")
            groups: dict[str, list[Any]] = {}
            for row in rows:
                key = canonical_json(row.get(self._balance)) if self._balance else ""
                groups.setdefault(key, []).append(row[self._column] if self._column else row)
            self._strata = [groups[key] for key in sorted(groups)]
        return self._strata


def _balanced(choices: Choices, strata: list[list[Any]], count: int) -> list[Any]:
    """`count` different rows. Strata take turns in random order, so that while none is used up the numbers of rows
    drawn from each differ by one at most."""
    wanted = [0] * len(strata)
    while (missing := count - sum(wanted)) > 0:
        able = [i for i, stratum in enumerate(strata) if len(stratum) > wanted[i]]
        for i in choices.sample(able, min(missing, len(able))):
            wanted[i] += 1
    drawn = [
        row for i, stratum in enumerate(strata) if wanted[i] for row in choices.sample(stratum, wanted[i])
    ]
    return choices.sample(drawn, len(drawn))
