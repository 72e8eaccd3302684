"""The embedded default engine: a causal language model in this process, in length-sorted static batches."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from compiler.plan import ModelSpec
from runtime.engines.attributes import TASK
from runtime.engines.decoding import completions, end_tokens_of
from runtime.engines.local import Asked, LocalEngine, answer_of, encoded, model_place
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
        TASK,
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
class TransformersEngine(LocalEngine):
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
        self._batch_size = int(model.attributes["batch_size"])
        # Twice the batch: the next batch is waiting, and can be sorted, when one ends.
        super().__init__(model, environment, slots=2 * self._batch_size)

    async def complete(self, request: Request) -> Answer:
        """The answer to one request; see `Engine.complete`."""
        if request.sampling.get("schema") is not None:
            raise EngineFault(
                Fault.DENIED, "engine 'transformers' cannot force a schema; use 'vllm' or 'openai'"
            )
        return await super().complete(request)

    def _load(self) -> None:
        self._causal, self._tokenizer = load(self._model, self._environment)
        self._end_tokens = end_tokens_of(self._causal, self._tokenizer)
        self._context = _context(self._model, self._causal)
        self._provenance = provenance(self._causal)

    def _serve(self) -> list[Asked]:
        waiting: list[Asked] = []
        while not self._is_closed:
            waiting += self._take(idle=not waiting, enough=self._batch_size - len(waiting))
            waiting = [
                asked
                for asked in waiting
                if asked.is_wanted and encoded(asked, self._tokenizer, self._context)
            ]
            batch = _batch_of(waiting, self._batch_size)
            if batch:
                waiting = [asked for asked in waiting if asked not in batch]
                self._answer(batch)
        return waiting

    def _answer(self, batch: Sequence[Asked]) -> None:
        try:
            for index, completion in completions(
                self._causal,
                self._tokenizer,
                [asked.prompt for asked in batch if asked.prompt is not None],
                context=self._context,
                end_tokens=self._end_tokens,
                is_abandoned=lambda index: self._is_closed or not batch[index].is_wanted,
            ):
                finish = Finish.STOP if completion.finish == "stop" else Finish.LENGTH
                asked = batch[index]
                asked.succeed(answer_of(asked, completion.text, finish, completion.tokens, self._provenance))
        except (
            Exception
        ) as error:  # out of memory, a broken model: these rows have no answer, the thread lives
            for asked in batch:
                asked.fail(Fault.SERVER, f"{type(error).__name__}: {error}")
        if self._is_closed:
            for asked in batch:
                asked.fail(Fault.CONNECTION, "the engine was closed")


def _batch_of(waiting: Sequence[Asked], size: int) -> list[Asked]:
    """The request that waits longest with its neighbours in prompt length, at most `size`."""
    if not waiting:
        return []
    by_length = sorted(waiting, key=lambda asked: len(asked.prompt.tokens) if asked.prompt else 0)
    oldest = by_length.index(waiting[0])
    first = max(0, min(oldest - size // 2, len(by_length) - size))
    return by_length[first : first + size]


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
