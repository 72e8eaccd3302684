"""A `transformers` model that scores or embeds: what its weights are, and one forward pass over a batch.

    architecture                  head                                      read at
    *ForSequenceClassification    the checkpoint's own                      the last token (encoders: their own pooling)
    *ForTokenClassification       the checkpoint's own                      every step tag
    *For[Process]RewardModel      Linear, ReLU, Linear: `score.0`, `.2`     the last token; every step tag
    any other, for vectors        none                                      mean, last or first token

A head that is not in the checkpoint would be random numbers, and its scores with it: such a model does not load.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright_runtime.engines.measured import sigmoid, softmax
from mixwright_runtime.engines.protocol import ScoreTask
from mixwright_runtime.engines.sequences import Tokens
from mixwright_runtime.errors import EngineUnavailable

if TYPE_CHECKING:
    from transformers import PretrainedConfig

REWARD_MODELS = ("ForRewardModel", "ForProcessRewardModel")
"""Architectures of remote code whose heads are known (Qwen2.5-Math-RM and -PRM, `modeling_qwen2_rm.py`)."""

Pooling = Callable[[Any, Any], Any]
"""hidden: (batch, time, size), mask: (batch, time) -> (batch, size)."""


CPU_PASS_TOKENS = 512
"""Padded tokens of one forward pass on a CPU. More of them leave its caches: on one core, with 4 layers of 256 and 203
tokens a chat, 31 ms a chat up to 512, 33 one by one, and 86 in batches of 64 in the order of the file."""


class Scorer:
    """A model with a head; `scores` gives each sequence its numbers as `engines/protocol.py` states them."""

    def __init__(self, model: Any, head: Any, task: ScoreTask) -> None:
        """`head` maps hidden states to logits; None when `model` gives logits itself."""
        self.config = model.config
        self._model = model
        self._head = head
        self._task = task

    def scores(self, batch: Sequence[Tokens]) -> list[tuple[float, ...]]:
        """For each sequence, of similar lengths, its scores. Memory: hidden states of a pass, rows * width * size."""
        return [one for part in _passes(batch, self._model.device) for one in self._pass(part)]

    def _pass(self, batch: Sequence[Tokens]) -> list[tuple[float, ...]]:
        import torch

        ids, mask, segments = _padded(batch, self._model.device)
        places = [sequence.steps or (len(sequence.tokens) - 1,) for sequence in batch]
        rows = torch.tensor([row for row, at in enumerate(places) for _ in at], device=ids.device)
        columns = torch.tensor([column for at in places for column in at], device=ids.device)
        with torch.inference_mode():
            if self._head is not None:
                hidden = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
                logits = self._head(hidden[rows, columns])
            else:
                logits = self._model(input_ids=ids, attention_mask=mask, **segments).logits
                if logits.ndim == 3:
                    logits = logits[rows, columns]
        numbers = iter(logits.float().tolist())
        return [probabilities_of(self._task, self.config, [next(numbers) for _ in at]) for at in places]


def probabilities_of(
    task: ScoreTask, config: PretrainedConfig, logits: list[list[float]]
) -> tuple[float, ...]:
    """The scores of a task out of a head's raw numbers: one row, or one for each step."""
    match task:
        case "reward":
            return tuple(logits[0])
        case "process_reward":
            return tuple(softmax(one)[1] if len(one) > 1 else sigmoid(one[0]) for one in logits)
        case "classify":
            is_multi_label = getattr(config, "problem_type", None) == "multi_label_classification"
            if len(logits[0]) == 1 or is_multi_label:
                return tuple(map(sigmoid, logits[0]))
            return tuple(softmax(logits[0]))


def refuse_architecture(place: str, task: ScoreTask, architecture: str, labels: int) -> None:
    """Check that an architecture has the head that a task needs.

    Raises:
        EngineUnavailable: it has another, or none: a generator, say, whose head would be random numbers.
    """
    if architecture.endswith(REWARD_MODELS):
        right = "process_reward" if architecture.endswith("ForProcessRewardModel") else "reward"
        if task != right:
            raise EngineUnavailable(f"{place} is a {architecture}; write `task = {right}`")
        return
    kind = "TokenClassification" if task == "process_reward" else "SequenceClassification"
    if not architecture.endswith(f"For{kind}"):
        raise EngineUnavailable(
            f"{place} is a {architecture or 'model of no stated architecture'}; `task = {task}` needs a *For{kind}"
        )
    if task == "reward" and labels != 1:
        raise EngineUnavailable(
            f"{place} has {labels} labels, and a reward model has one; write `task = classify`"
        )
    if task == "process_reward" and labels > 2:
        raise EngineUnavailable(f"{place} has {labels} labels, and a process reward model has one or two")


