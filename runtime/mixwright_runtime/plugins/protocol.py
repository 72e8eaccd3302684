"""What a step may use, and what comes of measuring and asking. What it must offer is in `shapes.py`.

A step's class is built as `StepClass(step: plan.Step, context: StepContext)`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from mixwright_runtime.values.beside import beside
from mixwright_runtime.values.ranges import HERE, Ranges
from mixwright_runtime.values.rows import Rendered

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mixwright_compiler.plan.plan import Expression, Plan

CUT = "length"
"""Why an answer ended that `max_tokens` has cut off."""

TOO_HARD, TOO_LONG = "too hard", "too long"
"""Reasons of unmeasurable texts; see `Measurement.too_hard` and `too_long`."""


@dataclass(frozen=True)
class Measurement:
    """What a verifier found. It is stored; thresholds are applied later, so moving one measures nothing again.

    outcome: `measured`; `unmeasurable` when the text holds nothing to measure (no answer in it) or cannot be measured
        (`too hard`, `too long`), which is not the same as wrong; `error` and `timeout` are faults of the verifier and
        never count as failing.
    score: a number whose scale the verifier's manual page states; None unless measured.
    evidence: JSON that shows why: both parses of an answer, the failing part of a schema.
    """

    outcome: Literal["measured", "unmeasurable", "error", "timeout"]
    score: float | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, passes: bool, **evidence: object) -> Measurement:
        """What a verifier that only tells right from wrong measured: score 1 or 0."""
        return cls("measured", float(passes), evidence)

    @classmethod
    def too_hard(cls, **evidence: object) -> Measurement:
        """What a verifier found of a text that nothing here can measure within its limits of time and memory.

        The text's doing, not the verifier's: it is `unmeasurable`, and no error that counts towards the budget.
        """
        return cls("unmeasurable", None, {**evidence, "reason": TOO_HARD})

    @classmethod
    def too_long(cls, **evidence: object) -> Measurement:
        """What a verifier found of a text with more tokens than its model takes: a part of a text is not judged."""
        return cls("unmeasurable", None, {**evidence, "reason": TOO_LONG})


class Calls(Protocol):
    """Asks models for one step: those that its attributes name, through the cache, the retry table and the breaker.

    Equal questions are asked once; `sample` and `attempt` make a question another one, with a seed of its own, and
    `replica` is that of the row where a row that is started again is to get another answer.
    """

    async def ask(
        self,
        model: str,
        messages: Sequence[Mapping[str, str]],
        sampling: Mapping[str, object],
        *,
        replica: int = 0,
        sample: int = 0,
        attempt: int = 0,
    ) -> CallResult: ...

    async def score(
        self,
        model: str,
        *,
        messages: Sequence[Mapping[str, str]] = (),
        texts: Sequence[str] = (),
        step_tag: str = "",
    ) -> ScoreResult: ...

    async def embed(self, model: str, texts: Sequence[str]) -> list[VectorResult]: ...

    def stored_vectors(self, model: str, texts: Iterable[str]) -> AsyncIterator[StoredVectors]:
        """Vectors that the store has, by the places of their texts: a part after another in the order in which they lie
        there, in which a million cost one reading. Texts are gone through once, in a thread. A place may come twice."""
        ...

    async def labels(
        self,
        model: str,
        messages: Sequence[Mapping[str, str]],
        labels: Sequence[str],
        *,
        is_text: bool = False,
    ) -> LabelResult: ...

    async def losses(
        self, model: str, prefix: str, text: str, *, start: int = 0, count: int = 0
    ) -> LossResult: ...

    async def token_at(self, model: str, prefix: str, text: str, token: str) -> LossResult: ...


class CallResult(NamedTuple):
    """A call's end. When every attempt failed it is not `ok`, and `reason` says why (`timeout`, `empty`, ...).

    text, reasoning: what the model says, and what it thought before that, whoever told them apart: the server, or the
    marks in the answer (`mixwright_runtime/values/reasoning.py`). written: the answer as the server gave it. cut: of an
    answer that `max_tokens` has cut off, what there is of it, with the reason `CUT`; for who takes such answers. calls:
    the tools that it calls, as OpenAI's `tool_calls` has them; then the text may be empty.
    """

    key: bytes
    text: str
    reasoning: str
    ok: bool
    reason: str = ""
    detail: str = ""
    written: str = ""
    cut: CallResult | None = None
    calls: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Numbers:
    """What a call ends with that asks for numbers."""

    key: bytes
    values: tuple[Any, ...]
    ok: bool
    reason: str = ""
    detail: str = ""

    def failed(self, **evidence: object) -> Measurement:
        """Of a failed call: the measurement that needed it."""
        found = {**evidence, "detail": self.detail[:500], "call": self.key.hex()}
        if self.reason == "too_long":
            return Measurement.too_long(**found)
        outcome: Literal["error", "timeout"] = "timeout" if self.reason == "timeout" else "error"
        return Measurement(outcome, None, {**found, "reason": self.reason})


@dataclass(frozen=True)
class ScoreResult(Numbers):
    """What a scoring model says; `values` as the table in `engines/protocol.py` states, empty when not `ok`."""

    values: tuple[float, ...]


@dataclass(frozen=True)
class LabelResult(Numbers):
    """The log-probability of each label as the next token, in order; None of one that the server does not tell."""

    values: tuple[float | None, ...]


@dataclass(frozen=True)
class LossResult(Numbers):
    """Of each told token of a text: where it begins, in characters, and the logarithm of the probability there; None of a
    first one that has nothing before it."""

    values: tuple[tuple[int, float | None], ...]


@dataclass(frozen=True)
class VectorResult:
    """A text's vector: (size,), float32, of length 1, so that a dot product is a cosine. None when the call failed.

    is_stored: the store had it.
    """

    key: bytes
    vector: NDArray[np.float32] | None
    reason: str = ""
    detail: str = ""
    is_stored: bool = False


StoredVectors = tuple[list[int], "list[NDArray[np.float32]]"]
"""Places of texts, and the vector of each."""


@dataclass(frozen=True)
class ToolResult:
    """What a tool gives. Where it is not `ok` the text says what was wrong: it is a result, too, for a model to read.

    key: of the call in the store, for `Row.calls`; empty of a call that could not be made at all.
    """

    text: str
    ok: bool = True
    key: bytes = b""


class Tools(Protocol):
    """Runs for one step the tools that its attributes name; see `mixwright_runtime/tools/toolbox.py`."""

    async def prepare(self) -> None:
        """Make the step's tools ready, before the first row: indexes are built, a box is started.

        Raises:
            RunError: one cannot work here.
        """

    async def run(
        self,
        tool: str,
        arguments: Mapping[str, Any] | str,
        columns: Mapping[str, Any],
        *,
        function: str = "",
        time_limit_s: float | None = None,
    ) -> ToolResult:
        """The result of one call, from the store if it is there.

        Args:
            tool: as the step's attribute names it. function: which of its functions, where it has several.
            arguments: by name, or the one text that it takes, as in `calculator(2 + 2)`.
            columns: of the row that it is called for.

        Raises:
            RowError: the machine or a model failed; nothing of it is kept.
            RunStopped: the run is stopping.
        """


def no_pool(position: int) -> Any:
    """What a context of no pipeline that draws from itself gives."""
    raise RuntimeError("there is no pool here")


def no_origins(name: str) -> Any:
    """What a context without sources gives."""
    raise RuntimeError("there are no rows here")


def never_ended(work: Callable[[], Any]) -> Awaitable[Any]:
    """What a context of no run gives: the work goes on beside the event loop until it is done."""
    return beside(lambda: None, work)


def no_sandbox() -> Any:
    """What a context without a sandbox gives."""
    raise RuntimeError("there is no sandbox here")


class NoTools:
    """Tools of a context without any."""

    async def prepare(self) -> None:
        return

    async def run(self, tool: str, *_: object, **__: object) -> ToolResult:
        raise RuntimeError("there are no tools here")


@dataclass(frozen=True)
class StepContext:
    """What a step may use. Nothing here is a global: tests pass their own."""

    plan: Plan
    directory: Path
    """Directory of the spec: relative paths start here."""
    seed: int
    """Of the pipeline; random choices derive from it and the row's identity."""
    expression: Callable[[Expression | Mapping[str, Any]], Callable[[Mapping[str, Any]], Any]]
    """Compiles a plan expression to a function of a row's columns."""
    template: Callable[[str], Callable[[Mapping[str, Any]], Rendered]]
    """Compiles a template of the plan, by name, to a function of a row's columns."""
    calls: Calls
    workers: Callable[[], Any]
    """The shared pool of killable CPU workers (mixwright_runtime/workers/pool.py)."""
    rows_of: Callable[[str], Any]
    """Rows of a source or finished pipeline by name, for few-shot draws and evaluation sets: iterable of dicts. They may
    be many, and reading them takes long: read them in `beside`."""
    beside: Callable[[Callable[[], Any]], Awaitable[Any]] = never_ended
    """What a function returns, called in a thread, so that the event loop goes on; while it reads rows it ends with the
    run, by RunStopped."""
    origins_of: Callable[[str], Iterable[bytes]] = no_origins
    """The source row that each row of `rows_of` started from, in their order: its identity."""
    pool: Callable[[int], Sequence[Mapping[str, Any]]] = no_pool
    """What the row at a position sees of the rows that its own pipeline has kept."""
    pipeline: str = ""
    """The pipeline (or mixture) that the step belongs to; `pipeline.step` names a node."""
    sandbox: Callable[[], Any] = no_sandbox
    """The shared pool of boxes for code that is not trusted (mixwright_runtime/sandbox/protocol.py: Runner), not yet
    started."""
    tools: Tools = field(default_factory=NoTools)
    """The tools that the step's attributes name."""
    scratch: Path | None = None
    """Where a step may put aside what is too much for memory; a temporary folder when None."""
    ranges: Ranges = HERE
    """Who does what is done of many rows."""
