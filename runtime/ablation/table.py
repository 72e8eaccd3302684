"""The table of an ablation: of each mixture and measure the mean over seeds, its spread, the difference to the base."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any

from runtime.ablation.cells import Result
from runtime.training.evaluate import Z

AVERAGE = "average"
LOSS = "loss "
"""Start of the name of a held-out loss; the component follows."""
CHANCE = {2: "22%", 3: "5%", 4: "1%"}
"""How often two mixtures that do not differ get a mark, by the number of seeds: of 200,000 draws from one normal
distribution. From 5 seeds on it is less than 0.3%."""


@dataclass(frozen=True)
class Entry:
    """A measure of one mixture. Accuracies are 0..1, losses per trained token.

    spread: standard deviation over seeds (with n - 1); None for one seed. is_beyond: the difference is larger than that
    of any two seeds of one of the two mixtures; None where that cannot be said. low, high: the difference's 95% interval
    for other problems of the same kind, by what became of each problem under both; of accuracies alone.
    """

    values: tuple[float, ...]
    mean: float
    spread: float | None
    difference: float | None = None
    is_beyond: bool | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """A mixture of the table. `rows` by component; `failures`: what went wrong with its cells, by seed."""

    mixture: str
    seeds: tuple[int, ...]
    rows: dict[str, int]
    entries: dict[str, Entry]
    failures: dict[int, str]


@dataclass(frozen=True)
class Table:
    """`untrained`: accuracy before training, by measure; empty for a fresh model. The first line is the base's."""

    train: str
    base: str
    columns: tuple[str, ...]
    untrained: dict[str, float]
    lines: tuple[Line, ...]

    @property
    def seeds(self) -> int:
        """The most seeds that a mixture has been trained with."""
        return max((len(line.seeds) for line in self.lines), default=0)

    @property
    def most_marks_by_chance(self) -> str:
        """How often a mark is chance, in words; empty when there are no marks."""
        if self.seeds < 2:
            return ""
        return (
            f"with {self.seeds} seeds {CHANCE.get(self.seeds, 'less than 0.3%')} of equal mixtures get a mark"
        )


def table_of(
    *,
    train: str,
    mixtures: Sequence[str],
    results: Sequence[Result],
    failures: Mapping[tuple[str, int], str],
    untrained: Mapping[str, Mapping[str, Any]],
) -> Table:
    """The table of what is finished so far; the first of the mixtures is the base."""
    by_mixture = {name: [r for r in results if r.mixture == name] for name in mixtures}
    base = mixtures[0]
    columns = _columns(results)
    at_start = {name: float(found["accuracy"]) for name, found in untrained.items()}
    if (average := _average(untrained)) is not None:
        at_start[AVERAGE] = average
    lines = []
    for name, found in by_mixture.items():
        entries = {}
        for column in columns:
            values = _values(found, column)
            if values:
                others = _values(by_mixture[base], column) if name != base else []
                entries[column] = _entry(
                    values, others, *_paired(found, by_mixture[base], column, name == base)
                )
        lines.append(
            Line(
                mixture=name,
                seeds=tuple(r.seed for r in found),
                rows=found[0].components if found else {},
                entries=entries,
                failures={seed: text for (mixture, seed), text in failures.items() if mixture == name},
            )
        )
    return Table(train, base, columns, at_start, tuple(lines))


def _columns(results: Sequence[Result]) -> tuple[str, ...]:
    measures: dict[str, Mapping[str, Any]] = {}
    for result in results:
        measures |= result.measures
    losses = list(dict.fromkeys(f"{LOSS}{name}" for result in results for name in result.held_out))
    average = [AVERAGE] if len(_sets(measures)) > 1 else []
    return (*average, *measures, *losses)


