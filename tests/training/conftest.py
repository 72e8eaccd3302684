"""A model of random weights, rows to train it on, and a plan around both."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mixwright_compiler.plan.plan import Fingerprint, Origin, Plan, Train

ORIGIN = Origin(file="t.mix", line=1, column=1)


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a two-layer Llama with tokenizer and chat template, context 256."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests.random_model import build

    return build(tmp_path_factory.mktemp("model"), init_std=0.02)


@pytest.fixture(scope="session")
def tokenizer(random_model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(random_model)


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """Forty short conversations of different lengths."""
    return [
        {
            "id": f"r{i}",
            "component": "sums",
            "messages": [
                {"role": "user", "content": f"Ada has {i} pears. " * (1 + i % 3)},
                {"role": "assistant", "content": f"{i}+1: #### {i + 1}"},
            ],
        }
        for i in range(40)
    ]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(
        mixwright_version="0",
        edition=2026,
        spec="t.mix",
        root=str(tmp_path),
        directory=str(tmp_path),
        files=(),
    )


def small_train(base: Path, /, **attributes: Any) -> Train:
    """A `train` block: the declared defaults, a small job, and what is given."""
    from mixwright_runtime.plugins.declare import plugins

    defaults = {a.name: a.default for a in plugins()["train.sft"].entry.attributes}
    small = {
        "base": str(base),
        "context": 96,
        "batch": 8,
        "micro_batch": 2,
        "steps": 4,
        "learning_rate": 3e-3,
        "output": "out",
        "ranks": 2,
        "checkpoints": 4,
    }
    return Train(
        name="student",
        mixture="m",
        attributes={**defaults, **small, **attributes},
        fingerprint=Fingerprint(row="", set="", meta=""),
        origin=ORIGIN,
    )


@pytest.fixture
def train_block(random_model: Path) -> Callable[..., Train]:
    """Makes a `train` block of the random model."""
    return partial(small_train, random_model)
