"""The embedded default engine: a causal language model in this process, in length-sorted static batches."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler.plan import ModelSpec
from runtime.engines.decoding import Completion, Prompt, completions, end_tokens_of
from runtime.engines.protocol import Answer, EngineEnvironment, EngineFault, Fault, Finish, Request
from runtime.plugin import EngineUnavailable, attribute, declare, require


@declare(
    "model",
    "transformers",
    label="name",
    extra="transformers",
    modules=("torch", "transformers", "safetensors"),
    attributes=(
        attribute("path", "path", "directory of the model: safetensors, config, tokenizer, chat template"),
        attribute("repo", "text", "Hugging Face repository, instead of `path`"),
        attribute("revision", "text", "commit of the repository; pin it, a branch moves"),
        attribute(
            "dtype", "enum:float32|bfloat16", "type of the weights while they answer", default="float32"
        ),
        attribute(
            "context", "count", "prompt and answer together, in tokens, at most this", default=2048, minimum=2
        ),
        attribute(
            "batch_size",
            "count",
            "requests worked on at once; the text of a row does not depend on it",
            default=64,
            cls="run",
            minimum=1,
        ),
        attribute(
            "threads",
            "count",
            "CPU threads; more than the free cores is slower, not faster",
            default=1,
            cls="run",
            minimum=1,
        ),
        attribute("license", "text", "SPDX identifier of the model's license", cls="meta"),
    ),
)
class TransformersEngine:
    """A model of the `transformers` library in this process, on the CPU or one GPU.

    ```mix
    model teacher transformers { path = "tiny/model", context = 512, batch_size = 128 }
    ```

    One of `path` and `repo` is given. Weights are read from safetensors alone and code of a repository is
    never run. The chat template of the tokenizer makes the prompt. Requests are collected into static
    batches of similar length, and every row draws from its own seed, so that neither the batch nor its size
    decides a row's text (in `float32`; in `bfloat16` the rounding of a batch can still move a near tie).
    `temperature = 0` takes the likeliest token. A prompt that leaves no room for an answer in `context`
    fails alone, with its length. There is no constrained decoding: `schema` needs another engine.
    """

    def __init__(self, model: ModelSpec, environment: EngineEnvironment) -> None:
        self._model = model
        self._environment = environment
        self._batch_size = int(model.attributes["batch_size"])
        # Twice the batch: the next batch is waiting, and can be sorted, when one ends.
        self.slots: int = 2 * self._batch_size
        self._changed = threading.Condition()
        self._arrived: list[_Asked] = []
        self._is_closed = False
        self._worker: threading.Thread | None = None

    async def start(self) -> None:
        """Load model and tokenizer in the worker thread."""
        loop = asyncio.get_running_loop()
        loaded: asyncio.Future[None] = loop.create_future()
        self._worker = threading.Thread(
            target=self._work, args=(loop, loaded), name=f"transformers {self._model.name}", daemon=True
        )
        self._worker.start()
        await loaded

    async def complete(self, request: Request) -> Answer:
        """The answer to one request; see `Engine.complete`."""
        if request.sampling.get("schema") is not None:
            raise EngineFault(
                Fault.DENIED, "engine 'transformers' cannot force a schema; use 'vllm' or 'openai'"
            )
        asked = _Asked(request, asyncio.get_running_loop().create_future())
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

    # Everything below runs in the worker thread, which alone touches model and tokenizer: tokenizers are not
    # safe to share between threads.

    def _work(self, loop: asyncio.AbstractEventLoop, loaded: asyncio.Future[None]) -> None:
        try:
            model, tokenizer = load(self._model, self._environment)
        except Exception as error:
            loop.call_soon_threadsafe(_set_error, loaded, error)
            return
        loop.call_soon_threadsafe(_set_result, loaded, None)
        self._ready = _Ready(model, tokenizer, end_tokens_of(model, tokenizer), _context(self._model, model))
        self._provenance = provenance(model)
        waiting: list[_Asked] = []
        while not self._is_closed:
            waiting += self._new_requests(len(waiting))
            waiting = [asked for asked in waiting if asked.is_wanted and self._encode(asked)]
            batch = _batch_of(waiting, self._batch_size)
            if batch:
                waiting = [asked for asked in waiting if asked not in batch]
                self._answer(batch)
        with self._changed:
            left, self._arrived = waiting + self._arrived, []
        for asked in left:
            asked.fail(Fault.CONNECTION, "the engine was closed")

    def _new_requests(self, waiting: int) -> list[_Asked]:
        """Take what has arrived; while that fills no batch, until arrivals pause. Waits when there is nothing to do."""
        with self._changed:
            while not waiting and not self._arrived and not self._is_closed:
                self._changed.wait()
            deadline = time.monotonic() + _LINGER_LIMIT_S
            while not self._is_closed and waiting + len(self._arrived) < self._batch_size:
                seen = len(self._arrived)
                self._changed.wait(_LINGER_S)
                if len(self._arrived) == seen or time.monotonic() > deadline:
                    break
            taken, self._arrived = self._arrived, []
        return taken

    def _encode(self, asked: _Asked) -> bool:
        """Tokenise a request once; False when it failed and is done with."""
        if asked.prompt is not None:
            return True
        try:
            asked.prompt = prompt_of(asked.request, self._ready.tokenizer)
        except Exception as error:
            asked.fail(Fault.BAD_REQUEST, f"the chat template refuses the messages: {error}")
            return False
        length, context = len(asked.prompt.tokens), self._ready.context
        if length >= context:
            asked.fail(Fault.BAD_REQUEST, f"prompt has {length} tokens, `context` is {context}")
            return False
        return True

    def _answer(self, batch: Sequence[_Asked]) -> None:
        ready = self._ready
        try:
            for index, completion in completions(
                ready.model,
                ready.tokenizer,
                [asked.prompt for asked in batch if asked.prompt is not None],
                context=ready.context,
                end_tokens=ready.end_tokens,
                is_abandoned=lambda index: self._is_closed or not batch[index].is_wanted,
            ):
                batch[index].succeed(_answer_of(completion, batch[index], self._provenance))
        except (
            Exception
        ) as error:  # out of memory, a broken model: these rows have no answer, the thread lives
            for asked in batch:
                asked.fail(Fault.SERVER, f"{type(error).__name__}: {error}")
        if self._is_closed:
            for asked in batch:
                asked.fail(Fault.CONNECTION, "the engine was closed")


_LINGER_S = 0.002
"""A pause in arrivals this long starts a batch that is not full."""
_LINGER_LIMIT_S = 0.05


@dataclass(frozen=True)
class _Ready:
    model: Any
    tokenizer: Any
    end_tokens: frozenset[int]
    context: int


@dataclass(eq=False)
class _Asked:
    """A request on its way, with the future that its caller waits on."""

    request: Request
    future: asyncio.Future[Answer]
    prompt: Prompt | None = None

    @property
    def is_wanted(self) -> bool:
        return not self.future.cancelled()

    def succeed(self, answer: Answer) -> None:
        self.future.get_loop().call_soon_threadsafe(_set_result, self.future, answer)

    def fail(self, fault: Fault, message: str) -> None:
        self.future.get_loop().call_soon_threadsafe(_set_error, self.future, EngineFault(fault, message))


def _set_result(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _set_error(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _batch_of(waiting: Sequence[_Asked], size: int) -> list[_Asked]:
    """The request that waits longest with its neighbours in prompt length, at most `size`."""
    if not waiting:
        return []
    by_length = sorted(waiting, key=lambda asked: len(asked.prompt.tokens) if asked.prompt else 0)
    oldest = by_length.index(waiting[0])
    first = max(0, min(oldest - size // 2, len(by_length) - size))
    return by_length[first : first + size]


def _answer_of(completion: Completion, asked: _Asked, provenance: dict[str, str]) -> Answer:
    finish = Finish.STOP if completion.finish == "stop" else Finish.LENGTH
    if finish is Finish.STOP and not completion.text.strip():
        finish = Finish.EMPTY
    prompt_tokens = len(asked.prompt.tokens) if asked.prompt else 0
    return Answer(completion.text, finish, prompt_tokens, completion.tokens, engine=provenance)


def prompt_of(request: Request, tokenizer: Any) -> Prompt:
    """Tokenise a request's messages; an assistant message at the end is a prefix that the answer continues."""
    messages = [dict(message) for message in request.messages]
    is_prefix = messages[-1]["role"] == "assistant"
    tokens = tokenizer.apply_chat_template(
        messages,
        add_generation_prompt=not is_prefix,
        continue_final_message=is_prefix,
        tokenize=True,
        return_dict=True,
    )["input_ids"]
    sampling = request.sampling
    return Prompt(
        list(tokens),
        request.seed,
        float(sampling.get("temperature", 1.0)),
        float(sampling.get("top_p", 1.0)),
        int(sampling.get("max_tokens", 1024)),
        tuple(sampling.get("stop") or ()),
    )


