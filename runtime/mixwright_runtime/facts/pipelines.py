"""What became of the rows of each pipeline of a run, as its steps counted them and as they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mixwright_compiler.plan.plan import Plan, Step

if TYPE_CHECKING:
    from mixwright_runtime.store.counts import ScoreBins
    from mixwright_runtime.store.store import Store


@dataclass(frozen=True)
class Stage:
    """What a step counted. rows_out includes candidates that it made of rows (`forked`)."""

    step: str
    rows_in: int
    rows_out: int
    dropped: int = 0
    quarantined: int = 0
    forked: int = 0
    unfinished: int = 0


@dataclass(frozen=True)
class Drop:
    """Rows that a step of a pipeline (or mixture) dropped or quarantined for one reason."""

    owner: str
    step: str
    reason: str
    rows: int
    quarantined: bool = False


@dataclass(frozen=True)
class PipelineFacts:
    """What became of the rows of a pipeline, or of a component in the steps of `mixture`.

    stages: none of a run that was killed. drops: by step, of each most rows first.
    """

    name: str
    stages: Sequence[Stage] = ()
    drops: Sequence[Drop] = ()
    histograms: Sequence[ScoreBins] = ()
    mixture: str = ""
    kept: int = 0


def pipeline_facts(store: Store, plan: Plan, run_id: int) -> dict[str, PipelineFacts]:
    """What became of rows, without the histograms of scores; by name, in the order of names. Call after `flush`."""
    from mixwright_runtime.store.counts import endings, tallies

    stages: dict[str, list[Stage]] = {}
    for t in tallies(store, run_id):
        stage = Stage(t.step, t.rows_in, t.rows_out, t.dropped, t.quarantined, t.forked, t.unfinished)
        stages.setdefault(t.pipeline, []).append(stage)
    drops: dict[str, list[Drop]] = {}
    kept: dict[str, int] = {}
    for ending in endings(store, run_id):
        if ending.status == "kept":
            kept[ending.pipeline] = kept.get(ending.pipeline, 0) + ending.rows
        else:
            drop = Drop(
                ending.pipeline, ending.step, ending.reason, ending.rows, ending.status == "quarantined"
            )
            drops.setdefault(ending.pipeline, []).append(drop)
    return {
        name: PipelineFacts(
            name,
            stages.get(name, ()),
            drops.get(name, ()),
            mixture=mixture_of(plan, name),
            kept=kept.get(name, 0),
        )
        for name in sorted({*stages, *drops, *kept})
    }


def mixture_of(plan: Plan, name: str) -> str:
    """The mixture in `mixture.component`, the name under which a mixture's own steps are counted; else empty."""
    if name in plan.pipelines:
        return ""
    return max((m for m in plan.mixtures if name.startswith(f"{m}.")), key=len, default="")


def steps_of(plan: Plan, name: str) -> tuple[Step, ...]:
    """The steps that outcomes of this name passed: a pipeline's, or a mixture's for `mixture.component`."""
    if name in plan.pipelines:
        return plan.pipelines[name].steps
    mixture = mixture_of(plan, name)
    return plan.mixtures[mixture].steps if mixture else ()
