"""What is kept of a run, and what `mixwright run --json` prints: its shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

if TYPE_CHECKING:
    from mixwright_compiler.plan.subtotals import Subtotal
    from mixwright_runtime.calls.recording import CallCounts
    from mixwright_runtime.facts.policies import Violation
    from mixwright_runtime.store.status import AddressStatus, ClusterStatus
    from mixwright_runtime.verifiers.rates import Rated


class RowCounts(TypedDict):
    """Rows by how they ended."""

    kept: int
    dropped: int
    quarantined: int
    unfinished: int


class AskedAgain(TypedDict):
    """Rows for which a verifier asked the model again, and how many passed then."""

    rows: int
    passed: int


StepSummary = TypedDict(
    "StepSummary",
    {
        "in": int,
        "out": int,
        "dropped": dict[str, int],
        "quarantined": dict[str, int],
        "quarantined_because": NotRequired[dict[str, str]],
        "asked_again": NotRequired[AskedAgain],
        "rated": NotRequired["Rated"],
    },
)
"""Rows that reached a step and left it; those left out by reason, with an example of why."""


class PipelineSummary(TypedDict):
    """wanted: rows that mixtures need, None for all. waves: rows started and kept in each. reports: by step."""

    started: int
    kept: int
    wanted: int | None
    exhausted: bool
    waves: list[list[int]]
    steps: dict[str, StepSummary]
    reports: dict[str, Any]


class ComponentSummary(TypedDict):
    """A line of a mixture; `wanted` is None for all."""

    wanted: int | None
    got: int
    available: int


class MixtureSummary(TypedDict):
    """How a mixture came out. dropped, steps: of its own steps, by id; rows by reason, and what they report."""

    rows: int
    shortfall: str | None
    notes: list[str]
    components: dict[str, ComponentSummary]
    subtotals: list[Subtotal]
    dropped: dict[str, dict[str, int]]
    steps: dict[str, Any]


class ExportSummary(TypedDict):
    """A written export."""

    path: str
    rows: int


class RunSummary(TypedDict):
    """A run. seconds: wall time. cost: dollars. calls, calibrations, reviews: by step, `pipeline.step`."""

    status: NotRequired[str]
    spec: str
    run_id: int
    stopped_by: str
    seconds: float
    rows: RowCounts
    quarantined: dict[str, int]
    requests: int
    reused: int
    prompt_tokens: int
    output_tokens: int
    cost: float
    pipelines: dict[str, PipelineSummary]
    calls: dict[str, CallCounts]
    calibrations: dict[str, Any]
    reviews: dict[str, Any]
    mixtures: dict[str, MixtureSummary]
    violations: list[Violation]
    exports: dict[str, ExportSummary]
    cluster: NotRequired[ClusterStatus]
    addresses: NotRequired[list[AddressStatus]]
    exit_code: int
