"""The attention kernel of a job: what cannot run is refused before any rank starts, what runs gives the same logits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime.plugin import RunError

pytestmark = pytest.mark.train
pytest.importorskip("torch")
pytest.importorskip("transformers")


@pytest.mark.parametrize("chosen", ["flash", "flex"])
def test_a_kernel_of_gpus_is_refused_on_a_cpu(
    train_block: Any, rows: Any, tmp_path: Path, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`flex` would end every rank with a segmentation fault."""
    import torch

    from runtime.training.settings import settings_of
    from runtime.training.train import prepare

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    settings = settings_of(train_block(attention=chosen), tmp_path)
    with pytest.raises(RunError, match=f"`attention = {chosen}` needs a GPU, .*; write `attention = sdpa`"):
        prepare(settings, rows, tmp_path / "out")


def test_flash_says_what_it_lacks_on_a_gpu(
    train_block: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from runtime.training import attention
    from runtime.training.settings import settings_of

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(attention, "find_spec", lambda name: None)
    settings = settings_of(train_block(attention="flash", ranks=1), tmp_path)
    with pytest.raises(RunError, match="needs: pip install flash-attn"):
        attention.refuse_attention(settings)
    monkeypatch.setattr(attention, "find_spec", lambda name: name)
    attention.refuse_attention(settings)
    with pytest.raises(RunError, match=r"needs `precision = bf16` \(has fp32\)"):
        attention.refuse_attention(replace(settings, precision="fp32"))


@pytest.mark.parametrize("chosen", ["sdpa", "eager"])
def test_the_preflight_runs_with_the_chosen_kernel(
    train_block: Any, rows: Any, tmp_path: Path, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from runtime.training import preflight
    from runtime.training.settings import settings_of
    from runtime.training.train import prepare

    seen, measure = [], preflight._leak_of

    def leak(model: Any) -> float:
        seen.append(model.config._attn_implementation)
        return measure(model)

    monkeypatch.setattr(preflight, "_leak_of", leak)
    prepare(settings_of(train_block(attention=chosen), tmp_path), rows, tmp_path / "out")
    assert seen == [chosen]


def test_a_kernel_with_other_logits_is_refused(
    train_block: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    from runtime.training.preflight import check_attention
    from runtime.training.settings import settings_of

    def wrong(*given: Any, **keywords: Any) -> Any:
        output, weights = sdpa_attention_forward(*given, **keywords)
        return 1.1 * output, weights

    settings = settings_of(train_block(attention="sdpa"), tmp_path)
    check_attention(settings)
    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS._global_mapping, "sdpa", wrong)
    with pytest.raises(RunError, match=r"of architecture 'llama' gives other logits than plain matrices"):
        check_attention(settings)


def test_an_architecture_without_the_kernel_is_refused(train_block: Any, tmp_path: Path) -> None:
    from transformers import GptOssConfig

    from runtime.training.preflight import check_attention
    from runtime.training.settings import settings_of

    GptOssConfig().save_pretrained(tmp_path / "oss")
    with pytest.raises(RunError, match=r"`attention = sdpa` of architecture 'gpt_oss' could not be tried: "):
        check_attention(settings_of(train_block(base="oss", attention="sdpa"), tmp_path))


@pytest.mark.parametrize("packing", ["best_fit", "none"])
@pytest.mark.parametrize("by_example", [True, False])
def test_sequences_in_one_row_have_the_same_loss(
    train_block: Any, rows: Any, random_model: Path, tmp_path: Path, packing: str, by_example: bool
) -> None:
    """As `flash` takes them: what it sees of each example ends where the next begins."""
    import torch
    from transformers import AutoModelForCausalLM

    from runtime.training.attention import one_row
    from runtime.training.batches import batch_of
    from runtime.training.loss import whole_loss
    from runtime.training.packed import open_packed
    from runtime.training.settings import settings_of
    from runtime.training.train import prepare

    prepared = prepare(settings_of(train_block(packing=packing), tmp_path), rows, tmp_path / "out")
    packed = open_packed(prepared.directory / "packed")
    model = AutoModelForCausalLM.from_pretrained(random_model)
    batch = batch_of(packed, [0, 1, 2], by_example=by_example)
    row = one_row(batch)
    assert row["input_ids"].shape == (1, batch["input_ids"].numel())
    with torch.no_grad():
        assert float(whole_loss(model, row)) == pytest.approx(float(whole_loss(model, batch)), rel=1e-6)


def test_only_kernels_with_a_mask_are_planned_with_one(train_block: Any) -> None:
    from compiler.hardware.fit import load_of
    from runtime.training.planning.forecast import forecast
    from runtime.training.planning.job_of import job_of
    from tests.training.test_planning import A800, ALPACA, LLAMA3_8B

    masks = {}
    for chosen in ("auto", "flash", "flex", "sdpa"):
        train = train_block(attention=chosen)
        planned = forecast(job_of(train, LLAMA3_8B, ALPACA), A800, 8).memory.mask
        masks[chosen] = load_of(train.attributes, LLAMA3_8B, micro_batch=1, width=131_072).memory(8).mask
        assert (planned > 0) == (masks[chosen] > 0)
    assert masks == {"auto": 131_072**2, "flash": 0, "flex": 0, "sdpa": 131_072**2}
