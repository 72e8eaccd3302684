"""Parameters by patterns on their names: those that are frozen, and those that have a learning rate of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from mixwright_runtime.errors import RunError
from mixwright_runtime.training.settings import Rate, TrainSettings

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def refuse_idle_patterns(
    settings: TrainSettings, names: Iterable[str], embeddings: Iterable[str] = ()
) -> None:
    """Refuse patterns that match no parameter, to train nothing, and new tokens whose rows all stay the same.

    Raises:
        RunError: with the pattern, and what parameters are called.
    """
    listed = list(names)
    rates = [("rates", rate.of) for rate in settings.rates or ()]
    for attribute, pattern in [*(("frozen", pattern) for pattern in settings.frozen or ()), *rates]:
        if not any(fnmatchcase(name, pattern) for name in listed):
            some = ", ".join(listed[:: max(1, len(listed) // 4)][:4])
            raise RunError(
                f"`{attribute}`: `{pattern}` matches none of {len(listed):,} parameters; some are {some}"
            )
    if listed and all(is_frozen(name, settings) for name in listed):
        raise RunError("`frozen` leaves nothing to train")
    for rate in settings.rates or ():
        if all(is_frozen(name, settings) or rate_of(name, settings) != rate for name in listed):
            raise RunError(f"`rates`: all that `{rate.of}` matches is frozen, or has an earlier rate")
    for name in embeddings if settings.new_tokens is not None else ():
        rate_here = rate_of(name, settings)
        if is_frozen(name, settings) or (rate_here is not None and rate_here.rate == 0):
            raise RunError(
                f"new tokens are learned in `{name}`, which `frozen` or a rate of 0 leaves as it is: all of them would "
                "stay the same"
            )


def is_frozen(name: str, settings: TrainSettings) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in settings.frozen or ())


def rate_of(name: str, settings: TrainSettings) -> Rate | None:
    """The first rate whose pattern a parameter's name matches; None where it has the job's."""
    return next((rate for rate in settings.rates or () if fnmatchcase(name, rate.of)), None)


def freeze(model: Any, settings: TrainSettings) -> None:
    """Take the frozen parameters of a model out of training, also where ZeRO-3 has taken them apart."""
    for name, parameter in model.named_parameters():
        if is_frozen(name, settings):
            parameter.requires_grad_(False)


def grouped(model: Any, settings: TrainSettings, decayed: Sequence[str]) -> list[dict[str, Any]]:
    """The optimizer's groups, those at the job's own rate first. decayed: names with weight decay."""
    groups: dict[tuple[Rate | None, bool], list[Any]] = {}
    with_decay = set(decayed)
    for rate in (None, *(settings.rates or ())):
        for decays in (True, False):
            groups[rate, decays] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups[rate_of(name, settings), name in with_decay].append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": settings.weight_decay if decays else 0.0,
            "lr": settings.learning_rate if rate is None else rate.rate,
        }
        for (rate, decays), parameters in groups.items()
        if parameters
    ]


def parameter_names(config: PretrainedConfig) -> tuple[list[str], list[str]]:
    """Names of a model's parameters, of its configuration alone, and those of them that are embeddings: which have a row
    for each token. Tied ones once."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    tables = [model.get_input_embeddings(), model.get_output_embeddings()]
    weights = {id(table.weight) for table in tables if table is not None}
    parameters = list(model.named_parameters())
    return [name for name, _ in parameters], [name for name, one in parameters if id(one) in weights]
