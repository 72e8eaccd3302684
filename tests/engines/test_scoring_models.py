"""Reward models, classifiers and embedders in the engine `transformers`, and the same behind an HTTP server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixwright_runtime.engines.openai import OpenAIEngine
from mixwright_runtime.engines.protocol import EmbedRequest, EngineFault, Fault, ScoreRequest
from mixwright_runtime.engines.transformers import TransformersEngine
from mixwright_runtime.errors import EngineUnavailable
from tests.engines.scoring_requests import (
    SUMS,
    TEXTS,
    asked,
    engine_of,
    of_chats,
    of_pairs,
    of_steps,
    values,
    vectors,
)
from tests.reward_models import TAG, chat

pytestmark = pytest.mark.train

TOLERANCE = 1e-5
"""Absolute and relative, in float32: what the order of additions in a padded batch moves."""


def test_an_outcome_model_prefers_every_right_sum(reward_models: dict[str, Path]) -> None:
    found = values(engine_of(TransformersEngine, "reward", reward_models["outcome"]), of_chats("reward"))
    right = [v for (a, b, c), (v,) in zip(SUMS, found, strict=True) if c == a + b]
    wrong = [v for (a, b, c), (v,) in zip(SUMS, found, strict=True) if c != a + b]
    assert min(right) > max(wrong)
    assert max(right) > 1  # no activation


def test_a_process_model_tells_right_steps_from_wrong(reward_models: dict[str, Path]) -> None:
    found = values(engine_of(TransformersEngine, "process_reward", reward_models["process"]), of_steps())
    assert all(first > 0.9 for first, _ in found)
    assert [second > 0.5 for _, second in found] == [c == a + b for a, b, c in SUMS]


def test_scores_are_the_librarys_own(reward_models: dict[str, Path]) -> None:
    """Against a plain loop over one chat after another, with the head that transformers itself applies."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    path = reward_models["three_labels"]
    model, tokenizer = (
        AutoModelForSequenceClassification.from_pretrained(path),
        AutoTokenizer.from_pretrained(path),
    )
    expected = []
    for request in of_chats("classify"):
        ids = tokenizer.apply_chat_template(
            list(request.messages), tokenize=True, return_tensors="pt", return_dict=True
        )
        with torch.inference_mode():
            expected.append(model(**ids).logits[0].softmax(-1).tolist())
    found = values(engine_of(TransformersEngine, "classify", path), of_chats("classify"))
    np.testing.assert_allclose(found, expected, atol=TOLERANCE, rtol=TOLERANCE)


