"""`call`: runs the tools that a model calls."""

from __future__ import annotations

from mixwright_compiler.catalog.catalog import Asks
from mixwright_compiler.catalog.references import named_in
from mixwright_compiler.plan.plan import Step
from mixwright_runtime.calls.gathering import gather_all
from mixwright_runtime.plugins.attributes import STEP
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import StepContext, ToolResult
from mixwright_runtime.plugins.shapes import Enrich
from mixwright_runtime.tools.calling import MOST_CALLS, Offered, Written, calls_in, with_names
from mixwright_runtime.values.rows import Row


@declare(
    "step",
    "call",
    label="new_column",
    makes={"{label}": "chat", "{label}.tools": "json if read", "{label}.failed": "int if read"},
    asks=(Asks(tools="tools", times=("calls",)),),
    rules=("tools",),
    attributes=(
        attribute(
            "calls",
            "column",
            "The column with the calls: OpenAI's `tool_calls`, as `generate { tools }` leaves them in `NAME.calls`, or "
            "texts, `calculator(2 + 2)`. Null is none.",
            default=REQUIRED,
        ),
        attribute("tools", "some[ref:tool]", "The tools that may be called.", default=REQUIRED),
        attribute(
            "said",
            "column",
            "The column with what the assistant said when it called. With it the messages begin with the assistant's, "
            "which has the calls in it.",
            holds="text",
        ),
        attribute(
            "time_limit",
            "duration",
            "The longest that one call may take by the clock, waiting for a free box not included. A row with a longer "
            "one is quarantined; what a tool's own `time_limit` ends is a result.",
            default=10,
            cls="run",
            minimum=0.1,
        ),
        *STEP,
    ),
)
class CallTools(Enrich):
    """Runs the tools that a model calls, and makes a column of messages with what they give.

    The tools really run: in workers, in the sandbox, over an index, by another model, or from a recording. The calls of
    one row run side by side, and their messages stand in the order of the calls: `{ role = "tool", tool_call_id, name,
    content }`. With `said` the assistant's message stands before them, `tool_calls` and all, so that
    `merge(talk, observed)` is the conversation so far; a row without calls gets that message alone, or none.

    What a model writes is not trusted: a tool that is not there, arguments that are no JSON or do not fit, a function
    that raises or takes too long are results that say so, which the model reads like any other. Column `NAME.failed`
    counts them, `NAME.tools` has the schemas of the tools, for `chat { tools = … }`.

    Each call is kept in the store under its tool, function and arguments, and is made once: rows that call the same share
    it, and a run that goes on makes none again.

    ```mix
    tool calculator arithmetic { digits = 2 }
    tool search bm25 { over = snippets, on = text }
    pipeline solved {
      from problems
      generate act { prompt = solve, tools = [calculator, search], model = teacher }
      call observed { calls = act.calls, said = act, tools = [calculator, search] }
    }
    ```
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._step = step
        self._context = context
        self._calls = str(attributes["calls"])
        self._said = attributes.get("said")
        self._time_limit_s = float(attributes.get("time_limit") or 10)
        self._offered = Offered([context.plan.tools[name] for name in named_in(attributes["tools"])])

    async def prepare(self) -> None:
        """Make the tools ready.

        Raises:
            RunError: one cannot work here.
        """
        await self._context.tools.prepare()

    async def enrich(self, row: Row) -> Row:
        """The row with the messages."""
        written = calls_in(row.columns.get(self._calls), row.rounds)
        calls = [self._offered.spelt(call) for call in written]
        results = await gather_all(
            self._run(call, row, is_one_too_many=number >= MOST_CALLS) for number, call in enumerate(calls)
        )
        messages = []
        if self._said is not None:
            named = [with_names(call, self._offered.tool_of(call.name)).as_message() for call in calls]
            said = row.columns.get(self._said)
            message = {"role": "assistant", "content": said if isinstance(said, str) else ""}
            messages.append({**message, "tool_calls": named} if named else message)
        messages += [
            {"role": "tool", "tool_call_id": call.id, "name": call.name, "content": result.text}
            for call, result in zip(calls, results, strict=True)
        ]
        columns: dict[str, object] = {self._step.label: messages}
        more = {
            "tools": self._offered.schemas,
            "failed": sum(not result.ok for result in results),
        }
        for name, value in more.items():
            if f"{self._step.label}.{name}" in self._step.columns:
                columns[f"{self._step.label}.{name}"] = value
        made = row.with_columns(**columns)
        made.calls = (*row.calls, *(result.key for result in results if result.key))
        return made

    async def _run(self, call: Written, row: Row, *, is_one_too_many: bool) -> ToolResult:
        if call.fault:
            return ToolResult(f"error: {call.fault}", False)
        tool = self._offered.tool_of(call.name)
        if tool is None:
            return ToolResult(self._offered.unknown(call.name), False)
        if is_one_too_many:
            return ToolResult(f"error: more than {MOST_CALLS} calls at once", False)
        return await self._context.tools.run(
            tool.name, call.arguments, row.columns, function=call.name, time_limit_s=self._time_limit_s
        )
