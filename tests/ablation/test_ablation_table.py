"""The table of an ablation: means, spreads, differences and marks, by hand-made results."""

from __future__ import annotations

import random

import pytest

from runtime.ablation.cells import Result
from runtime.ablation.table import (
    CHANCE,
    shown_difference,
    shown_mean,
    table_csv,
    table_of,
)
from runtime.report.ablation import ablation_html


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


def test_a_difference_beyond_the_seeds_spread_is_marked():
    found = table(
        [
            result("base", 0, verdicts="1110000000", loss=1.0),
            result("base", 1, verdicts="1111000000", loss=1.2),
            result("worse", 0, verdicts="1000000000", loss=1.2),
            result("worse", 1, verdicts="1000000000", loss=1.3),
        ]
    )
    base, worse = found.lines
    assert (base.entries["gsm8k"].mean, base.entries["gsm8k"].difference) == (0.35, None)
    assert shown_mean("gsm8k", base.entries["gsm8k"]) == "35.0 ± 7.1"
    assert shown_difference("gsm8k", worse.entries["gsm8k"]) == "-25.0 *"
    # +0.15 is less than the base's own 0.2 between two seeds, though not than the other's 0.1.
    assert shown_difference("loss math", worse.entries["loss math"]) == "+0.150"


def test_one_seed_has_no_spread_and_no_mark():
    found = table([result("base", 0), result("other", 0, verdicts="0000")])
    entry = found.lines[1].entries["gsm8k"]
    assert (entry.spread, entry.is_beyond, shown_difference("gsm8k", entry)) == (None, None, "-50.0")
    assert found.most_marks_by_chance == ""


def test_the_interval_of_a_difference_compares_problems_in_pairs():
    # The same two problems of a hundred change: alone, either accuracy is known to ten points, the difference to three.
    right = "1" * 50 + "0" * 50
    found = table([result("base", 0, verdicts=right), result("other", 0, verdicts="00" + right[2:])])
    entry = found.lines[1].entries["gsm8k"]
    assert (entry.low, entry.high) == (pytest.approx(-0.0476, abs=1e-4), pytest.approx(0.0076, abs=1e-4))


def test_a_failed_verdict_is_left_out_of_the_pairs():
    found = table([result("base", 0, verdicts="11x"), result("other", 0, verdicts="1x0")])
    assert found.lines[1].entries["gsm8k"].low is None, "one pair is left"


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


@pytest.mark.parametrize("seeds", [2, 3, 4])
def test_marks_by_chance_are_as_often_as_the_table_says(seeds: int):
    draw = random.Random(1)
    marks = 0
    for _ in range(4_000):
        a, b = ([draw.gauss(0, 1) for _ in range(seeds)] for _ in range(2))
        widest = max(max(a) - min(a), max(b) - min(b))
        marks += abs(sum(a) / seeds - sum(b) / seeds) > widest
    assert marks / 4_000 == pytest.approx(float(CHANCE[seeds].rstrip("%")) / 100, abs=0.02)
