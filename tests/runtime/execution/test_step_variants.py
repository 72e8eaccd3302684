"""A variant has the steps otherwise that it says, and shares with its base what is the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from spec_runs import SpecRuns

SPEC = """
source topics inline { rows = [{ n = 1 }, { n = 2 }, { n = 3 }, { n = 4 }, { n = 5 }, { n = 6 }] }
template ask { user = "{{ n }} {{ tone }}" }
template check { user = "Is it right? {{ n }} {{ tone }} {{ answer }}" }
pipeline essays {
  from topics
  draw tone { values = ["dry", "warm", "loud", "soft"] }
  generate answer { prompt = ask, model = teacher, samples = 2 }
  filter { where = n != 2 }
  filter { where = n != 5 }
  draw mood { values = [1, 2, 3, 4, 5, 6, 7, 8] }
  generate verdict { prompt = check, model = teacher }
  chat { user = tone, assistant = answer }
}
mixture main { seed = 1, essays = all }
variant unfiltered of main { without = [essays.filter] }
variant unjudged of main { without = [essays.generate_verdict] }
variant three of main { set { essays.generate_answer.samples = 3 } }
"""

ROWS = """
    SELECT row_id, columns->>'tone', columns->>'answer', columns->>'mood' FROM row_outcome
    WHERE run_id = (SELECT max(run_id) FROM run) AND status = 'kept' ORDER BY position, candidate
"""


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[SpecRuns]:
    made = SpecRuns(tmp_path, lambda prompt: f"on {prompt}")
    yield made
    made.store.close()


def test_a_variant_asks_for_what_is_otherwise_alone(runs: SpecRuns) -> None:
    base = runs.run(SPEC)
    rows = runs.store.sql(ROWS)
    # Two answers each, which are equal here, so that one verdict is asked for.
    assert (base.summary["requests"], len(rows)) == (4 * (2 + 1), 8)

    unfiltered = runs.run(SPEC, variant="unfiltered")
    found = runs.store.sql(ROWS)
    # The row that the filter dropped. The other filter is the step that it was.
    assert unfiltered.summary["requests"] == 2 + 1
    assert set(rows) < set(found)
    assert len(found) == 10

    unjudged = runs.run(SPEC, variant="unjudged")
    assert unjudged.summary["requests"] == 0
    assert runs.store.sql(ROWS) == rows

    three = runs.run(SPEC, variant="three")
    assert three.summary["requests"] == 4
    assert set(rows) < set(runs.store.sql(ROWS))


def test_rows_of_a_variant_are_called_and_ordered_as_those_of_its_base(runs: SpecRuns) -> None:
    selected = "SELECT row_id FROM selection WHERE run_id = (SELECT max(run_id) FROM run) ORDER BY position"
    runs.run(SPEC)
    base = runs.store.sql(selected)
    runs.run(SPEC, variant="unfiltered")
    longer = runs.store.sql(selected)
    assert [row for row in longer if row in base] == base
    assert len(longer) == len(base) + 2
