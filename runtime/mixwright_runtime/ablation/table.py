"""The table of an ablation: of each mixture and measure the mean over seeds, its spread, the difference to the base."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixwright_runtime.ablation.cells import Result
from mixwright_runtime.ablation.interval import Runs, intervals, shared_seeds

AVERAGE = "average"
LOSS = "loss "
"""Start of the name of a held-out loss; the component follows."""


@dataclass(frozen=True)
class Entry:
    """A measure of one mixture. Accuracies are 0..1, losses per trained token.

    spread: standard deviation over seeds (with n - 1); None for one seed. difference: to the base, over the seeds that
    both have. low, high: its interval (`mixwright_runtime.ablation.interval`), of a loss for other seeds alone; None
    for one seed.
    """

    values: tuple[float, ...]
    mean: float
    spread: float | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def is_clear(self) -> bool:
        """The interval of the difference excludes 0."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


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
    entries: dict[str, dict[str, Entry]] = {name: {} for name in mixtures}
    for column in columns:
        runs = {name: _runs(found, column) for name, found in by_mixture.items()}
        others = [name for name in mixtures[1:] if runs[name].values]
        bounds = dict(zip(others, intervals(runs[base], [runs[name] for name in others]), strict=True))
        for name, found in runs.items():
            if found.values:
                entries[name][column] = _entry(found, runs[base] if name != base else None, bounds.get(name))
    lines = [
        Line(
            mixture=name,
            seeds=tuple(r.seed for r in found),
            rows=found[0].components if found else {},
            entries=entries[name],
            failures={seed: text for (mixture, seed), text in failures.items() if mixture == name},
        )
        for name, found in by_mixture.items()
    ]
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


def _runs(results: Sequence[Result], column: str) -> Runs:
    """A column's value for each seed that has one, and the verdicts behind it."""
    values: dict[int, float] = {}
    verdicts: dict[int, list[NDArray[np.float64]]] = {}
    for result in results:
        value: float | None
        sets: list[str] = []
        if column.startswith(LOSS):
            value = result.held_out.get(column.removeprefix(LOSS))
        elif column == AVERAGE:
            value, sets = _average(result.measures), list(_sets(result.measures).values())
        elif column in result.measures:
            value, sets = float(result.measures[column]["accuracy"]), [column]
        else:
            continue
        if value is not None and math.isfinite(value):
            values[result.seed] = value
            verdicts[result.seed] = [_verdicts(str(result.measures[name]["verdicts"])) for name in sets]
    return Runs(values, verdicts)


def _verdicts(letters: str) -> NDArray[np.float64]:
    """(problems,): 1 right, 0 not, NaN where a verifier failed."""
    return np.asarray([math.nan if letter in "x-" else float(letter == "1") for letter in letters])


def _entry(runs: Runs, base: Runs | None, bounds: tuple[float, float] | None) -> Entry:
    values = tuple(runs.values.values())
    mean = fmean(values)
    spread = stdev(values) if len(values) > 1 else None
    seeds = shared_seeds(base, runs) if base is not None else []
    if base is None or not seeds:
        return Entry(values, mean, spread)
    difference = fmean(runs.values[seed] - base.values[seed] for seed in seeds)
    low, high = bounds or (None, None)
    return Entry(values, mean, spread, difference, low, high)


def mark_note(table: Table) -> str:
    """What `*` and the interval say, as one line; empty for one seed, which has neither."""
    if table.seeds < 2:
        return ""
    compared = len(table.lines) - 1
    together = f", and hold for all {compared} differences of a column together" if compared > 1 else ""
    return f"95% intervals are for other seeds and other problems{together}; * the interval excludes 0"


def shown_mean(column: str, entry: Entry) -> str:
    """`71.3 ± 0.8` in per cent, or a loss as it is."""
    if column.startswith(LOSS):
        return f"{entry.mean:.3f}" + ("" if entry.spread is None else f" ± {entry.spread:.3f}")
    return f"{entry.mean * 100:.1f}" + ("" if entry.spread is None else f" ± {entry.spread * 100:.1f}")


def shown_interval(column: str, low: float, high: float) -> tuple[str, str]:
    """Its two ends, in points, or a loss's as they are."""
    if column.startswith(LOSS):
        return f"{low:+.3f}", f"{high:+.3f}"
    return f"{low * 100:+.1f}", f"{high * 100:+.1f}"


def shown_difference(column: str, entry: Entry) -> str:
    """`+2.1 *` in points; empty for the base. The mark says that its interval excludes 0."""
    if entry.difference is None:
        return ""
    text = f"{entry.difference:+.3f}" if column.startswith(LOSS) else f"{entry.difference * 100:+.1f}"
    return text + (" *" if entry.is_clear else "")


def table_json(table: Table) -> dict[str, Any]:
    """The table as it is written to `ablation.json`."""
    return {"format_version": "2.0", **asdict(table)}


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
