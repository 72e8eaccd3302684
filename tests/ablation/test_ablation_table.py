"""The table of an ablation: means, spreads, differences and marks, by hand-made results."""

from __future__ import annotations

import pytest

from mixwright_runtime.ablation.cells import Result
from mixwright_runtime.ablation.page import ablation_html
from mixwright_runtime.ablation.table import (
    mark_note,
    shown_difference,
    shown_mean,
    table_csv,
    table_of,
)


def result(mixture: str, seed: int, *, verdicts: str = "1100", loss: float = 1.0, **more: str) -> Result:
    measures = {
        name: {
            "set": name.removesuffix(".strict").removesuffix(".loose"),
            "accuracy": text.count("1") / len(text),
            "verdicts": text,
        }
        for name, text in {"gsm8k": verdicts, **more}.items()
    }
    return Result(mixture, seed, "key", 10, 5, 1.0, 0.5, measures, {"math": loss}, {"math": 6, "chat": 4})


def table(results, failures=None, untrained=None):
    names = list(dict.fromkeys(["base", *(r.mixture for r in results)]))
    return table_of(
        train="t", mixtures=names, results=results, failures=failures or {}, untrained=untrained or {}
    )


def test_a_difference_that_seeds_and_problems_cannot_explain_is_marked():
    right = "1" * 60 + "0" * 40
    found = table(
        [
            *(result("base", seed, verdicts=right, loss=1.0 + seed / 10) for seed in range(3)),
            *(
                result("worse", seed, verdicts="0" * 20 + right[20:], loss=1.1 + seed / 9)
                for seed in range(3)
            ),
        ]
    )
    base, worse = found.lines
    assert (base.entries["gsm8k"].mean, base.entries["gsm8k"].difference) == (0.6, None)
    assert shown_mean("gsm8k", base.entries["gsm8k"]) == "60.0 ± 0.0"
    assert shown_difference("gsm8k", worse.entries["gsm8k"]) == "-20.0 *"
    assert worse.entries["gsm8k"].high < 0
    # A loss has no problems: +0.12 against seeds that move both by 0.1 a seed, in step but for 0.01.
    assert shown_difference("loss math", worse.entries["loss math"]) == "+0.111 *"
    assert (
        mark_note(found) == "95% intervals are for other seeds and other problems; * the interval excludes 0"
    )


def test_seeds_that_differ_widen_the_interval():
    """The same accuracies on average, once the same for every seed and once not."""
    right = "1" * 60 + "0" * 40

    def width(swing: int) -> float:
        found = table(
            [
                *(result("base", seed, verdicts=right) for seed in range(3)),
                *(
                    result("other", seed, verdicts="1" * (50 + swing * seed) + "0" * (50 - swing * seed))
                    for seed in range(-1, 2)
                    for seed in [seed + 1]
                ),
            ]
        )
        entry = found.lines[1].entries["gsm8k"]
        return entry.high - entry.low

    assert width(8) > 3 * width(0)


def test_one_seed_has_no_spread_no_interval_and_no_mark():
    found = table([result("base", 0), result("other", 0, verdicts="0000")])
    entry = found.lines[1].entries["gsm8k"]
    assert (entry.spread, entry.low, shown_difference("gsm8k", entry)) == (None, None, "-50.0")
    assert mark_note(found) == ""


def test_only_seeds_that_both_have_are_compared():
    found = table(
        [
            result("base", 0, verdicts="1100"),
            result("base", 1, verdicts="1111"),
            result("other", 0, verdicts="1000"),
        ]
    )
    assert found.lines[1].entries["gsm8k"].difference == -0.25


def test_a_failed_verdict_is_left_out_of_the_pairs():
    seeds = range(2)
    found = table(
        [
            *(result("base", seed, verdicts="11x") for seed in seeds),
            *(result("other", seed, verdicts="1x0") for seed in seeds),
        ]
    )
    assert found.lines[1].entries["gsm8k"].low is None, "one problem is left"


def test_the_average_takes_each_set_once():
    sets = {"ifeval.strict": "1000", "ifeval.loose": "1110"}
    found = table([result("base", 0, verdicts="1100", **sets)], untrained=result("base", 0, **sets).measures)
    assert found.columns == ("average", "gsm8k", "ifeval.strict", "ifeval.loose", "loss math")
    assert found.lines[0].entries["average"].mean == pytest.approx((0.5 + 0.25) / 2)
    assert found.untrained["average"] == pytest.approx((0.5 + 0.25) / 2)


def test_two_sets_of_one_import_are_two_sets():
    found = table([result("base", 0, **{"evals.math": "1000", "evals.code": "1110"})])
    assert found.lines[0].entries["average"].mean == pytest.approx((0.5 + 0.25 + 0.75) / 3)


def test_what_is_not_finished_leaves_its_place_empty():
    found = table([result("base", 0)], failures={("gone", 0): "no rows"})
    assert [line.mixture for line in found.lines] == ["base"]
    found = table_of(
        train="t",
        mixtures=["base", "gone"],
        results=[result("base", 0)],
        failures={("gone", 0): "<script>"},
        untrained={},
    )
    assert (found.lines[1].entries, found.lines[1].failures) == ({}, {0: "<script>"})
    page = ablation_html(found)
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_csv_has_a_line_for_each_value():
    assert table_csv([result("base", 3)], {"gsm8k": {"accuracy": 0.25}}) == (
        "mixture,seed,measure,value\n(before training),,gsm8k,0.25\nbase,3,gsm8k,0.5\nbase,3,loss math,1.0\n"
    )
