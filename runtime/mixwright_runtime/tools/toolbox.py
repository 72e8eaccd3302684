"""Runs tools for steps, and keeps what they give: each call is made at most once, like a model's.

How a step uses it. Its attribute of type `ref:tool` or `some[ref:tool]` names the tools, `prepare` makes them ready,
and a row's call is one line:

    async def prepare(self) -> None:
        await self.context.tools.prepare()

    async def enrich(self, row: Row) -> Row:
        result = await self.context.tools.run("calculator", {"expression": "2 + 2"}, row.columns)
        row = row.with_columns(**{self.label: result.text})
        row.calls = (*row.calls, result.key)

Arguments are named, as models that call tools name them, or the one text that a tool takes, as Toolformer writes it
(`calculator(2 + 2)`): `run("calculator", "2 + 2", …)`. What was wrong with a call, from a parameter that is missing to a
function that raises, is a result with `ok` false and the reason as its text. A fault of the machine is a RowError.

A call is named `mixwright.tool-call.v1` of the tool's identity, its function, the arguments and what is given (the row's
day, the digest of what is searched), and it stands in the store among the calls, under `tool NAME` in the place of a
model: a run that goes on makes none again that it has. Equal calls of two rows are one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixwright_compiler.plan.plan import Plan, Step, ToolFunction, ToolSpec
from mixwright_runtime.calls.fault import Clock
from mixwright_runtime.calls.models import RunCalls, tools_of
from mixwright_runtime.calls.pending import Pending
from mixwright_runtime.calls.recording import CallStore
from mixwright_runtime.errors import RowError, RunError, RunStopped
from mixwright_runtime.plugins.declare import implementation
from mixwright_runtime.plugins.protocol import CallResult, ToolResult
from mixwright_runtime.store.records import TOOL, CallRecord
from mixwright_runtime.tools.arguments import ArgumentFault, fitted
from mixwright_runtime.tools.kinds import Surroundings, Tool, ToolCall, ToolError
from mixwright_runtime.values.control_characters import control_character_in
from mixwright_runtime.values.rows import canonical_json, digest
from mixwright_runtime.values.stored_text import clean_text

LONGEST_RESULT = 32_000
"""Chosen: characters of a result; what is behind them is left out, and the result says so."""
LONGEST_ARGUMENTS = 64_000
"""Chosen: characters of a call's arguments as JSON. Longer ones are no call that a model means."""


@dataclass(frozen=True)
class ToolResults:
    """Where results are kept, and for which run."""

    store: CallStore
    run_id: int
    clock: Clock