def load(spec: ModelSpec, environment: EngineEnvironment) -> tuple[Any, Any]:
    """Load a model and its tokenizer; safetensors alone, no code of the repository.

    Raises:
        MissingExtra: torch or transformers is not installed.
        EngineUnavailable: there is no such model, or it has no chat template.
    """
    what = f"model '{spec.name}' (engine 'transformers')"
    torch = require("torch", "transformers", what)
    transformers = require("transformers", "transformers", what)
    attributes = spec.attributes
    place, is_local = model_place(spec, environment)
    torch.set_num_threads(int(attributes["threads"]))
    if not torch.cuda.is_available():
        # transformers imports deepspeed where it can, and that warns when it has to find out itself.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    # Its bars and advice would run through the progress of the run.
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": is_local}
    if not is_local and attributes.get("revision"):
        options["revision"] = attributes["revision"]
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(place, **options)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            place,
            dtype=getattr(torch, attributes["dtype"]),
            use_safetensors=True,
            **options,
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise EngineUnavailable(f"{what} cannot be loaded from {place}: {error}") from error
    if not tokenizer.chat_template:
        raise EngineUnavailable(f"{what} has no chat template; a base model needs one to answer messages")
    model.eval()
    return model.to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer


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


def _context(spec: ModelSpec, model: Any) -> int:
    """The spec's context, or the model's own where that is smaller."""
    own = getattr(model.config, "max_position_embeddings", None)
    wanted = int(spec.attributes["context"])
    return min(wanted, own) if own else wanted


def provenance(model: Any) -> dict[str, str]:
    """What made an answer, for the store: library versions, device and number format."""
    import torch
    import transformers

    return {
        "engine": f"transformers {transformers.__version__}",
        "torch": torch.__version__,
        "device": str(model.device),
        "dtype": str(model.dtype).removeprefix("torch."),
    }
