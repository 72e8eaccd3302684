"""Tool `mcp`: the tools of an MCP server, as somebody recorded it."""

from __future__ import annotations

import asyncio
from typing import Any

from mixwright_compiler.load.mcp_record import McpRecord, RecordFault, record_of
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.tools.kinds import Tool, ToolCall, ToolError
from mixwright_runtime.values.rows import canonical_json


@declare(
    "tool",
    "mcp",
    attributes=(
        attribute(
            "record",
            "path",
            "The recording: the JSON-RPC messages between client and server, one a line, as they go over MCP's stdio.",
            default=REQUIRED,
            holds="mcp_record",
        ),
    ),
)
class RecordedServer(Tool):
    """A recorded MCP server: it offers the tools that the server listed, and gives the results that it gave.

    The recording is a file with a JSON-RPC message on each line, requests and responses of a session over stdio in the
    order in which they went: what `tee` writes on both sides. What the server listed is what there is; a call with the
    same name and arguments gets the same result, the first where the recording has several. A call that was not recorded
    is a result that says so. Nothing reaches the network, today or in a year.

    ```mix
    tool weather mcp { record = "records/weather.jsonl" }
    ```
    """

    _record: McpRecord | None = None

    async def prepare(self) -> None:
        """Read the recording.

        Raises:
            RunError: it is not there any more, or is not the one that was planned with.
        """
        path = self.around.directory / self.spec.attributes["record"]
        try:
            self._record = record_of(await asyncio.to_thread(path.read_bytes))
        except (OSError, RecordFault) as error:
            raise RunError(f"tool '{self.spec.name}': cannot read {path}: {error}") from error
        if self._record.digest != self.spec.digest:
            raise RunError(f"tool '{self.spec.name}': {path} has changed since the plan was made; plan again")

    async def run(self, call: ToolCall) -> str:
        """The result of the same call in the recording."""
        assert self._record is not None
        results = self._record.results
        found: Any = results.get((call.function, canonical_json(dict(call.arguments))))
        if found is None:
            of_it = sum(name == call.function for name, _ in results)
            raise ToolError(
                f"this call was not recorded (there are {of_it} of {call.function} in the recording)"
            )
        text, is_error = found
        if is_error:
            raise ToolError(text)
        return str(text)
