"""Streams rows through one pipeline: each goes on the moment its own step ends, nothing waits for a stage.

    starts ─▶ workers (the window) ─▶ steps ─▶ breaker ─▶ steps ─▶ kept
                 one row each          │        rows in start order, in chunks
                                       └─▶ candidates side by side; a closing verifier brings them together

A row that cannot be processed is quarantined with its reason; it never ends the run, and never disappears: every
started row ends in the outcomes, or stays unfinished because the run stopped.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mixwright_runtime.calls.gathering import gather_all
from mixwright_runtime.calls.stop import StopSignal
from mixwright_runtime.errors import RunError, RunStopped
from mixwright_runtime.plugins.shapes import Apply, Keep
from mixwright_runtime.stream.driving import applied, decided, kept, quarantined, with_score
from mixwright_runtime.stream.nodes import Node
from mixwright_runtime.stream.ordering import LongestFirst
from mixwright_runtime.stream.outcomes import Outcomes, Start
from mixwright_runtime.values.rows import Dropped, Row
from mixwright_runtime.values.stored_text import json_of

CHUNK = 256
"""Rows that a breaker takes at once: enough to work in one go, few enough that those behind it start early. Chosen."""
BREATH = 100
"""Rows without any waiting after which a worker lets the event loop see to signals and progress. Chosen."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How a column was made, as long as a later verifier may want another answer."""

    before: Row
    sample: int
    next_attempt: int


@dataclass(frozen=True, slots=True)
class Flow:
    """A row under way, with what it takes to ask again; `asked` is by generate step id."""

    row: Row
    asked: Mapping[str, Asked] | None = None


