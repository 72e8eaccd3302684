"""The lease table under every order of events that hypothesis finds: each item once, each lease one end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mixwright_runtime.cluster.durations import LeasePolicy
from mixwright_runtime.cluster.leases import Item, Lease, LeaseFault, LeaseTable


def item(n: int, size: int = 2, kind: str = "complete") -> Item:
    return Item(n.to_bytes(4, "big"), kind, b"x" * size)


class Bench:
    """A table on a clock that a test moves."""

    def __init__(self, workers: int = 1, slots: int = 8, **policy: Any) -> None:
        self.now = 0.0
        self.table = LeaseTable(lambda: self.now, LeasePolicy(**policy))
        for n in range(workers):
            self.table.join(f"w{n}", slots)

    def leases(self) -> list[Lease]:
        found = []
        while (lease := self.table.next()) is not None:
            found.append(lease)
        return found

    def answer(self, lease: Lease) -> list[tuple[bytes, bytes]]:
        return self.table.answered(lease.id, [(key, b"{}") for key in list(lease.left)])


class Leases(RuleBasedStateMachine):
    """Workers come, go, die, hang and answer late or twice."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(workers=2, slots=4, least=3, most=6, most_bytes=40)
        self.offered = 0
        self.over: dict[bytes, str] = {}
        self.withdrawn: set[bytes] = set()
        self.live: dict[int, Lease] = {}
        self.late: dict[int, Lease] = {}
        self.ended: list[Lease] = []
        self.deaths: dict[bytes, int] = {}
        self.sent: dict[bytes, int] = {}
        self.left_behind = 0
        """Items of leases that were lost or late."""

    def end(self, key: bytes, how: str) -> None:
        assert key not in self.over, "an item is over twice"
        self.over[key] = how

    @rule(count=st.integers(1, 12), size=st.integers(1, 30))
    def offer(self, count: int, size: int) -> None:
        self.bench.table.offer(item(self.offered + n, size) for n in range(count))
        self.offered += count

    @rule()
    def send(self) -> None:
        for lease in self.bench.leases():
            assert lease.items and len(lease.items) <= 6
            assert len(lease.items) == 1 or sum(len(i.body) for i in lease.items) <= 40
            others = [one for one in self.live.values() if one.worker == lease.worker]
            if any(self.deaths.get(one.key, 0) >= 2 for each in (lease, *others) for one in each.items):
                assert len(lease.items) == 1 and not others, "a suspect travels alone, and nothing beside it"
            for one in lease.items:
                assert one.key not in self.over and one.key not in self.withdrawn
                assert not any(one.key in other.left for other in self.live.values()), "in two leases"
                self.sent[one.key] = self.sent.get(one.key, 0) + 1
            self.live[lease.id] = lease

    @precondition(lambda self: self.live or self.late)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from([*self.live.values(), *self.late.values()]))
        keys = data.draw(st.lists(st.sampled_from(list(lease.left)), unique=True, min_size=1))
        for key, _ in self.bench.table.answered(lease.id, [(key, b"{}") for key in keys]):
            self.end(key, "answered")
        if not lease.left:
            self.live.pop(lease.id, None)
            self.late.pop(lease.id, None)
            self.ended.append(lease)

    @precondition(lambda self: self.ended)
    @rule(data=st.data())
    def answer_again(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.ended))
        before = self.bench.table.stats.duplicates
        assert self.bench.table.answered(lease.id, [(one.key, b"{}") for one in lease.items]) == []
        assert self.bench.table.stats.duplicates == before + len(lease.items)

    @precondition(lambda self: self.live or self.late)
    @rule(data=st.data(), fault=st.sampled_from(LeaseFault), comes_back=st.booleans())
    def lose(self, data: st.DataObject, fault: LeaseFault, comes_back: bool) -> None:
        """All that a worker had, as it dies."""
        worker = data.draw(st.sampled_from(sorted({one.worker for one in self.live.values()} or {"w0"})))
        if fault is LeaseFault.DIED:
            self.bench.table.leave(worker)
            if comes_back:
                self.bench.table.join(worker, 4)
        for lease in [one for one in (*self.live.values(), *self.late.values()) if one.worker == worker]:
            if lease.id in self.live:
                self.left_behind += len(lease.left)
                for key in lease.left:
                    counts = fault is LeaseFault.DIED and not lease.is_beside_late
                    self.deaths[key] = self.deaths.get(key, 0) + counts
            for key in self.bench.table.lost(lease.id, fault):
                assert self.deaths[key] == 3
                self.end(key, "poisoned")
            self.live.pop(lease.id, None)
            self.late.pop(lease.id, None)

    @rule(seconds=st.sampled_from([0.5, 2.0, 31.0, 200.0]))
    def wait(self, seconds: float) -> None:
        self.bench.now += seconds
        self.bench.table.overdue()
        for lease in [one for one in self.live.values() if one.deadline <= self.bench.now]:
            self.late[lease.id] = self.live.pop(lease.id)
            self.left_behind += len(lease.left)

    @precondition(lambda self: self.offered)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        key = item(data.draw(st.integers(0, self.offered - 1))).key
        self.bench.table.withdraw(key)
        if key not in self.over:
            self.over[key] = "withdrawn"
            self.withdrawn.add(key)

    @rule()
    def join(self) -> None:
        for name in ("w0", "w1"):
            if not any(one.worker == name for one in self.live.values()):
                self.bench.table.join(name, 4)

    @invariant()
    def counts_agree(self) -> None:
        stats, table = self.bench.table.stats, self.bench.table
        travelling = {key for one in self.live.values() for key in one.left if key not in self.over}
        assert table.waiting + len(travelling) + len(self.over) == self.offered
        assert stats.items == sum(self.sent.values())
        assert stats.re_leased == sum(times - 1 for times in self.sent.values()) <= self.left_behind
        assert stats.poisoned == sum(how == "poisoned" for how in self.over.values())

    def teardown(self) -> None:
        """Whatever happened, one good worker answers all that is left."""
        table = self.bench.table
        for lease in list(self.live.values()):
            table.lost(lease.id, LeaseFault.UNAVAILABLE)
        for name in ("w0", "w1"):
            table.leave(name)
        table.join("good", 4)
        for _ in range(self.offered + 1):
            for lease in self.bench.leases():
                for key, _ in self.bench.answer(lease):
                    self.end(key, "answered")
        assert len(self.over) == self.offered and table.waiting == 0


