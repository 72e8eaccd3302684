"""How many requests at once an endpoint of unknown size can use: found by doubling while that helps.

    16 ─▶ 32 ─▶ 64 ─▶ ... while a round answers at least 5% more tokens a second than the best one before, up to the limit
                └─▶ two rounds that do not: back to the best width, for the rest of the run

Only rounds in which every place was taken say anything; a run that has less to ask stays where it is. A refusal (429,
503) ends the search: from then on the gate itself goes down and comes back, up to the width it had or `USUAL`.
"""

from __future__ import annotations

from collections.abc import Callable

from mixwright_runtime.calls.fault import Gate

FIRST, USUAL = 16, 64
"""Chosen: where the search begins, and how far a gate may come back after a refusal that ended the search early."""
CLEAR_GAIN = 1.05
"""Throughput of equal rounds differs by a few percent by itself."""
ROUNDS = 2
"""Answers in a round, as a multiple of the width; as many more are skipped first: they began under another width."""
SHORTEST_ROUND_S = 0.25
"""Chosen: short answers come in bursts, and a burst is no rate."""
FAILED_ROUNDS = 2


class WidthSearch:
    """Sets the width of a gate between `FIRST` and `most`. Told of each answer and of refusals."""

    def __init__(self, gate: Gate, most: int, now: Callable[[], float]) -> None:
        self.width = min(FIRST, most)
        self.is_settled = self.width >= most
        self._gate = gate
        self._most = most
        self._now = now
        self._best_rate, self._best_width = 0.0, self.width
        self._failed = 0
        gate.set_width(self.width)
        self._skip, self._answers, self._amount, self._began = self.width, 0, 0, 0.0

    def answered(self, output_tokens: int) -> None:
        """One answer more; `output_tokens` 0 where the server does not say."""
        if self.is_settled:
            return
        if not self._gate.is_full:
            self._begin_round()
            return
        if self._skip > 0:
            self._skip -= 1
            self._began = self._now()
            return
        self._answers += 1
        self._amount += max(1, output_tokens)
        seconds = self._now() - self._began
        if self._answers >= ROUNDS * self.width and seconds >= SHORTEST_ROUND_S:
            self._judge(self._amount / seconds)

    def refused(self) -> None:
        """The server took less than it was given."""
        if not self.is_settled:
            self.is_settled = True
            self._gate.most = min(self._most, max(self.width, USUAL))

    def _judge(self, rate: float) -> None:
        if rate > CLEAR_GAIN * self._best_rate:
            self._best_rate, self._best_width, self._failed = rate, self.width, 0
            if self.width >= self._most:
                self.is_settled = True
                return
            self.width = min(self._most, 2 * self.width)
        else:
            self._failed += 1
            if self._failed >= FAILED_ROUNDS:
                self.is_settled = True
                self.width = self._best_width
        self._gate.set_width(self.width)
        self._begin_round()

    def _begin_round(self) -> None:
        self._skip, self._answers, self._amount = self.width, 0, 0
