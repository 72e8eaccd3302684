"""The embedded default engine: a causal language model in this process, in length-sorted static batches."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mixwright_compiler.plan.plan import ModelSpec
from mixwright_runtime.engines import pooled
from mixwright_runtime.engines.decoding import Prompt, completions, end_tokens_of, next_token_logprobs
from mixwright_runtime.engines.label_tokens import label_tokens
from mixwright_runtime.engines.local import (
    Asked,
    LocalEngine,
    answer_of,
    encoded,
    is_without_chat,
    model_place,
)
from mixwright_runtime.engines.protocol import (
    Answer,
    EngineEnvironment,
    EngineFault,
    Fault,
    Finish,
    LabelRequest,
    Labels,
    LossRequest,
    Request,
    Scores,
)
from mixwright_runtime.engines.sequences import Tokens
from mixwright_runtime.engines.token_losses import Passage, logprobs_of
from mixwright_runtime.errors import EngineUnavailable, not_loaded, require
from mixwright_runtime.plugins.attributes import POOLING, TASK, TEMPLATE_ARGUMENTS
from mixwright_runtime.plugins.declare import attribute, declare

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@declare(
    "model",
    "transformers",
    one_of=(("path",), ("repo",)),
    label="name",
    offers=("continue", "user_turn", "text", "labels", "losses", "token_at"),
    extra="transformers",
    modules=("torch", "transformers", "safetensors"),
    attributes=(
        attribute("path", "path", "directory of the model: safetensors, config, tokenizer, chat template"),
        attribute("repo", "text", "Hugging Face repository, instead of `path`"),
        attribute("revision", "text", "commit of the repository; pin it, a branch moves"),
        TASK,
        POOLING,
        TEMPLATE_ARGUMENTS,
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
    decides a row's text, but for near ties, which rounding moves: seldom in `float32`, more often in `bfloat16`.
    `temperature = 0` takes the likeliest token. A prompt that leaves no room for an answer in `context`
    fails alone, with its length. There is no constrained decoding: `schema` needs another engine, and
    so does `verify judge`.
    """

    def __init__(self, model: ModelSpec, environment: EngineEnvironment) -> None:
        self._batch_size = int(model.attributes["batch_size"])
        # The next batches are waiting, and can be sorted by length, when one ends. Scores are one forward pass, so
        # that what is padded costs more than what waits.
        ahead = 2 if (model.attributes.get("task") or "generate") == "generate" else 4
        super().__init__(model, environment, slots=ahead * self._batch_size)

    async def complete(self, request: Request) -> Answer:
        """The answer to one request; see `Engine.complete`."""
        if request.sampling.get("schema") is not None:
            raise EngineFault(
                Fault.DENIED, "engine 'transformers' cannot force a schema; use 'vllm' or 'openai'"
            )
        return await super().complete(request)

    def _load(self) -> None:
        self._loaded, self._tokenizer = load(self._model, self._environment)
        self._context = _context(self._model, self._loaded.config, self._tokenizer)
        self.provenance = provenance(self._model)
        if self.task == "generate":
            self._end_tokens = end_tokens_of(self._loaded, self._tokenizer)

    def _serve(self) -> list[Asked]:
        answer = {"generate": self._generate, "embed": self._embed}.get(self.task, self._score)
        waiting: list[Asked] = []
        while not self._is_closed:
            waiting += self._take(idle=not waiting, enough=self._batch_size - len(waiting))
            waiting = [
                asked
                for asked in waiting
                if asked.is_wanted and encoded(asked, self._tokenizer, self._context, self.template_arguments)
            ]
            batch = _batch_of(waiting, self._batch_size)
            if batch:
                taken = set(map(id, batch))
                waiting = [asked for asked in waiting if id(asked) not in taken]
                self._answer(batch, answer)
        return waiting

    def _answer(self, batch: Sequence[Asked], answer: Callable[[Sequence[Asked]], None]) -> None:
        try:
            answer(batch)
        except (
            Exception
        ) as error:  # out of memory, a broken model: these rows have no answer, the thread lives
            for asked in batch:
                asked.fail(Fault.SERVER, f"{type(error).__name__}: {error}")
        if self._is_closed:
            for asked in batch:
                asked.fail(Fault.CONNECTION, "the engine was closed")

    def _generate(self, batch: Sequence[Asked]) -> None:
        """Answers, and the probabilities of labels and of texts."""
        for kind, answer in (
            (LabelRequest, self._label),
            (LossRequest, self._tell_losses),
            (Request, self._write),
        ):
            some = [asked for asked in batch if isinstance(asked.request, kind)]
            if some:
                answer(some)

    def _label(self, batch: Sequence[Asked]) -> None:
        prompts = [asked.prompt for asked in batch if isinstance(asked.prompt, Prompt)]
        for asked, logprobs in zip(batch, next_token_logprobs(self._loaded, prompts), strict=True):
            assert isinstance(asked.request, LabelRequest)
            try:
                tokens = label_tokens(self._tokenizer, asked.request.labels)
            except EngineFault as fault:
                asked.fail(fault.fault, str(fault))
                continue
            values = tuple(float(logprobs[token]) for token in tokens)
            asked.succeed(Labels(values, asked.length, 0, self.provenance))

    def _tell_losses(self, batch: Sequence[Asked]) -> None:
        passages = [asked.prompt for asked in batch if isinstance(asked.prompt, Passage)]
        found = zip(batch, passages, logprobs_of(self._loaded, passages), strict=True)
        for asked, passage, logprobs in found:
            asked.succeed(passage.losses(logprobs, self.provenance))

    def _write(self, batch: Sequence[Asked]) -> None:
        for index, completion in completions(
            self._loaded,
            self._tokenizer,
            [asked.prompt for asked in batch if isinstance(asked.prompt, Prompt)],
            context=self._context,
            end_tokens=self._end_tokens,
            is_abandoned=lambda index: self._is_closed or not batch[index].is_wanted,
        ):
            finish = Finish.STOP if completion.finish == "stop" else Finish.LENGTH
            asked = batch[index]
            asked.succeed(answer_of(asked, completion.text, finish, completion.tokens, self.provenance))

    def _score(self, batch: Sequence[Asked]) -> None:
        for asked, values in zip(batch, self._loaded.scores(_sequences(batch)), strict=True):
            asked.succeed(Scores(values, asked.length, self.provenance))

    def _embed(self, batch: Sequence[Asked]) -> None:
        for asked, vector in zip(batch, self._loaded.vectors(_sequences(batch)), strict=True):
            asked.succeed((vector, asked.length))


