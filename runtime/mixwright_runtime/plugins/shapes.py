"""The shapes of steps: what a class that is declared as one promises the run. It says which by what it derives from.

    Apply          apply(row) -> Row | Dropped           row by row, pure and fast: filter, derive, draw, chat
    Enrich         async enrich(row) -> Row | Dropped    row by row, waiting for tools or models: call
    Ask            ask(row) -> StepRequest               asks a model for a column: generate. How many answers there are,
                   take(row, answer) -> Row              further attempts, repairs and faults belong to the run
    Measure        async measure(row) -> Measurement     a verifier of rows one by one
    MeasureGroup   async measure_group(rows)             a verifier that, where it compares, sees all candidates of a
                       -> list[Measurement]              row at once
    Keep           keep(rows) -> list[Row | Dropped]     decides on rows as they arrive in start order, wave after wave
    Table          async table(rows) -> Iterable[Place]  as Keep, and may ask models, change rows, make several of one
                                                         and one of several: cluster, fold by, select
    Spread         spread(row) -> list[Row] | Dropped    makes rows of one: each
    Fold           fold(row, rows, n) -> Row | Dropped   brings the rows made of one together again: fold
    Loop           enter(row, n), leave(row), …          takes a row through a body of steps, round by round: rounds

    @declare(
        "step",
        "shout",
        label="new_column",
        makes={"{label}": "text"},
        attributes=(attribute("on", "column", "the text", default=REQUIRED), *COMMON),
    )
    class Shout(Apply):
        \"\"\"Makes a column from another, in capitals.\"\"\"

        def __init__(self, step: Step, context: StepContext) -> None:
            self.on, self.label = step.attributes["on"], step.label

        def apply(self, row: Row) -> Row:
            return row.with_columns(**{self.label: row.columns[self.on].upper()})

A step that cannot process a row raises RowError: that row is quarantined with the reason. Any other exception is a bug
of the step; it costs the row (`Keep`, `Table`: ends the run), and what was done is kept. What does not fit together, such
as a method that is missing or misspelt or a trait that belongs to another shape, fails where the class is declared.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from mixwright_runtime.errors import RunStopped
from mixwright_runtime.values.rows import Dropped, Row

if TYPE_CHECKING:
    from mixwright_compiler.plan.plan import Step
    from mixwright_runtime.plugins.protocol import CallResult, Measurement, StepContext


class Shape:
    """What every step has; each of these may be left out."""

    def __init__(self, step: Step, context: StepContext) -> None:
        """Read the attributes. No row is there yet, and nothing may be waited for: see `prepare`.

        Raises:
            RunError: they cannot be used.
        """

    async def prepare(self) -> None:
        """Called once, before the first row: fail here, and not after hours, when something is missing.

        Raises:
            RunError: the step cannot work here; says what to do.
        """

    async def drawn_is_there(self) -> None:
        """Called before a row comes, where the pipeline draws from others: what they were asked for is made."""

    async def close(self) -> None:
        """Called once, at the end, however it came."""

    def beside(self, steps: Mapping[str, Shape]) -> None:
        """Called once, before `report`, with the steps of its pipeline by their ids: for what is told of two of them."""

    def report(self) -> Mapping[str, Any] | None:
        """What the run's report shows of this step; None for nothing."""
        return None


class Apply(Shape, ABC):
    """Row in, row out: pure and fast, for nothing goes on meanwhile."""

    is_long = False
    """It looks through so much for a row that each is taken in a thread, some at once; may be set when it is prepared."""

    @abstractmethod
    def apply(self, row: Row) -> Row | Dropped:
        """What becomes of a row.

        Raises:
            RowError: this row cannot be processed.
        """


@dataclass(frozen=True)
class StepRequest:
    """What a model is asked. sampling: hand over the same object for all rows, its JSON is made once. columns: what the
    row has from then on, whatever is answered: how it came to be asked this."""

    model: str
    messages: Sequence[Mapping[str, str]]
    sampling: Mapping[str, Any]
    columns: Mapping[str, Any] = field(default_factory=dict)


