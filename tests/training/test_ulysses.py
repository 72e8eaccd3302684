"""One sequence over several ranks: losses, gradients and held-out losses are those of one rank."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mixwright_compiler.plan.plan import Plan, Train
from mixwright_runtime.errors import RunError

pytestmark = pytest.mark.train
pytest.importorskip("torch")
pytest.importorskip("transformers")

CUT = "llama qwen2 qwen3_moe mistral phi3 gpt_neox gpt2 gemma2 gemma3_text deepseek_v3 gemma3n_text cohere2"
NOT_CUT = "bamba jamba mamba2 falcon_h1 qwen3_next recurrent_gemma rwkv"
NOT_TRIED = "gptj bloom gpt_oss"


@pytest.mark.parametrize("is_packed", [True, False])
@pytest.mark.parametrize("name", CUT.split())
def test_a_cut_sequence_has_the_logits_of_the_whole_one(name: str, is_packed: bool) -> None:
    """Full attention and sliding windows, experts, shared and latent keys; examples side by side, or one."""
    from transformers import AutoConfig

    from mixwright_runtime.training.trials import sharing_error_of

    assert sharing_error_of(AutoConfig.for_model(name), is_packed=is_packed) < 1e-6


@pytest.mark.parametrize("chosen", ["eager", "varlen"])
def test_other_kernels_are_cut_as_well(chosen: str) -> None:
    from transformers import AutoConfig

    from mixwright_runtime.training.trials import sharing_error_of

    assert sharing_error_of(AutoConfig.for_model("gemma3_text"), chosen) < 1e-6


@pytest.mark.parametrize("name", NOT_CUT.split())
def test_a_state_that_the_cut_loses_is_found_out(name: str) -> None:
    from transformers import AutoConfig

    from mixwright_runtime.training.preflight import LEAK_LIMIT
    from mixwright_runtime.training.trials import sharing_error_of

    assert sharing_error_of(AutoConfig.for_model(name)) > 100 * LEAK_LIMIT


@pytest.mark.parametrize("name", NOT_TRIED.split())
def test_attention_of_its_own_is_not_taken_for_right(name: str) -> None:
    from transformers import AutoConfig

    from mixwright_runtime.training.trials import Unknown, sharing_error_of

    with pytest.raises(Unknown):
        sharing_error_of(AutoConfig.for_model(name))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sequence_parallel": 4, "ranks": 4}, r"has 2 for queries and 2 for keys: write `sequence_parallel = 2`"),
        ({"sequence_parallel": 2, "ranks": 3}, r"`sequence_parallel = 2` does not divide 3 ranks"),
        ({"sequence_parallel": 2, "base": "mamba", "packing": "none"}, r"gives other logits than whole sequences"),
        ({"sequence_parallel": 2, "base": "gptj"}, r"with architecture 'gptj' could not be tried: "),
    ],
)  # fmt: skip
def test_what_cannot_be_cut_is_refused_before_a_rank_starts(
    train_block: Any, random_model: Path, tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    from transformers import GPTJConfig, Mamba2Config

    from mixwright_runtime.training.preflight import check_sharing
    from mixwright_runtime.training.settings import settings_of

    Mamba2Config(num_heads=4, expand=1, hidden_size=64, head_dim=16).save_pretrained(tmp_path / "mamba")
    GPTJConfig().save_pretrained(tmp_path / "gptj")
    with pytest.raises(RunError, match=said):
        check_sharing(settings_of(train_block(**given), tmp_path))


@pytest.mark.parametrize("packing", ["best_fit", "none"])
@pytest.mark.parametrize("by_example", [True, False])
@pytest.mark.parametrize("is_chunked", [True, False])
def test_slices_have_the_loss_and_the_gradients_of_the_batch(
    train_block: Any,
    rows: Any,
    random_model: Path,
    tmp_path: Path,
    packing: str,
    by_example: bool,
    is_chunked: bool,
) -> None:
    """Also where a slice has no trained token; the cuts go through examples and through answers, and the width is odd."""
    import torch
    from transformers import AutoModelForCausalLM

    from mixwright_runtime.training.batches import batch_of
    from mixwright_runtime.training.chunked import chunked_loss
    from mixwright_runtime.training.loss import predicted, whole_loss
    from mixwright_runtime.training.schedule import EMPTY
    from mixwright_runtime.training.ulysses import Group, group_of_thread, in_threads, install
    from tests.training.test_chunked import packed_rows

    packed = packed_rows(train_block(packing=packing, context=93), rows, tmp_path)
    batch = batch_of(packed, [*range(len(packed.used)), EMPTY], by_example=by_example)
    batch = {name: value[:, : value.shape[1] - 1 + value.shape[1] % 2] for name, value in batch.items()}
    assert batch["labels"].shape[1] % 2
    labels, _ = predicted(batch)
    if packing == "best_fit":
        assert (labels[:, -(-labels.shape[1] // 2) - 1] != -100).any()
    models = [AutoModelForCausalLM.from_pretrained(random_model, dtype=torch.float32) for _ in range(3)]

    def loss_of(model: Any, given: dict[str, Any]) -> Any:
        return chunked_loss(model, model, given, places=13) if is_chunked else whole_loss(model, given)

    def work(group: Group) -> float:
        loss = loss_of(models[group.number], group.part_of(batch))
        loss.backward()
        return float(loss.detach())

    undo = install(group_of_thread)
    try:
        losses = in_threads(2, work)
    finally:
        undo()
    expected = loss_of(models[2], batch)
    expected.backward()
    assert sum(losses) == pytest.approx(float(expected.detach()), rel=1e-6)
    for mine, other, whole in zip(*(model.parameters() for model in models), strict=True):
        assert (mine.grad + other.grad - whole.grad).abs().max() < 1e-5 * whole.grad.abs().max()


def test_ranks_of_a_group_are_dealt_the_same_bins() -> None:
    from mixwright_runtime.training.trainer import Slots

    dealt = Slots([1, 2, 3, 4, 5, 6, 7, 8], micro=2, sharing=2)
    turns = [[dealt[turn * 2 + place] for place in range(2)] for turn in range(len(dealt) // 2)]
    assert turns == [[1, 2], [1, 2], [3, 4], [3, 4], [5, 6], [5, 6], [7, 8], [7, 8]]


def test_examples_that_several_ranks_hold_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    import torch.distributed as distributed

    from mixwright_runtime.training.loss import divisor

    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "all_reduce", lambda value: value.mul_(4))
    batches = [{"weights": torch.tensor([[0.0, 0.5, 0.5, 1.0]])}]
    assert float(divisor(batches, "example", "cpu", copies=2)) == 4.0
    assert float(divisor(batches, "sum", "cpu", copies=2)) == 1.0


def test_a_rank_that_fails_ends_its_group() -> None:
    from mixwright_runtime.training.ulysses import in_threads

    def work(group: Any) -> None:
        if group.number:
            raise ValueError("no memory")
        group.total(1)

    with pytest.raises(ValueError, match="no memory"):
        in_threads(2, work)


@pytest.mark.slow
def test_four_ranks_in_two_groups_have_the_losses_of_one(
    plan: Plan,
    train_block: Callable[..., Train],
    rows: list[dict[str, Any]],
    tmp_path: Path,
) -> None:
    """Packed, in fp32, also after a pause on two ranks that share each sequence. Slow: three jobs, seven processes."""
    pytest.importorskip("deepspeed")
    from mixwright_runtime.training.curve import read_curve
    from mixwright_runtime.training.held_out import read_held_out
    from mixwright_runtime.training.train import train_mixture

    train = train_block(precision="fp32", context=93, micro_batch=1, holdout=0.1, weight_decay=0.1)
    shared = train_block(**{**train.attributes, "sequence_parallel": 2})
    train_mixture(plan, train, rows, tmp_path / "one", ranks=1)
    train_mixture(plan, shared, rows, tmp_path / "four", ranks=4, pause_after=2)
    train_mixture(plan, shared, rows, tmp_path / "four", ranks=2)
    expected, found = (read_curve(tmp_path / name / "curve.jsonl") for name in ("one", "four"))
    assert len(found) == 4
    for name, within in (("loss", 1e-6), ("grad_norm", 1e-5), ("trained_tokens", 0)):
        assert [line[name] for line in found] == pytest.approx([line[name] for line in expected], rel=within)
    held = [
        [line["mean"] for line in read_held_out(tmp_path / name / "held_out.jsonl")]
        for name in ("one", "four")
    ]
    assert held[1][0] == pytest.approx(held[0][0], rel=1e-6)
    assert held[1][-1] == pytest.approx(held[0][-1], rel=1e-5)
