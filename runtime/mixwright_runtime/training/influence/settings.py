"""What decides a LESS selection."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, Literal

PLAIN = "sgd"
"""How a target's gradient is shaped: it says where to go, not how the optimizer would."""


@dataclass(frozen=True)
class Adapters:
    """LoRA's sizes. `alpha / rank` scales its output; `targets` are the layers that get one."""

    rank: int = 128
    alpha: int = 512
    dropout: float = 0.1
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")


@dataclass(frozen=True)
class LessSettings:
    """Defaults are those of the reference code (princeton-nlp/LESS).

    place: directory or repository of the model. fraction: part of the rows that the warm-up trains on. gradient: how a
    training example's gradient is shaped; targets always keep their plain one. epsilon_inside: Adam's epsilon under the
    root, as the code has it, or behind it, as Adam does. projection: numbers that a gradient becomes.
    """

    place: str
    revision: str = ""
    context: int = 2048
    fraction: float = 0.05
    epochs: int = 4
    batch: int = 128
    learning_rate: float = 2e-5
    warmup: float = 0.03
    seed: int = 0
    adapters: Adapters = Adapters()
    projection: int = 8192
    method: Literal["sjlt", "rademacher"] = "sjlt"
    gradient: Literal["adam", "sgd", "sign"] = "adam"
    epsilon_inside: bool = True
    precision: Literal["bf16", "fp32"] = "bf16"

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True, indent=1) + "\n"

    def fingerprint(self, model: str, rows: str) -> str:
        """Hex digest of everything that decides the features: settings, weights and examples."""
        values = {name: value for name, value in asdict(self).items() if name != "place"}
        parts = json.dumps(["mixwright.less.v1", values, model, rows], sort_keys=True)
        return blake2b(parts.encode(), digest_size=12).hexdigest()


def settings_from_json(text: str) -> LessSettings:
    values: dict[str, Any] = json.loads(text)
    adapters = values.pop("adapters")
    return LessSettings(**values, adapters=Adapters(**{**adapters, "targets": tuple(adapters["targets"])}))
