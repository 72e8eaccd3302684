"""What is put is found again: at once, after a flush, and by the next process."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixwright_compiler.plan.plan import Plan
from mixwright_runtime.errors import StoreBroken
from mixwright_runtime.store.key_set import KeySet
from mixwright_runtime.store.records import (
    MIXTURE,
    CallRecord,
    EventRecord,
    FoundCall,
    OutcomeRecord,
    ScoreRecord,
    SelectedRow,
    SelectionRecord,
)
from mixwright_runtime.store.segments import Sealer
from mixwright_runtime.store.store import Store
from mixwright_runtime.values.stored_text import clean_text
from tests.runtime.store.conftest import key_of

Make = Callable[..., CallRecord]
MakeOutcome = Callable[..., OutcomeRecord]


def test_a_call_is_found_before_and_after_it_is_durable(store: Store, call: Make) -> None:
    record = call(1, engine='{"version": "1"}', reasoning="because")

    async def scenario() -> None:
        store.put_call(record)
        assert await store.find_calls([key_of(1), key_of(2)]) == {key_of(1): FoundCall.of(record)}
        await store.flush()
        assert await store.find_calls([key_of(1), key_of(2)]) == {key_of(1): FoundCall.of(record)}

    asyncio.run(scenario())


def test_the_next_session_finds_calls_and_scores(tmp_path: Path, call: Make) -> None:
    score = ScoreRecord(key_of(9), 1, "math.check", key_of(1), "measured", 0.5, '{"parsed": "2"}')
    with Store.open(tmp_path) as first:
        for number in range(1_500):
            first.put_call(call(number))
        first.put_score(score)
    with Store.open(tmp_path) as second:

        async def one(number: int) -> dict[bytes, FoundCall]:
            return await second.find_calls([key_of(number)])

        async def scenario() -> None:
            found = await asyncio.gather(*(one(number) for number in range(2_000)))
            assert [list(answer.values()) for answer in found] == [
                [FoundCall.of(call(number))] if number < 1_500 else [] for number in range(2_000)
            ]
            assert await second.find_scores([key_of(9), key_of(1)]) == {key_of(9): score}
            second.put_call(call(1_700))
            await second.flush()
            assert await one(1_700) == {key_of(1_700): FoundCall.of(call(1_700))}

        asyncio.run(scenario())


def test_a_store_that_is_closed_in_a_hurry_leaves_its_log_and_loses_nothing(
    tmp_path: Path, call: Make, plan: Plan
) -> None:
    log = tmp_path / "store.duckdb.wal"
    with Store.open(tmp_path) as first:
        first.put_call(call(1))
        first.hurry()
    assert log.exists()
    with Store.open(tmp_path, read_only=True) as looking:
        assert looking.sql("SELECT text FROM call") == [("answer 1",)]
    assert log.exists()
    with Store.open(tmp_path) as second:
        second.put_call(call(2))
        second.hurry()
        second.begin_run(plan, "run")  # which may end as it likes
    assert not log.exists()
    with Store.open(tmp_path) as third:
        assert third.sql("SELECT text FROM call ORDER BY text") == [("answer 1",), ("answer 2",)]


def test_an_interrupt_while_a_store_is_closed_is_heard_when_its_writer_is_done(
    tmp_path: Path, call: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is closed under the writer ends the process with a message of C++."""
    done: list[str] = []
    closing = Sealer.closing

    def closing_slowly(sealer: Sealer, *arguments: Any) -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
        closing(sealer, *arguments)
        done.append("sealed")

    monkeypatch.setattr(Sealer, "closing", closing_slowly)
    store = Store.open(tmp_path)
    store.put_call(call(1))
    with pytest.raises(KeyboardInterrupt):
        store.close()
    assert done == ["sealed"]
    monkeypatch.undo()
    with Store.open(tmp_path) as again:
        assert again.sql("SELECT text FROM call") == [("answer 1",)]