class Embedder:
    """A model without a head; `vectors` pools its last hidden states."""

    def __init__(self, model: Any, pooling: Pooling, dense: Sequence[Any]) -> None:
        self.config = model.config
        self._model = model
        self._pooling = pooling
        self._dense = dense

    def vectors(self, batch: Sequence[Tokens]) -> Any:
        """Vectors of any length, of sequences of similar lengths. Returns: (batch, size), float32."""
        import numpy as np

        return np.concatenate([self._pass(part) for part in _passes(batch, self._model.device)])

    def _pass(self, batch: Sequence[Tokens]) -> Any:
        import torch

        ids, mask, segments = _padded(batch, self._model.device)
        with torch.inference_mode():
            hidden = self._model(input_ids=ids, attention_mask=mask, **segments).last_hidden_state
            pooled = self._pooling(hidden.float(), mask)
            for layer in self._dense:
                pooled = layer(pooled)
        return pooled.cpu().numpy()


def load_scorer(place: str, task: ScoreTask, config: Any, **options: Any) -> Scorer:
    """The scorer of a checkpoint.

    Raises:
        EngineUnavailable: it is none for this task, or lacks weights of its head.
        OSError, ValueError: it cannot be loaded.
    """
    import transformers

    architecture = (config.architectures or ("",))[0]
    refuse_architecture(place, task, architecture, config.num_labels)
    if architecture.endswith(REWARD_MODELS):
        model = _whole(transformers.AutoModel, place, config, options, ignored=("score.",))
        return Scorer(model, _head(place, model, 2 if task == "process_reward" else 1, options), task)
    kind = "TokenClassification" if task == "process_reward" else "SequenceClassification"
    model = _whole(getattr(transformers, f"AutoModelFor{kind}"), place, config, options)
    # Decoders pick the last token by the id of the padding token, which a text may hold; here positions are known.
    has_score = hasattr(model, "score") and hasattr(model, model.base_model_prefix)
    return Scorer(_Inner(model) if has_score else model, model.score if has_score else None, task)


class _Inner:
    """A model without its head, with the device and configuration of the whole."""

    def __init__(self, model: Any) -> None:
        self.config = model.config
        self._whole = model
        self._inner = getattr(model, model.base_model_prefix)

    @property
    def device(self) -> Any:
        return self._whole.device

    def __call__(self, **inputs: object) -> Any:
        return self._inner(**inputs)


def load_embedder(place: str, pooling: str, config: PretrainedConfig, **options: object) -> Embedder:
    """The embedder of a checkpoint; `pooling` is `auto`, `mean`, `last` or `first`.

    `auto` is what sentence-transformers' `1_Pooling/config.json` says, else the last token of a decoder and the mean
    of an encoder. Its `Dense` layers behind the pooling are applied.

    Raises:
        EngineUnavailable: weights are missing, or its pooling is one that is not known here.
        OSError, ValueError: it cannot be loaded.
    """
    import transformers

    model = _whole(transformers.AutoModel, place, config, options, ignored=("pooler.",))
    modules = _json_of(place, "modules.json", options) or []
    if pooling == "auto":
        pooling = pooling_of(place, config, options)
    dense = [_dense(place, m["path"], options) for m in modules if str(m["type"]).endswith(".Dense")]
    dense = [layer.to(model.device) for layer in dense]
    return Embedder(model, {"mean": _mean, "last": _last, "first": _first}[pooling], dense)


def pooling_of(place: str, config: Any, options: dict[str, Any]) -> str:
    """How a checkpoint's vectors are pooled, `mean`, `last` or `first`; see `load_embedder`.

    Raises:
        EngineUnavailable: in a way that is not known here.
    """
    stated = _json_of(place, "1_Pooling/config.json", options)
    if not stated:
        architecture = (config.architectures or ("",))[0]
        is_decoder = getattr(config, "is_decoder", False) or architecture.endswith("ForCausalLM")
        return "last" if is_decoder else "mean"
    modes = {
        "pooling_mode_mean_tokens": "mean",
        "pooling_mode_cls_token": "first",
        "pooling_mode_lasttoken": "last",
    }
    chosen = [name for name, value in stated.items() if name.startswith("pooling_mode_") and value is True]
    if len(chosen) != 1 or chosen[0] not in modes:
        raise EngineUnavailable(f"{place}: pooling {chosen} is not known; name one with `pooling`")
    return modes[chosen[0]]


def _mean(hidden: Any, mask: Any) -> Any:
    weights = mask[:, :, None].to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1)


def _last(hidden: Any, mask: Any) -> Any:
    import torch

    return hidden[torch.arange(len(hidden), device=hidden.device), mask.sum(-1) - 1]


def _first(hidden: Any, mask: Any) -> Any:
    return hidden[:, 0]


