"""Reward models, classifiers and embedders in vLLM, in this process and as its server: the same numbers as
`transformers` gives.

Each model takes about three CPU-seconds to load; the server, which is vLLM's own with its process model, thirty.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixwright_runtime.engines.openai import OpenAIEngine
from mixwright_runtime.engines.transformers import TransformersEngine
from mixwright_runtime.engines.vllm import VllmEngine
from mixwright_runtime.errors import EngineUnavailable
from tests.engines.scoring_requests import asked, engine_of, of_chats, of_pairs, of_steps, values, vectors
from tests.free_ports import free_port
from tests.reward_models import TAG

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.slow,  # imports and starts vLLM
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
]

TOLERANCE = 3e-5
"""Absolute and relative, in float32: other kernels add in another order."""


@pytest.mark.parametrize(
    ("name", "task", "make"),
    [
        ("outcome", "reward", lambda: of_chats("reward")),
        ("process", "process_reward", of_steps),
        ("by_token", "process_reward", of_steps),
        ("three_labels", "classify", lambda: of_chats("classify")),
        ("cross_encoder", "reward", of_pairs),
    ],
)
def test_scores_are_those_of_the_transformers_engine(
    reward_models: dict[str, Path], name: str, task: str, make: Any
) -> None:
    path = reward_models[name]
    expected = values(engine_of(TransformersEngine, task, path), make())
    found = values(engine_of(VllmEngine, task, path), make())
    np.testing.assert_allclose(found, expected, atol=TOLERANCE, rtol=TOLERANCE)


def test_vectors_are_those_of_the_transformers_engine(reward_models: dict[str, Path]) -> None:
    path = reward_models["encoder"]
    expected = vectors(engine_of(TransformersEngine, "embed", path))
    found = vectors(engine_of(VllmEngine, "embed", path))
    np.testing.assert_allclose(found, expected, atol=TOLERANCE, rtol=TOLERANCE)


def test_a_generator_is_no_reward_model(random_model: Path) -> None:
    engine = engine_of(VllmEngine, "reward", random_model)
    with pytest.raises(EngineUnavailable):
        asked(engine, of_chats("reward")[:1])


@pytest.fixture(scope="module")
def server(reward_models: dict[str, Path]) -> Iterator[str]:
    """vLLM's server with the process model, told its step tag; yields the base URL."""
    from transformers import AutoTokenizer

    path = reward_models["process"]
    tag = AutoTokenizer.from_pretrained(path).convert_tokens_to_ids(TAG)
    port = free_port()
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(path)]
    command += ["--served-model-name", "rm", "--runner", "pooling", "--dtype", "float32", "--enforce-eager"]
    command += ["--max-model-len", "256", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--pooler-config", f'{{"tok_pooling_type": "STEP", "step_tag_id": {tag}}}']
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    environment |= {"VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    environment.pop("VLLM_ENABLE_V1_MULTIPROCESSING", None)
    # A group of its own: its engine is a child that outlives it otherwise.
    process = subprocess.Popen(command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 400
        while True:
            assert process.poll() is None, "vLLM's server ended"
            assert time.monotonic() < deadline, "vLLM's server does not get ready"
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.5)
        yield f"{url}/v1"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_vllms_server_gives_the_same_steps(server: str, reward_models: dict[str, Path]) -> None:
    expected = values(engine_of(TransformersEngine, "process_reward", reward_models["process"]), of_steps())
    found = values(engine_of(OpenAIEngine, "process_reward", base_url=server), of_steps())
    np.testing.assert_allclose(found, expected, atol=TOLERANCE, rtol=TOLERANCE)
