"""Which work is where: items wait in line, travel in leases to workers, and are answered once.

    offer ─▶ line ─▶ next: a lease to the worker with most room ─▶ answered, part by part or at once
               ▲                      │
               └── lost: the worker died or was out of reach; overdue: past its deadline

A state machine without clock, chance or input of its own: time comes through `now`, what happened through calls, so that
a test can go through every order of events. What it holds, whatever happens:

    an item is answered, given up or taken back once; an answer that comes later is counted and no more
    a lease ends as answered or as lost, or is late and still may be answered
    an item is in one lease at a time, late ones aside; sent again are only items of leases that were lost or late

An item whose worker died twice under it is suspect of ending workers. It travels alone from then on, to a worker that
has nothing else, and is given up at the third death; one does not count where the worker may still have been at items of
a late lease. A worker that let a deadline pass gets nothing for as long as that deadline was, then a single item, and
more once it has answered; one out of reach rests for a second, twice that when it is again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from math import ceil, inf
from typing import NamedTuple

from mixwright_runtime.cluster.durations import Durations, LeasePolicy


class Item(NamedTuple):
    """A piece of work. key: never used twice. kind: what is asked, of which times are alike. limit_s: what it may take by
    itself, where whoever asks for it says so."""

    key: bytes
    kind: str
    body: bytes
    limit_s: float = 0.0


@dataclass(slots=True)
class Seat:
    """A worker as the table sees it."""

    slots: int
    most: int
    open: int = 0
    """Items of its leases that are neither answered nor late."""
    rests_until: float = -inf
    rests: int = 0
    is_on_trial: bool = False
    """It was late and has answered nothing since."""
    is_apart: bool = False
    """It has a suspect, and nothing else."""

    @property
    def room(self) -> int:
        """Items that it may have besides those it has."""
        return 0 if self.is_apart else (1 if self.is_on_trial else self.most) - self.open

    def rest(self, now: float, policy: LeasePolicy) -> None:
        """It is out of reach: nothing for a while, which is twice as long each time."""
        rest_s = policy.rest_s * 2.0 ** min(self.rests, 10)
        self.rests += 1
        self.rests_until = now + min(rest_s, policy.most_rest_s)


@dataclass(slots=True)
class Lease:
    """Items that travel to a worker together; times in seconds of the table's clock."""

    id: int
    worker: str
    items: tuple[Item, ...]
    sent: float
    deadline: float
    attempt: int
    """1 where all of its items are sent for the first time."""
    left: dict[bytes, Item]
    """Items without an answer of this lease."""
    seat: Seat
    """The worker as the table saw it; another one where a worker of the same name came back."""
    is_beside_late: bool = False
    """A suspect that is with its worker alone, but for items of late leases: these may end the worker as well."""

    def begin_anew(self, now: float) -> None:
        """The worker was only getting ready for it until now."""
        self.deadline += now - self.sent
        self.sent = now


class LeaseFault(Enum):
    """How a lease was lost."""

    DIED = "died"
    UNAVAILABLE = "unavailable"


@dataclass
class LeaseStats:
    """What became of leases, and of the items that did not go straight."""

    leases: int = 0
    items: int = 0
    """Items that were sent, again or for the first time."""
    late: int = 0
    """Leases that let their deadline pass."""
    lost: int = 0
    """Leases whose worker died or was out of reach."""
    re_leased: int = 0
    """Items that were sent again."""
    late_answers: int = 0
    """Answers of late leases that were the first for their item, and used."""
    duplicates: int = 0
    """Answers that nobody waited for any more."""
    poisoned: int = 0
    """Items that were given up, because workers died with them."""

    def __iadd__(self, other: LeaseStats) -> LeaseStats:
        for name, count in vars(other).items():
            setattr(self, name, getattr(self, name) + count)
        return self


@dataclass(slots=True)
class _Held:
    """An item that is not answered yet. lease: where it is; None in line."""

    item: Item
    lease: int | None = None
    sent: int = 0
    deaths: int = 0
    lates: int = 0