def _sets(measures: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Evaluation -> its first measure: `ifeval.strict` and `ifeval.loose` are of one set."""
    found: dict[str, str] = {}
    for name, accuracy in measures.items():
        found.setdefault(str(accuracy.get("set", name)), name)
    return found


def _average(measures: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Mean accuracy over the evaluation sets, each by its first measure; None for one set."""
    sets = _sets(measures)
    return fmean(float(measures[name]["accuracy"]) for name in sets.values()) if len(sets) > 1 else None


def _values(results: Sequence[Result], column: str) -> list[float]:
    """A column's value for each seed that has one."""
    found: list[float | None] = []
    for result in results:
        if column.startswith(LOSS):
            found.append(result.held_out.get(column.removeprefix(LOSS)))
        elif column == AVERAGE:
            found.append(_average(result.measures))
        elif column in result.measures:
            found.append(float(result.measures[column]["accuracy"]))
    return [value for value in found if value is not None and math.isfinite(value)]


def _entry(values: Sequence[float], base: Sequence[float], low: float | None, high: float | None) -> Entry:
    mean = fmean(values)
    spread = stdev(values) if len(values) > 1 else None
    if not base:
        return Entry(tuple(values), mean, spread)
    difference = mean - fmean(base)
    is_beyond = None
    if len(values) > 1 and len(base) > 1:
        is_beyond = abs(difference) > max(max(values) - min(values), max(base) - min(base))
    return Entry(tuple(values), mean, spread, difference, is_beyond, low, high)


def _paired(
    results: Sequence[Result], base: Sequence[Result], column: str, is_base: bool
) -> tuple[float | None, float | None]:
    """The 95% interval of the difference to the base over problems: each problem's mean over seeds, compared in pairs."""
    if is_base or column.startswith(LOSS) or column == AVERAGE:
        return None, None
    mine, theirs = _by_problem(results, column), _by_problem(base, column)
    pairs = [a - b for a, b in zip(mine, theirs, strict=False) if a is not None and b is not None]
    if len(mine) != len(theirs) or len(pairs) < 2:
        return None, None
    half = Z * stdev(pairs) / math.sqrt(len(pairs))
    return fmean(pairs) - half, fmean(pairs) + half


def _by_problem(results: Sequence[Result], column: str) -> list[float | None]:
    """Of each problem the share of seeds that answered it rightly; None where a verifier failed."""
    texts = [r.measures[column]["verdicts"] for r in results if column in r.measures]
    if not texts or len({len(text) for text in texts}) > 1:
        return []
    return [
        None if set(letters) & {"x", "-"} else sum(letter == "1" for letter in letters) / len(letters)
        for letters in zip(*texts, strict=True)
    ]


def shown_mean(column: str, entry: Entry) -> str:
    """`71.3 ± 0.8` in per cent, or a loss as it is."""
    if column.startswith(LOSS):
        return f"{entry.mean:.3f}" + ("" if entry.spread is None else f" ± {entry.spread:.3f}")
    return f"{entry.mean * 100:.1f}" + ("" if entry.spread is None else f" ± {entry.spread * 100:.1f}")


def shown_difference(column: str, entry: Entry) -> str:
    """`+2.1 *` in points; empty for the base. The mark says that it is beyond the seeds' spread."""
    if entry.difference is None:
        return ""
    text = f"{entry.difference:+.3f}" if column.startswith(LOSS) else f"{entry.difference * 100:+.1f}"
    return text + (" *" if entry.is_beyond else "")


def table_json(table: Table) -> dict[str, Any]:
    """The table as it is written to `ablation.json`."""
    return {"format_version": "1.0", **asdict(table), "chance": table.most_marks_by_chance}


def table_csv(results: Sequence[Result], untrained: Mapping[str, Mapping[str, Any]]) -> str:
    """A line for each mixture, measure and seed, and none for what is not finished."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("mixture", "seed", "measure", "value"))
    for name, found in untrained.items():
        writer.writerow(("(before training)", "", name, repr(found["accuracy"])))
    for result in results:
        for name, found in result.measures.items():
            writer.writerow((result.mixture, result.seed, name, repr(found["accuracy"])))
        for component, loss in result.held_out.items():
            writer.writerow((result.mixture, result.seed, f"{LOSS}{component}", repr(loss)))
    return text.getvalue()
