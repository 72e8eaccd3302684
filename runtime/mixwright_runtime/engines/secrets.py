"""The one door that an engine's texts leave by: secrets are taken out of answers, provenance and faults.

A server that echoes a request's headers in an error, a list of models or an answer would otherwise bring the key into
the store, the report and the terminal. Every engine of a run is behind `Discreet`, so that no engine, and nobody who
reads what it says, has to think of it.

A secret is known in every spelling that a server may give it: as it is, after `Bearer`, percent-encoded in whole or in
part, escaped as in JSON, Python or HTML, in base64 at any offset, in hexadecimal, cut off, or masked in the middle.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from html import escape
from typing import Any, TypeVar
from urllib.parse import quote

from mixwright_runtime.engines.protocol import (
    Answer,
    Embedder,
    Engine,
    EngineFault,
    Labeller,
    Labels,
    Limited,
    Losses,
    LossTeller,
    Replicated,
    Request,
    Scorer,
    Scores,
    Vectors,
    WidthSought,
)
from mixwright_runtime.errors import RunError

Q = TypeVar("Q")
M = TypeVar("M", Scores, Vectors, Labels, Losses)

SHORTEST = 4
"""Characters of a secret that is looked for at all: a shorter one protects nothing."""

LEAST_IN_FAULTS = 8
"""Consecutive characters of a secret that give it away in what a server says of a failure."""
LEAST_IN_ANSWERS = 16
"""The same in what a model wrote, which must not lose words that are like a part of a key."""

LONGEST_FAULT = 4_000
"""Characters kept of a failure: what an engine raises may quote all that it was sent."""

_MASKED = re.compile(r"(?P<head>[^\s*…•]*?)(?:\*{2,}|\.{3,}|…+|•+|\[\.{3}\])(?P<tail>[^\s*…•]*)")


class Redactor:
    """Replaces secrets in texts by `[NAME]`, the variable that holds them."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets: list[_Secret] = []
        for name, value in secrets.items():
            # A header's value may be a scheme and a key: either way of quoting it is looked for.
            for part in dict.fromkeys((value, *value.split())):
                if len(part) >= SHORTEST and (part == value or len(part) >= LEAST_IN_FAULTS):
                    self._secrets.append(_Secret(f"[{name}]", part))
        self._needles = tuple(dict.fromkeys(needle for s in self._secrets for needle in s.needles))

    def fault(self, text: str) -> str:
        """What a server says of a failure, without anything of a secret in it."""
        text = text[:LONGEST_FAULT]
        for secret in self._secrets:
            text = secret.removed(text, LEAST_IN_FAULTS)
        return text

    def answer(self, text: str) -> str:
        """What a model wrote, without a secret in it; words that only look like a short one stay."""
        if text and any(needle in text for needle in self._needles):
            for secret in self._secrets:
                if secret.needles:
                    text = secret.removed(text, LEAST_IN_ANSWERS)
        return text

    def provenance(self, value: object) -> Any:
        """A JSON value with `answer` applied to every text in it."""
        match value:
            case str():
                return self.answer(value)
            case Mapping():
                return {self.answer(str(name)): self.provenance(item) for name, item in value.items()}
            case list() | tuple():
                return [self.provenance(item) for item in value]
        return value


class _Secret:
    """One secret and its spellings."""

    def __init__(self, mark: str, value: str) -> None:
        self.mark = mark
        self.value = value
        self.pattern = re.compile("".join(map(_spelled, value)), re.IGNORECASE)
        self.forms = tuple(dict.fromkeys((value, *_encoded(value))))
        # A password like `whatever` is no reason to change what a model wrote.
        is_likely_a_word = len(value) < 8 or (len(value) < 20 and not any(c.isdigit() for c in value))
        # Looked for in every answer, so few and by plain search.
        self.needles = () if is_likely_a_word else tuple(n for form in self.forms for n in _ends(form))

    def removed(self, text: str, least: int) -> str:
        """The text without this secret, and without runs of at least `least` characters of it."""
        text = self.pattern.sub(lambda _: self.mark, text)
        for form in self.forms:
            text = self._without_parts(text, form, least)
        return _MASKED.sub(self._unmasked, text) if least <= LEAST_IN_FAULTS else text

    def _without_parts(self, text: str, form: str, least: int) -> str:
        text = text.replace(form, self.mark)
        for start in range(len(form) - least + 1):
            at = 0
            while (at := text.find(form[start : start + least], at)) >= 0:
                end, stop = at + least, start + least
                while end < len(text) and stop < len(form) and text[end] == form[stop]:
                    end, stop = end + 1, stop + 1
                text = text[:at] + self.mark + text[end:]
                at += len(self.mark)
        # What is quoted may have been cut off inside the secret.
        bare = text.rstrip("'\" …")
        for length in range(min(len(form) - 1, least), SHORTEST - 1, -1):
            if bare.endswith(form[:length]):
                return bare[:-length] + self.mark + text[len(bare) :]
        return text

    def _unmasked(self, found: re.Match[str]) -> str:
        head, tail, value = found["head"], found["tail"], self.value
        first = max((n for n in range(1, len(value)) if head.endswith(value[:n])), default=0)
        last = max((n for n in range(1, len(value)) if tail.startswith(value[-n:])), default=0)
        if max(first, last) < 3:
            return found[0]
        return head[: len(head) - first] + self.mark + tail[last:]