def test_keys_that_begin_alike_are_told_apart(tmp_path: Path, call: Make) -> None:
    one, other, third = (b"the same" + bytes([n]) * 8 for n in range(3))
    with Store.open(tmp_path) as first:
        for key in (one, other):
            first.put_call(call(1)._replace(key=key, text=key.hex()))
    with Store.open(tmp_path) as second:
        found = asyncio.run(second.find_calls([one, other, third]))
    assert {key: record.text for key, record in found.items()} == {one: one.hex(), other: other.hex()}


def test_what_many_tasks_look_for_is_one_join(tmp_path: Path, call: Make) -> None:
    with Store.open(tmp_path) as first:
        for number in range(3_000):
            first.put_call(call(number))
    with Store.open(tmp_path) as second:

        async def scenario() -> int:
            found = await asyncio.gather(*(second.find_calls([key_of(n)]) for n in range(0, 6_000, 2)))
            return sum(map(len, found))

        assert asyncio.run(scenario()) == 1_500
        assert second._calls._stored.joins == 1


def test_very_many_are_read_in_the_order_of_the_table(tmp_path: Path, call: Make) -> None:
    """5,000 calls of three kinds: of an earlier session, written in this one, and not written yet."""
    chance = np.random.default_rng(1)
    with Store.open(tmp_path) as first:
        for number in range(4_500):
            first.put_call(call(number))
        first.put_call(call(4_700, status="failed", reason="timeout", text=""))
    with Store.open(tmp_path) as second:
        second.put_call(call(4_600))
        asyncio.run(second.flush())
        second.put_call(call(4_601))
        asked = chance.permutation(5_000).tolist()

        async def parts() -> list[list[int]]:
            found = []
            async for places, records in second.parts_of_calls([key_of(number) for number in asked]):
                assert records == [FoundCall.of(call(asked[at])) for at in places]
                found.append([asked[at] for at in places])
            return found

        found = asyncio.run(parts())
        # One join for each 2,048 of the table, however they were asked for, and one for what came since.
        joins = second._calls._stored.joins
    assert sorted(number for part in found for number in part) == [*range(4_500), 4_600, 4_601] and joins == 4
    assert [part for part in found if len(part) > 2] == [
        [*range(2_048)],
        [*range(2_048, 4_096)],
        [*range(4_096, 4_500)],
    ]


def test_failed_calls_and_broken_measurements_are_kept_but_not_found(store: Store, call: Make) -> None:
    store.put_call(call(1, status="failed", reason="timeout", text=""))
    store.put_score(ScoreRecord(key_of(2), 1, "math.check", key_of(1), "timeout"))

    async def scenario() -> None:
        await store.flush()
        assert await store.find_calls([key_of(1)]) == {}
        assert await store.find_scores([key_of(2)]) == {}

    asyncio.run(scenario())
    assert store.sql("SELECT status, reason FROM call") == [("failed", "timeout")]
    assert store.sql("SELECT outcome FROM score") == [("timeout",)]


def test_the_first_answer_for_a_key_counts(tmp_path: Path, call: Make) -> None:
    with Store.open(tmp_path) as store:
        store.put_call(call(1, text="first"))
        store.put_call(call(1, text="second"))
        asyncio.run(store.flush())
        store.put_call(call(1, text="when the first is durable"))
        assert asyncio.run(store.find_calls([key_of(1)]))[key_of(1)].text == "first"
    with Store.open(tmp_path) as store:
        assert store.sql("SELECT text FROM call") == [("first",)]
        # Two sessions can both have asked, when one of them did not look first.
        store.put_call(call(1, text="third"))
    with Store.open(tmp_path) as store:
        found = asyncio.run(store.find_calls([key_of(1)]))
        assert found[key_of(1)].text == "first"
        assert store.sql("SELECT text FROM current_call") == [("first",)]