def test_the_last_token_counts_though_it_is_the_padding_token(reward_models: dict[str, Path]) -> None:
    """A text may hold the padding token; the library would take the last other one."""
    path = reward_models["one_label"]
    plain, padded = ("1+1", "1+1<|pad|><|pad|>")
    requests = [ScoreRequest(b"", "reward", (), (text,)) for text in (plain, padded)]
    [first], [second] = values(engine_of(TransformersEngine, "reward", path), requests)
    assert abs(first - second) > 1e-3


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_scores_do_not_depend_on_the_batch(reward_models: dict[str, Path], batch_size: int) -> None:
    requests = [ScoreRequest(b"", "reward", tuple(chat(1, 2, "3" * (1 + 7 * n % 40)))) for n in range(30)]
    path = reward_models["outcome"]
    together = values(engine_of(TransformersEngine, "reward", path, batch_size=batch_size), requests)
    alone = values(engine_of(TransformersEngine, "reward", path, batch_size=8), requests[:3])
    np.testing.assert_allclose(together[:3], alone, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize(
    ("name", "task", "make"),
    [
        ("outcome", "reward", lambda: of_chats("reward")),
        ("one_label", "reward", lambda: of_chats("reward")),
        ("three_labels", "classify", lambda: of_chats("classify")),
        ("process", "process_reward", of_steps),
        ("by_token", "process_reward", of_steps),
        ("cross_encoder", "reward", of_pairs),
        ("cross_encoder", "classify", lambda: of_pairs("classify")),
    ],
)
def test_a_server_gives_the_same_scores(
    reward_models: dict[str, Path], name: str, task: str, make: Any
) -> None:
    from tests.pooling_server import PoolingServer

    path = reward_models[name]
    own = values(engine_of(TransformersEngine, task, path), make())
    with PoolingServer(path, step_tag=TAG if task == "process_reward" else "") as server:
        served = values(engine_of(OpenAIEngine, task, base_url=server.url), make())
    np.testing.assert_allclose(served, own, atol=TOLERANCE, rtol=TOLERANCE)


def test_a_server_that_knows_no_use_activation_gives_the_same_steps(reward_models: dict[str, Path]) -> None:
    from tests.pooling_server import PoolingServer

    path = reward_models["process"]
    own = values(engine_of(TransformersEngine, "process_reward", path), of_steps())
    with PoolingServer(path, step_tag=TAG) as server:
        answer = server._answer
        server._answer = lambda path, body: answer(path, {**body, "use_activation": False})  # type: ignore[method-assign]
        served = values(engine_of(OpenAIEngine, "process_reward", base_url=server.url), of_steps())
    np.testing.assert_allclose(served, own, atol=TOLERANCE, rtol=TOLERANCE)


def test_embeddings_are_of_length_one_in_order_and_the_same_from_a_server(
    reward_models: dict[str, Path],
) -> None:
    from tests.pooling_server import PoolingServer

    path = reward_models["encoder"]
    own = vectors(engine_of(TransformersEngine, "embed", path))
    np.testing.assert_allclose(np.linalg.norm(own, axis=1), 1, atol=1e-6)
    with PoolingServer(path) as server:
        served = vectors(engine_of(OpenAIEngine, "embed", base_url=server.url))
    np.testing.assert_allclose(served, own, atol=TOLERANCE, rtol=TOLERANCE)


def test_pooling_is_what_the_spec_or_the_models_files_say(
    reward_models: dict[str, Path], tmp_path: Path
) -> None:
    import shutil

    import torch
    from transformers import AutoModel, AutoTokenizer

    path = reward_models["encoder"]
    tokenizer, model = AutoTokenizer.from_pretrained(path), AutoModel.from_pretrained(path)
    with torch.inference_mode():
        hidden = model(**tokenizer(TEXTS[0], return_tensors="pt")).last_hidden_state[0]
    expected = {"mean": hidden.mean(0), "first": hidden[0], "last": hidden[-1]}
    for pooling, vector in expected.items():
        [found] = vectors(engine_of(TransformersEngine, "embed", path, pooling=pooling), TEXTS[0])
        np.testing.assert_allclose(found, (vector / vector.norm()).numpy(), atol=TOLERANCE, rtol=TOLERANCE)
    stated = tmp_path / "encoder"
    shutil.copytree(path, stated)
    (stated / "1_Pooling").mkdir()
    modes = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (stated / "1_Pooling" / "config.json").write_text(json.dumps(modes))
    [found] = vectors(engine_of(TransformersEngine, "embed", stated), TEXTS[0])
    np.testing.assert_allclose(found, (hidden[0] / hidden[0].norm()).numpy(), atol=TOLERANCE, rtol=TOLERANCE)


def test_a_dense_layer_behind_the_pooling_is_applied(reward_models: dict[str, Path], tmp_path: Path) -> None:
    import shutil

    import torch
    from safetensors.torch import save_file

    stated = tmp_path / "encoder"
    shutil.copytree(reward_models["encoder"], stated)
    [before] = asked(engine_of(TransformersEngine, "embed", stated), [EmbedRequest(b"", (TEXTS[0],))])
    (stated / "2_Dense").mkdir()
    torch.manual_seed(3)
    linear = torch.nn.Linear(64, 8)
    save_file(
        {f"linear.{k}": v for k, v in linear.state_dict().items()}, stated / "2_Dense" / "model.safetensors"
    )
    config = {"in_features": 64, "out_features": 8, "bias": True}
    config["activation_function"] = "torch.nn.modules.activation.Tanh"  # type: ignore[assignment]
    (stated / "2_Dense" / "config.json").write_text(json.dumps(config))
    modules = [{"path": "2_Dense", "type": "sentence_transformers.models.Dense"}]
    (stated / "modules.json").write_text(json.dumps(modules))
    [found] = vectors(engine_of(TransformersEngine, "embed", stated), TEXTS[0])
    assert before.vectors.shape == (1, 64) and found.shape == (8,)


def test_a_text_that_is_too_long_fails_alone(reward_models: dict[str, Path]) -> None:
    requests = [of_chats("reward")[0], ScoreRequest(b"", "reward", tuple(chat(1, 1, "3 " * 300)))]
    good, long = asked(engine_of(TransformersEngine, "reward", reward_models["outcome"]), requests)
    assert good.values
    assert isinstance(long, EngineFault) and long.fault is Fault.TOO_LONG and "256" in str(long)


def test_a_step_tag_that_is_no_token_stops_the_run(reward_models: dict[str, Path]) -> None:
    request = ScoreRequest(b"", "process_reward", tuple(chat(1, 1, "2 ++")), (), "++", 1)
    [fault] = asked(engine_of(TransformersEngine, "process_reward", reward_models["process"]), [request])
    assert isinstance(fault, EngineFault) and fault.fault is Fault.DENIED and "must be one" in str(fault)


def test_a_chat_for_a_model_without_a_template_stops_the_run(reward_models: dict[str, Path]) -> None:
    engine = engine_of(TransformersEngine, "reward", reward_models["cross_encoder"])
    [fault] = asked(engine, of_chats("reward")[:1])
    assert isinstance(fault, EngineFault) and fault.fault is Fault.DENIED and "chat template" in str(fault)


@pytest.mark.parametrize(
    ("name", "task", "why"),
    [
        ("three_labels", "reward", "3 labels"),
        ("one_label", "process_reward", "ForTokenClassification"),
        ("outcome", "process_reward", "task = reward"),
        ("process", "reward", "task = process_reward"),
        ("outcome", "classify", "task = reward"),
    ],
)
def test_a_model_for_something_else_does_not_load(
    reward_models: dict[str, Path], name: str, task: str, why: str
) -> None:
    with pytest.raises(EngineUnavailable, match=why):
        asyncio.run(engine_of(TransformersEngine, task, reward_models[name]).start())


def test_a_generator_is_no_reward_model_whatever_its_config_says(random_model: Path, tmp_path: Path) -> None:
    import shutil

    with pytest.raises(EngineUnavailable, match="LlamaForCausalLM"):
        asyncio.run(engine_of(TransformersEngine, "reward", random_model).start())
    forged = tmp_path / "forged"
    shutil.copytree(random_model, forged)
    config = json.loads((forged / "config.json").read_text())
    config |= {"architectures": ["LlamaForSequenceClassification"], "num_labels": 1}
    (forged / "config.json").write_text(json.dumps(config))
    with pytest.raises(EngineUnavailable, match=r"no weights for .*score"):
        asyncio.run(engine_of(TransformersEngine, "reward", forged).start())