TestLeases = Leases.TestCase
TestLeases.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_lease_is_half_a_second_of_work_and_at_least_eight_items() -> None:
    bench = Bench(slots=32)
    bench.table.offer(map(item, range(1_000)))
    first = bench.leases()
    assert [len(lease.items) for lease in first] == [44], "unknown times: as many as there is room for"
    bench.now = 2.0
    bench.answer(first[0])
    assert {len(lease.items) for lease in bench.leases()} == {8}, "0.5 s of 32 slots, 2 s each"


def test_a_lease_holds_no_more_than_a_megabyte() -> None:
    bench = Bench(slots=64)
    bench.table.offer(item(n, 400_000) for n in range(3))
    assert [len(lease.items) for lease in bench.leases()] == [2, 1]


def test_workers_get_fair_shares() -> None:
    bench = Bench(workers=2, slots=64)
    bench.table.offer(map(item, range(100)))
    assert sorted((lease.worker, len(lease.items)) for lease in bench.leases()) == [("w0", 50), ("w1", 50)]


def test_a_deadline_is_thirty_seconds_or_three_times_the_longest_answers_a_round() -> None:
    bench = Bench(slots=4)
    bench.table.offer(map(item, range(4)))
    [lease] = bench.leases()
    assert lease.deadline == 30.0
    bench.now = 20.0
    bench.answer(lease)
    bench.table.offer(map(item, range(10, 18)))
    [lease] = bench.leases()
    assert lease.deadline == 20.0 + 3 * 20.0 * 2, "eight items on four slots are two rounds"


