"""What the store keeps, one immutable class per table: a tuple where there are some a row, which is made in a third of a
dataclass's time. JSON travels as text, so that the store never re-encodes it.

Times are seconds since the epoch by the wall clock: labels, never used to order or to measure. Keys and row ids
are 16 bytes (`mixwright_runtime.values.rows.digest`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal, NamedTuple


def content_digest(columns: str) -> bytes:
    """What names the columns of a row in the table `content`, from their JSON text."""
    return blake2b(columns.encode(), digest_size=16).digest()


TOOL = "tool "
"""Before a tool's name where a call has a model's: it was asked of no model."""


class CallRecord(NamedTuple):
    """One finished attempt at a model call. Only of one that `is_final` is anything ever found again by
    `Store.find_calls`."""

    key: bytes
    """Identity of the rendered request, attempt included: the same request never needs a second answer."""
    run_id: int
    """The run that made it; later runs that reuse it write no record."""
    node: str
    """`pipeline.step`, for accounting; not part of the key."""
    model: str
    """The model's name in the spec; of a call of a tool, `tool NAME`."""
    identity: str
    """`ModelSpec.identity`: hash of what decides the text."""
    request: str
    """JSON {"messages": [...], "sampling": {...}}."""
    text: str
    reasoning: str
    finish: str
    """`engines.protocol.Finish` value, or the `Fault` value of a call that got no answer."""
    status: Literal["ok", "failed"]
    reason: str = ""
    """Short stable word when failed: `timeout`, `empty`, `length` ..."""
    prompt_tokens: int = 0
    output_tokens: int = 0
    attempt: int = 0
    """0 for the first."""
    seed: int = 0
    engine: str = "{}"
    """JSON of the engine's provenance (`Answer.engine`)."""
    started: float = 0.0
    ended: float = 0.0

    @property
    def is_final(self) -> bool:
        """Whether the same request is never sent again: it has an answer, or one that was cut off by `max_tokens`.

        To ask again until an answer happens to fit would choose the short ones. `FINAL_SQL` says the same.
        """
        return self.status == "ok" or self.reason == "length"


FINAL_SQL = "(status = 'ok' OR reason = 'length')"


class FoundCall(NamedTuple):
    """What is read of a call again: how it ended, without what was asked, which is the larger part."""

    key: bytes
    text: str
    reasoning: str
    finish: str
    status: str
    reason: str
    engine: str

    @classmethod
    def of(cls, record: CallRecord) -> FoundCall:
        """What is found of a record."""
        return cls(
            record.key,
            record.text,
            record.reasoning,
            record.finish,
            record.status,
            record.reason,
            record.engine,
        )


@dataclass(frozen=True, slots=True)
class ScoreRecord:
    """One verifier's measurement of one text. The key covers verifier, version, row-class attributes and inputs."""

    key: bytes
    run_id: int
    node: str
    row_id: bytes
    outcome: str
    """`steps.protocol.Measurement.outcome`. `error` and `timeout` are recorded but never found again."""
    score: float | None = None
    evidence: str = "{}"
    """JSON."""


class OutcomeRecord(NamedTuple):
    """What became of one row in one pipeline of one run: every row that is started ends in at least one of these."""

    run_id: int
    pipeline: str
    """A pipeline; a source, for rows that a mixture takes directly; `mixture.component`, for the mixture's steps."""
    row_id: bytes
    origin_id: bytes
    source: str
    source_ref: str
    """Where the source row is: `data/web.jsonl:17`, or its ordinal where there are no lines."""
    position: int
    replica: int
    candidate: int
    parents: tuple[bytes, ...]
    status: Literal["kept", "dropped", "quarantined"]
    step: str = ""
    """Id of the step that ended it; empty when kept."""
    reason: str = ""
    detail: str = ""
    """JSON; the evidence."""
    columns: str = ""
    """JSON object of the row's columns. Stored once for equal texts, whatever the run; empty stores nothing."""
    calls: tuple[bytes, ...] = ()
    scores: str = "{}"
    """JSON: verifier step id -> measurement."""


OUTCOME_COLUMNS = ", ".join(
    {"columns": "coalesce(columns, '')"}.get(name, name) for name in OutcomeRecord._fields
)
"""Of the view `row_outcome`, for `outcome_record`."""


def outcome_record(values: Sequence[Any]) -> OutcomeRecord:
    """The record of OUTCOME_COLUMNS as DuckDB gives them, with lists."""
    plain: list[Any] = [tuple(value) if isinstance(value, list) else value for value in values]
    return OutcomeRecord(*plain)


@dataclass(frozen=True, slots=True)
class TallyRecord:
    """What a step counted: rows_in + forked = rows_out + dropped + quarantined + unfinished.

    Cumulative in a run; the last one put counts. `forked`: candidates beyond the row itself (4 samples of a row
    fork 3). `unfinished`: rows in flight when the run was stopped. `Store.check_accounting` compares it with the
    outcomes that were really stored.
    """

    run_id: int
    pipeline: str
    step: str
    ordinal: int
    """Place of the step in its pipeline, 0 first."""
    rows_in: int
    rows_out: int
    dropped: int = 0
    quarantined: int = 0
    forked: int = 0
    unfinished: int = 0


class SelectionRecord(NamedTuple):
    """One row of a mixture, in its final order."""

    run_id: int
    mixture: str
    position: int
    """0, 1, 2 ... in the mixture."""
    component: str
    """The name the mixture's quota line uses."""
    pipeline: str
    """The pipeline or source whose outcome holds the row (`OutcomeRecord.pipeline`)."""
    row_id: bytes
    repeat: int = 0
    """0 for a row's first appearance in the mixture."""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """Something worth telling later. `payload` is JSON."""

    run_id: int
    kind: str
    payload: str = "{}"
    occurred: float = 0.0


CALIBRATION = "calibration"
"""Kind of the event that keeps a calibration's figures, with its `node`."""
THRESHOLDS = "thresholds"
"""Kind of the event that keeps the thresholds of a run's verifiers, for the view `threshold`."""
RATES = "rates"
"""Kind of the event that keeps how many candidates pass verifiers that look at them together, by node."""
REPORTS = "reports"
"""Kind of the event that keeps what the steps of pipelines report, with their operations, by node."""
MIXTURE = "mixture"
"""Kind of the event that keeps how a mixture came out."""
SELECTED_SQL = f"SELECT run_id FROM event WHERE kind = '{MIXTURE}' AND payload->>'$.mixture' = $1"
"""The runs with a whole selection for a mixture: its event is put last."""
LIMITED = "limited"
"""Kind of the event of a run with `--limit`."""


@dataclass(frozen=True, slots=True)
class RunStart:
    """What is known when a run begins. `plan` is plan.json, `versions` JSON."""

    run_id: int
    spec: str
    plan: str
    versions: str
    command: str
    started: float


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended. `summary` is JSON, see `mixwright_runtime/run/ending.py`."""

    run_id: int
    status: str
    summary: str
    ended: float


Record = CallRecord | ScoreRecord | OutcomeRecord | TallyRecord | SelectionRecord | EventRecord


@dataclass(frozen=True, slots=True)
class SelectedRow:
    """A mixture's row as exports and training read it. `columns` is the JSON object of the row."""

    position: int
    component: str
    pipeline: str
    row_id: bytes
    repeat: int
    columns: str


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run: `status` is empty while it has not ended (or was killed). `summary`: see
    `mixwright_runtime/run/ending.py`."""

    run_id: int
    spec: str
    plan: str
    versions: str
    command: str
    started: float
    status: str = ""
    summary: str = ""
    ended: float = 0.0
