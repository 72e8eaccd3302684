"""Scores and vectors from vLLM in this process: its pooling runner, one forward pass a sequence, no activation.

The heads' raw numbers are asked for (`use_activation=False`), so that what makes a probability of them is the same
here as in the engine `transformers`. Rewards are read at the last token, and steps at their tags: vLLM's own step
pooling would need to know the tag when the model loads, and gives an empty list for another one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mixwright_compiler.plan.plan import ModelSpec
from mixwright_runtime.engines.local import Asked
from mixwright_runtime.engines.pooled import REWARD_MODELS, pooling_of, probabilities_of, refuse_architecture
from mixwright_runtime.engines.protocol import ScoreRequest, Scores
from mixwright_runtime.engines.sequences import Tokens

POOLINGS = {"mean": "MEAN", "last": "LAST", "first": "CLS"}


def pooling_options(spec: ModelSpec, place: str, *, is_local: bool) -> dict[str, Any]:
    """Arguments of `vllm.LLM` for a model that scores or embeds.

    Raises:
        EngineUnavailable: the model's vectors are pooled in a way that is not known here.
    """
    from vllm.config import PoolerConfig

    known = {field.name for field in dataclasses.fields(PoolerConfig)}
    types = ("seq_pooling_type", "tok_pooling_type") if "seq_pooling_type" in known else ("pooling_type",) * 2
    task = spec.attributes["task"]
    options: dict[str, Any] = {"runner": "pooling"}
    if task == "process_reward":
        options["pooler_config"] = PoolerConfig(**{types[1]: "ALL"})
    elif task == "embed":
        options["convert"] = "embed"
        pooling = spec.attributes.get("pooling") or "auto"
        if pooling == "auto":
            # Stated, for vLLM's own default of an encoder is its first token.
            import transformers

            where = {"revision": spec.attributes.get("revision") or None, "local_files_only": is_local}
            config = transformers.AutoConfig.from_pretrained(place, trust_remote_code=False, **where)
            pooling = pooling_of(place, config, where)
        options["pooler_config"] = PoolerConfig(**{types[0]: POOLINGS[pooling]})
    return options


def pooling_task(spec: ModelSpec, llm: Any) -> str:
    """What the loaded model's task is called in vLLM: `embed`, `classify` or `token_classify`.

    Raises:
        EngineUnavailable: the model is for something else.
    """
    task: Any = spec.attributes["task"]
    if task == "embed":
        return "embed"
    config = llm.llm_engine.model_config.hf_config
    architecture = (config.architectures or ("",))[0]
    refuse_architecture(str(llm.llm_engine.model_config.model), task, architecture, config.num_labels)
    is_by_token = architecture.endswith((*REWARD_MODELS, "ForTokenClassification"))
    return "token_classify" if is_by_token else "classify"


def pooling_params(asked: Asked, task: str) -> Any:
    """vLLM's parameters of one sequence."""
    from vllm import PoolingParams

    options: dict[str, Any] = {"task": task}
    known = set(PoolingParams.__struct_fields__)
    if task != "embed":
        options["use_activation" if "use_activation" in known else "activation"] = False
    assert isinstance(asked.prompt, Tokens)
    if 1 in asked.prompt.segments:
        # Two texts read together: vLLM wants the place at which the second begins.
        options["extra_kwargs"] = {"compressed_token_type_ids": list(asked.prompt.segments).index(1)}
    return PoolingParams(**options)


def pooled_of(asked: Asked, output: Any, config: Any, provenance: Mapping[str, str]) -> Any:
    """`Scores` of a scoring request, (vector, tokens) of a text.

    output: (labels,), (tokens, labels), or (size,) float tensor.
    """
    assert isinstance(asked.prompt, Tokens)
    numbers = output.float()
    if not isinstance(asked.request, ScoreRequest):
        return numbers.numpy(), asked.length
    if numbers.ndim == 2:
        places = asked.prompt.steps or (-1,)
        numbers = numbers[list(places)]
    else:
        numbers = numbers[None, :]
    values = probabilities_of(asked.request.task, config, numbers.tolist())
    return Scores(values, asked.length, provenance)
