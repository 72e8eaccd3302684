"""The embedded default engine: a causal language model in this process, in length-sorted static batches."""

from __future__ import annotations

from compiler.plan import ModelSpec
from runtime.engines.protocol import EngineEnvironment
from runtime.plugin import attribute, declare


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
        self.slots: int = 2 * int(model.attributes["batch_size"])
