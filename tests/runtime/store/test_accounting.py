"""No row vanishes: what steps counted must agree with what is stored, and a lost row is an error."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from mixwright_compiler.plan.plan import Mixture, Origin, Plan
from mixwright_runtime.store.accounting import AccountingError
from mixwright_runtime.store.records import OutcomeRecord, TallyRecord
from mixwright_runtime.store.store import Store
from mixwright_runtime.values.rows import candidate_id
from tests.runtime.store.conftest import key_of

MakeOutcome = Callable[..., OutcomeRecord]


def put_run(store: Store, outcome: MakeOutcome, *, without: int | None = None) -> None:
    """Ten rows: one filtered, nine asked for two samples each; of these 18 one times out, and 8 are wrong."""
    outcomes = [outcome(0, status="dropped", step="short", reason="filter")]
    for number in range(1, 10):
        for candidate in (0, 1):
            status, step, reason = "kept", "", ""
            if (number, candidate) == (9, 1):
                status, step, reason = "quarantined", "solve", "timeout"
            elif candidate == 1:
                status, step, reason = "dropped", "check", "wrong"
            row_id = candidate_id(key_of(number), "solve", candidate)
            outcomes.append(
                outcome(
                    number, row_id=row_id, candidate=candidate, parents=(key_of(number),),
                    status=status, step=step, reason=reason,
                )
            )  # fmt: skip
    for index, record in enumerate(outcomes):
        if index != without:
            store.put_outcome(record)
    put_tallies(store)
    asyncio.run(store.flush())


def put_tallies(store: Store) -> None:
    # An earlier, smaller count of the same step is overruled by a later one.
    store.put_tally(TallyRecord(1, "math", "short", 0, 4, 3, dropped=1))
    store.put_tally(TallyRecord(1, "math", "short", 0, 10, 9, dropped=1))
    store.put_tally(TallyRecord(1, "math", "solve", 1, 9, 17, quarantined=1, forked=9))
    store.put_tally(TallyRecord(1, "math", "check", 2, 17, 9, dropped=8))


def test_a_run_that_lost_nothing_adds_up(store: Store, outcome: MakeOutcome) -> None:
    put_run(store, outcome)
    store.check_accounting(1, complete=True)


@pytest.mark.parametrize(
    ("without", "message"),
    [
        (0, "pipeline 'math' step 'short': 1 rows dropped, 0 stored: difference 1"),
        (0, "pipeline 'math': 1 of 10 started rows have no outcome"),
        (1, "pipeline 'math': 9 rows left its last step, 8 stored as kept: difference 1"),
        (2, "pipeline 'math' step 'check': 8 rows dropped, 7 stored: difference 1"),
        (18, "pipeline 'math' step 'solve': 1 rows quarantined, 0 stored: difference 1"),
    ],
)
def test_any_lost_row_is_named(store: Store, outcome: MakeOutcome, without: int, message: str) -> None:
    put_run(store, outcome, without=without)
    with pytest.raises(AccountingError) as caught:
        store.check_accounting(1)
    assert message in str(caught.value)


def test_a_row_stored_twice_is_named(store: Store, outcome: MakeOutcome) -> None:
    put_run(store, outcome)
    store.put_outcome(outcome(0, status="dropped", step="short", reason="filter"))
    asyncio.run(store.flush())
    with pytest.raises(AccountingError, match=f"row {key_of(0).hex()} has 2 outcomes"):
        store.check_accounting(1)


def test_a_row_that_an_inner_mixture_repeats_is_counted_each_time(
    store: Store, plan: Plan, outcome: MakeOutcome
) -> None:
    here = Origin(file="tiny.mix", line=1, column=1)
    outer = Mixture(name="outer", seed=0, components=(), columns={}, origin=here)
    store.begin_run(plan.model_copy(update={"mixtures": {"outer": outer}}), "run tiny.mix")
    for status, step in (("kept", ""), ("dropped", "dedup")):
        store.put_outcome(outcome(1, pipeline="outer.inner", status=status, step=step, reason="duplicate"))
    store.put_tally(TallyRecord(1, "outer.inner", "dedup", 0, 2, 1, dropped=1))
    asyncio.run(store.flush())
    store.check_accounting(1, complete=True)


def test_rows_that_get_lost_between_two_steps_are_named(store: Store) -> None:
    store.put_tally(TallyRecord(1, "math", "a", 0, 5, 5))
    store.put_tally(TallyRecord(1, "math", "b", 1, 4, 3))
    asyncio.run(store.flush())
    with pytest.raises(AccountingError) as caught:
        store.check_accounting(1)
    assert "5 rows left step 'a', 4 reached 'b': difference 1" in str(caught.value)
    assert "step 'b': 4 rows entered (4 in, 0 forked), 3 left" in str(caught.value)


def test_rows_in_flight_are_excused_only_in_a_run_that_was_stopped(
    store: Store, outcome: MakeOutcome
) -> None:
    for number in range(3):
        store.put_outcome(outcome(number))
    store.put_tally(TallyRecord(1, "math", "a", 0, 5, 3, unfinished=2))
    asyncio.run(store.flush())
    store.check_accounting(1)
    with pytest.raises(AccountingError, match="2 rows unfinished"):
        store.check_accounting(1, complete=True)


def test_pipelines_without_steps_and_other_runs_do_not_interfere(store: Store, outcome: MakeOutcome) -> None:
    store.put_outcome(outcome(1, pipeline="plain"))
    store.put_outcome(outcome(1, run_id=2))
    asyncio.run(store.flush())
    store.check_accounting(1, complete=True)