def _spelled(character: str) -> str:
    """A pattern of every way to write a character, each of which may stand beside any other."""
    code = ord(character)
    ways = {
        "".join(f"%{byte:02x}" for byte in character.encode("utf-8", "surrogatepass")),
        f"\\u{code:04x}",
        f"\\x{code:02x}",
        f"&#{code};",
        f"&#x{code:x};",
        escape(character),
        json.dumps(character)[1:-1],
        f"\\{character}",
        character,
    }
    if character == " ":
        ways.add("+")
    return "(?:" + "|".join(re.escape(way) for way in sorted(ways, key=len, reverse=True)) + ")"


def _encoded(value: str) -> list[str]:
    """Encodings that hide every character: base64 at the three offsets it may have in a longer text, and hexadecimal."""
    raw = value.encode("utf-8", "surrogatepass")
    found = [raw.hex(), raw.hex().upper(), quote(value, safe="")]
    for before in range(3):
        # The characters that also depend on what stands before and behind are left off.
        first = (0, 2, 3)[before]
        whole = base64.b64encode(b"\0" * before + raw).decode()
        last = (before + len(raw)) * 8 // 6
        found += [whole[first:last], whole[first:last].replace("+", "-").replace("/", "_")]
    return [form for form in found if len(form) >= LEAST_IN_FAULTS]


def _ends(form: str) -> tuple[str, ...]:
    """Its two ends, one of which is in every copy that is not cut off at both; the whole of a short one."""
    size = LEAST_IN_ANSWERS
    return (form,) if len(form) < 2 * size else (form[:size], form[-size:])


class Discreet:
    """An engine whose texts hold no secret."""

    def __init__(self, engine: Engine, redactor: Redactor) -> None:
        self._engine = engine
        self._redactor = redactor
        self._provenance: tuple[Mapping[str, Any], Any] = ({}, {})
        """The last answer's and what became of it: they are nearly always the same."""
        self.slots = engine.slots
        self.is_limit = isinstance(engine, Limited) and engine.is_limit
        self.is_width_unknown = isinstance(engine, WidthSought) and engine.is_width_unknown
        if isinstance(engine, Replicated):
            self.sites = engine.sites
        # Had only where the engine has them, so that it is a `Scorer` or `Labeller` when the engine is.
        if isinstance(engine, Scorer):
            self.score = self._guarded(engine.score)
        if isinstance(engine, Embedder):
            self.embed = self._guarded(engine.embed)
        if isinstance(engine, Labeller):
            self.labels = self._guarded(engine.labels)
        if isinstance(engine, LossTeller):
            self.losses = self._guarded(engine.losses)

    async def start(self) -> None:
        """See `Engine.start`."""
        try:
            await self._engine.start()
        except RunError as error:
            error.args = (self._redactor.fault(str(error)),)
            raise

    async def complete(self, request: Request) -> Answer:
        """See `Engine.complete`."""
        try:
            answer = await self._engine.complete(request)
        except EngineFault as fault:
            raise self._clean(fault) from None
        text, reasoning = self._redactor.answer(answer.text), self._redactor.answer(answer.reasoning)
        if answer.engine != self._provenance[0]:
            self._provenance = (answer.engine, self._redactor.provenance(answer.engine))
        engine = self._provenance[1]
        if (text, reasoning, engine) == (answer.text, answer.reasoning, answer.engine):
            return answer
        return dataclasses.replace(answer, text=text, reasoning=reasoning, engine=engine)

    async def close(self) -> None:
        """See `Engine.close`."""
        await self._engine.close()

    def _guarded(self, ask: Callable[[Q], Awaitable[M]]) -> Callable[[Q], Awaitable[M]]:
        async def asked(request: Q) -> M:
            try:
                found = await ask(request)
            except EngineFault as fault:
                raise self._clean(fault) from None
            return dataclasses.replace(found, engine=self._redactor.provenance(found.engine))

        return asked

    def _clean(self, fault: EngineFault) -> EngineFault:
        return EngineFault(fault.fault, self._redactor.fault(str(fault)), fault.retry_after_s)


def discreet(engine: Engine, secrets: Mapping[str, str]) -> Engine:
    """The engine behind the door; itself where a run has no secrets."""
    return Discreet(engine, Redactor(secrets)) if secrets else engine