@dataclass
class _Buffer:
    """Rows in front of a breaker, put back into start order."""

    waiting: dict[int, list[Row]] = field(default_factory=dict)
    next_position: int = 0
    ready: list[tuple[int, list[Row]]] = field(default_factory=list)
    ready_rows: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Executor:
    """One pipeline in one run. `wave` may be called again and again; positions go on from 0."""

    def __init__(
        self,
        nodes: Sequence[Node],
        outcomes: Outcomes,
        stop: StopSignal,
        *,
        window: int,
        order: LongestFirst | None = None,
    ) -> None:
        """`order`: which rows of a wave start first; without it they start in start order."""
        self.nodes = tuple(nodes)
        self.kept: list[Start] = []
        """Rows that survived, in the order they finished; see `kept_in_order`."""
        self.started = 0
        self.finished = 0
        """Started rows of which nothing is under way any more."""
        self._outcomes = outcomes
        self._stop = stop
        self._window = max(1, window)
        self._order = order
        self._breakers = [i for i, node in enumerate(self.nodes) if isinstance(node.step, Keep)]
        self._buffers = {i: _Buffer() for i in self._breakers}
        self._starts: dict[int, Start] = {}
        self._behind: set[asyncio.Task[None]] = set()

    @property
    def needs_all_rows(self) -> bool:
        """A step decides on all rows at once, so that all must be started before any can survive."""
        return any(node.needs_all_rows for node in self.nodes)

    @property
    def in_flight(self) -> int:
        """Rows that are started and not finished."""
        return self.started - self.finished

    def kept_in_order(self) -> list[Start]:
        """The surviving rows in start order, those of one start by their identity; each with where it came from."""
        return sorted(self.kept, key=lambda kept: (kept.row.position, kept.row.row_id))

    async def wave(self, starts: Sequence[Start]) -> None:
        """Take rows through the pipeline until each is kept, dropped or quarantined, or the run stops.

        Rows must come in start order with positions that go on from the last wave. At most `window` are under way
        in front of the first breaker.

        Raises:
            RunError: the machine failed; outcomes so far are recorded.
        """
        pending = iter(starts if self._order is None else self._order.ordered(starts))
        workers = [asyncio.create_task(self._work(pending)) for _ in range(self._window)]
        try:
            await _all_or_first_error(workers)
            # Front to back, each until nothing is under way behind it: those are the rows that the next one waits for.
            for at in self._breakers:
                if self.nodes[at].needs_all_rows and self._stop.reason:
                    break  # its rows stay unfinished: a part of a table decides nothing
                try:
                    await self._pass_breaker(at)
                except RunStopped:
                    break
                while self._behind:
                    behind = list(self._behind)
                    await _all_or_first_error(behind)
                    self._behind.difference_update(behind)
        finally:
            for task in (*workers, *self._behind):
                task.cancel()
            await asyncio.gather(*workers, *self._behind, return_exceptions=True)

    async def _work(self, starts: Iterator[Start]) -> None:
        for taken, start in enumerate(starts, 1):
            if self._stop.reason:
                return
            self.started += 1
            row = start.row
            self._starts[row.position] = start
            begun = self._now()
            try:
                await self._segment(0, row.position, [row])
            except RunStopped:
                continue  # the row stays unfinished; the next run starts it again
            if self._order is not None:
                self._order.took(row, self._now() - begun)
            if taken % BREATH == 0:
                await asyncio.sleep(0)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def _segment(self, at: int, position: int, rows: Iterable[Row]) -> None:
        """From step `at` to the next breaker or the end."""
        end = next((i for i in self._breakers if i >= at), len(self.nodes))
        flows: list[Flow] = []
        for row in rows:
            flows += await self._walk(Flow(row), at, end)
        if end == len(self.nodes):
            start = self._starts.pop(position)
            for flow in flows:
                self._outcomes.keep(flow.row, start)
                self.kept.append(Start(flow.row, start.source, start.ref))
            self.finished += 1
            return
        buffer = self._buffers[end]
        # A start of which nothing is left takes its place, too: a breaker decides in start order and never past a gap,
        # so one that is missing (the run stopped) holds up all behind it, and they stay unfinished as it does.
        buffer.waiting[position] = [flow.row for flow in flows]
        while (ready := buffer.waiting.pop(buffer.next_position, None)) is not None:
            buffer.ready.append((buffer.next_position, ready))
            buffer.ready_rows += len(ready)
            buffer.next_position += 1
        if buffer.ready_rows >= CHUNK and not self.nodes[end].needs_all_rows:
            await self._pass_breaker(end)

    async def _pass_breaker(self, at: int) -> None:
        """Let the breaker decide on the rows that are next in start order, and send on what it keeps."""
        node, buffer = self.nodes[at], self._buffers[at]
        # A breaker goes by the rows that it has seen: a chunk is taken and decided under one lock, or two chunks could
        # reach it the wrong way round.
        async with buffer.lock:
            batch, buffer.ready, buffer.ready_rows = buffer.ready, [], 0
            rows = [row for _, group in batch for row in group]
            concerned = [row for row in rows if node.applies(row)]
            verdicts = iter(await kept(node, concerned, self._stop) if concerned else ())
            through = []
            for position, group in batch:
                results = [next(verdicts) if node.applies(row) else row for row in group]
                through.append((position, self._counted(node, results, position)))
        for position, survivors in through:
            # Tasks only where something is waited for: elsewhere they cost more than the steps. Their number has no
            # bound here: the gate of the model or the pool of workers that they wait for is one.
            if any(later.waits for later in self.nodes[at + 1 :]):
                self._send_on(self._segment(at + 1, position, survivors))
            else:
                await self._segment(at + 1, position, survivors)

    def _send_on(self, job: Any) -> None:
        async def quietly() -> None:
            try:
                await job
            except RunStopped:
                return

        task = asyncio.create_task(quietly())
        self._behind.add(task)
        task.add_done_callback(self._forget_if_sound)

    def _forget_if_sound(self, task: asyncio.Task[None]) -> None:
        # One that failed stays: `wave` looks at them all, and raises its error.
        if not task.cancelled() and task.exception() is None:
            self._behind.discard(task)

    def _counted(self, node: Node, results: Iterable[Row | Dropped], position: int) -> list[Row]:
        """The survivors; everything is counted at the step, and what it ended is recorded."""
        survivors = []
        for result in results:
            node.tally.rows_in += 1
            if isinstance(result, Dropped):
                node.tally.ended(result)
                self._outcomes.end(result, self._starts[position])
            else:
                node.tally.rows_out += 1
                survivors.append(result)
        return survivors

    async def _walk(self, flow: Flow, at: int, end: int, *, counts: bool = True) -> list[Flow]:
        """One row through the steps `at` to `end`; the flows that reach `end`, candidates in their order.

        Without `counts` (a second attempt at something already counted) nothing is counted or recorded.
        """
        while at < end:
            node = self.nodes[at]
            if not node.applies(flow.row):
                self._count(node, flow.row, counts)
                at += 1
                continue
            if isinstance(node.step, Apply):
                result = applied(node, flow.row)
                if not self._count(node, result, counts):
                    return []
                assert isinstance(result, Row)
                flow = Flow(result, flow.asked)
            elif node.measuring is not None:
                (passed,) = await self._verify(at, [flow], counts)
                if passed is None:
                    return []
                flow = passed
            else:
                flows = await self._expand(node, flow, counts)
                if node.samples == 1:
                    if not flows:
                        return []
                    flow = flows[0]
                else:
                    return await self._candidates(flows, at, end, counts)
            at += 1
        return [flow]

    async def _candidates(self, flows: list[Flow], at: int, end: int, counts: bool) -> list[Flow]:
        """Candidates of one row side by side, coming together at each verifier that looks at all of them, up to `end`."""
        following = at + 1
        for gathering in self.nodes[at].gathered_at:
            if gathering >= end:
                break
            group = await self._side_by_side(flows, following, gathering, counts)
            flows = await self._together(gathering, group, counts)
            following = gathering + 1
        return await self._side_by_side(flows, following, end, counts)

    async def _together(self, at: int, group: list[Flow], counts: bool) -> list[Flow]:
        """What a verifier lets pass of a row's candidates, in their order; those that its `when` leaves out go on."""
        node = self.nodes[at]
        applies = [node.applies(flow.row) for flow in group]
        concerned = [flow for flow, is_concerned in zip(group, applies, strict=True) if is_concerned]
        passed = iter(await self._verify(at, concerned, counts) if concerned else ())
        found = []
        for flow, is_concerned in zip(group, applies, strict=True):
            if is_concerned:
                result = next(passed)
            else:
                self._count(node, flow.row, counts)
                result = flow
            if result is not None:
                found.append(result)
        return found

    async def _side_by_side(self, flows: list[Flow], at: int, end: int, counts: bool) -> list[Flow]:
        if at >= end:
            return flows
        if len(flows) == 1:
            return await self._walk(flows[0], at, end, counts=counts)
        walks = await gather_all(self._walk(flow, at, end, counts=counts) for flow in flows)
        return [flow for walk in walks for flow in walk]

    async def _expand(self, node: Node, flow: Flow, counts: bool) -> list[Flow]:
        assert node.answering is not None
        row = flow.row
        try:
            made = await node.answering.of(row)
        except (RunStopped, RunError):
            raise
        except Exception as error:
            self._count(node, quarantined(node, row, error), counts)
            return []
        if counts:
            node.tally.rows_in += 1
            node.tally.forked += len(made) - 1
        flows = []
        for sample, (result, next_attempt) in enumerate(made):
            if isinstance(result, Dropped):
                if counts:
                    node.tally.ended(result)
                    self._outcomes.end(result, self._starts[row.position])
                continue
            if counts:
                node.tally.rows_out += 1
            asked = flow.asked
            if node.is_asked_again:
                before = row if node.samples == 1 else row.fork(node.plan.identity, sample)
                asked = {**(asked or {}), node.id: Asked(before, sample, next_attempt)}
            flows.append(Flow(result, asked))
        return flows

    async def _verify(self, at: int, flows: list[Flow], counts: bool) -> list[Flow | None]:
        """Each flow, None where it does not pass the verifier, after as many further answers as `on_fail` allows.

        Further answers are asked for only while no candidate passes, and only of those that failed: a fault of the
        verifier is no verdict. What was found of the answers before is kept with the row, oldest first.
        """
        node = self.nodes[at]
        verdicts = await self._verdicts(node, flows)
        earlier: list[list[dict[str, Any]]] = [[] for _ in flows]
        for turn in range(1, node.retries + 1):
            failed = [i for i, verdict in enumerate(verdicts) if _is_against(verdict)]
            if not failed or any(isinstance(verdict, Row) for verdict in verdicts):
                break
            try:
                asked = await gather_all(self._again(node, at, flows[i], verdicts[i], turn) for i in failed)
            except (RunStopped, RunError):
                raise
            except (
                Exception
            ) as error:  # the template of `repair` cannot be rendered, or a bug in the step that is asked
                verdicts = [quarantined(node, flow.row, error) for flow in flows]
                break
            for i, (flow, is_new) in zip(failed, asked, strict=True):
                if is_new:
                    earlier[i].append(_failed_before(node, flows[i], verdicts[i]))
                flows[i] = flow
                verdicts[i] = _with_calls(verdicts[i], flow.row.calls)
            if any(is_new for _, is_new in asked):
                # All of them once more, for a verifier may compare; of answers that stayed the store has the measurement.
                verdicts = [
                    _with_earlier(node, verdict, trail)
                    for verdict, trail in zip(await self._verdicts(node, flows), earlier, strict=True)
                ]
        verdicts = node.after_on_fail(verdicts)
        passed: list[Flow | None] = []
        for flow, verdict, trail in zip(flows, verdicts, earlier, strict=True):
            self._count(node, verdict, counts)
            if counts and trail:
                node.rows_again += 1
                node.passed_again += isinstance(verdict, Row)
            passed.append(Flow(verdict, flow.asked) if isinstance(verdict, Row) else None)
        return passed

    async def _verdicts(self, node: Node, flows: Sequence[Flow]) -> list[Row | Dropped]:
        assert node.measuring is not None
        rows = [flow.row for flow in flows]
        measurements = await node.measuring.of(rows)
        scored = [with_score(node, row, found) for row, found in zip(rows, measurements, strict=True)]
        return decided(node, scored, measurements)

    async def _again(
        self, node: Node, at: int, flow: Flow, verdict: Row | Dropped, turn: int
    ) -> tuple[Flow, bool]:
        """The flow with another answer in the column that the verifier looks at, and whether there is one.

        What happens to the answer on its way is not counted again: the row fails, if it does, at the verifier.

        Raises:
            RowError: the template of `repair` cannot be rendered.
        """
        made_at = node.asks_again
        asked = (flow.asked or {}).get(self.nodes[made_at].id) if made_at is not None else None
        if made_at is None or asked is None:
            return flow, False
        maker = self.nodes[made_at]
        assert maker.answering is not None
        # The row as it was, with every call since: an answer that is replaced was paid for, and `explain` shows it.
        before = replace(asked.before, calls=flow.row.calls)
        messages = None
        if node.repair is not None:
            assert isinstance(verdict, Dropped)
            messages = node.repair({**flow.row.columns, "verdict": _told(node, verdict, turn)}).messages
        made, next_attempt = await maker.answering.again(
            before,
            asked.sample,
            asked.next_attempt,
            messages=messages,
            node="" if messages is None or node.measuring is None else node.measuring.node,
        )
        trail = {**(flow.asked or {}), maker.id: Asked(asked.before, asked.sample, next_attempt)}
        if isinstance(made, Row):
            flows = await self._walk(Flow(made, trail), made_at + 1, at, counts=False)
            if len(flows) == 1:
                return flows[0], True
        return Flow(
            replace(flow.row, calls=made.row.calls if isinstance(made, Dropped) else made.calls), trail
        ), False

    def _count(self, node: Node, result: Row | Dropped, counts: bool) -> bool:
        """Count and record one row's result at a step; True when it goes on."""
        if isinstance(result, Dropped):
            if counts:
                node.tally.rows_in += 1
                node.tally.ended(result)
                self._outcomes.end(result, self._starts[result.row.position])
            return False
        if counts:
            node.tally.rows_in += 1
            node.tally.rows_out += 1
        return True


