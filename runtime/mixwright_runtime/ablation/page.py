"""The page of an ablation: the table, a picture of each measure, and the rows of each mixture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup

from mixwright_runtime.ablation.table import (
    AVERAGE,
    LOSS,
    Entry,
    Line,
    Table,
    mark_note,
    shown_difference,
    shown_interval,
    shown_mean,
)
from mixwright_runtime.report.page import page, part
from mixwright_runtime.report.svg import Dots, dots
from mixwright_runtime.report.text import brief


def ablation_html(table: Table) -> str:
    """The page's text: no scripts, no links; the same table gives the same bytes."""
    return page(f"Ablation of {table.base}", _parts(table))


def _parts(table: Table) -> Iterator[Markup]:
    yield part("ablation", "head", table, f"{table.seeds} seed{'s' * (table.seeds != 1)}")
    untrained = [f"{table.untrained[c] * 100:.1f}" if c in table.untrained else "" for c in table.columns]
    lines = [
        (
            brief(line.mixture) if line.mixture == table.base else "→ " + brief(line.mixture),
            [_cell(column, line.entries.get(column)) for column in table.columns],
        )
        for line in table.lines
    ]
    yield part(
        "ablation", "results", table.columns, untrained if table.untrained else [], lines, _note(table)
    )
    for column in table.columns:
        dotted = _dotted(table, column)
        if column != AVERAGE and dotted:
            yield _picture(column, dotted)
    names = tuple(dict.fromkeys(name for line in table.lines for name in line.rows))
    if names:
        counts = [(brief(line.mixture), *_counts(line, names)) for line in table.lines]
        yield part("ablation", "counts", (*names, "rows"), counts)


def _note(table: Table) -> Markup:
    note = Markup("Accuracies in per cent, losses per trained token.")
    if table.seeds > 1:
        return Markup(
            "Mean ± standard deviation over {} seeds, the difference to {} and its interval. {} {}."
        ).format(table.seeds, brief(table.base), note, mark_note(table))
    return note


def _cell(column: str, entry: Entry | None) -> Mapping[str, object] | None:
    """The mean, and how it differs from the base where it does; None where nothing was measured."""
    if entry is None:
        return None
    cell: dict[str, object] = {"mean": shown_mean(column, entry), "difference": "", "interval": ()}
    if entry.difference is not None:
        is_better = entry.difference < 0 if column.startswith(LOSS) else entry.difference > 0
        cell["word"] = ("good" if is_better else "bad") if entry.is_clear else "cut"
        cell["difference"] = shown_difference(column, entry)
        if entry.low is not None and entry.high is not None:
            cell["interval"] = shown_interval(column, entry.low, entry.high)
    return cell


def _dotted(table: Table, column: str) -> list[Dots]:
    return [
        Dots(line.mixture, line.entries[column].values, line.entries[column].mean)
        for line in table.lines
        if column in line.entries
    ]


def _picture(column: str, lines: Sequence[Dots]) -> Markup:
    """A dot for each seed, a line where the base's mean is."""
    is_loss = column.startswith(LOSS)
    scale, unit = (1.0, "") if is_loss else (100.0, "%")
    caption = "Held-out loss of " + brief(column.removeprefix(LOSS)) if is_loss else brief(column)
    chart = dots(lines, column, mark=lines[0].mean, scale=scale, unit=unit)
    return part("ablation", "picture", caption, chart, lines[0].name)


def _counts(line: Line, parts: Sequence[str]) -> list[str]:
    counts = [line.rows.get(name, 0) for name in parts]
    return [f"{count:,}" for count in (*counts, sum(counts))]
