"""The page on what saturates first says what its script works out."""

from __future__ import annotations

import pytest

from benchmarks.saturation import FIGURES, load, table
from tests.checkout import ROOT

GIVEN = {name: figure.value for name, figure in FIGURES.items()}
PAGE = (ROOT / "docs" / "saturation.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("set_too", "rows"), [({}, (1e6, 1e7, 1e8)), ({"requests": 3.0, "programs": 4.0}, (1e7,))]
)
def test_the_tables_of_the_page_are_those_of_the_script(
    set_too: dict[str, float], rows: tuple[float, ...]
) -> None:
    figures = GIVEN | set_too
    loads = [load(gpus, each, figures) for gpus in (8, 64, 1000) for each in rows]
    assert table(loads, figures, is_markdown=True) in PAGE


def test_every_figure_is_on_the_page_with_where_it_comes_from() -> None:
    for name, figure in FIGURES.items():
        assert f"| `{name}` | {figure.value:g} | {figure.unit} | {figure.origin} |" in PAGE


def test_what_is_full_sets_the_pace() -> None:
    free, full = load(8, 1e6, GIVEN), load(1000, 1e6, GIVEN)
    assert free.seconds == pytest.approx(1e6 / free.rate)
    assert (full.first, full.seconds) == ("coordinator", pytest.approx(1e6 * GIVEN["leased_s"]))
    # Memory that is full stops a run, and makes it no slower.
    assert load(8, 1e9, GIVEN).seconds == pytest.approx(1e9 / free.rate)
