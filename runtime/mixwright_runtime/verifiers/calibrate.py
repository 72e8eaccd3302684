"""Block `calibrate` of a verifier: how right are its verdicts on rows whose right verdict is known?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare

DEMANDS = ("precision", "recall", "f1", "auc")


@declare(
    "verify_block",
    "calibrate",
    attributes=(
        attribute(
            "rows",
            "ref:source",
            "the labelled rows; they have the columns that the verifier reads",
            default=REQUIRED,
        ),
        attribute("label", "name", "their column that says which of them should pass", default="label"),
        attribute(
            "good",
            "json",
            "the label of rows that should pass, where labels are not true and false",
            default=True,
        ),
        attribute(
            "group",
            "name",
            "their column that rows made of the same question have in common, for verifiers that compare candidates",
        ),
        attribute(
            "precision", "share", "at least this share of the rows that pass should", minimum=0, maximum=1
        ),
        attribute(
            "recall", "share", "at least this share of the rows that should pass do", minimum=0, maximum=1
        ),
        attribute("f1", "share", "least harmonic mean of precision and recall", minimum=0, maximum=1),
        attribute(
            "auc",
            "share",
            "least probability that a row that should pass scores better than one that should not (higher, or lower "
            "where the verifier has `max` alone); half for equal scores",
            minimum=0,
            maximum=1,
        ),
    ),
)
@dataclass(frozen=True)
class Calibration:
    """Measures a verifier on labelled rows before the pipeline starts, and ends the run when it is not good enough.

    Every labelled row is measured and judged with the verifier's own thresholds, as the pipeline's rows will be;
    `pick` and `when` play no part. Precision, recall, F1, AUC and the confusion matrix are in the run's report. Where
    one is below what the block demands, the run fails before any model is asked for a row.

    A row that cannot be measured does not pass and scores below all others. Faults of the verifier are counted apart,
    and have the budget of any run. Measurements are kept in the store: another threshold measures nothing again.

    ```mix
    verify math {
      response = solution
      answer = answer
      calibrate { rows = labelled, label = is_right, precision = 95%, recall = 90% }
    }
    ```
    """

    node: str
    """`pipeline.step`."""
    rows: str
    """The labelled source."""
    right_passes: int
    wrong_passes: int
    right_fails: int
    wrong_fails: int
    unmeasurable: int
    """Of the rows above: those that hold nothing to measure; they fail."""
    faults: int
    """Rows left out, because the verifier failed on them."""
    auc: float | None
    demands: Mapping[str, float]
    better: Mapping[str, float] | None = None
    """A `min` or `max` with which the demands would be met on these rows, and precision and recall with it."""

    @property
    def precision(self) -> float | None:
        """Share of the rows that pass which should; None when none passes."""
        return _share(self.right_passes, self.wrong_passes)

    @property
    def recall(self) -> float | None:
        """Share of the rows that should pass which do; None when none should."""
        return _share(self.right_passes, self.right_fails)

    @property
    def f1(self) -> float | None:
        """2 right_passes / (2 right_passes + wrong_passes + right_fails); None when that is 0 / 0."""
        return _share(2 * self.right_passes, self.wrong_passes + self.right_fails)

    @property
    def missed(self) -> list[str]:
        """Demands that are not met, as `precision 83.3% of 95%`."""
        found = []
        for name, demand in self.demands.items():
            value: float | None = getattr(self, name)
            if value is None or value < demand:
                found.append(f"{name} {shown(value)} of {shown(demand)}")
        return found

    def figures(self) -> dict[str, Any]:
        """All of it as JSON, for the summary and the report."""
        return {
            "rows": self.rows,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "auc": self.auc,
            "matrix": {
                "right_passes": self.right_passes,
                "wrong_passes": self.wrong_passes,
                "right_fails": self.right_fails,
                "wrong_fails": self.wrong_fails,
            },
            "unmeasurable": self.unmeasurable,
            "faults": self.faults,
            "demands": dict(self.demands),
            "missed": self.missed,
            "better": None if self.better is None else dict(self.better),
        }


def calibration_lines(node: str, figures: Mapping[str, Any]) -> list[str]:
    """A calibration's figures as lines of text."""
    matrix = figures["matrix"]
    values = ", ".join(f"{name} {shown(figures[name])}" for name in DEMANDS)
    width = max(len(f"{count:,}") for count in (*matrix.values(), 99_999))
    lines = [
        f"calibration {node} on {sum(matrix.values()):,} rows of {figures['rows']}: {values}",
        f"          {'right':>{width}}  {'wrong':>{width}}",
        f"  passes  {matrix['right_passes']:>{width},}  {matrix['wrong_passes']:>{width},}",
        f"  fails   {matrix['right_fails']:>{width},}  {matrix['wrong_fails']:>{width},}",
    ]
    if figures["unmeasurable"]:
        lines.append(f"  {figures['unmeasurable']:,} of these hold nothing to measure")
    if figures["faults"]:
        lines.append(f"  {figures['faults']:,} rows left out: the verifier failed on them")
    if figures["missed"]:
        lines.append(f"  below what is demanded: {', '.join(figures['missed'])}")
    if figures["better"]:
        lines.append(f"  {better_words(figures['better'])}")
    return lines


def better_words(better: Mapping[str, float]) -> str:
    """What another threshold, `min` or `max`, would do on the same rows."""
    name = "max" if "max" in better else "min"
    return (
        f"`{name} = {better[name]:.6g}` would meet it on these rows: precision {shown(better['precision'])}, "
        f"recall {shown(better['recall'])}"
    )


def shown(value: float | None) -> str:
    """A share for the reader, rounded down: what is shown as 95.0% is not below 95%."""
    return "undefined" if value is None else f"{int(value * 1000 + 1e-9) / 10:g}%"


def area_under_curve(right: Sequence[float], wrong: Sequence[float]) -> float | None:
    """Probability that a score of `right` is above one of `wrong`, equal ones counting half; None without either.

    Mann and Whitney 1947: from the rank sum, ties with their mean rank.
    """
    if not right or not wrong:
        return None
    ordered = sorted([(score, True) for score in right] + [(score, False) for score in wrong])
    rank_sum, at = 0.0, 0
    while at < len(ordered):
        end = at
        while end < len(ordered) and ordered[end][0] == ordered[at][0]:
            end += 1
        mean_rank = (at + 1 + end) / 2
        rank_sum += mean_rank * sum(is_right for _, is_right in ordered[at:end])
        at = end
    return (rank_sum - len(right) * (len(right) + 1) / 2) / (len(right) * len(wrong))


def _share(part: int, rest: int) -> float | None:
    return part / (part + rest) if part + rest else None
