"""The warm-up: LoRA on a random part of the examples. Each epoch leaves its weights, Adam's moments and its mean rate.

warmup/epoch-<n>/adapter.safetensors   weights by name
                 moments.npy           (2, D) float32: m and v, laid out as gradients are
                 epoch.json            {"rate": mean learning rate, "loss": mean loss}; written last
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mixwright_runtime.training.influence.gradients import BETA_1, BETA_2, EPSILON, trainable
from mixwright_runtime.training.influence.prepare import Examples
from mixwright_runtime.training.influence.settings import LessSettings


def load_adapted(settings: LessSettings) -> Any:
    """The model with LoRA adapters, fresh ones under the seed; only they are trainable.

    Raises:
        OSError: no such model on this machine.
    """
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    options: dict[str, Any] = {"trust_remote_code": False, "use_safetensors": True}
    if settings.revision:
        options["revision"] = settings.revision
    dtype = torch.bfloat16 if settings.precision == "bf16" and torch.cuda.is_available() else torch.float32
    torch.manual_seed(settings.seed)
    base = AutoModelForCausalLM.from_pretrained(settings.place, dtype=dtype, **options)
    sizes = settings.adapters
    model = get_peft_model(
        base,
        LoraConfig(
            r=sizes.rank,
            lora_alpha=sizes.alpha,
            lora_dropout=sizes.dropout,
            target_modules=list(sizes.targets),
            task_type="CAUSAL_LM",
        ),
    )
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    for _, parameter in trainable(model):
        parameter.data = parameter.data.float()
    return model


def load_adapters(model: Any, adapter: Path) -> None:
    """Give a model of `load_adapted` the weights of an epoch."""
    import torch
    from safetensors.torch import load_file

    saved = load_file(str(adapter))
    with torch.no_grad():
        for name, parameter in trainable(model):
            parameter.copy_(saved[name])


def rate_at(step: int, steps: int, settings: LessSettings) -> float:
    """Learning rate of step 0, 1, ...: a linear rise over the first `warmup` of them, then linearly to zero."""
    rising = math.ceil(settings.warmup * steps)
    if step < rising:
        return settings.learning_rate * step / max(1, rising)
    return settings.learning_rate * max(0.0, (steps - step) / max(1, steps - rising))


def warm_up(
    settings: LessSettings, examples: Examples, directory: Path, says: Callable[[dict[str, Any]], None]
) -> list[Path]:
    """Train the adapters; returns the directory of each epoch, in order. Epochs that are there are not trained again.

    A killed warm-up starts over: its last complete epoch holds no optimizer state of the schedule's middle, and
    it is the short part.
    """
    import torch
    from safetensors.torch import save_file

    places = [directory / f"epoch-{epoch}" for epoch in range(settings.epochs)]
    if all((place / "epoch.json").exists() for place in places):
        return places
    shutil.rmtree(directory, ignore_errors=True)
    drawn = np.random.Generator(np.random.Philox(key=[settings.seed, 1]))
    part = np.sort(drawn.permutation(len(examples))[: max(1, round(settings.fraction * len(examples)))])
    model = load_adapted(settings)
    parameters = trainable(model)
    optimizer = torch.optim.AdamW(
        [parameter for _, parameter in parameters],
        lr=settings.learning_rate,
        betas=(BETA_1, BETA_2),
        eps=EPSILON,
        weight_decay=0.0,
    )
    per_epoch = -(-len(part) // settings.batch)
    step = 0
    for epoch, place in enumerate(places):
        model.train()
        rates: list[float] = []
        losses: list[float] = []
        order = drawn.permutation(part)
        for start in range(0, len(order), settings.batch):
            chosen = order[start : start + settings.batch]
            rate = rate_at(step, per_epoch * settings.epochs, settings)
            for group in optimizer.param_groups:
                group["lr"] = rate
            losses.append(_accumulate(model, examples, chosen))
            optimizer.step()
            optimizer.zero_grad()
            rates.append(rate)
            step += 1
        place.mkdir(parents=True)
        save_file(
            {n: p.detach().contiguous().cpu() for n, p in parameters}, str(place / "adapter.safetensors")
        )
        moments = [
            torch.cat([optimizer.state[p][name].reshape(-1).float().cpu() for _, p in parameters]).numpy()
            for name in ("exp_avg", "exp_avg_sq")
        ]
        np.save(place / "moments.npy", np.stack(moments))
        told = {"rate": float(np.mean(rates)), "loss": float(np.mean(losses))}
        (place / "epoch.json").write_text(json.dumps(told) + "\n", encoding="utf-8")
        says({"phase": "warm-up", "done": epoch + 1, "of": settings.epochs, **told})
    return places


def _accumulate(model: Any, examples: Examples, chosen: Any) -> float:
    """Add up the gradients of a batch's mean loss, example by example; returns that loss."""
    import torch

    device = next(model.parameters()).device
    total = 0.0
    for i in chosen:
        tokens, labels = examples[int(i)]
        ids = torch.from_numpy(tokens.astype(np.int64))[None].to(device)
        wanted = torch.from_numpy(labels.astype(np.int64))[None].to(device)
        loss = model(input_ids=ids, labels=wanted, use_cache=False).loss / len(chosen)
        loss.backward()
        total += float(loss)
    return total
