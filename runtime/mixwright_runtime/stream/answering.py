"""Answers of a step that asks a model: a row's candidates, further attempts, and those that a verifier wants later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from mixwright_compiler.catalog.traits import further_answers
from mixwright_compiler.plan.plan import Step
from mixwright_runtime.calls.gathering import gather_all
from mixwright_runtime.calls.models import RunCalls
from mixwright_runtime.plugins.protocol import CallResult
from mixwright_runtime.plugins.shapes import Ask, StepRequest
from mixwright_runtime.values.json_in_text import ParseFailed
from mixwright_runtime.values.reading import read_beside
from mixwright_runtime.values.rows import Dropped, Row

TURN = ("turn", "default_system", "prefix")
"""Of a request's settings those that ask for a user's turn."""


class Answering:
    """One asking step's answers."""

    def __init__(self, plan: Step, step: Ask, calls: RunCalls, *, node: str) -> None:
        """`node`: the name that calls are counted under."""
        self.samples = plan.traits.candidates
        self.columns = tuple(question.writes for question in plan.traits.asks if question.writes)
        """The columns that answers are written to."""
        self._on_fail, self._retries = on_fail_of(plan.attributes.get("on_fail"))
        self._takes_cut = plan.attributes.get("on_cut") == "use"
        self._plan = plan
        self._step = step
        self._calls = calls
        self._node = node
        self._repairing: Mapping[str, Any] | None = None

    async def of(self, row: Row) -> list[tuple[Row | Dropped, int]]:
        """The row with its answer, or `samples` candidates of it, each with the number of its next unused attempt. An
        answer that failed is a `Dropped`.

        Raises:
            RowError: the request cannot be made.
            RunStopped: the run is stopping.
        """
        # Once for all candidates: they differ in their seeds alone.
        request = self._step.ask(row)
        if self.samples == 1:
            return [await self._answered(row, request, 0, 0, self._node)]
        return await gather_all(
            self._answered(row.fork(self._plan.identity, sample), request, sample, 0, self._node)
            for sample in range(self.samples)
        )

    async def again(
        self,
        row: Row,
        sample: int,
        attempt: int,
        *,
        messages: Sequence[Mapping[str, str]] | None = None,
        node: str = "",
    ) -> tuple[Row | Dropped, int]:
        """Another answer for a row as it was before this step, of a candidate: as it was before it was one.

        Args:
            attempt: the first attempt that has not been used; a verifier's `on_fail` counts on.
            messages: what is asked instead of the step's own request (`on_fail = repair(template)`).
            node: the verifier that asks, under which the calls are counted; by default this step.
        """
        request = self._step.ask(row)
        if messages is not None:
            request = replace(request, messages=messages, sampling=self._chatting(request.sampling))
        if self.samples > 1:
            row = row.fork(self._plan.identity, sample)
        return await self._answered(row, request, sample, attempt, node or self._node)

    def _chatting(self, sampling: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a repair is asked with: an answer to its messages, also where the step itself asks for a user's turn."""
        if sampling.get("turn") != "user":
            return sampling
        if self._repairing is None:
            self._repairing = {name: value for name, value in sampling.items() if name not in TURN}
        return self._repairing

    async def _answered(
        self, row: Row, request: StepRequest, sample: int, first: int, node: str
    ) -> tuple[Row | Dropped, int]:
        row = row.with_columns(**request.columns) if request.columns else row
        keys: list[bytes] = []
        reason, detail = "", ""
        following = first + self._retries + 1
        for attempt in range(first, following):
            result = await self._calls.ask(
                request.model,
                request.messages,
                request.sampling,
                replica=row.replica,
                sample=sample,
                attempt=attempt,
                node=node,
                later=following - 1 - attempt,
                rounds=row.rounds,
                takes_cut=self._takes_cut,
            )
            keys.append(result.key)
            if self._takes_cut and result.cut is not None:
                result = result.cut
            if not result.ok:
                reason, detail = result.reason, result.detail
                continue
            try:
                made = await read_beside(partial(self._taken, row, result), result.written)
            except ParseFailed as failed:
                reason, detail = "parse", str(failed)
                continue
            return _with_calls(made, row, keys), attempt + 1
        if self._on_fail == "keep":
            made = self._step.without(row.with_columns(**dict.fromkeys(self.columns)))
            return _with_calls(made, row, keys), following
        row.calls = (*row.calls, *keys)
        # What does not parse is a verdict on a text; everything else is a fault of the model or the machine.
        return Dropped(row, self._plan.id, reason, detail, quarantined=reason != "parse"), following

    def _taken(self, row: Row, answer: CallResult, _written: str) -> Row:
        return self._step.take(row, answer)


def _with_calls(made: Row, before: Row, keys: Sequence[bytes]) -> Row:
    made.calls = (*before.calls, *keys)
    return made


def on_fail_of(value: Any) -> tuple[str, int]:
    """A lowered `on_fail` and how often it asks again: `("drop", 0)`, `("keep", 0)`, `("retry", n)`, `("repair", n)`."""
    if value is None:
        return "drop", 0
    if isinstance(value, str):
        return value, 0
    return str(value["call"]), further_answers(value)