def test_equal_columns_are_stored_once_over_runs_and_sessions(tmp_path: Path, outcome: MakeOutcome) -> None:
    for run in (1, 2):
        with Store.open(tmp_path) as store:
            for number in range(20):
                store.put_outcome(outcome(number, run_id=run, columns=f'{{"a":{number % 10}}}'))
    with Store.open(tmp_path, read_only=True) as store:
        assert store.sql("SELECT count(*) FROM content") == [(10,)]
        kept = list(store.kept_rows(2, "math"))
    assert kept == [outcome(number, run_id=2, columns=f'{{"a":{number % 10}}}') for number in range(20)]


def test_kept_rows_come_in_the_order_in_which_they_were_started(store: Store, outcome: MakeOutcome) -> None:
    for number in (3, 1, 2):
        store.put_outcome(outcome(number))
    store.put_outcome(outcome(0, status="dropped", step="short", reason="filter", columns=""))
    store.put_outcome(outcome(5, position=1, replica=1, parents=(key_of(1),)))
    asyncio.run(store.flush())
    rows = list(store.kept_rows(1, "math"))
    assert [(row.position, row.replica) for row in rows] == [(1, 0), (1, 1), (2, 0), (3, 0)]
    assert rows[1].parents == (key_of(1),)


def test_a_mixture_is_read_back_in_its_order_with_columns(
    store: Store, plan: Plan, outcome: MakeOutcome
) -> None:
    run = store.begin_run(plan, "run tiny.mix")
    for number in (1, 2):
        store.put_outcome(outcome(number, run_id=run))
    chosen = [(0, 2, 0), (1, 1, 0), (2, 2, 1)]
    store.put_selection(
        SelectionRecord(run, "mix", position, "maths", "math", key_of(number), repeat)
        for position, number, repeat in chosen
    )
    asyncio.run(store.flush())
    assert list(store.selected_rows(run, "mix")) == [
        SelectedRow(position, "maths", "math", key_of(number), repeat, f'{{"number":{number}}}')
        for position, number, repeat in chosen
    ]
    assert store.last_run(mixture="mix") is None  # broken off, as long as its quotas are not there
    store.put_event(EventRecord(run, MIXTURE, '{"mixture": "mix"}'))
    asyncio.run(store.flush())
    newest = store.last_run(mixture="mix")
    assert newest is not None and newest.run_id == run
    assert store.last_run(mixture="other") is None


def test_runs_are_numbered_and_remember_how_they_ended(tmp_path: Path, plan: Plan) -> None:
    with Store.open(tmp_path) as store:
        assert store.begin_run(plan, "run tiny.mix") == 1
        store.end_run(1, "done", {"requests": {"hits": 3}})
        store.put_event(EventRecord(1, "wave", '{"rows": 5}'))
    with Store.open(tmp_path) as store:
        first = store.last_run()
        assert first is not None
        assert (first.status, first.summary, first.command) == (
            "done",
            '{"requests": {"hits": 3}}',
            "run tiny.mix",
        )
        assert Plan.model_validate_json(first.plan) == plan
        assert store.begin_run(plan, "run tiny.mix") == 2
        second = store.last_run()
        assert second is not None and (second.run_id, second.status) == (2, "")
        assert store.sql("SELECT kind, payload FROM event") == [("wave", '{"rows": 5}')]


def test_bad_text_is_stored_in_the_form_that_clean_text_gives(
    tmp_path: Path, call: Make, outcome: MakeOutcome
) -> None:
    bad = "NUL \0, lone \ud800 and \udfff, escape \x1b[2J, pair \U0001f600"
    with Store.open(tmp_path) as store:
        store.put_call(call(0))
        store.put_call(call(1, text=bad, output_tokens=2**80))
        store.put_call(call(2))
        store.put_outcome(outcome(1, columns=bad, reason=bad))
    with Store.open(tmp_path) as store:
        assert store.sql("SELECT text FROM call ORDER BY seed") == [
            ("answer 0",), (clean_text(bad),), ("answer 2",)
        ]  # fmt: skip
        assert [row.columns for row in store.kept_rows(1, "math")] == [clean_text(bad)]
    assert clean_text(bad) == bad.replace("\ud800", "\ufffd").replace("\udfff", "\ufffd")
    assert clean_text(clean_text(bad)) == clean_text(bad)


