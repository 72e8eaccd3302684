"""The parts of LESS: gradients, Adam's direction, projections, features on disk, scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from mixwright_runtime.training.influence.features import FeatureStore, feature_of  # noqa: E402
from mixwright_runtime.training.influence.gradients import adam_direction, gradient_of, trainable  # noqa: E402
from mixwright_runtime.training.influence.projection import Projector  # noqa: E402
from mixwright_runtime.training.influence.score import best, scores, scores_file  # noqa: E402
from mixwright_runtime.training.influence.settings import Adapters, LessSettings, settings_from_json  # noqa: E402
from mixwright_runtime.training.influence.warmup import load_adapted, rate_at  # noqa: E402


def cosine(a: Any, b: Any) -> float:
    return float(torch.nn.functional.cosine_similarity(a, b, dim=0))


@pytest.mark.parametrize("method", ["sjlt", "rademacher"])
def test_a_projection_keeps_cosines(method: Any) -> None:
    """Errors of about 1 / sqrt(k): 0.03 on average at k = 1,024."""
    drawn = torch.Generator().manual_seed(0)
    pairs = [torch.randn(2, 20_000, generator=drawn) for _ in range(12)]
    projector = Projector(20_000, 1024, seed=1, method=method)
    errors = []
    for number, (a, b) in enumerate(pairs):
        b = a * number / 12 + b * (1 - number / 12)
        errors.append(abs(cosine(a, b) - cosine(projector(a), projector(b))))
        assert float(projector(a).norm() / a.norm()) == pytest.approx(1.0, abs=0.15)
    assert np.mean(errors) < 0.04


@pytest.mark.parametrize("method", ["sjlt", "rademacher"])
def test_a_projection_is_linear_and_the_same_everywhere(method: Any) -> None:
    a, b = torch.randn(2, 5000, generator=torch.Generator().manual_seed(3))
    first, again = (Projector(5000, 256, seed=7, method=method) for _ in range(2))
    torch.testing.assert_close(first(2 * a + b), 2 * first(a) + first(b), rtol=1e-4, atol=1e-3)
    assert torch.equal(first(a), again(a))
    assert not torch.equal(first(a), Projector(5000, 256, seed=8, method=method)(a))
    with pytest.raises(ValueError, match="5000"):
        first(a[:-1])


def test_adam_s_direction_is_the_step_that_adam_takes() -> None:
    """Up to the bias correction, a factor: the direction of torch's own AdamW after some steps."""
    parameter = torch.nn.Parameter(torch.zeros(50, dtype=torch.float64))
    optimizer = torch.optim.AdamW([parameter], lr=1.0, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    drawn = torch.Generator().manual_seed(0)
    for _ in range(5):
        parameter.grad = torch.randn(50, generator=drawn, dtype=torch.float64)
        optimizer.step()
    state = optimizer.state[parameter]
    first, second = state["exp_avg"].clone(), state["exp_avg_sq"].clone()
    gradient = torch.randn(50, generator=drawn, dtype=torch.float64)
    before = parameter.detach().clone()
    parameter.grad = gradient.clone()
    optimizer.step()
    step = before - parameter.detach()
    assert cosine(adam_direction(gradient, first, second, epsilon_inside=False), step) == pytest.approx(1.0)
    assert cosine(adam_direction(gradient, first, second), step) == pytest.approx(1.0, abs=1e-6)


@pytest.fixture(scope="module")
def settings(random_model: Path) -> LessSettings:
    return LessSettings(str(random_model), adapters=Adapters(rank=4, alpha=16), epochs=1, fraction=0.5)


def test_settings_survive_a_file(settings: LessSettings) -> None:
    assert settings_from_json(settings.to_json()) == settings
    assert settings.fingerprint("m", "r") != settings.fingerprint("m", "s")


def test_a_gradient_is_that_of_the_mean_loss_over_trained_tokens(settings: LessSettings) -> None:
    """Against a numeric derivative, along a random direction of the adapters' weights."""
    model = load_adapted(settings).double().eval()
    drawn = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _, parameter in trainable(model):
            parameter.normal_(
                0, 0.1, generator=drawn
            )  # LoRA's second half starts at zero, and its gradient with it
    tokens = np.arange(5, 17, dtype=np.int32)
    labels = np.where(np.arange(12) >= 7, tokens, -100).astype(np.int32)
    gradient = gradient_of(model, tokens, labels).double()
    direction = torch.randn(len(gradient), generator=drawn, dtype=torch.float64)

    def loss_at(distance: float) -> float:
        at = 0
        with torch.no_grad():
            for _, parameter in trainable(model):
                size = parameter.numel()
                parameter += distance * direction[at : at + size].reshape(parameter.shape)
                at += size
            logits = model(input_ids=torch.from_numpy(tokens.astype(np.int64))[None]).logits[0, 6:-1]
        return float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(tokens[7:].astype(np.int64))))

    step = 1e-5
    numeric = (loss_at(step) - loss_at(-2 * step)) / (2 * step)
    assert float(gradient @ direction) == pytest.approx(numeric, rel=1e-3)
    assert gradient_of(model, tokens, np.full(12, -100, np.int32)) is None