class Enrich(Shape, ABC):
    """Row in, row out, while tools are run or models asked. Rows go side by side."""

    @abstractmethod
    async def enrich(self, row: Row) -> Row | Dropped:
        """What becomes of a row; the keys of the calls that it took go into its `calls`.

        Raises:
            RowError: this row cannot be processed.
            RunStopped: the run is stopping; the row stays unfinished.
        """


class Ask(Shape, ABC):
    """Asks a model for a column, which the declaration names: `asks = (Asks("model", writes="{label}"),)`.

    The run does the rest. A row gets as many answers as the attributes `times` of that `Asks` say, each a candidate with
    a seed of its own; it is asked again as `on_fail` says, here (`retry(n)`, `keep`) or at a verifier (`retry(n)`,
    `repair(template)`), and every answer is stored before it is read.
    """

    @abstractmethod
    def ask(self, row: Row) -> StepRequest:
        """What the model is asked for a row; the same for each of its candidates and attempts.

        Raises:
            RowError: the request cannot be made.
        """

    @abstractmethod
    def take(self, row: Row, answer: CallResult) -> Row:
        """The row with what it made of a sound answer; of a long one in a thread.

        Raises:
            ParseFailed: it cannot be read (`mixwright_runtime.values.json_in_text`): this attempt has failed.
        """

    def without(self, row: Row) -> Row:
        """A row with `on_fail = keep` none of whose attempts gave an answer; its column is null already."""
        return row


class Decides(Protocol):
    """Gives a verdict for each row by its measurement, in order."""

    def decide(self, rows: Sequence[Row], measurements: Sequence[Measurement]) -> list[Row | Dropped]: ...


class Measure(Shape, ABC):
    """A verifier: a measurement of each row, which is stored, and a verdict from it, worked out anew in each run.

    It may ask models as it measures, through `context.calls` or `mixwright_runtime.verifiers.judging.asking`; its
    declaration says which (`asks`), so that it is planned and priced.
    """

    selection: Decides | None = None
    """How it decides, where it has no `decide` of its own. Without it the step's `min`, `max` and `pick` say; see
    `mixwright_runtime.verifiers.verdicts.Selection`."""

    @abstractmethod
    async def measure(self, row: Row) -> Measurement:
        """What is found of a row. An exception is an `error` of the verifier: it neither passes nor fails the row."""

    def decide(self, rows: Sequence[Row], measurements: Sequence[Measurement]) -> list[Row | Dropped]:
        """A verdict for each row, in order; pure. It knows nothing of `on_fail`, and sees no `error` or `timeout`: the
        run quarantines those and asks again for the rest.

        With `pick` or `band`, and where it is declared to compare, it gets all candidates of a row together, and they go
        on as what it lets pass. A candidate that passes while another one is picked is `Dropped` as `passed`.
        """
        assert self.selection is not None
        return self.selection.decide(rows, measurements)


class MeasureGroup(Measure):
    """A verifier that measures the candidates of a row together where it is declared to compare (`compares`)."""

    @abstractmethod
    async def measure_group(self, rows: Sequence[Row]) -> list[Measurement]:
        """A measurement of each candidate of a row, in order."""

    async def measure(self, row: Row) -> Measurement:
        """The measurement of a row that has no other candidates."""
        [found] = await self.measure_group([row])
        return found


class Breaker(Shape, ABC):
    """What decides on many rows at once: `Keep` and `Table`."""

    is_interrupted = False
    """The run is to stop."""

    def interrupt(self) -> None:
        """Called when the run is to stop, from another thread than `keep`: one that works for long raises RunStopped."""
        self.is_interrupted = True

    def stop_if_interrupted(self, what: str) -> None:
        """To be called now and then by a step that works for long; `what`: its name.

        Raises:
            RunStopped: it was interrupted.
        """
        if self.is_interrupted:
            raise RunStopped(f"{what} was interrupted")


