"""The page of an ablation: the table, a picture of each measure, and the rows of each mixture."""

from __future__ import annotations

from runtime.ablation.table import (
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
from runtime.report.page import page
from runtime.report.svg import Dots, dots
from runtime.report.text import brief, shown


def ablation_html(table: Table) -> str:
    """The page's text: no scripts, no links; the same table gives the same bytes."""
    seeds = f"{table.seeds} seed{'s' * (table.seeds != 1)}"
    body = [
        f"<header><h1>Ablation of {brief(table.base)} <small>train {brief(table.train)}, {seeds}</small></h1>"
        f"{_failures(table)}</header>",
        _table(table),
        *(_picture(table, column) for column in table.columns),
        _rows(table),
    ]
    return page(f"Ablation of {brief(table.base)}", body)


def _failures(table: Table) -> str:
    return "".join(
        f'<p class="warn">{brief(line.mixture)}, seed {seed}, failed: {shown(text, 1_000)}</p>'
        for line in table.lines
        for seed, text in line.failures.items()
    )


def _table(table: Table) -> str:
    head = "<th>mixture</th>" + "".join(f"<th class=n>{brief(column)}</th>" for column in table.columns)
    rows = []
    if table.untrained:
        cells = [
            f"<td class=n>{table.untrained[c] * 100:.1f}</td>" if c in table.untrained else "<td></td>"
            for c in table.columns
        ]
        rows.append(f"<tr><td>before training</td>{''.join(cells)}</tr>")
    for line in table.lines:
        name = brief(line.mixture) if line.mixture == table.base else f"→ {brief(line.mixture)}"
        cells = [_cell(column, line.entries.get(column)) for column in table.columns]
        rows.append(f"<tr><td>{name}</td>{''.join(cells)}</tr>")
    note = "Accuracies in per cent, losses per trained token."
    if table.seeds > 1:
        note = (
            f"Mean ± standard deviation over {table.seeds} seeds, the difference to {brief(table.base)} and its "
            f"interval. {note} {mark_note(table)}."
        )
    return (
        f'<section><div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
        f'<p class="cut">{note}</p></section>'
    )


def _cell(column: str, entry: Entry | None) -> str:
    if entry is None:
        return '<td class="n cut">–</td>'
    text = shown_mean(column, entry)
    if entry.difference is not None:
        is_better = entry.difference < 0 if column.startswith(LOSS) else entry.difference > 0
        word = ("good" if is_better else "bad") if entry.is_clear else "cut"
        text += f'<br><span class="{word}">{shown_difference(column, entry)}</span>'
        if entry.low is not None and entry.high is not None:
            low, high = shown_interval(column, entry.low, entry.high)
            text += f"<br><small>[{low}, {high}]</small>"
    return f"<td class=n>{text}</td>"


def _picture(table: Table, column: str) -> str:
    """A dot for each seed, a line where the base's mean is."""
    lines = [
        Dots(line.mixture, line.entries[column].values, line.entries[column].mean)
        for line in table.lines
        if column in line.entries
    ]
    if column == AVERAGE or not lines:
        return ""
    scale, unit = (1.0, "") if column.startswith(LOSS) else (100.0, "%")
    caption = (
        f"Held-out loss of {brief(column.removeprefix(LOSS))}" if column.startswith(LOSS) else brief(column)
    )
    note = f"A dot for each seed, a stroke for the mean; the vertical line is {brief(lines[0].name)}."
    return (
        f"<section><h2>{caption}</h2>"
        f"<figure>{dots(lines, column, mark=lines[0].mean, scale=scale, unit=unit)}"
        f"<figcaption>{note}</figcaption>"
        "</figure></section>"
    )


def _rows(table: Table) -> str:
    parts = list(dict.fromkeys(name for line in table.lines for name in line.rows))
    if not parts:
        return ""
    head = "<th>mixture</th>" + "".join(f"<th class=n>{brief(name)}</th>" for name in (*parts, "rows"))
    body = "".join(f"<tr><td>{brief(line.mixture)}</td>{_counts(line, parts)}</tr>" for line in table.lines)
    return (
        "<section><h2>Rows</h2>"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></section>'
    )


def _counts(line: Line, parts: list[str]) -> str:
    counts = [line.rows.get(name, 0) for name in parts]
    return "".join(f"<td class=n>{count:,}</td>" for count in (*counts, sum(counts)))
