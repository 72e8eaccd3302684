"""The engine protocol: a request, an answer, and the ways an answer can fail.

An engine is declared under family `model` with a class `Engine(model: ModelSpec, environment: EngineEnvironment)`.
It answers requests concurrently; ordering, caching, retries and the circuit breaker are the caller's
(`mixwright_runtime/calls/calls.py`). It must not change a request, and must honour `seed` if it can.

What a model does is its `task`, and so what its engine is asked:

    generate         complete(Request)      -> Answer     text
    reward           score(ScoreRequest)    -> Scores     one number, unbounded: no activation after the head
    process_reward   score(ScoreRequest)    -> Scores     for each step tag in the text, the probability of class 1
    classify         score(ScoreRequest)    -> Scores     a share for each label (softmax; sigmoid of a single one)
    embed            embed(EmbedRequest)    -> Vectors    a vector of length 1 for each text
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

from mixwright_runtime.plugins.protocol import CUT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FURTHER_SAMPLING = ("top_k", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty")
"""Sampling parameters that change nothing, and are in no call's name, until a spec states them."""

FORMS = ("turn", "default_system", "prefix", "form")
"""What a request asks for that is no answer to a chat; in no call's name, either, until a spec states it.

turn = user          the user's next turn, after `messages`: none, a system message, a conversation
default_system       `leave_out`: without the system message that the chat template adds
prefix               the prompt of that turn, instead of what the chat template says
form = text          how the text goes on that is the content of the one message; no chat template
"""

TOOLS = "tools"
"""Of a request's settings the tools that it offers, as OpenAI's `tools` has them; in no call's name without any."""

Task = Literal["generate", "reward", "process_reward", "classify", "embed"]
ScoreTask = Literal["reward", "process_reward", "classify"]


@dataclass(frozen=True)
class Request:
    """One model call, rendered.

    `sampling`: temperature, top_p, max_tokens, stop (list), schema (JSON Schema or None); those of `FURTHER_SAMPLING` and
    `FORMS` are there when a spec states them. A last message of the assistant is the beginning of the answer.
    """

    key: bytes
    messages: tuple[Mapping[str, str], ...]
    sampling: Mapping[str, Any]
    seed: int
    """0..2^31-1, derived from the key."""


class Finish(Enum):
    STOP = "stop"
    LENGTH = CUT
    CALLS = "tool_calls"
    REFUSED = "refused"
    EMPTY = "empty"
    MALFORMED = "malformed"


@dataclass(frozen=True)
class Answer:
    """What a model wrote. `Finish.STOP` is good by default, and `CALLS` of tools where any were offered; the others are
    kept, told apart, and not used."""

    text: str
    finish: Finish
    prompt_tokens: int = 0
    output_tokens: int = 0
    reasoning: str = ""
    engine: Mapping[str, Any] = field(default_factory=dict)
    """Provenance: engine version, device, dtype, system fingerprint."""
    calls: tuple[Mapping[str, Any], ...] = ()
    """The tools that it calls, as OpenAI's `tool_calls` has them, read no further; with `Finish.CALLS`."""


@dataclass(frozen=True)
class ScoreRequest:
    """A chat to be scored, or one or two texts; the other is empty.

    A chat is rendered with the scoring model's own chat template, whole and without a generation prompt. Two texts
    are what a cross-encoder reads together (source and translation, question and passage).
    """

    key: bytes
    task: ScoreTask
    messages: tuple[Mapping[str, str], ...] = ()
    texts: tuple[str, ...] = ()
    step_tag: str = ""
    """Of `process_reward`: the token behind each step, for whose occurrences there are scores."""
    steps: int = 0
    """How often `step_tag` is in the request, and so how many scores are due; 0 where it has no steps."""


@dataclass(frozen=True)
class Scores:
    """What a model says of a `ScoreRequest`; see the table above for how many numbers and on which scale."""

    output_tokens: ClassVar[int] = 0

    values: tuple[float, ...]
    prompt_tokens: int = 0
    engine: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LabelRequest:
    """How likely is each label as the first token of an answer to a chat, or as the next of a text (`is_text`, the
    content of the one message)?"""

    key: bytes
    messages: tuple[Mapping[str, str], ...]
    labels: tuple[str, ...]
    is_text: bool = False


@dataclass(frozen=True)
class Labels:
    """Natural logarithms of the probabilities of a `LabelRequest`'s labels, among all tokens; None of one that is not
    told, which is no small probability but an unknown one."""

    logprobs: tuple[float | None, ...]
    prompt_tokens: int = 0
    output_tokens: int = 0
    engine: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LossRequest:
    """How likely is each token of a text after a prefix, both plain? With `token` instead: how likely is that one in the
    place of each?

    Prefix and text are tokenised each by itself, so that a text has the same tokens after every prefix; in front of them
    stands what the tokenizer begins every text with. start: characters; tokens in front of it are not told. count:
    tokens told from there on, at most; 0 for all.
    """

    key: bytes
    prefix: str
    text: str
    start: int = 0
    count: int = 0
    token: str = ""


