"""Step `review`: what people say of a sample of the rows."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from mixwright_compiler.plan.plan import Step
from mixwright_compiler.rounding import largest_remainder
from mixwright_compiler.schema import UNTYPED, element_of, fields_of
from mixwright_runtime.errors import ReviewFailed
from mixwright_runtime.plugins.attributes import STEP
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Place, Table
from mixwright_runtime.steps.review_sheet import Judged, Line, Sheet, write_new
from mixwright_runtime.values.opinions import share_of_yes
from mixwright_runtime.values.rows import Row, canonical_json, digest, order_key
from mixwright_runtime.values.texts import conversation_text, is_chat
from mixwright_runtime.verifiers.reviewed import Opinion, figures_of, missed_of, review_words

VALUES = 50
"""At most so many values of `by` are told of, those of most rows."""
_OWN_HEADS = ("row", "item", "content", "comment", "verdict", "missing")


@declare(
    "step",
    "review",
    label="new_column",
    makes={"{label}": "float"},
    breaker=True,
    needs_all_rows=True,
    rules=("reviewed",),
    attributes=(
        attribute(
            "of",
            "column",
            "the column that people judge: of a list each item, of anything else the row",
            default=REQUIRED,
        ),
        attribute("show", "list[column]", "columns that they see beside it", default=[]),
        attribute("count", "count", "how many rows are drawn for them", default=200, cls="set", minimum=1),
        attribute("by", "column", "draw as many of each value of this column as is its share of all rows"),
        attribute(
            "claim",
            "expr:bool",
            "what the pipeline takes a row to be, good or not; without it each row, and each item, is taken for good",
        ),
        attribute(
            "people", "count", "how many judge, each in columns of their own", default=1, minimum=1, maximum=9
        ),
        attribute("out", "path", "the CSV file that is written for them", default=REQUIRED, cls="run"),
        attribute("filled", "path", "the file that they filled in, where it is another one than `out`"),
        attribute("least", "block:review_block.least", "what the run ends with an error without", cls="set"),
        *STEP,
    ),
)
class Review(Table):
    """Has people judge a sample of the rows, and can end the run where they find them too bad.

    ```mix
    pipeline tagged {
      from pool
      generate raw { prompt = tags, model = teacher, parse = json() }
      normalize tags { from = raw }
      review checked {
        of = tags
        show = [instruction]
        count = 200
        by = source
        people = 2
        out = "review/tags.csv"
        least { precision = 95%, recall = 80% }
      }
    }
    ```

    The run writes `out`, a CSV file with a line for each thing to judge, and goes on; with `least` it ends there. People
    write `yes` or `no` into the column `verdict`, `?` where it cannot be told, and the next run reads that: also with
    semicolons, with lines in another order or left out, and with a byte-order mark, as spreadsheets write. A word that is
    none of these ends the run and is told with file and line. Nothing that was answered is asked for again.

    Which rows are drawn hangs on the pipeline's seed and the rows' identities alone: a larger `count` draws the same ones
    and more. With `by` each value gets its share of them (largest remainder), so that every figure stands for all rows.
    All rows are started. A cell that a spreadsheet would take for a formula begins with `'`.

    A file in which somebody has written a verdict is never written again. A verdict is on the text that was shown: where
    that has become another one it does not count, and is told of. To judge new rows, move the file away and name it in
    `filled`; both are then read by the rows that they name.

    - **precision**: of the things that the pipeline takes for good, the share that people do, with its interval (Wilson
      1927, 95%). Several people decide by majority; as many against as for is no.
    - **recall**: of the good things, the share that the pipeline takes for good. For lists people write into `missing`
      how many things a row's list lacks (0 for none), on one of its lines; else it needs a `claim`.
    - **kappa**: how far several people agree beyond chance (Cohen 1960); of more than two the mean over each two.

    Items of one list count as independent of each other, so the interval of a list's precision is rather too narrow.

    `NAME` is the share of the verdicts on a row that say yes, null where there are none, so that
    `filter { where = coalesce(NAME, 1) > 0.5 }` leaves out what people found bad. Rows themselves all go on. The figures
    stand in the run's report, in `mixwright status` and on the dataset card, and a row's verdicts in `mixwright explain`.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._step = step
        self._seed = context.seed
        self._of = str(attributes["of"])
        self._of_lists = _is_list_type(step.columns.get(self._of, "any"))
        self._show = [str(name) for name in attributes.get("show") or ()]
        self._count = int(attributes["count"])
        self._by: str | None = attributes.get("by")
        claim = attributes.get("claim")
        self._claim = None if claim is None else context.expression(claim)
        self._people = int(attributes["people"])
        self._out = context.directory / str(attributes["out"])
        self._told = str(attributes["out"])
        filled = attributes.get("filled")
        self._filled = None if filled is None else context.directory / str(filled)
        least = attributes.get("least") or {}
        self._demands = {name: float(value) for name, value in least.items() if value is not None}
        self._figures: dict[str, Any] = {}

    async def table(self, rows: Sequence[Row]) -> list[Place]:
        """Called once, with all rows.

        Raises:
            ReviewFailed: they are not as good as `least` says, by what people have said.
        """
        return await asyncio.to_thread(self._reviewed, rows)

    def _reviewed(self, rows: Sequence[Row]) -> list[Place]:
        sample = self._sample(rows)
        is_list = self._of_lists
        if is_list is None:
            is_list = any(_is_list(row.columns.get(self._of)) for row in rows)
        sheet = Sheet(self._people, is_list)
        filled = self._kept(sheet, [line for at in sample for line in self._lines(rows[at], is_list=is_list)])
        by_row: dict[str, list[Judged]] = {}
        for judged in filled.lines:
            by_row.setdefault(judged.row, []).append(judged)
        there = {row.row_id.hex(): row for row in rows}
        gone = sum(
            judged.has_verdict for name, those in by_row.items() if name not in there for judged in those
        )
        stale, sound = 0, dict[str, list[Judged]]()
        for name, those in by_row.items():
            if name in there:
                content = self._content(there[name])
                stale += sum(judged.has_verdict and judged.content != content for judged in those)
                sound[name] = [judged for judged in those if judged.content == content]
        self._figures = {
            "rows": len(rows),
            "sampled": len(sample),
            "judged": sum(any(_is_judged(judged) for judged in those) for those in sound.values()),
            **self._opinions(sound, there, sheet),
            "unsure": sum(judged.unsure for those in sound.values() for judged in those),
            "stale": stale,
            "gone": gone,
            "people": self._people,
            "values": self._values(rows, sample),
            "sheet": self._told,
            "filled": filled.name,
            "written": filled.is_new,
            "demands": self._demands,
        }
        self._figures["missed"] = missed_of(self._figures)
        if self._figures["missed"]:
            raise ReviewFailed(self._why())
        return [self._place(row, sound.get(row.row_id.hex(), ())) for row in rows]

    def _sample(self, rows: Sequence[Row]) -> list[int]:
        """Places of the rows that people are shown, in start order."""
        # In a domain of its own: rows start by `order_key(seed, row_id)`.
        drawn = sorted(
            range(len(rows)),
            key=lambda at: order_key(self._seed, digest("mixwright.review.v1", rows[at].row_id)),
        )
        count = min(self._count, len(rows))
        if self._by is None:
            return sorted(drawn[:count])
        by_value: dict[str, list[int]] = {}
        for at in drawn:
            by_value.setdefault(canonical_json(rows[at].columns.get(self._by)), []).append(at)
        parts = {value: Fraction(count * len(those), len(rows)) for value, those in by_value.items()}
        return sorted(at for value, n in largest_remainder(parts).items() for at in by_value[value][:n])

    def _lines(self, row: Row, *, is_list: bool) -> list[Line]:
        """What people are shown of a row."""
        judged = row.columns.get(self._of)
        heads = {name: _text(row.columns.get(name)) for name in self._show}
        shown = {_head(name): text for name, text in heads.items()}
        name, content = row.row_id.hex(), self._content(row)
        if is_list and isinstance(judged, list) and judged:
            return [
                Line(name, n, content, {**shown, _head(self._of): _text(item)})
                for n, item in enumerate(judged, 1)
            ]
        told = "" if is_list and not judged else _text(judged)
        return [Line(name, 0, content, {**shown, _head(self._of): told})]

    def _content(self, row: Row) -> str:
        seen = {name: row.columns.get(name) for name in (self._of, *self._show)}
        return digest("mixwright.reviewed.v1", canonical_json(seen)).hex()[:16]

    def _kept(self, sheet: Sheet, lines: Sequence[Line]) -> _Filled:
        """What people have said; and the sheet is written where nobody has yet.

        Raises:
            RunError: a file is there that is no sheet of this review, or cannot be read or written.
        """
        there = sheet.read(self._out) if self._out.exists() else []
        begun = any(judged.has_verdict for judged in there)
        if not begun:
            text = sheet.text(lines)
            if not self._out.exists() or self._out.read_bytes() != text.encode("utf-8-sig"):
                write_new(self._out, text)
        if self._filled is None or self._filled == self._out:
            return _Filled(there if begun else [], self._told, not begun)
        if not self._filled.exists():
            return _Filled(there if begun else [], str(self._step.attributes["filled"]), not begun)
        # Both count; where they name the same thing, what was filled in last does.
        newest = {(judged.row, judged.item): judged for judged in sheet.read(self._filled)}
        newest |= {(judged.row, judged.item): judged for judged in there if judged.has_verdict}
        return _Filled(list(newest.values()), str(self._step.attributes["filled"]), not begun)

    def _opinions(
        self, sound: Mapping[str, Sequence[Judged]], there: Mapping[str, Row], sheet: Sheet
    ) -> dict[str, Any]:
        """Precision, recall and kappa."""
        opinions: list[Opinion] = []
        seen: list[Opinion] = []
        missing = 0.0
        for name, those in sound.items():
            claimed = self._claim is None or self._claim(there[name].columns) is True
            found = [
                Opinion(claimed, judged.verdicts) for judged in those if not sheet.is_list or judged.item
            ]
            opinions += found
            said = [number for judged in those for number in judged.missing if number is not None]
            if said or not sheet.is_list:
                seen += found
                missing += sum(said) / len(said) if said else 0.0
        has_recall = sheet.is_list or self._claim is not None
        return figures_of(opinions, seen=seen if has_recall else None, missing=missing)

    def _values(self, rows: Sequence[Row], sample: Sequence[int]) -> dict[str, list[int]]:
        """Rows, and rows drawn, of the values of `by` with most rows."""
        if self._by is None:
            return {}
        values = [canonical_json(row.columns.get(self._by)) for row in rows]
        drawn = Counter(values[at] for at in sample)
        return {value: [n, drawn[value]] for value, n in sorted(Counter(values).most_common(VALUES))}

    def _place(self, row: Row, those: Sequence[Judged]) -> Row:
        verdicts = [verdict for judged in those for verdict in judged.verdicts]
        share = share_of_yes(verdicts)
        placed = row.with_columns(**{self._step.label: share})
        if not any(map(_is_judged, those)):
            return placed
        told = [
            {"item": judged.item, "verdicts": list(judged.verdicts), "line": judged.line} for judged in those
        ]
        outcome = "unmeasurable" if share is None else "measured"
        found = {"outcome": outcome, "score": share, "evidence": {"people": told}}
        return replace(placed, scores={**row.scores, self._step.id: found})

    def _why(self) -> str:
        figures = self._figures
        if not figures["judged"]:
            return (
                f"review '{self._step.id}': nobody has judged yet: write yes or no into the column "
                f"'{Sheet(self._people, False).verdicts[0]}' of {self._told} ({figures['sampled']:,} rows), then "
                "'mixwright run' again; nothing was selected or exported"
            )
        return (
            f"review '{self._step.id}': below what `least` demands: {', '.join(figures['missed'])}; "
            f"{review_words(figures)}, in {figures['filled']}; nothing was selected or exported. Change the steps before "
            "it, or the demand, then 'mixwright run' again"
        )

    async def prepare(self) -> None:
        """Reads what people have filled in, so that a slip of theirs is told before anything is asked."""
        if self._of_lists is None:
            return  # only the rows tell what its lines are
        sheet = Sheet(self._people, self._of_lists)
        for path in (self._out, self._filled):
            if path is not None and await asyncio.to_thread(path.exists):
                await asyncio.to_thread(sheet.read, path)

    def report(self) -> dict[str, Any]:
        """Rows, how many were drawn of each value, what people judged, and how good they found it."""
        return self._figures


@dataclass(frozen=True)
class _Filled:
    """What people have said, in the file of that name. is_new: nobody has said anything in the sheet."""

    lines: Sequence[Judged]
    name: str
    is_new: bool


def _is_judged(judged: Judged) -> bool:
    return any(said is not None for said in (*judged.verdicts, *judged.missing))


def _is_list_type(type: str) -> bool | None:
    """Does a column of the type hold lists whose items are judged? None where only its values tell."""
    if type in UNTYPED:
        return None
    item = element_of(type)
    return item is not None and not {"role", "content"} <= (fields_of(item) or {}).keys()


def _is_list(value: object) -> bool:
    return isinstance(value, list) and bool(value) and not is_chat(value)


def _text(value: object) -> str:
    """What people read of a value."""
    if value is None or isinstance(value, str):
        return value or ""
    return conversation_text(value) or canonical_json(value)


def _head(name: str) -> str:
    """A column's head in the sheet: its name, where that is none of the sheet's own."""
    own = name.casefold().partition("_")[0] in _OWN_HEADS
    return f"column {name}" if own else name
