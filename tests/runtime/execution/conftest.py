"""What execution tests share: the project's fake server on a free port, and stores in temporary directories."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.fake_server import ThreadedServer


@pytest.fixture
def server() -> Iterator[ThreadedServer]:
    """An OpenAI-compatible server in this process; `server.fake` is its script and its counters."""
    with ThreadedServer() as running:
        yield running


@pytest.fixture(scope="session")
def model_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Llama of random weights, with tokenizer and chat template."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests.random_model import build

    return build(tmp_path_factory.mktemp("model"))


@pytest.fixture
def project(tmp_path: Path, model_directory: Path) -> Path:
    """A project with the small model at `model`."""
    shutil.copytree(model_directory, tmp_path / "model")
    (tmp_path / "pyproject.toml").touch()
    return tmp_path
