"""Small models: what engines must do does not depend on what a model has learnt, but for the reward models."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a two-layer Llama with tokenizer and chat template, context 256."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests.random_model import build

    return build(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def reward_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Directories of one model of each kind that scores or embeds; see `tests/reward_models.py`."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests import reward_models as models

    place = tmp_path_factory.mktemp
    return {
        "outcome": models.outcome(place("outcome")),
        "process": models.process(place("process")),
        "one_label": models.planted(place("one_label")),
        "three_labels": models.planted(place("three_labels"), labels=3),
        "by_token": models.planted(place("by_token"), labels=2, architecture="ForTokenClassification"),
        "encoder": models.encoder(place("encoder")),
        "cross_encoder": models.encoder(place("cross_encoder"), architecture="ForSequenceClassification"),
    }
