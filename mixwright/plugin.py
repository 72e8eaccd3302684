"""What a plugin imports: the words of a declaration, and what its classes are given and give back.

See docs/language/plugins.md. `check`, `fmt` and `plan` read a plugin's text and run nothing of it; what they can read is
`declare`, `attribute`, `Asks`, `REQUIRED`, `pick`, `threshold` and the shared attributes in capitals.
"""

from __future__ import annotations

from compiler.catalog.catalog import Asks
from compiler.catalog.declaring import REQUIRED, attribute, pick, threshold
from compiler.plan.plan import ModelSpec, SourceSpec, Step
from runtime.engines.protocol import (
    Answer,
    EmbedRequest,
    Engine,
    EngineEnvironment,
    EngineFault,
    Fault,
    Finish,
    Request,
    ScoreRequest,
    Scores,
    Vectors,
)
from runtime.errors import EngineUnavailable, MissingExtra, RowError, RunError, require
from runtime.exporters.protocol import Format, Job, Written
from runtime.mixture.rows import MixtureRow
from runtime.plugins.attributes import EXPORT, PICK, POOLING, SALT, SOURCE, STEP, TASK, VERIFIER
from runtime.plugins.declare import declare
from runtime.plugins.modules import job
from runtime.plugins.protocol import CallResult, Measurement, ScoreResult, StepContext, VectorResult
from runtime.plugins.shapes import Apply, Ask, Keep, Measure, MeasureGroup, StepRequest
from runtime.sources.reader import OpenSource
from runtime.values.rows import Dropped, Rendered, Row
from runtime.verifiers.verdicts import Selection
from runtime.workers.pool import WorkerError, is_too_hard

__all__ = [
    "EXPORT",
    "PICK",
    "POOLING",
    "REQUIRED",
    "SALT",
    "SOURCE",
    "STEP",
    "TASK",
    "VERIFIER",
    "Answer",
    "Apply",
    "Ask",
    "Asks",
    "CallResult",
    "Dropped",
    "EmbedRequest",
    "Engine",
    "EngineEnvironment",
    "EngineFault",
    "EngineUnavailable",
    "Fault",
    "Finish",
    "Format",
    "Job",
    "Keep",
    "Measure",
    "MeasureGroup",
    "Measurement",
    "MissingExtra",
    "MixtureRow",
    "ModelSpec",
    "OpenSource",
    "Rendered",
    "Request",
    "Row",
    "RowError",
    "RunError",
    "ScoreRequest",
    "ScoreResult",
    "Scores",
    "Selection",
    "SourceSpec",
    "Step",
    "StepContext",
    "StepRequest",
    "VectorResult",
    "Vectors",
    "WorkerError",
    "Written",
    "attribute",
    "declare",
    "is_too_hard",
    "job",
    "pick",
    "require",
    "threshold",
]
