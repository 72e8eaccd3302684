"""The interval of a difference: it holds for other seeds and problems as often as it says, for all variants at once."""

from __future__ import annotations

import numpy as np
import pytest

from mixwright_runtime.ablation.interval import Runs, critical, intervals


def runs_of(verdicts: np.ndarray) -> Runs:
    """verdicts: (seeds, problems)."""
    return Runs(
        {seed: float(row.mean()) for seed, row in enumerate(verdicts)},
        {seed: [row] for seed, row in enumerate(verdicts)},
    )


def equal_mixtures(
    draw: np.random.Generator, *, mixtures: int, seeds: int, problems: int, between_seeds: float
) -> list[Runs]:
    """Mixtures that are equally good on all problems there are: runs differ, and so do they on the problems asked."""
    ease = draw.normal(0.4, 1.5, problems)
    run = draw.normal(0, between_seeds, (mixtures, seeds, 1))
    taste = draw.normal(0, 0.3, (mixtures, 1, problems))
    odds = ease + run + taste + draw.normal(0, 0.5, (mixtures, seeds, problems))
    verdicts = (draw.random(odds.shape) < 1 / (1 + np.exp(-odds))).astype(float)
    return [runs_of(found) for found in verdicts]


@pytest.mark.parametrize(
    ("mixtures", "seeds", "between_seeds"),
    [(2, 3, 0.0), (2, 3, 0.05), (2, 3, 0.3), (2, 5, 0.05), (4, 3, 0.05), (4, 3, 0.3)],
)
def test_equal_mixtures_are_inside_as_often_as_it_says(mixtures: int, seeds: int, between_seeds: float):
    draw = np.random.default_rng(11)
    inside = 0
    for _ in range(300):
        base, *variants = equal_mixtures(
            draw, mixtures=mixtures, seeds=seeds, problems=300, between_seeds=between_seeds
        )
        inside += all(low <= 0 <= high for low, high in filter(None, intervals(base, variants)))
    assert 0.93 <= inside / 300 <= 0.98


def test_a_real_difference_is_seen():
    draw = np.random.default_rng(3)
    seen = 0
    for _ in range(100):
        base, other = equal_mixtures(draw, mixtures=2, seeds=3, problems=500, between_seeds=0.02)
        worse = runs_of(np.stack([other.verdicts[s][0] * (draw.random(500) > 0.2) for s in range(3)]))
        [found] = intervals(base, [worse])
        assert found is not None
        seen += found[1] < 0
    assert seen >= 90


@pytest.mark.parametrize(
    ("comparisons", "freedom", "published"),
    [(1, 1, 12.71), (1, 2, 4.303), (1, 4, 2.776), (1, 20, 2.086), (2, 10, 2.57), (4, 8, 3.02), (3, 20, 2.54)],
)
def test_critical_points_are_those_of_the_tables(comparisons: int, freedom: float, published: float):
    """Student's t for one comparison, Dunnett's two-sided table for more."""
    assert critical(comparisons, freedom) == pytest.approx(published, abs=0.011)


def test_more_variants_widen_each_interval():
    draw = np.random.default_rng(5)
    base, *variants = equal_mixtures(draw, mixtures=5, seeds=3, problems=200, between_seeds=0.1)
    [alone] = intervals(base, variants[:1])
    together = intervals(base, [variants[0], variants[0], variants[0], variants[0]])[0]
    assert alone is not None and together is not None
    assert critical(4, 8.0) > critical(1, 8.0)


def test_equal_runs_have_an_interval_of_no_width():
    same = runs_of(np.ones((3, 10)))
    assert intervals(same, [same]) == [(pytest.approx(0, abs=1e-12),) * 2]