def _is_against(verdict: Row | Dropped) -> bool:
    return isinstance(verdict, Dropped) and not verdict.quarantined


def _told(node: Node, verdict: Dropped, turn: int) -> dict[str, Any]:
    """What the template of `repair` sees as `verdict`; see `mixwright_compiler.bind.repair.VERDICT_FIELDS`."""
    found = verdict.row.scores[node.id]
    response = verdict.row.columns.get(str(node.plan.attributes.get("response")))
    return {
        "reason": verdict.reason,
        "outcome": found["outcome"],
        "score": found["score"],
        # As it comes out of the store, so that a resumed run renders the same prompt.
        "evidence": {**dict.fromkeys(node.evidence), **json.loads(json_of(found["evidence"]))},
        "response": response if isinstance(response, str) else json_of(response),
        "round": turn,
    }


def _failed_before(node: Node, flow: Flow, verdict: Row | Dropped) -> dict[str, Any]:
    """What is kept of an answer that another one replaces: its verdict, and how many calls it took so far."""
    assert isinstance(verdict, Dropped)
    found = {name: value for name, value in verdict.row.scores[node.id].items() if name != "earlier"}
    return {"reason": verdict.reason, "calls": len(flow.row.calls), **found}


def _with_calls(verdict: Row | Dropped, calls: tuple[bytes, ...]) -> Row | Dropped:
    """A verdict whose row also names the calls that brought no other answer."""
    assert isinstance(verdict, Dropped)
    return replace(verdict, row=replace(verdict.row, calls=calls))


def _with_earlier(node: Node, verdict: Row | Dropped, earlier: list[dict[str, Any]]) -> Row | Dropped:
    if not earlier:
        return verdict
    row = verdict.row if isinstance(verdict, Dropped) else verdict
    row = replace(row, scores={**row.scores, node.id: {**row.scores[node.id], "earlier": list(earlier)}})
    return replace(verdict, row=row) if isinstance(verdict, Dropped) else row


async def _all_or_first_error(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Return when all are done; raise the first error as soon as there is one."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()