class Keep(Breaker, ABC):
    """Decides on rows as they arrive: dedup. Declared as a `breaker`."""

    @abstractmethod
    def keep(self, rows: Sequence[Row]) -> list[Row | Dropped]:
        """A verdict for each row, in order; called wave after wave in a thread, with rows in start order. Earlier
        verdicts are never revised.

        Declared with `needs_all_rows` it is called once, with all rows that ever reach it: a share of them has no
        meaning before.

        Raises:
            RunStopped: it was interrupted.
        """


Place = Row | Dropped | list[Row]
"""What is left of a row in its place: it, why it is dropped, or rows made of it; none where it went into another one, of
which it is a parent."""


class Table(Breaker, ABC):
    """Decides on rows as `Keep` does, and may do more: ask models, which its declaration names, change rows, and make
    several of one or one of several (`mixwright_runtime.values.rows.merged`). Declared as a `breaker`."""

    @abstractmethod
    async def table(self, rows: Sequence[Row]) -> Iterable[Place]:
        """What stands in the place of each row, in order; called as `keep` is. What takes long beside the calls belongs
        in a thread. All rows may be more than memory holds: each is read anew when it is looked at. So a step holds what
        it goes by, and makes the places as they are asked for. Only a list may leave nothing in one, for a row that goes
        into another of these rows: what was let through before is not changed.

        Raises:
            RunStopped: it was interrupted; its rows stay unfinished.
        """


class Spread(Shape, ABC):
    """Makes rows of one, each of which goes on by itself until a `Fold` brings them together."""

    @abstractmethod
    def spread(self, row: Row) -> list[Row] | Dropped:
        """The rows made of a row, in their order: `row.child(step.identity, k, columns)` is number k of them.

        Raises:
            RowError: this row cannot be processed.
        """


class Fold(Shape, ABC):
    """Brings the rows together that a `Spread` or an `Ask` made of one."""

    @abstractmethod
    def fold(self, row: Row, rows: Sequence[Row], count: int) -> Row | Dropped:
        """The row, as it was before others were made of it, with what is worked out from these.

        Args:
            rows: those that are left, in their order.
            count: how many were made.
        """


class Loop(Shape, ABC):
    """Takes a row through a body of steps several times. Each round makes a row of its own."""

    times: int
    """Rounds at most."""
    again: bool
    """A row that a round drops enters the next one as it entered this one; otherwise its loop ends."""
    emits_last: bool
    """Only the last row that passed leaves the loop, not that of each round."""

    @abstractmethod
    def begin(self, row: Row) -> Row | None:
        """The row itself as one that leaves the loop before all others; None where it does not."""

    @abstractmethod
    def enter(self, row: Row, before: Row, came_from: bytes, number: int) -> Row:
        """The row that goes through round `number`, 1, 2 …

        Args:
            row: the one that came to the loop.
            before: `row`, or what the last round that was passed made of it.
            came_from: identity of the row of the last round, `row`'s own in the first.
        """

    @abstractmethod
    def leave(self, row: Row, passed: Row) -> Row:
        """What leaves the loop of a row that came to it as `row` and passed a round as `passed`."""

    @abstractmethod
    def is_done(self, passed: Row) -> bool:
        """True when a row that passed a round needs no further one."""

    @abstractmethod
    def unreached(self, row: Row) -> Dropped | None:
        """What becomes of a row that was never done in all its rounds; None where that is no fault."""


SHAPES: tuple[type[Shape], ...] = (Apply, Enrich, Ask, MeasureGroup, Measure, Keep, Table, Spread, Fold, Loop)
"""Narrower ones first."""


def shape_of(implementation: type) -> type[Shape]:
    """The shape that a step's class is of."""
    return next(shape for shape in SHAPES if issubclass(implementation, shape))
