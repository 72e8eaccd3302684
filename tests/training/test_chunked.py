"""The loss in chunks of token places: the model's own, to six digits, in less memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mixwright_runtime.errors import RunError

pytestmark = pytest.mark.train
pytest.importorskip("torch")
pytest.importorskip("transformers")

TAKEN_APART = (
    "llama qwen2 qwen3 qwen3_moe mistral mixtral phi3 olmo2 gpt_neox gpt2 gemma3_text glm4 deepseek_v3 gemma3n_text gptj "
    "phi opt bloom gpt_oss falcon mamba2"
)
SHAPING = [
    ("gemma2", {"final_logit_softcapping": 3.0}),
    ("cohere", {"logit_scale": 0.3}),
    ("cohere2", {"logit_scale": 0.3, "tie_word_embeddings": False}),
    ("granite", {"logits_scaling": 8.0}),
    ("recurrent_gemma", {"logits_soft_cap": 3.0}),
]


def config_of(name: str, **given: Any) -> Any:
    from transformers import AutoConfig

    return AutoConfig.for_model(name, **given)


@pytest.mark.parametrize(("name", "given"), [*((name, {}) for name in TAKEN_APART.split()), *SHAPING])
def test_loss_and_gradients_are_the_models_own(name: str, given: dict[str, Any]) -> None:
    """Tied heads and others, with a bias or without, scaled logits and capped ones."""
    from mixwright_runtime.training.trials import chunking_error_of

    assert chunking_error_of(config_of(name, **given)) < 1e-6


@pytest.mark.parametrize(("name", "given"), SHAPING)
def test_a_scale_or_cap_that_is_left_out_is_found_out(
    name: str, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mixwright_runtime.training import chunked
    from mixwright_runtime.training.preflight import CHUNKING_LIMIT
    from mixwright_runtime.training.trials import chunking_error_of

    monkeypatch.setattr(chunked, "shaped", lambda logits, config: logits)
    assert chunking_error_of(config_of(name, **given)) > 100 * CHUNKING_LIMIT


def test_a_head_that_cannot_be_taken_apart_is_told(
    train_block: Any, random_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adapters on the head, and a model that does more with its logits than is known."""
    from mixwright_runtime.training import chunked
    from mixwright_runtime.training.preflight import with_chunks
    from mixwright_runtime.training.settings import settings_of

    adapters = {"rank": 4, "alpha": 8, "dropout": 0.0, "layers": ["q_proj", "lm_head"]}
    settings = settings_of(train_block(lora=adapters), tmp_path)
    plain, note = with_chunks(settings)
    assert plain.chunked_loss == "off" and "its head has adapters; it is computed whole" in note
    assert with_chunks(settings_of(train_block(lora={**adapters, "layers": []}), tmp_path)) == (
        settings_of(train_block(lora={**adapters, "layers": []}, chunked_loss="on"), tmp_path),
        "",
    )
    monkeypatch.setattr(chunked, "shaped", lambda logits, config: 2 * logits)
    settings = settings_of(train_block(), tmp_path)
    plain, note = with_chunks(settings)
    assert plain.chunked_loss == "off" and "of architecture 'llama' or a gradient would be off by" in note
    with pytest.raises(RunError, match=r"write `chunked_loss = off`, or `chunked_loss = auto`"):
        with_chunks(replace(settings, chunked_loss="on"))


def packed_rows(train: Any, rows: Any, directory: Path) -> Any:
    from mixwright_runtime.training.packed import open_packed
    from mixwright_runtime.training.prepare import prepare
    from mixwright_runtime.training.settings import settings_of

    return open_packed(prepare(settings_of(train, directory), rows, directory / "out").directory / "packed")


@pytest.mark.parametrize("packing", ["best_fit", "none"])
@pytest.mark.parametrize("by_example", [True, False])
def test_real_batches_give_the_same_loss_and_gradients(
    train_block: Any, rows: Any, random_model: Path, tmp_path: Path, packing: str, by_example: bool
) -> None:
    """Also of a batch with a sequence in which nothing is trained, and of one that is nothing else."""
    import torch
    from transformers import AutoModelForCausalLM

    from mixwright_runtime.training.batches import batch_of
    from mixwright_runtime.training.chunked import chunked_loss
    from mixwright_runtime.training.loss import whole_loss
    from mixwright_runtime.training.schedule import EMPTY

    packed = packed_rows(train_block(packing=packing), rows, tmp_path)
    model = AutoModelForCausalLM.from_pretrained(random_model, dtype=torch.float32)
    for bins in ([0, 1, EMPTY], [EMPTY]):
        batch = batch_of(packed, bins, by_example=by_example)
        found = []
        for loss in (whole_loss(model, batch), chunked_loss(model, model, batch, places=13)):
            model.zero_grad()
            loss.backward()
            found.append((loss.detach(), [p.grad.clone() for p in model.parameters()]))
        assert found[1][0] == pytest.approx(float(found[0][0]), rel=1e-6)
        for whole, parts in zip(found[0][1], found[1][1], strict=True):
            assert torch.allclose(whole, parts, rtol=1e-5, atol=1e-6)
        with torch.no_grad():
            assert float(chunked_loss(model, model, batch)) == pytest.approx(float(found[0][0]), rel=1e-6)


def test_no_tensor_is_as_large_as_the_logits_of_all_places() -> None:
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from transformers import LlamaConfig, LlamaForCausalLM

    from mixwright_runtime.training.chunked import chunked_loss
    from mixwright_runtime.training.loss import whole_loss

    class Largest(TorchDispatchMode):
        entries = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            found = func(*args, **(kwargs or {}))
            if isinstance(found, torch.Tensor):
                self.entries = max(self.entries, found.numel())
            return found

    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=1000, **sizes))
    tokens = torch.arange(400)[None]
    batch = {"input_ids": tokens, "labels": tokens}
    with Largest() as whole:
        whole_loss(model, batch).backward()
    with Largest() as chunked:
        chunked_loss(model, model, batch, places=50).backward()
    assert whole.entries >= 399 * 1000
    assert chunked.entries <= 400 * 400  # attention's mask; the chunk's logits have 50,000


def test_the_planner_counts_one_chunk_of_logits() -> None:
    """8 billion parameters at 32k: the logits of all places take 42 GB; those of a chunk 2, the head's gradient 3."""
    from mixwright_compiler.hardware.fit import Load, remedies
    from mixwright_compiler.hardware.machines import MACHINES
    from tests.training.test_planning import LLAMA3_8B

    whole = Load(LLAMA3_8B, 1, 32_768)
    chunked = replace(whole, chunked=True)
    layer = 69 * 32_768 * 4096
    assert whole.memory(8).working == pytest.approx(42e9, rel=0.01)
    assert chunked.memory(8).working == layer
    short = replace(chunked, width=1024).memory(8).working
    assert short == pytest.approx(2.1e9 + 3.15e9, rel=0.01)
    changes = [remedy.change for remedy in remedies(whole, MACHINES["h100_80gb"], 4)]
    assert changes[0] == "chunked_loss = on"
