"""Tool `arithmetic`: a calculator."""

from __future__ import annotations

from mixwright_runtime.errors import RowError
from mixwright_runtime.plugins.declare import attribute, declare
from mixwright_runtime.tools.kinds import Tool, ToolCall, ToolError
from mixwright_runtime.workers.pool import WorkerError, is_too_hard

WORKED_OUT = "mixwright_runtime.tools.calculation:worked_out"
LIMIT_S = 2.0
"""Chosen: CPU seconds. What `calculation` allows takes milliseconds."""


@declare(
    "tool",
    "arithmetic",
    takes={"expression": "text"},
    attributes=(
        attribute(
            "digits",
            "count",
            "Digits behind the point that a result is rounded to, halves away from zero.",
            default=2,
            minimum=0,
            maximum=15,
        ),
        attribute(
            "doc",
            "text",
            "What models are told of it.",
            default="Works out an arithmetic expression with + - * / ^ and brackets.",
        ),
    ),
)
class Arithmetic(Tool):
    """A calculator: it takes an `expression` and gives its value.

    Numbers, `+ - * / ^`, brackets, `%` behind a number, commas between thousands and the signs `×` and `÷` are read;
    whatever else an expression has in it is an error that the model is told. It is worked out exactly and then rounded,
    in a worker process. The digits are Toolformer's (Schick et al. 2023, A.1): two.

    ```mix
    tool calculator arithmetic { digits = 2 }
    ```
    """

    async def run(self, call: ToolCall) -> str:
        """The value."""
        asked = [str(call.arguments["expression"]), int(self.spec.attributes["digits"])]
        try:
            kind, text = await self.around.workers().run(WORKED_OUT, asked, LIMIT_S)
        except WorkerError as error:
            if is_too_hard(error):
                raise ToolError("the expression is too hard") from error
            raise RowError(f"the calculator's worker failed: {error}") from error
        if kind == "error":
            raise ToolError(text)
        return str(text)
