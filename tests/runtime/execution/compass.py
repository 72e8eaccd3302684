"""An embedding engine whose vectors can be read off a text, and runs with it that may be killed as it answers."""

from __future__ import annotations

import math
import os
import signal
from pathlib import Path

from virtual import ScriptedEngine

import mixwright
from mixwright_runtime.engines.measured import unit_vectors
from mixwright_runtime.engines.protocol import EmbedRequest, EngineFault, Fault, Vectors
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store


class Compass(ScriptedEngine):
    """Embeds a text by the number at its end: a direction in degrees. 18 degrees are a cosine of 0.951, 26 of 0.899.

    until: its process is gone as this request for vectors comes, counted from 1.
    """

    def __init__(self, until: int = 0) -> None:
        super().__init__(latency_s=0)
        self.embedded: list[str] = []
        self._left = until

    async def embed(self, request: EmbedRequest) -> Vectors:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.embedded += request.texts
        if "unreadable" in request.texts:
            raise EngineFault(Fault.BAD_REQUEST, "no vector for this")
        angles = [math.radians(float(text.split()[-1].replace("ok", "0"))) for text in request.texts]
        return Vectors(unit_vectors([[math.cos(a), math.sin(a)] for a in angles], "compass"), len(angles))


def run_until(spec: str, store: str, until: int) -> None:
    """Runs a spec on a store until so many requests for vectors were made; 0 for to its end."""
    plan = mixwright.plan(Path(spec))
    with Store.open(Path(store)) as opened:
        engines = dict.fromkeys(plan.models, Compass(until))
        run_plan(plan, store=opened, options=RunOptions(exports=False), engines=engines)
