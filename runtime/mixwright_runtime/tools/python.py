"""Tool `python`: a function of one's own, in a box."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from mixwright_runtime.errors import RowError
from mixwright_runtime.plugins.declare import attribute, declare
from mixwright_runtime.sandbox.protocol import Call, CallsJob, Limits, Raised, Ran, Value
from mixwright_runtime.tools.kinds import Tool, ToolCall, ToolError

MEMORY_BYTES = 256 * 1024**2
"""Chosen: what one call may take."""


@declare(
    "tool",
    "python",
    one_of=(("code",), ("file",)),
    attributes=(
        attribute("code", "text", "Python source with a function of the tool's name.", holds="python"),
        attribute("file", "path", "A file with that source, instead of `code`.", holds="python"),
        attribute(
            "time_limit",
            "duration",
            "The longest that one call may take, by the clock and in CPU time. A longer one is a result that says so.",
            default=2,
            minimum=0.1,
        ),
        attribute("doc", "text", "What models are told of it; the function's docstring without it."),
    ),
)
class PythonTool(Tool):
    """A function in Python: it takes the function's parameters, by their annotations, and gives what that returns.

    The source is read by the compiler and never run there; each call runs in the sandbox, in a process of its own that
    has no network, no files but its own, and keeps nothing from one call to the next. A text that it returns is the
    result as it is, other plain data is written as JSON; an exception is a result that names it. Parameters may be
    annotated `str`, `int`, `float`, `bool`, `list` and `dict`; those with a default need not be given.

    ```mix
    tool celsius python {
      time_limit = 1s
      code = <<~PY
        def celsius(fahrenheit: float) -> float:
            "Degrees Celsius of degrees Fahrenheit."
            return round((fahrenheit - 32) / 1.8, 2)
      PY
    }
    ```
    """

    async def prepare(self) -> None:
        """Have a box.

        Raises:
            SandboxUnavailable: there is none on this machine.
        """
        await self.around.sandbox().start()

    async def run(self, call: ToolCall) -> str:
        """What the function returns."""
        own_s = float(self.spec.attributes["time_limit"])
        wall_s = own_s if call.time_limit_s is None else min(own_s, call.time_limit_s)
        job = CallsJob(
            self.spec.code,
            [Call(call.function, (), call.arguments)],
            limits=Limits(wall_s=wall_s, cpu_s=own_s, memory_bytes=MEMORY_BYTES),
        )
        ran: Ran = await self.around.sandbox().run(job)
        if ran.outcome == "sandbox_error":
            raise RowError(f"the sandbox failed: {ran.detail}")
        if ran.answers:
            answer = ran.answers[0]
            if isinstance(answer, Value):
                return _text_of(answer.value)
            if isinstance(answer, Raised):
                raise ToolError(f"{answer.type}: {answer.message}" if answer.message else answer.type)
            raise ToolError(f"the function returned what is no plain data: {answer.reason}")
        if ran.outcome == "timeout" and wall_s < own_s:
            raise RowError(f"tool '{self.spec.name}' took longer than the {wall_s:g} s that the step allows")
        if ran.outcome == "timeout" or ran.limit == "cpu":
            raise ToolError(f"it took longer than {own_s:g} s")
        if ran.outcome == "limit":
            raise ToolError(f"it took too much: {ran.limit}")
        raise ToolError(_why(ran))


def _why(ran: Ran) -> str:
    failure = ran.failure
    if failure is None:
        return ran.detail or "it failed"
    return f"{failure.type}: {failure.message}" if failure.message else failure.type


def _text_of(value: Any) -> str:
    """What a function returned, as text: JSON but for a text."""
    if isinstance(value, str):
        return value
    return json.dumps(_jsonable(value), ensure_ascii=False, default=str)


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _jsonable(item) for name, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, Collection) and not isinstance(value, str | bytes | bytearray):
        return [_jsonable(item) for item in value]
    return value