class LeaseTable:
    """The table of one model's items. Not for several threads."""

    def __init__(
        self,
        now: Callable[[], float],
        policy: LeasePolicy | None = None,
        may_send_again: Callable[[], bool] = lambda: True,
    ) -> None:
        self.stats = LeaseStats()
        self.refused: list[bytes] = []
        """Keys of items that would have been sent again, and must not be."""
        self._now = now
        self._may_send_again = may_send_again
        self._policy = policy or LeasePolicy()
        self._held: dict[bytes, _Held] = {}
        self._line: deque[bytes] = deque()
        self._suspects: deque[bytes] = deque()
        self._waiting = 0
        """Items in line that are no suspects; both lines also have keys that are answered or taken back meanwhile."""
        self._seats: dict[str, Seat] = {}
        self._open: dict[int, Lease] = {}
        self._late: dict[int, Lease] = {}
        self._durations = Durations(self._policy)
        self._next_id = 1

    def join(self, worker: str, slots: int) -> None:
        """A worker is ready; slots: items that it works on at once."""
        self._seats[worker] = Seat(slots, ceil(self._policy.ahead * slots) + self._policy.least)

    def leave(self, worker: str) -> None:
        """A worker is gone; how its leases end is told of each (`lost`)."""
        self._seats.pop(worker, None)

    def offer(self, items: Iterable[Item]) -> None:
        """More work, behind what is in line."""
        for item in items:
            if item.key in self._held:
                raise ValueError(f"an item with the key {item.key.hex()} is there already")
            self._held[item.key] = _Held(item)
            self._line.append(item.key)
            self._waiting += 1

    def withdraw(self, key: bytes) -> None:
        """Nobody waits for this item any more; one that travels is answered for nothing."""
        self._close(key)

    def next(self) -> Lease | None:
        """A lease for the worker with most room; None while nothing waits or nobody has room.

        Its size is `target_s` of the worker's work, and no more than a fair share of what waits.
        """
        now = self._now()
        seats = {name: seat for name, seat in self._seats.items() if seat.rests_until <= now}
        if self._dropped_over(self._suspects):
            for name, seat in seats.items():
                if not seat.open and (suspect := self._taken(self._suspects)):
                    seat.is_apart = True
                    lease = self._sent(name, seat, [suspect], now)
                    lease.is_beside_late = any(late.seat is seat for late in self._late.values())
                    return lease
            if seats and not any(seat.is_apart for seat in seats.values()):
                # One is left to come to the end of what it has.
                del seats[min(seats, key=lambda name: seats[name].open)]
        ready = {name: seat for name, seat in seats.items() if self._has_room(seat)}
        if not ready or not self._dropped_over(self._line):
            return None
        name, seat = max(ready.items(), key=lambda entry: entry[1].room)
        there = self._waiting + sum(seat.open for seat in ready.values())
        share = max(min(self._policy.least, seat.slots), ceil(there / len(ready)) - seat.open)
        size = min(share, seat.room, self._durations.size(seat.slots))
        items: list[Item] = []
        length = 0
        while len(items) < size and self._dropped_over(self._line):
            length += len(self._held[self._line[0]].item.body)
            if items and length > self._policy.most_bytes:
                break
            self._waiting -= 1
            if item := self._taken(self._line):
                items.append(item)
        return self._sent(name, seat, items, now) if items else self.next()

    def answered(self, lease_id: int, results: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Answers of a lease, all or some; returns those that are the first for their item."""
        lease = self._open.get(lease_id) or self._late.get(lease_id)
        is_late = lease_id in self._late
        seconds = 0.0 if lease is None else self._now() - lease.sent
        first: list[tuple[bytes, bytes]] = []
        for key, body in results:
            item = lease.left.pop(key, None) if lease is not None else None
            if lease is None or item is None:
                self.stats.duplicates += 1
                continue
            if not is_late:
                lease.seat.open -= 1
            self._durations.add(item.kind, seconds)
            if self._close(key):
                first.append((key, body))
                self.stats.late_answers += is_late
            else:
                self.stats.duplicates += 1
        if lease is not None:
            lease.seat.is_on_trial, lease.seat.rests, lease.seat.rests_until = False, 0, -inf
            if not lease.left:
                self._late.pop(lease_id, None)
                if self._open.pop(lease_id, None):
                    lease.seat.is_apart = False
        return first

    def lost(self, lease_id: int, fault: LeaseFault) -> list[bytes]:
        """A lease will not be answered, or no further; its items go to the front of the line. Returns the keys of those
        that are given up."""
        self._late.pop(lease_id, None)  # its items are in line, or elsewhere, since it was late
        lease = self._open.pop(lease_id, None)
        if lease is None:
            return []
        self.stats.lost += 1
        seat = self._left(lease)
        if fault is LeaseFault.UNAVAILABLE:
            seat.rest(self._now(), self._policy)
            self._back(lease.left)
            return []
        poisoned = []
        for key in lease.left:
            held = self._held.get(key)
            if held is not None and not lease.is_beside_late:
                held.deaths += 1
                if held.deaths > self._policy.alone_after:
                    poisoned.append(key)
        for key in poisoned:
            self._close(key)
        self.stats.poisoned += len(poisoned)
        self._back(lease.left)
        return poisoned

    def overdue(self) -> None:
        """Leases whose deadline is past are late: what is left of them goes to the front of the line."""
        now = self._now()
        for lease in [lease for lease in self._open.values() if lease.deadline <= now]:
            self._late[lease.id] = self._open.pop(lease.id)
            self.stats.late += 1
            seat = self._left(lease)
            seat.is_on_trial = True
            seat.rests_until = now + lease.deadline - lease.sent
            for key in lease.left:
                if key in self._held:
                    self._held[key].lates += 1
            self._back(lease.left)

    def due(self) -> float | None:
        """When `overdue` or `next` has something to do without anything else happening; None for never."""
        times = [lease.deadline for lease in self._open.values()]
        if self.waiting:
            now = self._now()
            times += [seat.rests_until for seat in self._seats.values() if seat.rests_until > now]
        return min(times, default=None)

    @property
    def waiting(self) -> int:
        """Items in line."""
        return self._waiting + sum(key in self._held for key in self._suspects)

    def open_at(self, worker: str) -> int:
        """Items that a worker has now, without those of late leases."""
        seat = self._seats.get(worker)
        return 0 if seat is None else seat.open

    def slots_of(self, worker: str) -> int:
        """Items that a worker works on at once."""
        seat = self._seats.get(worker)
        return 0 if seat is None else seat.slots

    def rests(self, worker: str) -> bool:
        """Whether a worker gets nothing for a while, because it was late or out of reach."""
        seat = self._seats.get(worker)
        return seat is not None and seat.rests_until > self._now()

    def _has_room(self, seat: Seat) -> bool:
        # A lease of one or two items costs as much as one of many: wait for the room of some.
        least = 1 if seat.is_on_trial else min(self._policy.least, self._waiting)
        return seat.room >= max(1, least)

    def _dropped_over(self, line: deque[bytes]) -> bool:
        """Whether a line has an item, which is then its first: those in front of it that are over are dropped."""
        while line and line[0] not in self._held:
            line.popleft()
        return bool(line)

    def _taken(self, line: deque[bytes]) -> Item | None:
        """The first item of a line, whose turn it is; None where it must not be sent again."""
        held = self._held[line.popleft()]
        if held.sent and not self._may_send_again():
            self.refused.append(held.item.key)
            del self._held[held.item.key]
            return None
        return held.item

    def _sent(self, worker: str, seat: Seat, items: Sequence[Item], now: float) -> Lease:
        held = [self._held[item.key] for item in items]
        limit_s = max(item.limit_s for item in items)
        seconds = limit_s + self._durations.patience_s([item.kind for item in items], seat.slots)
        # What was late may just be long: it gets twice the time, so that it is not sent over and over.
        seconds *= 2.0 ** min(max(one.lates for one in held), 10)
        lease = Lease(
            self._next_id,
            worker,
            tuple(items),
            now,
            now + seconds,
            1 + max(one.sent for one in held),
            {item.key: item for item in items},
            seat,
        )
        self._next_id += 1
        self._open[lease.id] = lease
        seat.open += len(items)
        self.stats.leases += 1
        self.stats.items += len(items)
        for one in held:
            self.stats.re_leased += one.sent > 0
            one.sent += 1
            one.lease = lease.id
        return lease

    def _back(self, keys: Iterable[bytes]) -> None:
        """Put items that are still wanted to the front of the line, in their order; suspects to their own."""
        for key in reversed([key for key in keys if key in self._held]):
            held = self._held[key]
            held.lease = None
            if self._is_suspect(held):
                self._suspects.appendleft(key)
            else:
                self._line.appendleft(key)
                self._waiting += 1

    def _is_suspect(self, held: _Held) -> bool:
        return held.deaths >= self._policy.alone_after

    def _close(self, key: bytes) -> bool:
        """An item is over; False where it was already."""
        held = self._held.pop(key, None)
        if held is not None and held.lease is None and not self._is_suspect(held):
            self._waiting -= 1
        return held is not None

    def _left(self, lease: Lease) -> Seat:
        """What is left of a lease is not with its worker any more, as far as anybody waits for it."""
        lease.seat.open -= len(lease.left)
        lease.seat.is_apart = False
        return lease.seat
