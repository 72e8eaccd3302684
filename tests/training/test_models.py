"""Muon, the fresh model, the check of a saved one, and the check that packing does not leak."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from mixwright_runtime.errors import RunError

pytestmark = pytest.mark.train
pytest.importorskip("torch")
pytest.importorskip("transformers")


def test_an_orthogonalised_matrix_has_singular_values_about_one() -> None:
    import torch

    from mixwright_runtime.training.muon import orthogonalised

    for shape in ((8, 20), (20, 8)):
        values = torch.linalg.svdvals(orthogonalised(torch.randn(shape, generator=torch.manual_seed(1))))
        assert values.min() > 0.6 and values.max() < 1.3


def test_muon_takes_hidden_matrices_and_adamw_the_rest(random_model: Path) -> None:
    from transformers import AutoModelForCausalLM

    from mixwright_runtime.training.muon import MuonWithAdamW

    model = AutoModelForCausalLM.from_pretrained(random_model)
    optimizer = MuonWithAdamW(model.named_parameters(), muon_learning_rate=0.01, learning_rate=0.001)
    by_id = {id(parameter): name for name, parameter in model.named_parameters()}
    names = [{by_id[id(p)] for p in group["params"]} for group in optimizer.param_groups]
    assert names[0] == {n for n in by_id.values() if n.endswith("_proj.weight")}
    assert "model.embed_tokens.weight" in names[1] and "model.norm.weight" in names[1]


def test_adamw_of_muon_is_torchs(random_model: Path) -> None:
    import torch

    from mixwright_runtime.training.muon import MuonWithAdamW

    own, reference = torch.ones(5, requires_grad=True), torch.ones(5, requires_grad=True)
    mine = MuonWithAdamW([("norm.weight", own)], muon_learning_rate=0.1, learning_rate=0.01)
    theirs = torch.optim.AdamW([reference], lr=0.01, betas=(0.9, 0.98), weight_decay=0.0)
    for step in range(5):
        for value, optimizer in ((own, mine), (reference, theirs)):
            value.grad = torch.arange(5.0) - step
            optimizer.step()
    assert torch.allclose(own, reference, atol=1e-6)


APART = (
    "llama qwen2 qwen3 qwen3_moe mistral mixtral phi3 olmo2 olmoe gpt_neox gpt2 gemma2 gemma3_text granite glm4 "
    "deepseek_v3 gemma3 gemma3n_text gemma4_text gptj codegen"
)
LEAKING = (
    "opt bloom gpt_oss falcon mpt "
    "bamba jamba falcon_h1 mamba mamba2 granitemoehybrid qwen3_next zamba2 recurrent_gemma"
)


@pytest.mark.parametrize("name", APART.split())
def test_an_architecture_keeps_packed_sequences_apart(name: str) -> None:
    """Full attention, sliding windows and experts: logits packed and apart are the same but for rounding."""
    from transformers import AutoConfig

    from mixwright_runtime.training.trials import leak_of

    assert leak_of(AutoConfig.for_model(name)) < 1e-5


@pytest.mark.parametrize("name", LEAKING.split())
def test_an_architecture_that_lets_packed_sequences_mix_is_told_apart(name: str) -> None:
    from transformers import AutoConfig

    from mixwright_runtime.training.preflight import LEAK_LIMIT
    from mixwright_runtime.training.trials import leak_of

    assert leak_of(AutoConfig.for_model(name)) > 100 * LEAK_LIMIT


@pytest.mark.parametrize("name", ["gemma3_text", "jamba", "qwen3_next", "recurrent_gemma", "gpt_neo"])
def test_a_layer_of_each_kind_is_looked_at(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five layers of gemma3 see a window before one sees everything; jamba has one with attention among eight."""
    from transformers import AutoConfig

    from mixwright_runtime.training import trials

    config, tried = AutoConfig.for_model(name), []

    def leak(model: Any) -> float:
        tried.append(model.config)
        return 0.0

    monkeypatch.setattr(trials, "_leak_of", leak)
    trials.leak_of(config)
    kinds = trials._kinds_of(config)
    assert len(kinds) >= 2 and trials._kinds_of(tried[0]) == kinds
    assert tried[0].num_hidden_layers <= 8


