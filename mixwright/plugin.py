"""What a plugin imports: the words of a declaration, and what its classes are given and give back.

See docs/language/plugins.md. `check`, `fmt` and `plan` read a plugin's text and run nothing of it; what they can read is
`declare`, `attribute`, `Asks`, `REQUIRED`, `pick`, `threshold` and the shared attributes in capitals.
"""

from __future__ import annotations

from mixwright_compiler.catalog.catalog import Asks
from mixwright_compiler.catalog.declaring import REQUIRED, attribute, pick, threshold
from mixwright_compiler.plan.plan import ModelSpec, SourceSpec, Step, ToolSpec
from mixwright_runtime.engines.protocol import (
    Answer,
    EmbedRequest,
    Engine,
    EngineEnvironment,
    EngineFault,
    Fault,
    Finish,
    LabelRequest,
    Labels,
    Losses,
    LossRequest,
    Request,
    ScoreRequest,
    Scores,
    Vectors,
)
from mixwright_runtime.errors import EngineUnavailable, MissingExtra, RowError, RunError, require
from mixwright_runtime.exporters.protocol import Format, Job, Written
from mixwright_runtime.mixture.rows import MixtureRow
from mixwright_runtime.plugins.attributes import EXPORT, PICK, POOLING, SALT, SOURCE, STEP, TASK, VERIFIER
from mixwright_runtime.plugins.declare import declare
from mixwright_runtime.plugins.modules import job
from mixwright_runtime.plugins.protocol import (
    CallResult,
    LabelResult,
    LossResult,
    Measurement,
    ScoreResult,
    StepContext,
    VectorResult,
)
from mixwright_runtime.plugins.shapes import Apply, Ask, Keep, Measure, MeasureGroup, StepRequest
from mixwright_runtime.sources.reader import OpenSource
from mixwright_runtime.tools.kinds import Surroundings, Tool, ToolCall, ToolError
from mixwright_runtime.values.json_in_text import ParseFailed
from mixwright_runtime.values.rows import Dropped, Rendered, Row
from mixwright_runtime.verifiers.judging.asking import Asked, Asking
from mixwright_runtime.verifiers.verdicts import Selection
from mixwright_runtime.workers.pool import WorkerError, is_too_hard

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
    "Asked",
    "Asking",
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
    "LabelRequest",
    "LabelResult",
    "Labels",
    "LossRequest",
    "LossResult",
    "Losses",
    "Measure",
    "MeasureGroup",
    "Measurement",
    "MissingExtra",
    "MixtureRow",
    "ModelSpec",
    "OpenSource",
    "ParseFailed",
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
    "Surroundings",
    "Tool",
    "ToolCall",
    "ToolError",
    "ToolSpec",
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
