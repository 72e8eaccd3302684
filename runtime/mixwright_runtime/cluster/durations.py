"""How long work takes, and so how much of it travels at once and how long it is waited for."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True)
class LeasePolicy:
    """Sizes and patience; seconds, items, bytes. The figures are measured or chosen in `docs/cluster.md`."""

    target_s: float = 0.5
    """Work of a worker that travels at once."""
    least: int = 8
    most: int = 256
    most_bytes: int = 1 << 20
    ahead: float = 1.1
    """Items that a worker may have, as a multiple of its slots; and `least` more."""
    least_deadline_s: float = 30.0
    p99s: float = 3.0
    """A deadline is this many times what 99 of 100 items took."""
    rest_s: float = 1.0
    most_rest_s: float = 30.0
    alone_after: int = 2
    """Deaths after which an item travels alone; with one more it is given up."""


class Durations:
    """Seconds that items took lately, by kind."""

    def __init__(self, policy: LeasePolicy) -> None:
        self._policy = policy
        self._kinds: dict[str, _Kind] = {}

    def add(self, kind: str, seconds: float) -> None:
        """One more item was answered."""
        found = self._kinds.get(kind)
        if found is None:
            found = self._kinds[kind] = _Kind()
        found.add(seconds)

    def size(self, slots: int) -> int:
        """Items that are `target_s` of work for a worker that works on `slots` at once."""
        mean_s = max((kind.mean for kind in self._kinds.values()), default=0.0)
        size = ceil(self._policy.target_s * slots / mean_s) if mean_s > 0 else self._policy.most
        return min(max(size, self._policy.least), self._policy.most)

    def patience_s(self, kinds: Sequence[str], slots: int) -> float:
        """How long items of these kinds are waited for at such a worker."""
        p99 = max((self._kinds[kind].p99 for kind in kinds if kind in self._kinds), default=0.0)
        rounds = ceil(len(kinds) / max(1, slots))
        return max(self._policy.least_deadline_s, self._policy.p99s * p99 * rounds)


class _Kind:
    def __init__(self) -> None:
        # 512 and 32: chosen, as for the lengths of answers (calls/admission.py).
        self._last: deque[float] = deque(maxlen=512)
        self._new = 0
        self.mean = 0.0
        self.p99 = 0.0

    def add(self, seconds: float) -> None:
        self._last.append(seconds)
        self._new += 1
        if self._new >= 32 or len(self._last) <= 8:
            self._new = 0
            ordered = sorted(self._last)
            self.mean, self.p99 = sum(ordered) / len(ordered), ordered[len(ordered) * 99 // 100]