def test_what_is_late_goes_elsewhere_in_front_and_may_take_twice_as_long() -> None:
    bench = Bench(workers=2, slots=1, least=1, ahead=1.0)
    bench.table.offer(map(item, range(4)))
    leases = bench.leases()
    slow = next(lease for lease in leases if item(0).key in lease.left)
    fast = next(lease for lease in leases if lease is not slow)
    bench.now = 29.0
    bench.answer(fast)
    bench.now = 30.0
    bench.table.overdue()
    assert bench.table.rests(slow.worker)
    again = bench.leases()[0]
    assert (again.worker, again.attempt, again.items[0].key) == (fast.worker, 2, item(0).key)
    assert again.deadline == 30.0 + 2 * (3 * 29.0 * len(again.items))
    # It was only slow: its answers count where they are the first, and it is asked again at once.
    assert [key for key, _ in bench.answer(slow)] == [one.key for one in slow.items]
    assert not bench.table.rests(slow.worker)
    assert bench.table.stats.late_answers == len(slow.items)
    assert bench.answer(again) == [] and bench.table.stats.duplicates == len(again.items)


def test_a_worker_that_was_late_is_tried_with_one_item() -> None:
    bench = Bench(slots=8)
    bench.table.offer(map(item, range(40)))
    bench.leases()
    bench.now = 30.0
    bench.table.overdue()
    assert bench.leases() == [] and bench.table.due() == 60.0
    bench.now = 60.0
    [trial] = bench.leases()
    assert len(trial.items) == 1
    bench.answer(trial)
    assert sum(len(lease.items) for lease in bench.leases()) > 1


def test_one_out_of_reach_rests_longer_each_time() -> None:
    bench = Bench(slots=8)
    bench.table.offer([item(0)])
    for rest_s in (1.0, 2.0, 4.0):
        [lease] = bench.leases()
        bench.table.lost(lease.id, LeaseFault.UNAVAILABLE)
        assert bench.leases() == [] and bench.table.due() == bench.now + rest_s
        bench.now += rest_s
    assert bench.table.stats.poisoned == 0, "that is never an item's doing"


def test_what_ends_workers_is_given_up_and_costs_its_neighbours_nothing() -> None:
    bench = Bench(slots=8)
    bench.table.offer(map(item, range(12)))
    poison, poisoned, deaths = item(5).key, [], 0
    answered: set[bytes] = set()
    while bench.table.waiting:
        for lease in bench.leases():
            if poison in lease.left:
                deaths += 1
                bench.table.leave("w0")
                poisoned += bench.table.lost(lease.id, LeaseFault.DIED)
                bench.table.join("w0", 8)
            else:
                answered |= {key for key, _ in bench.answer(lease)}
    assert (poisoned, deaths, len(answered)) == ([poison], 3, 11)


def test_a_death_that_a_late_lease_may_have_brought_is_not_held_against_an_item() -> None:
    bench = Bench(workers=2, slots=8)
    table = bench.table

    def die(lease: Lease) -> list[bytes]:
        table.leave(lease.worker)
        found = table.lost(lease.id, LeaseFault.DIED)
        table.join(lease.worker, 8)
        return found

    table.offer(map(item, range(16)))
    [first, late] = bench.leases()
    suspect = first.items[0].key
    table.lost(first.id, LeaseFault.DIED)
    [again] = bench.leases()
    for key in list(again.left)[1:]:
        table.answered(again.id, [(key, b"{}")])
    bench.now = 20.0
    die(again)
    assert table.waiting == 1, "two workers died under the first item"
    table.leave(again.worker)
    bench.now = late.deadline
    table.overdue()
    for lease in bench.leases():
        bench.answer(lease)
    bench.now += 100.0
    trials = [lease for lease in bench.leases() if lease.items[0].key == suspect]
    assert [lease.worker for lease in trials] == [late.worker]
    assert die(trials[0]) == [], "eight items of a late lease may have been at it"
    [last] = [lease for lease in bench.leases() if lease.items[0].key == suspect]
    assert die(last) == [suspect]


def test_a_key_is_used_once() -> None:
    bench = Bench()
    bench.table.offer([item(1)])
    with pytest.raises(ValueError, match="there already"):
        bench.table.offer([item(1)])
