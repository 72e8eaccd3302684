"""A mixture tried on given rows: its own steps and quotas as a run has them, with nothing kept of it.

Rows that are given for a component are a source's here, and go into the mixture in their order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import Mixture, Plan
from mixwright_runtime.calls.stop import StopSignal
from mixwright_runtime.plugins.loading import load_plugins, plugin_faults
from mixwright_runtime.run.mixtures import MixtureRun, SourceBook
from mixwright_runtime.run.trial import Ended, Surroundings, Tried
from mixwright_runtime.sources.pages import SourceEntry, SourcePages
from mixwright_runtime.stream.driving import prepared
from mixwright_runtime.stream.nodes import nodes_of
from mixwright_runtime.stream.outcomes import Start
from mixwright_runtime.stream.supply import Sources, Starts

UNUSED = "unused"
"""How a given row ends that came through every step, or was not looked at, and that no quota needs."""


class _GivenSources(Sources):
    """Sources whose rows a mixture takes in their own order; of some the first alone."""

    def __init__(self, takes: Mapping[str, int], plan: Plan, directory: Path, stop: StopSignal) -> None:
        super().__init__(plan, directory, stop)
        self._takes = takes

    def starts(self, name: str, seed: int) -> Starts[SourceEntry]:
        return super().starts(name, seed)[: self._takes.get(name)]

    def order(self, pages: SourcePages, seed: int) -> Any:
        import numpy as np

        return np.arange(len(pages))


def tried_mixture(
    plan: Plan, name: str, answers: Mapping[str, Any], *, takes: Mapping[str, int], sandbox: str = "bwrap"
) -> Tried:
    """Let a mixture of sources alone take their rows. Arguments and errors are those of `tried`."""
    load_plugins(plan)
    with plugin_faults():
        return asyncio.run(_tried(plan, plan.mixtures[name], answers, takes, sandbox))


async def _tried(
    plan: Plan, mixture: Mixture, answers: Mapping[str, Any], takes: Mapping[str, int], sandbox: str
) -> Tried:
    sources = partial(_GivenSources, takes)
    async with Surroundings(plan, mixture.name, answers, sandbox, sources) as around:
        around.nodes = nodes_of(
            mixture.steps, around.context, around.memory, owner=mixture.name, seed=mixture.seed, run_id=0
        )
        run = MixtureRun(
            mixture,
            pipelines={},
            inner={},
            sources=around.sources,
            source_book=SourceBook(around.memory, 0),
            nodes=around.nodes,
            store=around.memory,
            run_id=0,
            stop=around.stop,
        )
        await prepared(around.nodes)
        selection = await run.fill()
        kept = list(run.selected().at(range(len(selection))))
        given = {c.rows: list(around.sources.starts(c.rows, mixture.seed)) for c in mixture.components}
    before = dict(zip(given, accumulate(map(len, given.values()), initial=0), strict=False))

    def ended(start: Start, status: str) -> Ended:
        name, row = start.source, start.row
        return Ended(
            before[name] + row.position,
            status,
            row.columns,
            scores=row.scores,
            component=name,
            before=before[name],
        )

    rows = [ended(start, "kept") for start in kept]
    rows += [
        replace(lost, started=before[lost.component] + lost.started, before=before[lost.component])
        for lost in around.memory.lost
    ]
    told = {row.started for row in rows}
    others = (ended(start, UNUSED) for starts in given.values() for start in starts)
    rows += [row for row in others if row.started not in told]
    return Tried(
        tuple(rows),
        sum(map(len, given.values())),
        around.recorded.unasked,
        {result.component: result.short for result in selection.results},
        selection.shortfall,
    )
