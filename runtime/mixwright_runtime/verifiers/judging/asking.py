"""Asking a model for a verdict until what it says can be read: for verifiers that are models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from mixwright_runtime.plugins.protocol import Calls
from mixwright_runtime.values.json_in_text import ParseFailed
from mixwright_runtime.values.reading import read_beside

Found = TypeVar("Found")

RETRY_TEMPERATURE = 0.7
"""Of attempts after the first, where the step's own is lower: at 0 the same question gets the same answer."""
SHOWN_CHARACTERS = 300


@dataclass(frozen=True)
class Asked(Generic[Found]):
    """What a model's answer was read as, or why no attempt gave one; `key` names the last call.

    outcome: `unmeasurable` when the question has more tokens than the model takes. is_unread: the model answered, and
        none of its answers could be read.
    """

    found: Found | None
    key: str
    outcome: Literal["measured", "unmeasurable", "error", "timeout"]
    reason: str = ""
    is_unread: bool = False


def behind_the_question(messages: Sequence[Mapping[str, str]], text: str) -> list[Mapping[str, str]]:
    """The messages with a text behind what the user says last: an assistant message after it begins the answer."""
    told = list(messages)
    at = max(i for i, message in enumerate(told) if message["role"] == "user")
    told[at] = {"role": "user", "content": f"{told[at]['content']}\n\n{text}"}
    return told


class Asking(Generic[Found]):
    """Asks one question of a model after another, as a verifier's attributes say.

    An answer that cannot be read is asked for again with another seed; when none can be read that is an error of the
    verifier, and no verdict on the text. Calls go through the cache, and do not depend on the row: equal questions are
    asked once.
    """

    def __init__(
        self,
        calls: Calls,
        read: Callable[[str], Found],
        *,
        temperature: float,
        max_tokens: int,
        retries: int,
        schema: Mapping[str, object] | None = None,
    ) -> None:
        self._calls = calls
        self._read = read
        self._retries = retries
        common = {"top_p": 1.0, "max_tokens": max_tokens, "stop": None, "schema": schema}
        # Two objects for all questions: calls make their JSON once.
        self._first = {"temperature": temperature, **common}
        self._again = {"temperature": max(temperature, RETRY_TEMPERATURE), **common}

    async def ask(self, model: str, messages: Sequence[Mapping[str, str]], sample: int = 0) -> Asked[Found]:
        """The first answer that can be read.

        Raises:
            RunStopped: the run is stopping.
        """
        key, reason = "", ""
        is_late, is_unread = True, True
        for attempt in range(self._retries + 1):
            result = await self._calls.ask(
                model,
                messages,
                self._again if attempt else self._first,
                replica=0,
                sample=sample,
                attempt=attempt,
            )
            key = result.key.hex()
            if not result.ok:
                reason = f"{result.reason}: {result.detail}" if result.detail else result.reason
                if result.reason == "too_long":  # another attempt is as long
                    return Asked(None, key, "unmeasurable", reason)
                is_late, is_unread = is_late and result.reason == "timeout", False
                continue
            is_late = False
            try:
                return Asked(await read_beside(self._read, result.text), key, "measured")
            except ParseFailed as failed:
                reason = f"{failed}: {result.text[:SHOWN_CHARACTERS]}"
        return Asked(None, key, "timeout" if is_late else "error", reason, is_unread)