def test_an_answer_of_sixteen_megabytes_is_kept(tmp_path: Path, call: Make) -> None:
    text = "é" * (8 << 20)
    with Store.open(tmp_path) as store:
        store.put_call(call(1, text=text))
    with Store.open(tmp_path) as store:
        assert asyncio.run(store.find_calls([key_of(1)]))[key_of(1)].text == text


def test_threads_may_put_at_the_same_time(tmp_path: Path, call: Make) -> None:
    with Store.open(tmp_path) as store:

        def produce(first: int) -> None:
            for number in range(first, first + 1_000):
                store.put_call(call(number))

        threads = [threading.Thread(target=produce, args=(first,)) for first in range(0, 8_000, 1_000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        asyncio.run(store.flush())
        assert store.sql("SELECT count(*), count(DISTINCT key) FROM call") == [(8_000, 8_000)]


def test_a_full_queue_holds_producers_back_and_loses_nothing(
    tmp_path: Path, call: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mixwright_runtime.store.writer.QUEUE_RECORDS", 500)
    with Store.open(tmp_path) as store:
        for number in range(4_000):
            store.put_call(call(number))
        asyncio.run(store.flush())
        assert store.sql("SELECT count(*) FROM call") == [(4_000,)]


def test_a_cancelled_lookup_leaves_the_others_their_answers(tmp_path: Path, call: Make) -> None:
    with Store.open(tmp_path) as store:
        store.put_call(call(1))
    with Store.open(tmp_path) as store:

        async def scenario() -> None:
            impatient = asyncio.create_task(store.find_calls([key_of(1)]))
            patient = asyncio.create_task(store.find_calls([key_of(1)]))
            await asyncio.sleep(0)
            impatient.cancel()
            assert await patient == {key_of(1): FoundCall.of(call(1))}

        asyncio.run(scenario())


def test_a_store_opened_for_reading_refuses_to_write(tmp_path: Path, call: Make) -> None:
    with pytest.raises(StoreBroken, match="no store at"):
        Store.open(tmp_path, read_only=True)
    Store.open(tmp_path).close()
    with Store.open(tmp_path, read_only=True) as store, pytest.raises(StoreBroken, match="reading only"):
        store.put_call(call(1))


def test_closing_twice_is_harmless_and_putting_after_it_is_refused(tmp_path: Path, call: Make) -> None:
    store = Store.open(tmp_path)
    store.close()
    store.close()
    with pytest.raises(StoreBroken, match="closed"):
        store.put_call(call(1))


def test_a_text_that_an_earlier_run_stored_is_not_stored_again(tmp_path: Path, outcome: MakeOutcome) -> None:
    for begin, end in ((0, 1_000), (500, 1_500)):
        with Store.open(tmp_path) as store:
            for number in range(begin, end):
                store.put_outcome(outcome(number))
    with Store.open(tmp_path, read_only=True) as store:
        assert store.sql("SELECT count(*), count(DISTINCT columns) FROM content") == [(1_500, 1_500)]


def test_a_set_of_keys_knows_them_packed_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixwright_runtime.store.key_set.FEWEST_PACKED", 10)
    nothing = np.empty(0, dtype=np.uint64)
    alike = [b"the same" + bytes([n]) * 8 for n in range(3)]
    keys = [*alike, *(key_of(number) for number in range(40))]
    known = KeySet(nothing, nothing)
    for at in range(0, len(keys), 4):
        known.update(keys[at : at + 4])
        assert all((key in known) is (place < at + 4) for place, key in enumerate(keys))
    assert b"the same" + b"\xff" * 8 not in known
