"""A model of random weights for gradients."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a two-layer Llama with tokenizer and chat template, context 256."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests.random_model import build

    return build(tmp_path_factory.mktemp("model"), init_std=0.02)
