"""What engines in this process share: an asyncio front, a thread that alone touches the model, and its prompts."""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright_compiler.catalog.capabilities import LABELS, LOSSES, TEXT, TOKEN_AT
from mixwright_compiler.plan.plan import ModelSpec
from mixwright_runtime.engines.decoding import Prompt
from mixwright_runtime.engines.label_tokens import check_tokens
from mixwright_runtime.engines.measured import unit_vectors
from mixwright_runtime.engines.prompts import NoUserTurn, asking, prompt_of
from mixwright_runtime.engines.protocol import (
    Answer,
    EmbedRequest,
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
from mixwright_runtime.engines.sequences import Tokens, tokens_of
from mixwright_runtime.engines.token_losses import Passage, passage_of
from mixwright_runtime.errors import EngineUnavailable

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(eq=False)
class Asked:
    """A request on its way, with the future that its caller waits on; a text of its own is to be embedded.

    `prompt` is set once it is tokenised: a `Prompt` of a request for text or labels, a `Passage` of one for the losses of
    a text, else `Tokens`.
    """

    request: Request | LabelRequest | LossRequest | ScoreRequest | str
    future: asyncio.Future[Any]
    prompt: Prompt | Passage | Tokens | None = None

    @property
    def length(self) -> int:
        """Tokens, once it is tokenised."""
        return len(self.prompt.tokens) if self.prompt else 0

    @property
    def is_wanted(self) -> bool:
        return not self.future.cancelled()

    def succeed(self, answer: object) -> None:
        """Give the caller its `Answer`, `Scores`, or vector."""
        self.future.get_loop().call_soon_threadsafe(_set_result, self.future, answer)

    def fail(self, fault: Fault, message: str) -> None:
        self.future.get_loop().call_soon_threadsafe(_set_error, self.future, EngineFault(fault, message))


class LocalEngine(ABC):
    """Collects requests and hands them to `_serve`, which runs in a thread of its own until the engine is closed.

    Tokenizers and models are not safe to share between threads, so loading and tokenising happen there too.
    """

    def __init__(self, model: ModelSpec, environment: EngineEnvironment, *, slots: int) -> None:
        self._model = model
        self._environment = environment
        self.slots = slots
        self.task = str(model.attributes.get("task") or "generate")
        self.template_arguments: Mapping[str, Any] = model.attributes.get("chat_template_kwargs") or {}
        self.provenance: Mapping[str, str] = {}
        self._changed = threading.Condition()
        self._arrived: list[Asked] = []
        self._is_closed = False
        self._worker: threading.Thread | None = None
        self._tokenizer: Any = None
        """The model's own, once it is loaded."""

    @abstractmethod
    def _load(self) -> None:
        """Load the model, and its tokenizer into `_tokenizer`; raises as `start` does."""

    @abstractmethod
    def _serve(self) -> list[Asked]:
        """Answer requests until `_is_closed`; returns those that were not answered."""

    async def start(self) -> None:
        """Load the model in the worker thread; see `Engine.start`."""
        loop = asyncio.get_running_loop()
        loaded: asyncio.Future[None] = loop.create_future()
        self._worker = threading.Thread(
            target=self._work, args=(loop, loaded), name=f"model {self._model.name}", daemon=True
        )
        self._worker.start()
        await loaded

    async def complete(self, request: Request) -> Answer:
        """The answer to one request; see `Engine.complete`."""
        self._refuse_unless(self.task == "generate", "write text")
        answer: Answer = await self._answered(request)
        return answer

    async def score(self, request: ScoreRequest) -> Scores:
        """The scores of one request; see `Scorer.score`."""
        self._refuse_unless(self.task == request.task, f"answer requests of task {request.task}")
        scores: Scores = await self._answered(request)
        return scores

    async def labels(self, request: LabelRequest) -> Labels:
        """The labels' log-probabilities; see `Labeller.labels`."""
        self._refuse_unless(self.task == "generate", "say how likely a token is")
        found: Labels = await self._answered(request)
        return found

    async def losses(self, request: LossRequest) -> Losses:
        """The log-probabilities of a text's tokens; see `LossTeller.losses`."""
        self._refuse_unless(self.task == "generate", "say how likely a token is")
        found: Losses = await self._answered(request)
        return found

    async def embed(self, request: EmbedRequest) -> Vectors:
        """The vectors of one request's texts; see `Embedder.embed`. Texts are worked on side by side."""
        self._refuse_unless(self.task == "embed", "embed texts")
        found: list[tuple[Any, int]] = []
        for one in await asyncio.gather(*map(self._answered, request.texts), return_exceptions=True):
            if isinstance(one, BaseException):
                raise one
            found.append(one)
        tokens = sum(count for _, count in found)
        return Vectors(unit_vectors([vector for vector, _ in found], "the model"), tokens, self.provenance)

    def _refuse_unless(self, is_right: bool, what: str) -> None:
        if not is_right:
            raise EngineFault(Fault.DENIED, f"its task is {self.task}, so it cannot {what}")

    async def _answered(self, request: Request | LabelRequest | LossRequest | ScoreRequest | str) -> Any:
        asked = Asked(request, asyncio.get_running_loop().create_future())
        with self._changed:
            if self._is_closed or self._worker is None or not self._worker.is_alive():
                raise EngineFault(Fault.CONNECTION, f"engine of model '{self._model.name}' is not running")
            self._arrived.append(asked)
            self._changed.notify()
        return await asked.future

    async def close(self) -> None:
        """Stop after the current token; requests that wait fail as connection faults."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._worker is not None:
            await asyncio.to_thread(self._worker.join)

    def _work(self, loop: asyncio.AbstractEventLoop, loaded: asyncio.Future[None]) -> None:
        try:
            self._load()
            if self._environment.tokens:
                check_tokens(self._tokenizer, self._environment.tokens, self._model.name)
        except Exception as error:
            loop.call_soon_threadsafe(_set_error, loaded, error)
            return
        loop.call_soon_threadsafe(_set_result, loaded, None)
        left: list[Asked] = []
        try:
            left = self._serve()
        finally:
            with self._changed:
                self._is_closed = True
                left, self._arrived = left + self._arrived, []
            for asked in left:
                asked.fail(Fault.CONNECTION, "the engine was closed")

    def _take(self, *, idle: bool, enough: int) -> list[Asked]:
        """What has arrived; when `idle`, after a first request, and then until there are `enough` or arrivals pause."""
        with self._changed:
            while idle and not self._arrived and not self._is_closed:
                self._changed.wait()
            deadline = time.monotonic() + _LINGER_LIMIT_S
            while not self._is_closed and len(self._arrived) < enough:
                seen = len(self._arrived)
                self._changed.wait(_LINGER_S)
                if len(self._arrived) == seen or time.monotonic() > deadline:
                    break
            taken, self._arrived = self._arrived, []
        return taken


_LINGER_S = 0.002
"""A pause in arrivals this long starts work that is not full."""
_LINGER_LIMIT_S = 0.05


def encoded(
    asked: Asked, tokenizer: PreTrainedTokenizerBase, context: int, arguments: Mapping[str, object]
) -> bool:
    """Tokenise a request once; False when it failed, which its caller then knows. `arguments`: of the chat template."""
    if isinstance(asked.request, ScoreRequest | LossRequest | str):
        return _encoded_whole(asked, asked.request, tokenizer, context)
    if asked.prompt is None:
        try:
            asked.prompt = prompt_of(asking(asked.request), tokenizer, arguments)
        except NoUserTurn as error:
            asked.fail(Fault.DENIED, str(error))
            return False
        except Exception as error:  # templates raise whatever their authors chose
            asked.fail(Fault.BAD_REQUEST, f"the chat template refuses the messages: {error}")
            return False
    if asked.length >= context:
        asked.fail(Fault.TOO_LONG, f"prompt has {asked.length} tokens, `context` is {context}")
        return False
    return True


def _encoded_whole(
    asked: Asked, request: ScoreRequest | LossRequest | str, tokenizer: PreTrainedTokenizerBase, context: int
) -> bool:
    """`encoded` of what is to be scored or embedded, which leaves no room for an answer."""
    if asked.prompt is None:
        try:
            if isinstance(request, LossRequest):
                asked.prompt = passage_of(request, tokenizer, context)
            else:
                asked.prompt = tokens_of(request, tokenizer, context)
        except EngineFault as fault:
            asked.fail(fault.fault, str(fault))
            return False
    return True


def is_without_chat(needs: frozenset[str]) -> bool:
    """Whether a model is asked for nothing that takes a chat template: a base model has none."""
    without = {TEXT, LABELS, LOSSES, TOKEN_AT}
    return bool(needs & (without - {LABELS})) and needs <= without


def answer_of(asked: Asked, text: str, finish: Finish, tokens: int, provenance: Mapping[str, str]) -> Answer:
    """An answer; one that stopped without a word is `EMPTY`."""
    if finish is Finish.STOP and not text.strip():
        finish = Finish.EMPTY
    return Answer(text, finish, asked.length, tokens, engine=provenance)


def model_place(spec: ModelSpec, environment: EngineEnvironment) -> tuple[str, bool]:
    """Where a model is loaded from, and whether that is a directory here.

    Raises:
        EngineUnavailable: neither or both of `path` and `repo` are given, or the directory is missing.
    """
    path, repo = spec.attributes.get("path"), spec.attributes.get("repo")
    if bool(path) == bool(repo):
        raise EngineUnavailable(f"model '{spec.name}' needs one of `path` and `repo`")
    if repo:
        return str(repo), False
    place = environment.directory / Path(str(path))
    if not (place / "config.json").is_file():
        raise EngineUnavailable(f"model '{spec.name}': no config.json in {place}")
    return str(place), True


def _set_result(future: asyncio.Future[Any], result: object) -> None:
    if not future.done():
        future.set_result(result)


def _set_error(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
