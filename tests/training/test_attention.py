"""The attention kernel of a job: what cannot run is refused before any rank starts, what runs gives the same logits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mixwright_runtime.errors import RunError

pytestmark = pytest.mark.train
pytest.importorskip("torch")
pytest.importorskip("transformers")


@pytest.mark.parametrize("chosen", ["flash", "flex"])
def test_a_kernel_of_gpus_is_refused_on_a_cpu(
    train_block: Any, rows: Any, tmp_path: Path, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`flex` would end every rank with a segmentation fault."""
    import torch

    from mixwright_runtime.training.prepare import prepare
    from mixwright_runtime.training.settings import settings_of

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    settings = settings_of(train_block(attention=chosen), tmp_path)
    with pytest.raises(RunError, match=f"`attention = {chosen}` needs a GPU, .*; write `attention = sdpa`"):
        prepare(settings, rows, tmp_path / "out")


def test_flash_says_what_it_lacks_on_a_gpu(
    train_block: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from mixwright_runtime.training import attention
    from mixwright_runtime.training.settings import settings_of

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(attention, "find_spec", lambda name: None)
    settings = settings_of(train_block(attention="flash", ranks=1), tmp_path)
    with pytest.raises(RunError, match="needs: pip install flash-attn"):
        attention.refuse_attention(settings)
    monkeypatch.setattr(attention, "find_spec", lambda name: name)
    attention.refuse_attention(settings)
    with pytest.raises(RunError, match=r"needs `precision = bf16` \(has fp32\)"):
        attention.refuse_attention(replace(settings, precision="fp32"))


@pytest.mark.parametrize(
    ("chosen", "name"), [("sdpa", "sdpa"), ("eager", "eager"), ("varlen", "mixwright_varlen")]
)
def test_the_preflight_runs_with_the_chosen_kernel(
    train_block: Any, rows: Any, tmp_path: Path, chosen: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mixwright_runtime.training import trials
    from mixwright_runtime.training.prepare import prepare
    from mixwright_runtime.training.settings import settings_of

    seen, measure = [], trials._leak_of

    def leak(model: Any) -> float:
        seen.append(model.config._attn_implementation)
        return measure(model)

    monkeypatch.setattr(trials, "_leak_of", leak)
    prepare(settings_of(train_block(attention=chosen), tmp_path), rows, tmp_path / "out")
    assert seen == [name]


def test_a_kernel_with_other_logits_is_refused(
    train_block: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    from mixwright_runtime.training.preflight import check_attention
    from mixwright_runtime.training.settings import settings_of

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

    from mixwright_runtime.training.preflight import check_attention
    from mixwright_runtime.training.settings import settings_of

    GptOssConfig().save_pretrained(tmp_path / "oss")
    with pytest.raises(RunError, match=r"`attention = sdpa` of architecture 'gpt_oss' could not be tried: "):
        check_attention(settings_of(train_block(base="oss", attention="sdpa"), tmp_path))


def logits_and_gradient(model: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
    import torch

    logits = model(**batch, use_cache=False).logits
    [gradient] = torch.autograd.grad((logits**2).mean(), [model.get_input_embeddings().weight])
    return logits, gradient


def packed_in_two_rows() -> dict[str, Any]:
    import torch

    torch.manual_seed(0)
    positions = [[*range(7), *range(5), *range(4)], [*range(9), *range(3), *range(4)]]
    return {"input_ids": torch.randint(1, 97, (2, 16)), "position_ids": torch.tensor(positions)}


def small(kind: str, attention: str, **more: Any) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from mixwright_runtime.training.attention import implementation

    torch.manual_seed(0)
    sizes = {"vocab_size": 97, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": None}
    config = AutoConfig.for_model(kind, **sizes, **heads, bos_token_id=None, eos_token_id=None, **more)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=implementation(attention))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0 if parameter.ndim == 2 else 1.0)  # so that attention matters
    return model


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("llama", {}),
        ("mistral", {"sliding_window": 3}),
        ("qwen2", {"use_sliding_window": True, "sliding_window": 3, "max_window_layers": 1}),
    ],
)
def test_varlen_gives_what_a_mask_gives(kind: str, more: dict[str, Any]) -> None:
    """Gradients too. Layers with a sliding window keep their mask, the others beside them have none."""
    import torch

    batch = packed_in_two_rows()
    ours, own = (logits_and_gradient(small(kind, name, **more), batch) for name in ("varlen", "sdpa"))
    for one, other in zip(ours, own, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_varlen_makes_no_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import masking_utils

    def made(**given: Any) -> Any:
        raise AssertionError("a mask of all pairs")

    model = small("llama", "varlen")
    monkeypatch.setattr(masking_utils, "sdpa_mask", made)
    model(**packed_in_two_rows(), use_cache=False)


def test_padding_and_a_cache_are_left_to_sdpa() -> None:
    import torch

    tokens, mask = torch.randint(1, 97, (2, 6)), torch.tensor([[0, 0, 1, 1, 1, 1], [1] * 6])
    written = [
        small("llama", name).generate(
            input_ids=tokens, attention_mask=mask, max_new_tokens=5, do_sample=False, pad_token_id=0
        )
        for name in ("varlen", "sdpa")
    ]
    assert torch.equal(*written)


@pytest.mark.parametrize(
    ("kind", "packing", "chosen"),
    [("LlamaConfig", "auto", "varlen"), ("Gemma2Config", "auto", "auto"), ("LlamaConfig", "none", "auto")],
)
def test_auto_is_varlen_where_examples_are_packed_and_the_architecture_takes_it(
    train_block: Any, tmp_path: Path, kind: str, packing: str, chosen: str
) -> None:
    """Gemma 2 caps its scores, which no kernel of PyTorch's does."""
    import transformers

    from mixwright_runtime.training.preflight import with_packing
    from mixwright_runtime.training.settings import settings_of

    getattr(transformers, kind)().save_pretrained(tmp_path / "base")
    settings = settings_of(train_block(base="base", packing=packing), tmp_path)
    assert with_packing(settings)[0].attention == chosen
    assert with_packing(settings, is_ours=False)[0].attention == "auto"


@pytest.mark.parametrize("packing", ["best_fit", "none"])
@pytest.mark.parametrize("by_example", [True, False])
def test_sequences_in_one_row_have_the_same_loss(
    train_block: Any, rows: Any, random_model: Path, tmp_path: Path, packing: str, by_example: bool
) -> None:
    """As `flash` takes them: what it sees of each example ends where the next begins."""
    import torch
    from transformers import AutoModelForCausalLM

    from mixwright_runtime.training.attention import one_row
    from mixwright_runtime.training.batches import batch_of
    from mixwright_runtime.training.loss import whole_loss
    from mixwright_runtime.training.packed import open_packed
    from mixwright_runtime.training.prepare import prepare
    from mixwright_runtime.training.settings import settings_of

    prepared = prepare(settings_of(train_block(packing=packing), tmp_path), rows, tmp_path / "out")
    packed = open_packed(prepared.directory / "packed")
    model = AutoModelForCausalLM.from_pretrained(random_model)
    batch = batch_of(packed, [0, 1, 2], by_example=by_example)
    row = one_row(batch)
    assert row["input_ids"].shape == (1, batch["input_ids"].numel())
    with torch.no_grad():
        assert float(whole_loss(model, row)) == pytest.approx(float(whole_loss(model, batch)), rel=1e-6)


def test_only_kernels_with_a_mask_are_planned_with_one(train_block: Any) -> None:
    from mixwright_compiler.hardware.fit import load_of
    from mixwright_runtime.training.planning.forecast import forecast
    from mixwright_runtime.training.planning.job_of import job_of
    from tests.training.test_planning import A800, ALPACA, LLAMA3_8B

    masks = {}
    for chosen in ("auto", "varlen", "flash", "flex", "sdpa"):
        train = train_block(attention=chosen)
        planned = forecast(job_of(train, LLAMA3_8B, ALPACA), A800, 8).memory.mask
        masks[chosen] = load_of(train.attributes, LLAMA3_8B, micro_batch=1, width=131_072).memory(8).mask
        assert (planned > 0) == (masks[chosen] > 0)
    assert masks == {"auto": 131_072**2, "varlen": 0, "flash": 0, "flex": 0, "sdpa": 131_072**2}