def test_the_rate_rises_and_falls() -> None:
    settings = LessSettings("x", learning_rate=1.0, warmup=0.1)
    rates = [rate_at(step, 20, settings) for step in range(20)]
    assert rates[:3] == [0.0, 0.5, 1.0]
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] == pytest.approx(1 / 18)


def test_features_are_of_unit_length_and_found_again(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, 3, 8)
    store.put(1, feature_of(np.full(8, 3.0)))
    store.flush()
    again = FeatureStore(tmp_path, 3, 8)
    assert again.missing().tolist() == [0, 2]
    assert np.linalg.norm(again.read()[1].astype(np.float64)) == pytest.approx(1.0, abs=1e-3)
    again.put(0, feature_of(np.full(8, np.nan)))
    assert (again.missing().tolist(), again.broken().tolist()) == ([2], [0])
    assert not again.read()[0].any()
    assert FeatureStore(tmp_path, 4, 8).missing().tolist() == [0, 1, 2, 3]


def unit(rows: Any) -> Any:
    values = np.asarray(rows, np.float64)
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float16)


def test_a_warm_up_whose_rate_stays_zero_weighs_its_epochs_alike() -> None:
    """One step: it is the first of the rise, at rate 0. Not a number would rank rows by accident."""
    rows = [unit([[1, 0], [0, 1]])] * 2
    assert scores(rows, [unit([[1, 0]])] * 2, [0.0, 0.0], [0]) == pytest.approx([1.0, 0.0], abs=1e-3)


def test_scores_for_other_tasks_are_other_scores(tmp_path: Path) -> None:
    assert scores_file(tmp_path, [0, 0]) == scores_file(tmp_path, [0, 0])
    assert scores_file(tmp_path, [0, 0]) != scores_file(tmp_path, [0, 1])


def test_the_best_task_counts_and_epochs_weigh_by_their_rate() -> None:
    """By hand: two epochs of rates 3 and 1, three rows, two tasks of two and one example."""
    rows = [unit([[1, 0], [0, 1], [1, 1]]), unit([[0, 1], [0, 1], [1, 0]])]
    targets = [unit([[1, 0], [0, 1], [-1, 0]]), unit([[1, 0], [1, 0], [0, 1]])]
    found = scores(rows, targets, [3.0, 1.0], [0, 0, 1])
    half = 1 / np.sqrt(2)
    by_hand = [
        max(0.75 * (1 + 0) / 2 + 0.25 * 0, 0.75 * -1 + 0.25 * 1),
        max(0.75 * (0 + 1) / 2 + 0.25 * 0, 0.75 * 0 + 0.25 * 1),
        max(0.75 * (half + half) / 2 + 0.25 * 1, 0.75 * -half + 0.25 * 0),
    ]
    assert found == pytest.approx(by_hand, abs=1e-3)
    assert best(found, [b"a", b"b", b"c"], 2).tolist() == [2, 0]
    assert best(np.asarray([0.5, 0.5]), [b"z", b"a"], 1).tolist() == [1]
