"""Whether a server does what `serves` says of it: one small request for each thing that a run needs of it.

A server that knows nothing of a field of vLLM's drops it without a word and answers something else, so what comes back is
looked at, and not only whether anything does.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from mixwright_compiler.catalog.capabilities import CAPABILITIES, CONTINUE, LABELS, LOSSES, TEXT, USER_TURN
from mixwright_compiler.catalog.capabilities import TOOLS as CAN_CALL
from mixwright_runtime.engines.openai_answers import chat_completion_in, completion_in
from mixwright_runtime.engines.openai_labels import labels_in
from mixwright_runtime.engines.openai_losses import FIELDS, lines_in
from mixwright_runtime.engines.openai_requests import Bodies
from mixwright_runtime.engines.protocol import TOOLS, EngineFault, Fault, LabelRequest, Request
from mixwright_runtime.engines.server_json import document_of, malformed, tokens_in

Post = Callable[[str, Mapping[str, object]], Awaitable[bytes]]

SAMPLING = {"temperature": 0.0, "top_p": 1.0, "max_tokens": 1}
ASKED = {"role": "user", "content": "Count to five."}
TO_CALL = {"role": "user", "content": "Call the tool `add` with a = 2 and b = 3."}
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds two numbers.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}
BEGUN = {"role": "assistant", "content": "One, two,"}

REFUSALS = (Fault.BAD_REQUEST, Fault.TOO_LONG, Fault.DENIED, Fault.MALFORMED)
"""Faults by which a server says that it does not do something; by others it is not there, or busy."""


class Probed(Protocol):
    """An address that is asked."""

    base_url: str
    shown: str

    async def post(self, address: str, body: Mapping[str, object], /) -> bytes:
        """The body of a 200 to a JSON object."""


async def probe(capability: str, endpoint: Probed, bodies: Bodies) -> None:
    """Ask a server once for what a run needs of it.

    One that is not there or busy is taken at its word: the requests themselves will tell.

    Raises:
        EngineFault: it does not do that.
    """
    check = _PROBES.get(capability)
    if check is None:
        return
    try:
        wrong = await check(endpoint.post, endpoint.base_url, bodies)
    except EngineFault as fault:
        wrong = str(fault) if fault.fault in REFUSALS else ""
    if wrong:
        raise EngineFault(
            Fault.DENIED,
            f"the server at {endpoint.shown} does not {CAPABILITIES[capability]}, which `serves` says of it and this run "
            f"needs: {wrong}",
        )


async def _goes_on(post: Post, base_url: str, bodies: Bodies) -> str:
    """An answer that is begun is fewer tokens than a finished one with the beginning of another behind it."""
    request = Request(b"", (ASKED, BEGUN), SAMPLING, 0)
    begun = json.loads(bodies.of(request))
    closed = {k: v for k, v in begun.items() if k not in ("continue_final_message", "add_generation_prompt")}
    address = f"{base_url}/chat/completions"
    counts = [_prompt_tokens(await post(address, body)) for body in (begun, closed)]
    return "it reads it as a finished one" if counts[0] and counts[0] == counts[1] else ""


async def _completes(post: Post, base_url: str, bodies: Bodies) -> str:
    """There is a path that goes on from a prompt as it is."""
    sent = json.loads(bodies.of_prompt(Request(b"", (ASKED,), SAMPLING, 0), BEGUN["content"], {}))
    completion_in(await post(f"{base_url}/completions", sent))
    return ""


async def _labels(post: Post, base_url: str, bodies: Bodies) -> str:
    """It says how likely tokens are."""
    request = LabelRequest(b"", (ASKED,), ("1", "2"))
    labels_in(request, await post(f"{base_url}/chat/completions", json.loads(bodies.of_labels(request))))
    return ""


async def _losses(post: Post, base_url: str, bodies: Bodies) -> str:
    """It says how likely the tokens of a prompt are."""
    sent = json.loads(bodies.of_prompt(Request(b"", (ASKED,), {}, 0), BEGUN["content"], FIELDS))
    lines_in(await post(f"{base_url}/completions", sent))
    return ""


async def _calls(post: Post, base_url: str, bodies: Bodies) -> str:
    """It calls a tool that it is told to call."""
    sampling = {**SAMPLING, "max_tokens": 512, TOOLS: [ADD]}
    body = json.loads(bodies.of(Request(b"", (TO_CALL,), sampling, 0)))
    body["tool_choice"] = {"type": "function", "function": {"name": "add"}}
    answer, _ = chat_completion_in(await post(f"{base_url}/chat/completions", body))
    return "" if answer.calls else "it was told to call a tool, and did not"


def _prompt_tokens(body: bytes) -> int:
    try:
        return tokens_in(document_of(body, "a chat completion"), "prompt_tokens")
    except ValueError as error:
        raise malformed(body, "a chat completion", error) from None


_PROBES: dict[str, Callable[[Post, str, Bodies], Awaitable[str]]] = {
    CONTINUE: _goes_on,
    LABELS: _labels,
    LOSSES: _losses,
    CAN_CALL: _calls,
    TEXT: _completes,
    USER_TURN: _completes,
}
