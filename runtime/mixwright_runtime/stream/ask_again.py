"""Verdicts, and further answers while no candidate of a row passes: `on_fail = retry(n)` and `repair(template)`."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from mixwright_runtime.calls.gathering import gather_all
from mixwright_runtime.errors import RunError, RunStopped
from mixwright_runtime.stream.driving import decided, quarantined, with_score
from mixwright_runtime.stream.flows import Asked, Flow
from mixwright_runtime.stream.nodes import Node
from mixwright_runtime.values.rows import Dropped, Row
from mixwright_runtime.values.stored_text import json_of

Through = Callable[[Flow, int, int], Awaitable[list[Flow]]]
"""How a row gets from one step to another, without being counted on its way."""


async def verdicts_of(node: Node, flows: Sequence[Flow]) -> list[Row | Dropped]:
    """A verifier's verdict on each flow, with its score."""
    assert node.measuring is not None
    rows = [flow.row for flow in flows]
    measurements = await node.measuring.of(rows)
    scored = [with_score(node, row, found) for row, found in zip(rows, measurements, strict=True)]
    return decided(node, scored, measurements)


async def answers_again(
    nodes: Sequence[Node],
    at: int,
    flows: Sequence[Flow],
    verdicts: Sequence[Row | Dropped],
    through: Through,
) -> tuple[list[Flow], list[Row | Dropped], list[bool]]:
    """The flows with their last answers, the verdicts on those, and of which of them another answer was there.

    Further answers are asked for only while no candidate passes, and only of those that failed: a fault of the
    verifier is no verdict. What was found of the answers before is kept with the row, oldest first.
    """
    node, flows, verdicts = nodes[at], list(flows), list(verdicts)
    earlier: list[list[Mapping[str, object]]] = [[] for _ in flows]
    for turn in range(1, node.retries + 1):
        failed = [i for i, verdict in enumerate(verdicts) if _is_against(verdict)]
        if not failed or any(isinstance(verdict, Row) for verdict in verdicts):
            break
        try:
            asked = await gather_all(_again(nodes, at, flows[i], verdicts[i], turn, through) for i in failed)
        except (RunStopped, RunError):
            raise
        except Exception as error:
            # The template of `repair` cannot be rendered, or there is a bug in the step that is asked.
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
                for verdict, trail in zip(await verdicts_of(node, flows), earlier, strict=True)
            ]
    return flows, verdicts, [bool(trail) for trail in earlier]


async def _again(
    nodes: Sequence[Node], at: int, flow: Flow, verdict: Row | Dropped, turn: int, through: Through
) -> tuple[Flow, bool]:
    """The flow with another answer in the column that the verifier looks at, and whether there is one.

    What happens to the answer on its way is not counted again: the row fails, if it does, at the verifier.

    Raises:
        RowError: the template of `repair` cannot be rendered.
    """
    node = nodes[at]
    made_at = node.asks_again
    asked = (flow.asked or {}).get(nodes[made_at].id) if made_at is not None else None
    if made_at is None or asked is None:
        return flow, False
    maker = nodes[made_at]
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
        flows = await through(Flow(made, trail), made_at + 1, at)
        if len(flows) == 1:
            return flows[0], True
    calls = made.row.calls if isinstance(made, Dropped) else made.calls
    return Flow(replace(flow.row, calls=calls), trail), False


def _is_against(verdict: Row | Dropped) -> bool:
    return isinstance(verdict, Dropped) and not verdict.quarantined


def _told(node: Node, verdict: Dropped, turn: int) -> Mapping[str, object]:
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


def _failed_before(node: Node, flow: Flow, verdict: Row | Dropped) -> Mapping[str, object]:
    """What is kept of an answer that another one replaces: its verdict, and how many calls it took so far."""
    assert isinstance(verdict, Dropped)
    found = {name: value for name, value in verdict.row.scores[node.id].items() if name != "earlier"}
    return {"reason": verdict.reason, "calls": len(flow.row.calls), **found}


def _with_calls(verdict: Row | Dropped, calls: tuple[bytes, ...]) -> Row | Dropped:
    """A verdict whose row also names the calls that brought no other answer."""
    assert isinstance(verdict, Dropped)
    return replace(verdict, row=replace(verdict.row, calls=calls))


def _with_earlier(
    node: Node, verdict: Row | Dropped, earlier: Sequence[Mapping[str, object]]
) -> Row | Dropped:
    if not earlier:
        return verdict
    row = verdict.row if isinstance(verdict, Dropped) else verdict
    row = replace(row, scores={**row.scores, node.id: {**row.scores[node.id], "earlier": list(earlier)}})
    return replace(verdict, row=row) if isinstance(verdict, Dropped) else row
