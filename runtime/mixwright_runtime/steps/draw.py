"""Step `draw`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice, repeat
from typing import Any

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.errors import RowError, RunError
from mixwright_runtime.plugins.attributes import SALT, STEP
from mixwright_runtime.plugins.declare import attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Apply
from mixwright_runtime.steps.drawing import Thing, Things, balanced, run_of, strata_of
from mixwright_runtime.values.choices import Choices, Turns, decided_by, several_of
from mixwright_runtime.values.rows import Dropped, Row, canonical_json, digest
from mixwright_runtime.verifiers.constraints.drawing import ConstraintPool

TOO_FEW = "draw: too few"
"""Why a row is dropped."""

MANY = 10_000
"""Chosen: from more things than this, all of which are looked at for a row, it draws beside the event loop: 30 ms."""
LONG_PACK = 100_000
"""Chosen: a pack of more is shuffled beside it: 0.15 s."""

DRAWN = "drawn"
"""What `where` calls the thing that may be drawn."""


@declare(
    "step",
    "draw",
    one_of=(("from",), ("values",), ("of",)),
    label="new_column",
    makes={"{label}": "drawn"},
    attributes=(
        attribute(
            "from",
            "drawn",
            "the source to draw rows from, or the pipeline; or `constraints(…)`, verifiable constraints that can stand "
            "together",
        ),
        attribute(
            "limit",
            "count",
            "of the rows of `from` the first so many; of a pipeline it then makes no more for this",
            minimum=1,
            only_when="with from",
        ),
        attribute(
            "lag",
            "count",
            "of a pipeline that draws from itself: how far behind a row the rows are that it sees, 256 without it; "
            "so many can be under way at once",
            minimum=5,
            only_when="with from",
        ),
        attribute("values", "list[json]", "what to draw from, written out, instead of `from`"),
        attribute("of", "expr:any", "a list of the row to draw items of, instead of `from`"),
        attribute(
            "count",
            "count_or_expr",
            "how many to draw, without repetition; above 1, or as an expression over the row, the column is a list, of "
            "constraints always",
            default=1,
            minimum=1,
            only_when="without run",
        ),
        attribute(
            "run",
            "count",
            "instead of `count`: draw so many items that stand together in `of`, as a list; with `least` a random number "
            "from that on",
            minimum=1,
            only_when="with of",
        ),
        attribute(
            "where",
            "drawn_expr:bool",
            "what may be drawn for a row: an expression over the row's columns and `drawn`, the row, item or value "
            "that may be",
            only_when="without run",
        ),
        attribute(
            "except",
            "enum:self",
            "`self`: no row that started from the source row which this one started from",
            only_when="with from",
        ),
        attribute(
            "spread",
            "enum:random|even",
            "`even`: rows take turns, so that all is drawn before anything is drawn again; `random` without it",
            only_when="without of",
        ),
        attribute(
            "weights",
            "list[float]",
            "how often each of `values` is drawn beside the others, in their order; each as often without it",
            only_when="with values and without balance and without where",
        ),
        attribute(
            "fewer",
            "enum:ok|drop|error",
            "what happens where there is less than `count` (or `least`) to draw: `ok` draws what there is, `drop` drops "
            "the row, `error`, which holds without it, ends the run",
        ),
        attribute("least", "count", "how much of `count` or `run` will do, where there is less", minimum=1),
        attribute(
            "tokens",
            "count",
            "draw only as much as fits into so many tokens, in the order in which it is drawn; `least` says how much "
            "must",
            minimum=1,
        ),
        attribute(
            "tokenizer",
            "ref:model",
            "the model whose tokenizer counts; it is not asked",
            tasks=("generate", "reward", "process_reward", "classify", "embed"),
            holds="tokenizer",
            only_when="with tokens",
        ),
        attribute(
            "with",
            "ref:template",
            "the template that each drawn row is counted as, of the drawn row's columns; a drawn text counts as it is "
            "without it",
            holds="drawn",
            only_when="with tokens",
        ),
        attribute(
            "balance",
            "name",
            "draw each value of this column of the drawn rows equally often",
            only_when="without of",
        ),
        attribute(
            "column",
            "name",
            "take this column of the drawn row instead of the whole row",
            only_when="without of",
        ),
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

    `where` says what may be drawn for a row, and calls it `drawn`: `where = drawn.topic == topic`. With
    `except = self` a row never draws the one that it started from, nor what a pipeline made of that. `spread = even`
    deals the rows of the source, or the values, out like cards: the row that is started next gets the next ones of a
    shuffled pack, and when all are dealt a new pack is shuffled. What a row gets follows from its place among the
    started rows alone, so a row that is dropped ahead of the step takes its cards with it; candidates, items and rounds
    that a step ahead made have packs of their own, by their number.

    From `of` items of a list are drawn that the row itself has: `of = merge(human, made)`. As many as there are is
    the list shuffled. `run` takes items that stand together: `of = lines(document), run = 15, least = 1` takes 1 to
    15 lines of a text. The first is any line behind which enough follow, the number is any from `least` on, and
    where the list ends before, the run does.

    `tokens` packs few-shot examples into what a prompt has left for them: of those that are drawn the first ones stay
    that fit together, each counted as the text of `with`, by the tokenizer of a model whose files are on this machine.

    `count` may say by the row how much is drawn, `count = 8 - len(made)`; 0 or less draws nothing, and where it is
    null the row is quarantined.

    From a pipeline its kept rows are drawn, all of them or the first `limit`, which are made before this pipeline starts.
    A pipeline may draw **from itself**: `draw made { from = THIS, column = task, count = 2, fewer = ok }`. The row that
    is started as number i then sees what was kept of the rows before number i - max(5, min(lag, i / 8)), and nothing
    else, so that what it draws hangs neither on how fast answers come nor on how many rows are wanted. A row starts when
    those are done with; one of them that was lost for the machine's reasons stays lost, or every later row would be
    asked something else in the next run.

    From `constraints(ifeval)` each row gets kinds that do not conflict, their arguments made up, as a list of
    `{ id, kwargs, sentence }`: a prompt asks for the sentences, `verify constraints` checks the rest. The call takes
    families (`ifeval`, `ifbench`, `training`) and ids; `without` leaves ids out, `language` is that of sentences and
    rules, `words` is where keywords come from, and with `least` a row gets from `least` to `count` constraints.

    ```mix
    draw shots { from = solved, where = drawn.topic == topic, except = self, count = 3, fewer = ok }
    draw tone { values = ["plain", "formal", "playful"], weights = [3, 1, 1] }
    draw snippet { of = lines(document), run = 15, least = 1, fewer = drop }
    ```
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self.step = step
        self._seed, self._plan = context.seed, context.plan
        self._rows_of, self._origins_of, self._beside = context.rows_of, context.origins_of, context.beside
        self._from: Any = attributes.get("from")
        self._values: list[Any] | None = attributes.get("values")
        listed, count, where = attributes.get("of"), attributes.get("count"), attributes.get("where")
        if sum(given is not None for given in (self._from, self._values, listed)) != 1:
            raise RunError(f"step '{step.id}': draw needs one of from, values and in")
        self._list = context.expression(listed) if listed is not None else None
        self._count_of = context.expression(count) if isinstance(count, Mapping) else None
        self._count = 1 if isinstance(count, Mapping) else int(count or 1)
        self._where = context.expression(where) if where is not None else None
        self._not_self = attributes.get("except") is not None
        self._run: int | None = attributes.get("run")
        self._weights: list[float] | None = attributes.get("weights")
        self._fewer = str(attributes.get("fewer") or "error")
        self._least: int | None = attributes.get("least")
        self._balance: str | None = attributes.get("balance")
        self._column: str | None = attributes.get("column")
        self._turns = Turns(context.seed, step) if attributes.get("spread") == "even" else None
        self._fitting = _fitting_of(step, context)
        self._pool: list[Thing] | None = None
        self._strata: list[list[Thing]] | None = None
        self._limit: int | None = attributes.get("limit")
        self._of_itself = context.pool if self._from == context.pipeline else None
        self._constraints = ConstraintPool.of(self._from) if isinstance(self._from, dict) else None

    async def prepare(self) -> None:
        """Read the source that is drawn from.

        Raises:
            RunError: it cannot be read, or has too few rows.
        """
        if isinstance(self._from, str) and self._from in self._plan.sources:
            await self._beside(self._everything)
            self._may_be_long()

    async def drawn_is_there(self) -> None:
        """Read the rows of the pipeline that is drawn from."""
        if isinstance(self._from, str) and self._of_itself is None and self._pool is None:
            self._pool = await self._beside(self._things)
            self._may_be_long()

    def _may_be_long(self) -> None:
        there = len(self._pool or ())
        if self._turns is not None:
            self.is_long = there > LONG_PACK
        else:
            self.is_long = there > MANY and (self._where is not None or self._balance is not None)

    def apply(self, row: Row) -> Row | Dropped:
        """The row with what was drawn for it; dropped where there is too little and `fewer` says so.

        Raises:
            RowError: `count` is null.
            RunError: there is too little to draw.
        """
        choices = Choices(digest("mixwright.draw.v1", self._seed, *decided_by(self.step, row)))
        wanted = self._wanted(row)
        if self._constraints is not None:
            return row.with_columns(**{self.step.label: self._constraints.draw(choices, wanted)})
        least = self._least or self._run or wanted
        if self._run is not None:
            items = run_of(self._items(row), self._run, self._least or self._run, choices)
            things = [Thing(item, item) for item in items]
        else:
            things = self._drawn(row, choices, wanted)
        drawn = [thing.value for thing in self._fitting(things)]
        if self._fewer != "ok" and len(drawn) < min(least, self._run or wanted):
            return self._too_few(row, len(drawn), min(least, self._run or wanted))
        is_list = self._run is not None or self._count_of is not None or self._count > 1
        found = drawn if is_list else drawn[0] if drawn else None
        return row.with_columns(**{self.step.label: found})

    def _wanted(self, row: Row) -> int:
        if self._count_of is None:
            return self._count
        count = self._count_of(row.columns)
        if isinstance(count, bool) or not isinstance(count, int):
            raise RowError("`count` is null" if count is None else f"`count` is no whole number: {count!r}")
        return max(count, 0)

    def _items(self, row: Row) -> list[Any]:
        """Of a row's own list; a row without one has none to draw."""
        items = self._list(row.columns) if self._list is not None else None
        return items if isinstance(items, list) else []

    def _drawn(self, row: Row, choices: Choices, count: int) -> list[Thing]:
        """Up to `count` different things."""
        pool: Sequence[Thing]
        if self._list is not None:
            pool = [Thing(item, item) for item in self._items(row)]
        elif self._of_itself is not None:
            pool = Things(self._of_itself(row.position)[: self._limit], self._thing)
        else:
            pool = self._everything()
        if self._weights is not None:
            chosen = several_of("mixwright.draw.v1", self._seed, self.step, row, self._weights, count)
            return [pool[at] for at in chosen]
        if self._turns is not None:
            return [pool[at] for at in self._turns.of(row, len(pool), count)]
        columns = dict(row.columns)
        if self._balance is None:
            may_be = (thing for thing in choices.shuffled(pool) if self._is_for(thing, row, columns))
            return list(islice(may_be, count))
        strata = self._strata_for(pool, row, columns)
        if len(strata) < 2:
            return choices.sample(strata[0] if strata else [], count)
        return balanced(choices, strata, count)

    def _strata_for(self, pool: Sequence[Thing], row: Row, columns: dict[str, Any]) -> list[list[Thing]]:
        """What may be drawn for the row, by the value of the `balance` column."""
        if self._where is not None or self._not_self or pool is not self._pool:
            return strata_of(thing for thing in pool if self._is_for(thing, row, columns))
        if self._strata is None:
            self._strata = strata_of(pool)
        return self._strata

    def _is_for(self, thing: Thing, row: Row, columns: dict[str, Any]) -> bool:
        """May it be drawn for the row? `columns` are the row's, to which the thing is put."""
        if self._not_self and thing.row_id == row.origin_id:
            return False
        if self._where is None:
            return True
        columns[DRAWN] = thing.whole
        return self._where(columns) is True

    def _everything(self) -> list[Thing]:
        """What is drawn from. Read once.

        Raises:
            RunError: it is too little for any row.
        """
        if self._pool is None:
            self._pool = self._things()
        there = len(self._pool)
        if there < self._count and self._least is None and self._fewer == "error":
            where = f"'{self._from}'" if self._from else "values"
            raise RunError(f"step '{self.step.id}': draws {self._count} rows, {where} has {there}")
        return self._pool

    def _things(self) -> list[Thing]:
        """What is drawn from, with the values of the `balance` column in order."""
        if self._values is not None:
            rows = list(self._values)
        else:
            rows = list(islice(self._rows_of(str(self._from)), self._limit))
        origins = self._origins_of(str(self._from)) if self._not_self else repeat(b"")
        return [self._thing(row, origin) for row, origin in zip(rows, origins, strict=False)]

    def _thing(self, row: Any, row_id: bytes = b"") -> Thing:
        value = row[self._column] if self._column else row
        return Thing(value, row, canonical_json(row.get(self._balance)) if self._balance else "", row_id)

    def _too_few(self, row: Row, there: int, least: int) -> Dropped:
        if self._fewer == "drop":
            return Dropped(row, self.step.id, TOO_FEW, {"there": there, "needed": least})
        raise RunError(
            f"step '{self.step.id}': {least} are to be drawn for a row, and {there} can be; "
            "`fewer = drop` drops such rows, `fewer = ok` draws what there is"
        )


def _fitting_of(step: Step, context: StepContext) -> Callable[[list[Thing]], list[Thing]]:
    """What leaves of drawn things the first that fit into `tokens` together."""
    limit = step.attributes.get("tokens")
    if limit is None:
        return lambda things: things
    from mixwright_runtime.engines.token_count import TokenCount

    spec = context.plan.models[str(step.attributes["tokenizer"])]
    count = TokenCount(spec, context.directory)
    name = step.attributes.get("with")
    render = context.template(str(name)) if name is not None else None

    def text_of(thing: Thing) -> str:
        if render is None:
            return str(thing.value)
        columns = thing.whole if isinstance(thing.whole, dict) else {DRAWN: thing.whole}
        return "\n\n".join(str(message["content"]) for message in render(columns).messages)

    def fitting(things: list[Thing]) -> list[Thing]:
        left = int(limit)
        for number, thing in enumerate(things):
            left -= count(text_of(thing))
            if left < 0:
                return things[:number]
        return things

    return fitting
