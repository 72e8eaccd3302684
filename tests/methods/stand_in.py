"""Models behind addresses, for specs that ship without any: what one says is a function of the request alone, so that a
run that was killed and goes on hears the same."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mixwright
from mixwright_runtime.engines.measured import unit_vectors
from mixwright_runtime.engines.protocol import (
    Answer,
    EmbedRequest,
    Finish,
    Request,
    ScoreRequest,
    Scores,
    Vectors,
)
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.records import OutcomeRecord
from mixwright_runtime.store.store import Store
from tests.methods.translators import meaning, translated

SAID = (
    "I'm sorry, but I can't help with that.",
    "Light from the sun is scattered by the air, and blue light most of all.",
    "Turn off the tap, take short showers, and wait until the washing machine is full.",
    "Fold the sheet in half, fold the corners down, and pull the boat open at the sides.",
    "la la la la la la la la la la la la la la la la la la la la la la la la la la la la la la",
)


class StandIn:
    """Ends its process at the last of so many answers; 0 for never."""

    slots = 8

    def __init__(self, until: int) -> None:
        self._left = until

    async def start(self) -> None:
        return

    async def close(self) -> None:
        return

    async def complete(self, request: Request) -> Answer:
        self._answered()
        return Answer(_said(str(request.messages[-1]["content"]), request.key), Finish.STOP)

    async def embed(self, request: EmbedRequest) -> Vectors:
        self._answered(len(request.texts))
        return Vectors(unit_vectors([meaning(text) for text in request.texts], "stand-in"))

    async def score(self, request: ScoreRequest) -> Scores:
        self._answered()
        rated = [byte / 255 for byte in request.key[: max(1, request.steps)]]
        return Scores(tuple(rated if request.task == "process_reward" else [8 * rated[0] - 4]))

    def _answered(self, answers: int = 1) -> None:
        if 0 < self._left <= answers:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= answers


def _said(asked: str, key: bytes) -> str:
    chance = key[0]
    if (told := translated(asked, chance)) is not None:
        return told
    if asked.startswith("Rate the answer"):
        return json.dumps({"reasons": "r", "accuracy": 5 + chance % 6, "clarity": 6 + chance % 5})
    if asked.startswith("Which of two answers"):
        return json.dumps({"reasons": "r", "winner": "AB"[chance % 2]})
    if asked.startswith("Task: say"):
        return "unsafe\nS2" if chance % 4 == 0 else "safe"
    if asked.startswith(("A baker", "What is the sum", "A rectangle")):
        right = {"A b": 66, "Wha": 400, "A r": 38}[asked[:3]]
        return f"Step by step.\n\nSo it is \\boxed{{{right + chance % 2}}}."
    if asked.startswith(("How many whole", "A train", "Two dice")):
        return f"Step by step.\n\nSo it is \\boxed{{{chance % 3}}}."
    if asked.startswith("Write one instruction"):
        return f"User instruction: Write a poem of {chance} and {key[1]} lines about {key.hex()}."
    return SAID[chance % len(SAID)]


def run_standing(spec: str, store: str, until: int) -> None:
    """Runs a spec with these models."""
    plan = mixwright.plan(Path(spec))
    engines: Mapping[str, Any] = dict.fromkeys(plan.models, StandIn(until))
    with Store.open(Path(store)) as opened:
        run_plan(plan, store=opened, options=RunOptions(exports=False), engines=engines)


def run_unasked(spec: str, store: str, until: int) -> None:
    """Runs a spec that asks no model; its process ends as so many rows have an outcome, at 0 never."""
    left = until

    def put_outcome(record: OutcomeRecord) -> None:
        nonlocal left
        if left == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        put(record)

    with Store.open(Path(store)) as opened:
        put = opened.put_outcome
        opened.put_outcome = put_outcome  # type: ignore[method-assign]
        run_plan(mixwright.plan(Path(spec)), store=opened, options=RunOptions(exports=False), engines={})