def _sequences(batch: Sequence[Asked]) -> list[Tokens]:
    return [asked.prompt for asked in batch if isinstance(asked.prompt, Tokens)]


def _batch_of(waiting: Sequence[Asked], size: int) -> list[Asked]:
    """The request that waits longest with its neighbours in length, at most `size`."""
    if not waiting:
        return []
    by_length = sorted(waiting, key=lambda asked: asked.length)
    oldest = by_length.index(waiting[0])
    first = max(0, min(oldest - size // 2, len(by_length) - size))
    return by_length[first : first + size]


_LOADING = threading.Lock()
"""Of the threads that load models: `from_pretrained` makes a model without memory by settings of the whole process."""


def load(spec: ModelSpec, environment: EngineEnvironment) -> tuple[Any, Any]:
    """Load a model and its tokenizer, one at a time; safetensors alone, no code of the repository.

    The model is a causal one for the task `generate`, a `pooled.Embedder` for `embed`, else a `pooled.Scorer`.

    Raises:
        MissingExtra: torch or transformers is not installed.
        EngineUnavailable: there is no such model, it is for something else, or it has no chat template.
    """
    with _LOADING:
        return _loaded(spec, environment)


def _loaded(spec: ModelSpec, environment: EngineEnvironment) -> tuple[Any, Any]:
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
    task: Any = attributes.get("task") or "generate"
    dtype = getattr(torch, attributes["dtype"])
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(place, **options)
        if task != "generate":
            config = transformers.AutoConfig.from_pretrained(place, **options)
            if task == "embed":
                pooling = str(attributes.get("pooling") or "auto")
                return pooled.load_embedder(place, pooling, config, dtype=dtype, **options), tokenizer
            return pooled.load_scorer(place, task, config, dtype=dtype, **options), tokenizer
        model = transformers.AutoModelForCausalLM.from_pretrained(
            place, dtype=dtype, use_safetensors=True, **options
        )
    except EngineUnavailable as error:
        raise EngineUnavailable(f"{what}: {error}") from error
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise EngineUnavailable(f"{what} cannot be loaded from {place}: {not_loaded(error)}") from error
    if not tokenizer.chat_template and not is_without_chat(environment.needs):
        raise EngineUnavailable(f"{what} has no chat template; a base model needs one to answer messages")
    model.eval()
    return model.to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer


def _context(spec: ModelSpec, config: Any, tokenizer: PreTrainedTokenizerBase) -> int:
    """The spec's context, or the model's own where that is smaller."""
    # A tokenizer without a limit states 10^30; one of an encoder with padded positions states less than its model.
    own = (getattr(config, "max_position_embeddings", None), tokenizer.model_max_length)
    return min(int(spec.attributes["context"]), *(int(limit) for limit in own if limit))


def provenance(spec: ModelSpec) -> dict[str, str]:
    """What made an answer, for the store: library versions, device and number format."""
    import torch
    import transformers

    return {
        "engine": f"transformers {transformers.__version__}",
        "torch": torch.__version__,
        "device": "cuda:0" if torch.cuda.is_available() else "cpu",
        "dtype": str(spec.attributes["dtype"]),
    }