class Toolbox:
    """The tools of a plan, each made when a step is first made ready that names it. One object serves a run."""

    def __init__(
        self,
        plan: Plan,
        calls: RunCalls,
        results: ToolResults,
        around: Surroundings,
    ) -> None:
        self._plan = plan
        self._calls = calls
        self._results = results
        self._around = around
        self._tools: dict[str, asyncio.Task[Tool]] = {}
        self._pending: Pending[ToolResult] = Pending()

    async def prepared(self, name: str) -> Tool:
        """A tool, ready.

        Raises:
            RunError: it cannot work here.
        """
        if name not in self._tools:
            self._tools[name] = asyncio.ensure_future(self._prepared(self._plan.tools[name]))
        return await asyncio.shield(self._tools[name])

    async def _prepared(self, spec: ToolSpec) -> Tool:
        tool: Tool = implementation(f"tool.{spec.kind}")(spec, self._around)
        await tool.prepare()
        return tool

    async def run(
        self,
        name: str,
        arguments: Mapping[str, Any] | str,
        columns: Mapping[str, Any],
        *,
        node: str,
        function: str = "",
        time_limit_s: float | None = None,
    ) -> ToolResult:
        """See `mixwright_runtime.plugins.protocol.Tools.run`; `node`: the step that calls."""
        tool = await self.prepared(name)
        chosen = _function_of(tool.spec, function)
        if chosen is None:
            listed = ", ".join(one.name for one in tool.spec.functions)
            return ToolResult(f"error: there is no tool `{function[:60]}`; there are: {listed}", False)
        try:
            text = canonical_json(arguments)
        except (ValueError, TypeError, RecursionError):
            return ToolResult("error: the arguments are no JSON", False)
        if len(text) > LONGEST_ARGUMENTS:
            return ToolResult(f"error: the arguments are longer than {LONGEST_ARGUMENTS:,} characters", False)
        given = tool.given(columns)
        asked = f'{{"arguments":{text},"function":{canonical_json(chosen.name)},"given":{canonical_json(dict(given))}}}'
        key = digest("mixwright.tool-call.v1", tool.spec.identity, asked)

        async def ask(
            model: str, messages: Sequence[Mapping[str, str]], sampling: Mapping[str, object]
        ) -> CallResult:
            return await self._calls.ask(model, messages, sampling, replica=0, sample=0, attempt=0, node=node)

        async def found_or_run() -> ToolResult:
            store, clock = self._results.store, self._results.clock
            record = (await store.find_calls([key])).get(key)
            if record is not None:
                return ToolResult(record.text, json.loads(record.engine).get("ok") is not False, key)
            started = clock.wall()
            result = await _run(tool, chosen, arguments, given, time_limit_s, ask, key)
            shown = f"{chosen.name}({arguments if isinstance(arguments, str) else text})"
            store.put_call(
                CallRecord(
                    key=key,
                    run_id=self._results.run_id,
                    node=node,
                    model=TOOL + name,
                    identity=tool.spec.identity,
                    request=clean_text(canonical_json({"texts": [shown], "given": dict(given)})),
                    text=result.text,
                    reasoning="",
                    finish="stop",
                    status="ok",
                    engine=canonical_json({"tool": tool.spec.kind, "ok": result.ok}),
                    started=started,
                    ended=clock.wall(),
                )
            )
            return result

        result, _ = await self._pending.once(key, found_or_run)
        return result

    async def close(self) -> None:
        """Let go of what tools hold."""
        for task in self._tools.values():
            if task.done() and not task.cancelled() and task.exception() is None:
                await task.result().close()
            else:
                task.cancel()


class StepTools:
    """What a step may run: the tools that its attributes name, under its own name."""

    def __init__(self, toolbox: Toolbox, step: Step, node: str) -> None:
        self._toolbox = toolbox
        self._names = tools_of(step)
        self._node = node

    async def prepare(self) -> None:
        """See `mixwright_runtime.plugins.protocol.Tools.prepare`."""
        for name in self._names:
            await self._toolbox.prepared(name)

    async def run(
        self,
        tool: str,
        arguments: Mapping[str, Any] | str,
        columns: Mapping[str, Any],
        *,
        function: str = "",
        time_limit_s: float | None = None,
    ) -> ToolResult:
        """See `mixwright_runtime.plugins.protocol.Tools.run`.

        Raises:
            RunError: the step's attributes do not name the tool.
        """
        if tool not in self._names:
            raise RunError(f"step '{self._node}' runs tool '{tool}', which none of its attributes names")
        return await self._toolbox.run(
            tool, arguments, columns, node=self._node, function=function, time_limit_s=time_limit_s
        )


def _function_of(spec: ToolSpec, name: str) -> ToolFunction | None:
    if not name:
        return spec.functions[0] if len(spec.functions) == 1 else None
    return next((function for function in spec.functions if function.name == name), None)


async def _run(
    tool: Tool,
    function: ToolFunction,
    arguments: Mapping[str, Any] | str,
    given: Mapping[str, Any],
    time_limit_s: float | None,
    ask: Any,
    key: bytes,
) -> ToolResult:
    """Make a call. What it is to be called with was written by a model, and what comes back by a program or a server."""
    try:
        fitting = fitted(arguments, function.parameters)
        text = clean_text(await tool.run(ToolCall(function.name, fitting, given, time_limit_s, ask)))
    except (ArgumentFault, ToolError) as error:
        return ToolResult(f"error: {clean_text(str(error))[:LONGEST_RESULT]}", False, key)
    except (RowError, RunError, RunStopped):
        raise
    control = control_character_in(text)
    if control:
        return ToolResult(f"error: the control character {control} in the result", False, key)
    if len(text) > LONGEST_RESULT:
        text = f"{text[:LONGEST_RESULT]}\n… ({len(text):,} characters in all)"
    return ToolResult(text, True, key)
