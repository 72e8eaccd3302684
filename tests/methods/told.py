"""A run with the answers of another one, which may be killed on the way.

A model that is asked again after a kill is asked in other batches, whose rounding may move a near tie, so that it would
answer something else now and then. So what it said in the run that was not killed is said again, in another order. A
request that the whole run did not make has no answer here.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

import mixwright
from mixwright_runtime.calls.keys import vector_key
from mixwright_runtime.engines.measured import vector_in
from mixwright_runtime.engines.protocol import (
    Answer,
    EmbedRequest,
    Finish,
    LabelRequest,
    Labels,
    Losses,
    LossRequest,
    Request,
    Vectors,
)
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store

LATEST = 40
"""Turns of the event loop that an answer takes at most."""


class Told:
    """A model that says what it has said, and ends its process at the last of so many answers; 0 for never."""

    slots = 64

    def __init__(self, whole: Path, until: int, identities: Collection[str]) -> None:
        """`identities`: of the models whose answers these are."""
        with Store.open(whole, read_only=True) as store:
            self._answers = {
                bytes(key): Answer(text, Finish(finish), prompt_tokens, output_tokens, reasoning)
                for key, text, finish, prompt_tokens, output_tokens, reasoning in store.sql(
                    "SELECT key, text, finish, prompt_tokens, output_tokens, reasoning FROM call"
                )
            }
        self._identities = identities
        self._left = until
        self._chance = random.Random(until)

    async def start(self) -> None:
        return

    async def close(self) -> None:
        return

    async def complete(self, request: Request) -> Answer:
        await self._answering()
        return self._answers[request.key]

    async def labels(self, request: LabelRequest) -> Labels:
        await self._answering()
        return Labels(tuple(json.loads(self._answers[request.key].text)))

    async def losses(self, request: LossRequest) -> Losses:
        await self._answering()
        told = json.loads(self._answers[request.key].text)
        return Losses(tuple(at for at, _ in told), tuple(logprob for _, logprob in told))

    async def embed(self, request: EmbedRequest) -> Vectors:
        await self._answering(len(request.texts))
        keys = [[vector_key(identity, text) for identity in self._identities] for text in request.texts]
        known = [next(self._answers[key].text for key in of_text if key in self._answers) for of_text in keys]
        return Vectors(np.stack([vector_in(text) for text in known]))

    async def _answering(self, answers: int = 1) -> None:
        for _ in range(self._chance.randint(0, LATEST)):
            await asyncio.sleep(0)
        if 0 < self._left <= answers:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= answers


def run_told(spec: str, store: str, whole: str, until: int) -> None:
    """Runs a spec with the answers in the store `whole`."""
    plan = mixwright.plan(Path(spec))
    identities = {model.identity for model in plan.models.values()}
    engines: dict[str, Any] = dict.fromkeys(plan.models, Told(Path(whole), until, identities))
    with Store.open(Path(store)) as opened:
        run_plan(plan, store=opened, options=RunOptions(exports=False), engines=engines)