def _passes(batch: Sequence[Tokens], device: object) -> Iterator[Sequence[Tokens]]:
    """A batch in parts, each for one forward pass: all of it on a GPU, few tokens on a CPU."""
    if str(device) != "cpu":
        yield batch
        return
    first = width = 0
    for at, sequence in enumerate(batch):
        width = max(width, len(sequence.tokens))
        if at > first and (at + 1 - first) * width > CPU_PASS_TOKENS:
            yield batch[first:at]
            first, width = at, len(sequence.tokens)
    yield batch[first:]


def _padded(batch: Sequence[Tokens], device: object) -> tuple[Any, Any, dict[str, Any]]:
    """ids, mask: (rows, width), int64, padded on the right; token types where the tokenizer gives them."""
    import torch

    width = max(len(sequence.tokens) for sequence in batch)
    ids = torch.zeros((len(batch), width), dtype=torch.long)
    mask = torch.zeros((len(batch), width), dtype=torch.long)
    types = torch.zeros((len(batch), width), dtype=torch.long)
    for row, sequence in enumerate(batch):
        ids[row, : len(sequence.tokens)] = torch.tensor(sequence.tokens)
        mask[row, : len(sequence.tokens)] = 1
        if sequence.segments:
            types[row, : len(sequence.tokens)] = torch.tensor(sequence.segments)
    has_types = any(sequence.segments for sequence in batch)
    return ids.to(device), mask.to(device), {"token_type_ids": types.to(device)} if has_types else {}


def _whole(
    auto: Any, place: str, config: Any, options: dict[str, Any], *, ignored: tuple[str, ...] = ()
) -> Any:
    """A model with all its weights, in evaluation mode, on the GPU where there is one."""
    import torch

    model, loading = auto.from_pretrained(
        place, config=config, use_safetensors=True, output_loading_info=True, **options
    )
    missing = sorted(name for name in loading["missing_keys"] if not name.startswith(ignored))
    if missing:
        raise EngineUnavailable(
            f"{place} has no weights for {', '.join(missing[:3])}: it is no trained model of this kind"
        )
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu")


def _head(place: str, model: Any, labels: int, options: dict[str, Any]) -> Any:
    """The two-layer head of Qwen's reward models."""
    import torch

    weights = _tensors(place, "score.", options)
    size = model.config.hidden_size
    head = torch.nn.Sequential(torch.nn.Linear(size, size), torch.nn.ReLU(), torch.nn.Linear(size, labels))
    try:
        head.load_state_dict({name.removeprefix("score."): value for name, value in weights.items()})
    except RuntimeError as error:
        raise EngineUnavailable(f"{place}: its reward head is not Linear, ReLU, Linear: {error}") from error
    return head.to(dtype=model.dtype, device=model.device).eval()


def _dense(place: str, folder: str, options: dict[str, Any]) -> Any:
    """A sentence-transformers `Dense` module."""
    import torch

    stated = _json_of(place, f"{folder}/config.json", options)
    activations = {
        "torch.nn.modules.activation.Tanh": torch.nn.Tanh,
        "torch.nn.modules.linear.Identity": torch.nn.Identity,
    }
    activation = activations.get(str(stated.get("activation_function")))
    if activation is None:
        raise EngineUnavailable(f"{place}: activation {stated.get('activation_function')} is not known")
    linear = torch.nn.Linear(stated["in_features"], stated["out_features"], bias=bool(stated["bias"]))
    weights = _tensors(place, "linear.", options, folder=folder)
    linear.load_state_dict({name.removeprefix("linear."): value for name, value in weights.items()})
    return torch.nn.Sequential(linear, activation()).eval()


def _tensors(place: str, prefix: str, options: dict[str, Any], folder: str = "") -> dict[str, Any]:
    """The tensors of a checkpoint whose names start with `prefix`."""
    from safetensors import safe_open

    start = f"{folder}/" if folder else ""
    index = _json_of(place, f"{start}model.safetensors.index.json", options)
    files = (
        sorted({file for name, file in index["weight_map"].items() if name.startswith(prefix)})
        if index
        else ["model.safetensors"]
    )
    found = {}
    for file in files:
        path = _file(place, start + file, options)
        if path is None:
            raise EngineUnavailable(f"{place} has no {start}{file}")
        with safe_open(path, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 -- no mapping
                if name.startswith(prefix):
                    found[name] = tensors.get_tensor(name)
    return found


def _json_of(place: str, name: str, options: dict[str, Any]) -> Any:
    path = _file(place, name, options)
    return None if path is None else json.loads(Path(path).read_text(encoding="utf-8"))


def _file(place: str, name: str, options: dict[str, Any]) -> str | None:
    """Where a file of a checkpoint is; None when it has none of that name."""
    from transformers.utils import cached_file

    known = {key: options[key] for key in ("revision", "local_files_only") if key in options}
    found: str | None = cached_file(
        place,
        name,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
        **known,
    )
    return found