def test_an_architecture_that_cannot_be_tried_is_not_taken_for_a_right_one(
    train_block: Any, tmp_path: Path
) -> None:
    """This one lacks a number that every model of its kind has; so would one that is newer than the preflight."""
    import json

    from mixwright_runtime.training.preflight import with_packing
    from mixwright_runtime.training.settings import settings_of

    (tmp_path / "odd").mkdir()
    odd = {"model_type": "lfm2_moe", "num_hidden_layers": 4}
    (tmp_path / "odd" / "config.json").write_text(json.dumps(odd))
    with pytest.raises(
        RunError, match=r"'lfm2_moe' keeps packed examples apart is not known: .*; write `packing = n"
    ):
        with_packing(settings_of(train_block(base="odd"), tmp_path))
    settings, note = with_packing(settings_of(train_block(base="odd", packing="auto"), tmp_path))
    assert settings.packing == "none" and "is not known" in note


def test_a_leaking_architecture_is_refused_before_any_rank_starts(
    train_block: Any, plan: Any, rows: Any, random_model: Path, tmp_path: Path
) -> None:
    from transformers import OPTConfig, OPTForCausalLM

    from mixwright_runtime.training.prepare import prepare
    from mixwright_runtime.training.settings import settings_of

    shutil.copytree(random_model, tmp_path / "opt")
    small = OPTConfig(hidden_size=32, ffn_dim=32, num_hidden_layers=1, num_attention_heads=2, vocab_size=300)
    OPTForCausalLM(small).save_pretrained(tmp_path / "opt")
    settings = settings_of(train_block(base="opt"), tmp_path)
    with pytest.raises(RunError, match="packing = none"):
        prepare(settings, rows, tmp_path / "out")
    for packing in ("none", "auto"):
        settings = settings_of(train_block(base="opt", packing=packing), tmp_path)
        prepared = prepare(settings, rows, tmp_path / "out")
        assert prepared.manifest.bins == len(rows) and prepared.settings.packing == "none"
        noted = "'opt' lets packed examples see each other" in "".join(prepared.notes)
        assert noted == (packing == "auto")
    settings = settings_of(train_block(packing="auto"), tmp_path)
    assert prepare(settings, rows, tmp_path / "out").manifest.bins < len(rows)


def test_a_saved_model_with_other_weights_is_found_out(
    train_block: Any, rows: Any, random_model: Path, tmp_path: Path
) -> None:
    from mixwright_runtime.training.fresh import check_saved
    from mixwright_runtime.training.prepare import prepare
    from mixwright_runtime.training.settings import settings_of

    prepared = prepare(settings_of(train_block(), tmp_path), rows, tmp_path / "out")
    packed = prepared.directory / "packed"
    with pytest.raises(RunError, match="differs from the trained one"):
        check_saved(random_model, packed, expected_loss=0.1)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"base": None}, "needs one of `base`, `repo` and `architecture`"),
        ({"base": "nowhere"}, "`base` has no config"),
        ({"offload": "all", "zero": 2}, "`offload = all` needs `zero = 3`"),
        ({"optimizer": "muon"}, "write `zero = 0` and `ranks = 1`"),
        ({"base": None, "architecture": {"hidden": 8, "layers": 1, "heads": 3, "ffn": 8}}, "multiple"),
        ({"base": None, "architecture": {"hidden": 8, "depth": 1}}, "has no `depth`"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    train_block: Any, tmp_path: Path, attributes: dict[str, Any], message: str
) -> None:
    from mixwright_runtime.training.settings import settings_of

    with pytest.raises(RunError, match=message):
        settings_of(train_block(**attributes), tmp_path)


def test_a_job_that_its_gpus_cannot_hold_is_refused_before_any_rank_starts(
    train_block: Any, tmp_path: Path
) -> None:
    from dataclasses import replace

    from mixwright_compiler.hardware.machines import MACHINES
    from mixwright_runtime.training.planning.room import machine_here, refuse_overflow
    from mixwright_runtime.training.settings import settings_of

    train = train_block(micro_batch=8, ranks=2)
    settings = settings_of(train, tmp_path)
    small = replace(MACHINES["l4_24gb"], memory_bytes=4e6)
    sizes = {"micro": 8, "widest": 96}
    with pytest.raises(
        RunError, match=r"on each of 2 GPUs, and l4_24gb has 0; `micro_batch = \d` .* would fit"
    ):
        refuse_overflow(train.attributes, tmp_path, settings, **sizes, machine=small)
    refuse_overflow(train.attributes, tmp_path, settings, **sizes, machine=MACHINES["l4_24gb"])
    refuse_overflow(train.attributes, tmp_path, settings, **sizes, machine=None)
    assert machine_here() is None  # no GPU: nothing to refuse