@dataclass(frozen=True)
class Losses:
    """Of a `LossRequest`: where in the text each told token begins, in characters, and the natural logarithm of the
    probability there; None of a first token that has nothing before it. A token that begins inside a character has the
    offset of the one before it."""

    offsets: tuple[int, ...]
    logprobs: tuple[float | None, ...]
    prompt_tokens: int = 0
    output_tokens: int = 0
    engine: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EmbedRequest:
    """Texts to be embedded, each on its own; `key` is that of the first."""

    key: bytes
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Vectors:
    """A row for each text of an `EmbedRequest`, in order. vectors: (texts, size), float32, each of length 1."""

    output_tokens: ClassVar[int] = 0

    vectors: NDArray[np.float32]
    prompt_tokens: int = 0
    engine: Mapping[str, Any] = field(default_factory=dict)


class Answered(Protocol):
    """What every answer says of its size, whatever was asked."""

    @property
    def prompt_tokens(self) -> int:
        """Tokens that were read."""

    @property
    def output_tokens(self) -> int:
        """Tokens that were written; 0 by what scores or embeds."""


class Fault(Enum):
    """Why there is no answer, and so what to do about it."""

    RATE_LIMITED = "rate_limited"  # 429: wait, fewer at once; costs no attempt
    SERVER = "server"  # 5xx
    CONNECTION = "connection"  # reset, cut off: perhaps this row's doing
    UNREACHABLE = "unreachable"  # refused, no route, no such host: no row gets through; costs no attempt
    TIMEOUT = "timeout"
    MALFORMED = "malformed"  # 200 whose body is not what the protocol says
    BAD_REQUEST = "bad_request"  # 400: this row never works, do not retry
    TOO_LONG = "too_long"  # more tokens than the model takes: the text's doing, do not retry
    WORKER_DIED = "worker_died"  # several workers of a cluster ended while they were at it, do not retry
    DENIED = "denied"  # 401, 403, 404: no row works, stop


class EngineFault(Exception):
    """A request that got no answer. `retry_after_s` is what the server asked for, if it did."""

    def __init__(self, fault: Fault, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.fault = fault
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Needs:
    """What a run needs of a model beyond a chat.

    capabilities: `mixwright_compiler.catalog.capabilities`. tokens: texts that must be one token of it each, with what
    asks for it: `open` of `pipeline.step`.
    """

    capabilities: frozenset[str] = frozenset()
    tokens: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EngineEnvironment:
    """What an engine may know of its surroundings: where relative model paths start, the secrets it was given, what it
    will be asked for beyond a chat (`mixwright_compiler.catalog.capabilities`), and the texts that must be one token of
    the model each, with what asks for it."""

    directory: Path
    secrets: Mapping[str, str] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()
    tokens: Mapping[str, str] = field(default_factory=dict)


class Engine(Protocol):
    """Answers requests. `slots` is how many it works on at once; the runtime keeps 1.1 times as many in flight.

    What more an engine may say of itself, or offer: `Limited`, `WidthSought`, `Replicated`, `Scorer`, `Embedder`,
    `Labeller`, `LossTeller`.
    """

    slots: int

    async def start(self) -> None:
        """Load the model or open the connection pool.

        Raises:
            MissingExtra: a package is not installed.
            EngineUnavailable: the model cannot be loaded, or the endpoint serves another one.
        """

    async def complete(self, request: Request) -> Answer:
        """The answer to one request.

        Raises:
            EngineFault: there is none; its `fault` says why.
        """

    async def close(self) -> None:
        """Release everything; safe to call twice."""


@runtime_checkable
class Limited(Protocol):
    """What an engine also says whose `slots` are a limit that somebody set, not to be exceeded: `is_limit = True`."""

    is_limit: bool


@runtime_checkable
class WidthSought(Protocol):
    """What an engine also says whose user did not say how much it can do: `is_width_unknown = True`. Its `slots` are then
    the most that is tried."""

    is_width_unknown: bool


Sites = Mapping[str, tuple[int, bool]]
"""Address of a model -> requests that it was sent, whether it answers at present."""


@runtime_checkable
class Replicated(Protocol):
    """What an engine also says that may be behind several addresses."""

    def sites(self) -> Sites:
        """How its addresses stand, with nothing secret in them; nothing where there is one alone."""


@runtime_checkable
class Scorer(Protocol):
    """What an engine also offers for models of the tasks `reward`, `process_reward` and `classify`."""

    async def score(self, request: ScoreRequest) -> Scores:
        """The scores of one request.

        Raises:
            EngineFault: there are none; numbers that are missing or not finite are `Fault.MALFORMED`.
        """


@runtime_checkable
class Embedder(Protocol):
    """What an engine also offers for models of the task `embed`."""

    async def embed(self, request: EmbedRequest) -> Vectors:
        """The vectors of one request's texts.

        Raises:
            EngineFault: there are none; `Fault.BAD_REQUEST` and `TOO_LONG` may be the doing of any one of the texts.
        """


@runtime_checkable
class Labeller(Protocol):
    """What an engine also offers that knows how likely a token is."""

    async def labels(self, request: LabelRequest) -> Labels:
        """The labels' log-probabilities.

        Raises:
            EngineFault: there are none; a label that is no single token is `Fault.DENIED`.
        """


@runtime_checkable
class LossTeller(Protocol):
    """What an engine also offers that knows how likely the tokens of a text are."""

    async def losses(self, request: LossRequest) -> Losses:
        """The tokens' log-probabilities.

        Raises:
            EngineFault: there are none; a `token` that is several is `Fault.DENIED`.
        """
