"""What people's verdicts say of the rows that they were shown, as plain data and in words, and what is demanded of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixwright_runtime.plugins.declare import attribute, declare
from mixwright_runtime.values.opinions import LEVEL, mean_kappa, wilson
from mixwright_runtime.verifiers.calibrate import shown

REVIEW = "step.review"
"""The operation whose report holds these figures."""
MEASURES = ("precision", "recall", "kappa", "judged")
"""What a review can be held to, in the order in which it is told."""


@declare(
    "review_block",
    "least",
    attributes=(
        attribute(
            "precision",
            "share",
            "of the things that the pipeline takes for good, the least share that people do",
            cls="set",
            minimum=0,
            maximum=1,
        ),
        attribute(
            "recall",
            "share",
            "of the good things, the least share that the pipeline takes for good",
            cls="set",
            minimum=0,
            maximum=1,
        ),
        attribute(
            "kappa", "float", "the least agreement of people beyond chance", cls="set", minimum=-1, maximum=1
        ),
        attribute(
            "judged",
            "share",
            "the least share of the rows drawn that people must have judged",
            default=1.0,
            cls="set",
            minimum=0,
            maximum=1,
        ),
    ),
)
@dataclass(frozen=True)
class Least:
    """What people must find of the rows that a `review` shows them; else the run ends before anything is selected.

    The figures themselves are compared, not the ends of their intervals, which the message tells beside them. A figure
    that does not exist, such as the precision of nothing, is too low.

    ```mix
    review checked {
      of = answer
      show = [question]
      claim = right.passes
      out = "review/answers.csv"
      least { precision = 95%, recall = 80%, judged = 90% }
    }
    ```
    """

    precision: float | None = None
    recall: float | None = None
    kappa: float | None = None
    judged: float = 1.0


@dataclass(frozen=True)
class Opinion:
    """What people say of one thing: a row, or an item of its list.

    claimed: the pipeline takes it for good. verdicts: one of each person, None where there is none.
    """

    claimed: bool
    verdicts: Sequence[bool | None]

    @property
    def is_good(self) -> bool | None:
        """What more than half of those say who gave a verdict; no, where as many say no. None where nobody did."""
        given = [verdict for verdict in self.verdicts if verdict is not None]
        return sum(given) * 2 > len(given) if given else None

    @property
    def is_tied(self) -> bool:
        """As many people say yes as no."""
        given = [verdict for verdict in self.verdicts if verdict is not None]
        return bool(given) and sum(given) * 2 == len(given)


def share_of(part: float, of: float) -> dict[str, float] | None:
    """A share with its interval; None of nothing."""
    if of <= 0:
        return None
    low, high = wilson(part, of)
    return {"value": part / of, "low": low, "high": high, "part": part, "of": of}


def figures_of(
    opinions: Sequence[Opinion], *, seen: Sequence[Opinion] | None, missing: float = 0.0
) -> dict[str, Any]:
    """Precision, recall and kappa of what people said.

    precision: of the things that are claimed to be good, the share that is. recall: of the good things, the share that is
    claimed.

    Args:
        seen: the opinions that recall is of: all good things beside them are in `missing`. None where good things that
            are not claimed were never shown, so that there is no recall.
        missing: how many good things people miss.
    """
    claimed = [opinion for opinion in opinions if opinion.claimed and opinion.is_good is not None]
    good = [opinion for opinion in seen or () if opinion.is_good]
    found = sum(opinion.claimed for opinion in good)
    return {
        "precision": share_of(sum(bool(opinion.is_good) for opinion in claimed), len(claimed)),
        "recall": None if seen is None else share_of(found, len(good) + missing),
        "kappa": mean_kappa([opinion.verdicts for opinion in opinions]),
        "ties": sum(opinion.is_tied for opinion in opinions),
    }


def missed_of(figures: Mapping[str, Any]) -> list[str]:
    """What of a review's demands is not met, as `precision 90% of 95%`."""
    found = []
    for name, demand in figures["demands"].items():
        value = value_of(figures, name)
        if value is None or value < demand:
            found.append(f"{name} {_number(name, value)} of {_number(name, demand)}")
    return found


def value_of(figures: Mapping[str, Any], name: str) -> float | None:
    """The value of a measure; None where there is none."""
    value = figures[name]
    if name == "judged":
        return min(1.0, value / figures["sampled"]) if figures["sampled"] else None
    return None if value is None else float(value["value"] if isinstance(value, Mapping) else value)


def measures(figures: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Of each measure that there is: its name, its value, its interval, and what is demanded."""
    told = []
    for name in MEASURES:
        value, demand = value_of(figures, name), figures["demands"].get(name)
        if value is None and demand is None:
            continue
        found = figures[name]
        interval = (
            f"{shown(found['low'])} to {shown(found['high'])}, {found['part']:g} of {found['of']:g}"
            if isinstance(found, Mapping)
            else f"{found:,} rows, {figures['sampled']:,} drawn"
            if name == "judged"
            else ""
        )
        told.append((name, _number(name, value), interval, "" if demand is None else _number(name, demand)))
    return told


def review_words(figures: Mapping[str, Any]) -> str:
    """A review in a line: `people judged 40 rows (40 drawn): precision 96.1% (93.2% to 97.8%, 49 of 51); kappa 0.75`."""
    told = []
    for name, value, interval, _ in measures(figures):
        if name != "judged":
            told.append(f"{name} {value}" + (f" ({interval})" if interval else ""))
    words = f"people judged {figures['judged']:,} rows ({figures['sampled']:,} drawn)"
    return f"{words}: {'; '.join(told)}" if told else words


def review_lines(node: str, figures: Mapping[str, Any]) -> list[str]:
    """A review as lines of text."""
    lines = [f"review {node}: {review_words(figures)}"]
    if figures["written"]:
        lines.append(f"  {figures['sampled']:,} rows to judge are in {figures['sheet']}")
    for name, words in NOTES.items():
        if figures[name]:
            lines.append(f"  {figures[name]:,} {words}")
    if figures["missed"]:
        lines.append(f"  below what is demanded: {', '.join(figures['missed'])}")
    return lines


NOTES = {
    "ties": "things on which as many people say yes as no, which counts as no",
    "unsure": "verdicts say that it cannot be told",
    "stale": "verdicts are on texts that have changed since, and do not count",
    "gone": "verdicts are on rows that are not there any more, and do not count",
}
"""What else is told of a review, where there is any."""

INTERVAL = f"{LEVEL:.0%} interval (Wilson)"


def _number(name: str, value: float | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:.2f}" if name == "kappa" else shown(value)
