"""One row on its way through steps that need no other rows: its candidates go side by side, and come together at each
verifier that looks at all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import cast

from mixwright_runtime.calls.gathering import gather_all
from mixwright_runtime.errors import RunError, RunStopped
from mixwright_runtime.plugins.shapes import Apply, Enrich, Fold, Spread
from mixwright_runtime.stream.ask_again import answers_again, verdicts_of
from mixwright_runtime.stream.counting import Book, Uncounted
from mixwright_runtime.stream.driving import (
    applied,
    applied_beside,
    applied_in_ranges,
    enriched,
    folded,
    passes,
    quarantined,
    spread,
    with_verdicts,
    within_band,
)
from mixwright_runtime.stream.flows import Asked, Flow
from mixwright_runtime.stream.looping import rounds_of
from mixwright_runtime.stream.nodes import Node
from mixwright_runtime.values.rows import Dropped, Row

Settled = Mapping[tuple[bytes, str], str]
"""(row, step) -> why an earlier run lost the row there, for good."""
NOTHING_SETTLED: Settled = MappingProxyType({})


class Walk:
    """Takes rows through steps, each on its own, and tells a book what becomes of them."""

    def __init__(self, nodes: Sequence[Node], book: Book, settled: Settled = NOTHING_SETTLED) -> None:
        self._nodes = nodes
        self._book = book
        self._settled = settled

    async def through(self, flow: Flow, at: int, end: int) -> list[Flow]:
        """One row through the steps `at` to `end`; the flows that reach `end`, candidates in their order."""
        while at < end:
            node = self._nodes[at]
            if self._settled and not self._book_unless_settled(flow.row, node):
                return []
            if not node.applies(flow.row):
                self._book.took(flow.row, node)
                at = max(at + 1, node.body_end)
                continue
            if node.shape is Apply:
                if node.in_ranges is not None:
                    result = await applied_in_ranges(node, flow.row)
                elif cast(Apply, node.step).is_long:
                    result = await applied_beside(node, flow.row)
                else:
                    result = applied(node, flow.row)
                if not self._book.took(result, node):
                    return []
                flow = Flow(result, flow.asked)
            elif node.shape is Enrich:
                result = await enriched(node, flow.row)
                if not self._book.took(result, node):
                    return []
                flow = Flow(result, flow.asked)
            elif node.measuring is not None:
                (passed,) = await self._verify(at, [flow])
                if passed is None:
                    return []
                flow = passed
            elif node.answering is not None:
                flows = await self._answered(node, flow)
                if node.samples == 1:
                    if not flows:
                        return []
                    flow = flows[0]
                else:
                    return await self._candidates(flow, flows, node.samples, at, end)
            elif node.shape is Fold:
                # Alone: the step that would have made others of it left it out.
                flows = self._folded(node, flow, [flow], 1)
                if not flows:
                    return []
                [flow] = flows
            elif node.shape is Spread:
                return await self._spread(flow, at, end)
            else:
                rows = await rounds_of(node, flow.row, partial(self._round, at), self._book)
                return await self._side_by_side([Flow(row) for row in rows], node.body_end, end)
            at += 1
        return [flow]

    async def _round(self, at: int, flow: Flow, book: Book) -> list[Flow]:
        """A row through the body of the loop at `at`, told to a book of its own."""
        return await Walk(self._nodes, book, self._settled).through(flow, at + 1, self._nodes[at].body_end)

    async def _spread(self, flow: Flow, at: int, end: int) -> list[Flow]:
        """The rows made of one, as candidates are."""
        node = self._nodes[at]
        made = spread(node, flow.row)
        is_folded = any(isinstance(self._nodes[place].step, Fold) for place in node.gathered_at)
        if isinstance(made, list) and not made and not is_folded:
            # Nobody would tell of the row any more.
            made = Dropped(flow.row, node.id, "no items")
        if isinstance(made, Dropped):
            self._book.took(made, node)
            return []
        self._book.forked(made, node)
        return await self._candidates(flow, [Flow(row) for row in made], len(made), at, end)

    async def _candidates(self, flow: Flow, flows: list[Flow], count: int, at: int, end: int) -> list[Flow]:
        """What was made of `flow`, `count` in number, side by side, coming together at each step that looks at all of
        them, up to `end`."""
        following = at + 1
        for gathering in self._nodes[at].gathered_at:
            if gathering >= end:
                break
            node = self._nodes[gathering]
            group = await self._side_by_side(flows, following, gathering)
            if isinstance(node.step, Fold):
                flows = self._folded(node, flow, group, count)
            else:
                flows = await self._together(gathering, group, count)
            following = gathering + 1
        return await self._side_by_side(flows, following, end)

    def _folded(self, node: Node, flow: Flow, group: Sequence[Flow], count: int) -> list[Flow]:
        result = folded(node, flow.row, [other.row for other in group], count)
        return [Flow(result, flow.asked)] if self._book.folded(result, len(group), node) else []

    async def _together(self, at: int, group: list[Flow], count: int) -> list[Flow]:
        """What a verifier lets pass of a row's candidates, in their order; those that its `when` leaves out go on.
        `count`: how many candidates the row had."""
        node = self._nodes[at]
        applies = [node.applies(flow.row) for flow in group]
        concerned = [flow for flow, is_concerned in zip(group, applies, strict=True) if is_concerned]
        of = count - (len(group) - len(concerned))
        passed = iter(await self._verify(at, concerned, of) if concerned else ())
        if count and not group:
            self._book.rated(node, 0, count)
        found = []
        for flow, is_concerned in zip(group, applies, strict=True):
            if is_concerned:
                result = next(passed)
            else:
                self._book.took(flow.row, node)
                result = flow
            if result is not None:
                found.append(result)
        return found

    async def _side_by_side(self, flows: list[Flow], at: int, end: int) -> list[Flow]:
        if at >= end:
            return flows
        if len(flows) == 1:
            return await self.through(flows[0], at, end)
        walks = await gather_all(self.through(flow, at, end) for flow in flows)
        return [flow for walk in walks for flow in walk]

    async def _answered(self, node: Node, flow: Flow) -> list[Flow]:
        """The row with a model's answer, or its candidates; those that have none are counted and gone."""
        assert node.answering is not None
        row = flow.row
        try:
            made = await node.answering.of(row)
        except (RunStopped, RunError):
            raise
        except Exception as error:
            self._book.took(quarantined(node, row, error), node)
            return []
        if self._settled:
            made = [(self._unless_settled(result, node), following) for result, following in made]
        self._book.forked([result for result, _ in made], node)
        flows = []
        for sample, (result, next_attempt) in enumerate(made):
            if isinstance(result, Dropped):
                continue
            asked = flow.asked
            if node.is_asked_again:
                asked = {**(asked or {}), node.id: Asked(row, sample, next_attempt)}
            flows.append(Flow(result, asked))
        return flows

    def _book_unless_settled(self, row: Row, node: Node) -> bool:
        result = self._unless_settled(row, node)
        return isinstance(result, Row) or self._book.took(result, node)

    def _unless_settled(self, result: Row | Dropped, node: Node) -> Row | Dropped:
        if isinstance(result, Dropped):
            return result
        reason = self._settled.get((result.row_id, node.id))
        return result if reason is None else Dropped(result, node.id, reason, quarantined=True)

    async def _verify(self, at: int, flows: Sequence[Flow], of: int = 1) -> list[Flow | None]:
        """Each flow, None where it does not pass the verifier, after as many further answers as `on_fail` allows.

        of: how many candidates there were of the row.
        """
        node = self._nodes[at]
        verdicts = await verdicts_of(node, flows)
        passing = sum(
            map(passes, verdicts)
        )  # of the first answers: what is asked again says nothing of the row
        if node.traits.gathers:
            self._book.rated(node, passing, of)
        was_asked: Sequence[bool] = ()
        if node.retries:
            unseen = Walk(self._nodes, Uncounted())
            flows, verdicts, was_asked = await answers_again(self._nodes, at, flows, verdicts, unseen.through)
        rate = passing / of if node.traits.gathers else None
        verdicts = within_band(node, node.after_on_fail(with_verdicts(node, verdicts, rate)), passing, of)
        passed: list[Flow | None] = []
        for i, verdict in enumerate(verdicts):
            if was_asked and was_asked[i]:
                self._book.asked_again(verdict, node)
            passed.append(Flow(verdict, flows[i].asked) if self._book.took(verdict, node) else None)
        return passed
