"""A bug in a step ends as an error that says which step it was, and nothing that was made before is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from spec_runs import SpecRuns

from mixwright_runtime.errors import RunError
from mixwright_runtime.steps.decontaminate import NgramDecontamination
from mixwright_runtime.steps.dedup import ExactDedup
from mixwright_runtime.values.rows import Dropped, Row

SPEC = """
source topics inline { rows = [{ n = 1 }, { n = 2 }, { n = 3 }] }
source exam inline { rows = [{ q = "never asked" }] }
template ask { user = "{{ n }}" }
pipeline said {
  from topics
  generate answer { prompt = ask, model = teacher }
  chat { user = answer, assistant = answer }
}
mixture all {
  seed = 1
  said = all
  dedup exact { on = answer }
  decontaminate ngram { against = [exam] }
}
"""
IN_A_PIPELINE = SPEC.replace("  chat", "  dedup exact { on = answer }\n  chat").replace(
    "all\n  dedup exact { on = answer }", "all"
)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[SpecRuns]:
    made = SpecRuns(tmp_path, lambda prompt: f"answer {prompt}")
    yield made
    made.store.close()


def fails_once(sound: Callable[..., Any], how: Callable[[], Any]) -> Callable[..., Any]:
    """The method, but what `how` gives or raises the first time."""
    failed: list[bool] = []

    def method(step: object, *given: object) -> Any:
        if not failed:
            failed.append(True)
            return how()
        return sound(step, *given)

    return method


@pytest.mark.parametrize(("spec", "step"), [(SPEC, "all.dedup_exact"), (IN_A_PIPELINE, "said.dedup_exact")])
@pytest.mark.parametrize(
    ("how", "told"),
    [
        (lambda: {}["no such key"], r"failed: KeyError: 'no such key' \(test_bugs_in_steps.py, line \d+\)"),
        (list, "answered 0 verdicts for 3 rows, a bug in it"),
    ],
)
def test_where_it_decides_on_many_rows_the_run_ends_and_goes_on_from_there(
    runs: SpecRuns, monkeypatch: pytest.MonkeyPatch, spec: str, step: str, how: Any, told: str
) -> None:
    monkeypatch.setattr(ExactDedup, "keep", fails_once(ExactDedup.keep, how))
    with pytest.raises(RunError, match=rf"step '{step}'.* {told}.*3 new answers are kept"):
        runs.run(spec)
    assert runs.store.sql("SELECT status FROM run_state") == [("failed",)]
    report = runs.run(spec)
    assert (report.status, report.summary["mixtures"]["all"]["rows"]) == ("done", 3)
    assert len(runs.prompts) == 3


def test_in_a_mixture_it_costs_the_row_that_it_met(runs: SpecRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = NgramDecontamination.apply

    def apply(step: NgramDecontamination, row: Row) -> Row | Dropped:
        return {}["no such key"] if row.columns["n"] == 2 else sound(step, row)  # type: ignore[no-any-return]

    monkeypatch.setattr(NgramDecontamination, "apply", apply)
    report = runs.run(SPEC)
    mixture = report.summary["mixtures"]["all"]
    assert mixture["rows"] == 2
    assert mixture["dropped"]["decontaminate_ngram"] == {"internal error: KeyError": 1}


def test_before_the_first_row_it_names_the_step(runs: SpecRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    async def prepare(step: NgramDecontamination) -> None:
        {}["no such key"]

    monkeypatch.setattr(NgramDecontamination, "prepare", prepare)
    with pytest.raises(RunError, match=r"step 'all.decontaminate_ngram' .*failed: KeyError"):
        runs.run(SPEC)
    assert runs.prompts == []


def test_at_the_end_it_is_told_and_the_rows_are_there(
    runs: SpecRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def close(step: NgramDecontamination) -> None:
        {}["no such key"]

    monkeypatch.setattr(NgramDecontamination, "close", close)
    report = runs.run(SPEC)
    assert (report.status, report.exit_code, report.summary["mixtures"]["all"]["rows"]) == ("done", 1, 3)
    assert report.messages[-1].startswith(
        "step 'all.decontaminate_ngram' (decontaminate.ngram) failed: KeyError"
    )


def test_in_what_is_asked_again_it_costs_the_row(runs: SpecRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first answer is read, the verifier wants another, and that one is not."""
    from mixwright_runtime.steps.generate import Generate

    sound, read = Generate.take, []

    def take(step: Generate, row: Row, answer: Any) -> Row:
        read.append(row.columns["n"])
        return {}["no such key"] if len(read) > 1 else sound(step, row, answer)  # type: ignore[no-any-return]

    monkeypatch.setattr(Generate, "take", take)
    runs.run("""
source topics inline { rows = [{ n = 1 }] }
template ask { user = "{{ n }}" }
pipeline said {
  from topics
  generate answer { prompt = ask, model = teacher }
  verify where { expr = answer == "other", response = answer, on_fail = retry(1) }
}
""")
    assert [row[:2] for row in runs.rows()] == [("quarantined", "internal error: KeyError")]
