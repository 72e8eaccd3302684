"""What is drawn for a row: by its identity, in the proportions that are asked for."""

from __future__ import annotations

from collections import Counter

from made import built, row

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.values.choices import one_of
from mixwright_runtime.values.rows import Row

ROWS = [row(n, n=n) for n in range(10_000)]
STEP: Step = built("step.render", label="text", templates=[]).step


def choices(count: int, weights: list[float] | None = None, rows: list[Row] = ROWS) -> list[int]:
    return [one_of("test", 7, STEP, one, count, weights) for one in rows]


def test_each_is_as_likely_and_with_weights_in_their_proportion() -> None:
    def chi_squared(found: list[int], shares: list[float]) -> float:
        counts = Counter(found)
        return sum((counts[i] - len(found) * p) ** 2 / (len(found) * p) for i, p in enumerate(shares))

    assert chi_squared(choices(6), [1 / 6] * 6) < 20.5  # 5 degrees of freedom: 1 in 1,000
    assert chi_squared(choices(3, [1, 2, 5]), [1 / 8, 2 / 8, 5 / 8]) < 13.8  # 2 degrees


def test_even_weights_are_none_and_none_at_all_is_never_chosen() -> None:
    rows = ROWS[:1000]
    assert choices(4, [2, 2, 2, 2], rows) == choices(4, rows=rows)
    assert set(choices(3, [1, 0, 1], rows)) == {0, 2}


def test_one_more_at_the_end_moves_only_what_it_gets() -> None:
    before, after = choices(5), choices(6)
    assert all(one == other or other == 5 for one, other in zip(before, after, strict=True))


def test_a_choice_is_that_of_every_version() -> None:
    assert choices(6, rows=ROWS[:12]) == [1, 5, 1, 3, 1, 1, 3, 0, 3, 4, 5, 1]
    assert choices(3, [1, 2, 5], ROWS[:12]) == [1, 2, 1, 1, 1, 1, 2, 0, 2, 1, 2, 1]
