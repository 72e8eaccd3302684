"""Calls as models write them, read: OpenAI's `tool_calls`, or texts `name(what)`. Whatever else stands there is no call,
and its result says so."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixwright_compiler.plan.plan import ToolSpec
from mixwright_runtime.tools.arguments import ArgumentFault, fitted

MOST_CALLS = 32
"""Chosen: calls that are made of one answer."""
LONGEST_NAME = 64
LONGEST_ID = 128
"""Chosen: characters of the names and ids that are taken over from a model."""
_TEXT_CALL = re.compile(r"\s*([A-Za-z_][\w.-]*)\s*\((.*)\)\s*", re.DOTALL)


@dataclass(frozen=True)
class Written:
    """A call that a model wrote. arguments: by name, or the one text. fault: why it is no call, for the model to read."""

    id: str
    name: str
    arguments: Mapping[str, Any] | str
    fault: str = ""

    def as_message(self) -> dict[str, Any]:
        """As it stands in an assistant's `tool_calls`, in OpenAI's form. A text is written under the name that a model
        would give it (`with_names`)."""
        text = (
            self.arguments
            if isinstance(self.arguments, str)
            else json.dumps(self.arguments, ensure_ascii=False)
        )
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": text}}


def calls_in(value: Any, rounds: Sequence[int] = ()) -> list[Written]:
    """The calls in a column: a list of OpenAI's calls or of texts, one of these alone, or null for none. Those without an
    id get one; `rounds` are in it, so that no two of a conversation have the same."""
    if value is None or value == "":
        return []
    items = value if isinstance(value, list) else [value]
    return [_read(item, "_".join(map(str, ("call", *rounds, number)))) for number, item in enumerate(items)]


def _read(item: Any, own: str) -> Written:
    if isinstance(item, str):
        match = _TEXT_CALL.fullmatch(item)
        if match is None:
            return Written(own, "unreadable", "", f"`{item.strip()[:60]}` is no call: `name(what)`")
        return Written(own, match[1][:LONGEST_NAME], match[2])
    function = item.get("function") if isinstance(item, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(name, str) or not name.strip():
        return Written(own, "unreadable", {}, "this is no call: it names no function")
    stated = item.get("id")
    identity = stated[:LONGEST_ID] if isinstance(stated, str) and stated else own
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments) if arguments.strip() else {}
        except (ValueError, RecursionError):
            return Written(identity, name[:LONGEST_NAME], {}, "the arguments are no JSON")
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, Mapping):
        return Written(identity, name[:LONGEST_NAME], {}, "the arguments are no JSON object")
    return Written(identity, name[:LONGEST_NAME], dict(arguments))


def with_names(call: Written, spec: ToolSpec | None) -> Written:
    """A call whose one text has the name of the parameter that it is, as far as that can be told."""
    if not isinstance(call.arguments, str):
        return call
    named: dict[str, Any] = {"text": call.arguments} if call.arguments.strip() else {}
    for function in spec.functions if spec is not None else ():
        if function.name == call.name:
            with contextlib.suppress(ArgumentFault):
                named = fitted(call.arguments, function.parameters)
    return Written(call.id, call.name, named, call.fault)


class Offered:
    """The functions of some tools, by the names that models call them by."""

    def __init__(self, specs: Sequence[ToolSpec]) -> None:
        self._by_name = {function.name: spec for spec in specs for function in spec.functions}
        self._by_folded = {name.lower(): name for name in self._by_name}
        self.schemas = [
            {"type": "function", "function": function.model_dump()}
            for spec in specs
            for function in spec.functions
        ]
        """What models are told of them, as OpenAI's `tools`."""

    def tool_of(self, name: str) -> ToolSpec | None:
        """The tool that has a function."""
        return self._by_name.get(name)

    def spelt(self, call: Written) -> Written:
        """A call under the name that its function has; case alone does not tell functions apart."""
        name = self._by_folded.get(call.name.lower())
        return call if name is None else Written(call.id, name, call.arguments, call.fault)

    def unknown(self, name: str) -> str:
        """What is told of a function that nobody offers."""
        return f"error: there is no tool `{name}`; there are: {', '.join(self._by_name)}"
