"""Recordings of MCP servers: the JSON-RPC messages of a session, one a line, as they go over the stdio transport.

Of the Model Context Protocol the listing and the calls of tools are read (specification 2025-06-18, "Tools"); what else
was said in a session, and messages that have no `id`, count for nothing. The lines were written by servers, so they are
data to be looked at and no more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from mixwright_compiler.content_hash import canonical_json
from mixwright_compiler.load.json_text import json_of
from mixwright_dsl.lazy_dataclass import dataclass

LARGEST_BYTES = 64 * 1024 * 1024
"""Chosen: a recording is read whole."""
MOST_TOOLS = 512
"""Chosen: what a server lists."""


class RecordFault(ValueError):
    """It is no recording; `line` is where, from 1."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


@dataclass(frozen=True)
class McpRecord:
    """functions: what the server listed, `{ name, description, parameters }`. results: (name, canonical JSON of the
    arguments) -> (text, whether it is an error). digest: sha256 of the file."""

    functions: tuple[Mapping[str, Any], ...]
    results: Mapping[tuple[str, str], tuple[str, bool]]
    digest: str


def record_of(content: bytes) -> McpRecord:
    """Read a recording.

    Raises:
        RecordFault: a line is no JSON-RPC message, or nothing lists the server's tools.
    """
    if len(content) > LARGEST_BYTES:
        raise RecordFault(f"it is larger than {LARGEST_BYTES >> 20} MiB")
    asked: dict[str, Mapping[str, Any]] = {}
    functions: dict[str, Mapping[str, Any]] = {}
    results: dict[tuple[str, str], tuple[str, bool]] = {}
    has_list = False
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        message = _message(line, number)
        identity = canonical_json(message.get("id"))
        if message.get("id") is None:
            continue
        if isinstance(message.get("method"), str):
            # A server asks its client, too, with numbers of its own.
            if message["method"] in ("tools/list", "tools/call"):
                asked[identity] = message
            continue
        request = asked.pop(identity, None)
        if request is None:
            continue
        if request["method"] == "tools/list":
            has_list = True
            for function in _functions(message, number):
                functions.setdefault(function["name"], function)
        elif request["method"] == "tools/call":
            params = request.get("params")
            params = params if isinstance(params, Mapping) else {}
            key = (str(params.get("name")), canonical_json(params.get("arguments") or {}))
            results.setdefault(key, _result(message))
    if not has_list:
        raise RecordFault("nothing in it answers `tools/list`, so there is no tool in it")
    if not functions or len(functions) > MOST_TOOLS:
        raise RecordFault(f"it lists {len(functions)} tools; 1 to {MOST_TOOLS} can be")
    return McpRecord(tuple(functions.values()), results, hashlib.sha256(content).hexdigest())


def _message(line: bytes, number: int) -> Mapping[str, Any]:
    try:
        message = json_of(line.decode("utf-8"))
    except (ValueError, UnicodeDecodeError):
        raise RecordFault("no JSON", number) from None
    if not isinstance(message, Mapping) or message.get("jsonrpc") != "2.0":
        raise RecordFault('no JSON-RPC message: it has no `"jsonrpc": "2.0"`', number)
    return message


def _functions(message: Mapping[str, Any], number: int) -> list[Mapping[str, Any]]:
    result = message.get("result")
    listed = result.get("tools") if isinstance(result, Mapping) else None
    if not isinstance(listed, list):
        raise RecordFault("the answer to `tools/list` has no `tools`", number)
    found: list[Mapping[str, Any]] = []
    for tool in listed:
        name = tool.get("name") if isinstance(tool, Mapping) else None
        if not isinstance(name, str) or not name:
            raise RecordFault("a tool without a name", number)
        schema = tool.get("inputSchema")
        parameters = schema if isinstance(schema, Mapping) else {"type": "object", "properties": {}}
        found.append(
            {
                "name": name,
                "description": str(tool.get("description") or ""),
                "parameters": dict(parameters),
            }
        )
    return found


def _result(message: Mapping[str, Any]) -> tuple[str, bool]:
    """The text of a result; that of its parts which are no text is what they are."""
    fault = message.get("error")
    if fault is not None:
        return str(fault.get("message") if isinstance(fault, Mapping) else fault), True
    result = message.get("result")
    if not isinstance(result, Mapping):
        return "", False
    parts = result.get("content")
    texts = []
    for part in parts if isinstance(parts, list) else ():
        kind = part.get("type") if isinstance(part, Mapping) else None
        texts.append(str(part.get("text", "")) if kind == "text" else f"[{kind or 'something else'}]")
    return "\n".join(texts), result.get("isError") is True
