"""The planner: memory, GPUs and hours of a training job, before it is launched."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mixwright import cli
from mixwright.training_forecast import forecast_text
from mixwright_compiler.hardware.fit import Load, fewest_gpus, remedies
from mixwright_compiler.hardware.machines import MACHINES
from mixwright_compiler.hardware.memory import memory_of
from mixwright_compiler.hardware.model import shape_of
from mixwright_compiler.hardware.shape import (
    LLAMA3_8B,
    LLAMA3_70B,
    LLAMA_7B,
    LLAMA_13B,
    LLAMA_33B,
    LLAMA_65B,
    Shape,
    known_shape,
    shape_of_config,
)
from mixwright_runtime.training.planning.duration import MicroStep, exchange, micro_step
from mixwright_runtime.training.planning.forecast import Job, forecast, sequences_of, smallest
from mixwright_runtime.training.planning.job_of import TrainForecast
from mixwright_runtime.training.planning.lengths import assumed_lengths, lengths_of
from mixwright_runtime.training.planning.probe import Timed, calibration_of, steady_seconds

A800, H100 = MACHINES["a800_80gb"], MACHINES["h100_80gb"]

# Token lengths of Alpaca's 52,002 examples in its own template, cut at 512: the mean of each 200th of the sorted
# ones. Characters scaled to the 122.65 tokens on average that its tokenizer makes.
ALPACA_QUANTILES = np.asarray(
    [
        42,
        45,
        47,
        48,
        49,
        50,
        51,
        52,
        53,
        54,
        55,
        56,
        56,
        57,
        58,
        58,
        59,
        60,
        60,
        61,
        61,
        62,
        63,
        63,
        64,
        64,
        65,
        65,
        66,
        66,
        67,
        67,
        68,
        68,
        69,
        69,
        69,
        70,
        70,
        71,
        71,
        72,
        72,
        73,
        73,
        74,
        74,
        74,
        75,
        75,
        76,
        76,
        76,
        77,
        77,
        78,
        78,
        78,
        79,
        79,
        80,
        80,
        81,
        81,
        82,
        82,
        82,
        83,
        83,
        84,
        84,
        85,
        85,
        86,
        87,
        87,
        87,
        88,
        89,
        89,
        90,
        91,
        91,
        92,
        92,
        93,
        94,
        95,
        95,
        96,
        96,
        97,
        98,
        99,
        100,
        101,
        102,
        102,
        103,
        104,
        105,
        106,
        107,
        108,
        109,
        110,
        111,
        112,
        113,
        114,
        115,
        116,
        117,
        118,
        119,
        120,
        121,
        122,
        123,
        124,
        125,
        126,
        127,
        128,
        129,
        130,
        131,
        132,
        133,
        134,
        135,
        136,
        137,
        138,
        139,
        140,
        141,
        142,
        143,
        144,
        146,
        147,
        148,
        149,
        150,
        151,
        152,
        153,
        154,
        155,
        156,
        158,
        159,
        160,
        161,
        162,
        164,
        165,
        166,
        167,
        169,
        170,
        172,
        173,
        174,
        176,
        177,
        179,
        180,
        182,
        184,
        186,
        187,
        189,
        191,
        192,
        194,
        196,
        199,
        201,
        203,
        206,
        209,
        212,
        215,
        218,
        221,
        225,
        229,
        234,
        239,
        245,
        252,
        262,
        272,
        286,
        305,
        328,
        369,
        467,
    ]
)
ALPACA = lengths_of(np.append(np.resize(ALPACA_QUANTILES, 52_001), 512), "Alpaca's own")


@pytest.mark.parametrize(
    ("shape", "micro_batch", "gpus", "hours"),
    [(LLAMA_7B, 8, 2, 3.0), (LLAMA_13B, 8, 4, 3.1), (LLAMA_33B, 4, 8, 6.1), (LLAMA_65B, 2, 16, 11.2)],
    ids=["7B", "13B", "33B", "65B"],
)
def test_published_runs_are_planned_as_they_went(
    shape: Shape, micro_batch: int, gpus: int, hours: float
) -> None:
    """Alpaca-52K, three epochs, ZeRO-3, A800s of 80 GB: the numbers of GPUs exactly, the hours within 10%."""
    job = Job(shape, ALPACA, context=512, packing=False, micro_batch=micro_batch, epochs=3)
    found = smallest(job, A800)
    assert found is not None
    assert found.gpus == gpus
    assert found.hours == pytest.approx(hours, rel=0.10)


def test_alpacas_lengths_are_those_that_were_published() -> None:
    """122.65 tokens on average; batches of 8, 4 and 2 are 226.8, 188.9 and 154.2 wide."""
    assert ALPACA.mean == pytest.approx(122.65, rel=0.01)
    widths = [ALPACA.expected_longest(batch) for batch in (8, 4, 2)]
    assert widths == pytest.approx([226.8, 188.9, 154.2], rel=0.02)


def test_the_arithmetic_of_the_7b_row() -> None:
    """Every figure of the first row by hand, from the formulas in the docstrings."""
    found = forecast(Job(LLAMA_7B, ALPACA, context=512, packing=False, micro_batch=8, epochs=3), A800, 2)
    parameters = 32 * (4 * 4096**2 + 3 * 4096 * 11008 + 2 * 4096) + 4096 + 2 * 32_000 * 4096
    assert parameters == LLAMA_7B.parameters == 6_738_415_616

    memory = found.memory
    assert memory.weights == memory.gradients == 2 * parameters / 2
    assert memory.optimizer == 12 * parameters / 2
    assert memory.kept == 2 * (8 * 512) * 4096 * 32
    assert (
        memory.working == 10 * (8 * 512) * 32_000
    )  # the logits are larger than a layer: 69 * 4096 < 10 * 32000
    assert memory.total / 1e9 == pytest.approx(57.1, abs=0.1)
    assert memory_of(LLAMA_7B, gpus=1, tokens=8 * 512).total > 80e9  # so one GPU does not do

    # Both GPUs wait for the longest of their sixteen examples.
    width = ALPACA.expected_longest(16)
    assert found.steps == -(-52_002 * 3 // 16)
    multiplied = parameters - 32_000 * 4096
    operations = 8 * width * (6 * multiplied + 6 * 32 * 4096 * width) * 7.55 / 6
    assert found.arithmetic_s == pytest.approx(operations / (0.315 * 312e12))
    assert found.traffic_s == pytest.approx(6 * parameters * (1 / 2) / 41e9)
    # Arithmetic is the longer in both directions, so the traffic hides.
    assert 2 / 7.55 * found.arithmetic_s > found.traffic_s / 3
    assert found.seconds == found.arithmetic_s
    real = ALPACA.total * 3
    assert found.mfu == pytest.approx(6 * parameters * real / (2 * 312e12 * found.steps * found.seconds))


@pytest.mark.parametrize(
    ("shape", "gpus", "hours"), [(LLAMA3_8B, 32, 6), (LLAMA3_70B, 64, 50)], ids=["8B", "70B"]
)
def test_tulu_3_is_planned_as_it_went(shape: Shape, gpus: int, hours: float) -> None:
    """939,343 rows, two epochs, batch 128, one sequence at once, H100s: within 25%, of an assumed 700 tokens a row.

    The mean length and the clusters' networks are not published.
    """
    lengths = assumed_lengths(939_343, 700, "assumed", longest=4096)
    job = Job(shape, lengths, context=4096, packing=False, micro_batch=1, batch=128, epochs=2)
    found = forecast(job, H100, gpus)
    assert found.fits
    assert found.hours == pytest.approx(hours, rel=0.25)


def test_traffic_hides_behind_arithmetic_layer_by_layer() -> None:
    """Of two jobs that differ in traffic alone, the one whose traffic is the shorter part takes no longer for it."""

    def step(tokens: float, bandwidth: float) -> MicroStep:
        machine = replace(A800, bandwidth=bandwidth)
        return micro_step(LLAMA_7B, machine, gpus=8, tokens=tokens, attended=512)

    few, many = step(64, 40e9), step(65_536, 40e9)
    assert few.together == pytest.approx(few.traffic)
    assert many.together == pytest.approx(many.arithmetic)
    assert step(65_536, 80e9).together == many.together
    probed = replace(A800, overlaps=False)
    both = micro_step(LLAMA_7B, probed, gpus=8, tokens=2_048, attended=512)
    assert both.together == pytest.approx(both.arithmetic + both.traffic)


def test_the_network_between_nodes_counts_only_beyond_one_node() -> None:
    machine = replace(H100, bandwidth=200e9, network=20e9)
    one, two = (micro_step(LLAMA_7B, machine, gpus=g, tokens=64, attended=64).traffic for g in (8, 16))
    assert two == pytest.approx(one * (200 / 20) * (15 / 16) / (7 / 8))


def test_offload_costs_time() -> None:
    job = Job(LLAMA_13B, ALPACA, context=512, micro_batch=8, batch=128)
    on_card, on_host = (forecast(replace(job, offload=offload), A800, 4) for offload in (False, True))
    # Four GPUs of one node: 2 bytes down and 2 up a parameter of each, 30 through the host's memory of all.
    update = LLAMA_13B.parameters / 4 * 4 / 25e9 + LLAMA_13B.parameters * 30 / 200e9
    assert on_host.update_s == pytest.approx(update)
    assert on_host.seconds == pytest.approx(on_card.seconds + update)


def test_without_zero_the_weights_are_fp32() -> None:
    """LoRA on an 8B: its weights alone take 32 GB, whatever little is trained."""
    memory = memory_of(LLAMA3_8B, gpus=1, tokens=0, zero=0, lora_rank=16)
    assert memory.weights == 4 * LLAMA3_8B.parameters > 32e9


def test_the_mask_of_packed_examples_takes_a_byte_a_pair() -> None:
    packed = Load(LLAMA3_8B, 1, 131_072, packed=True)
    assert packed.memory(8).mask == 131_072**2 > 17e9
    assert replace(packed, packed=False).memory(8).mask == 0


def test_idle_experts_do_no_work() -> None:
    """MFU means operations that are done: a model with eight times the experts of which as many are idle has the same."""
    dense = Shape(1024, 8, 8, 8, 4096, 32_000)
    sparse = replace(dense, experts=8, active_experts=1)
    job = Job(dense, ALPACA, context=512, batch=64)
    one, many = (
        forecast(replace(job, shape=shape), replace(A800, bandwidth=1e15), 4) for shape in (dense, sparse)
    )
    assert many.mfu == pytest.approx(one.mfu, rel=0.01)


def test_gpus_that_stand_idle_are_told_with_the_batch_that_fills_them() -> None:
    """144 of Alpaca's examples are 9 sequences: on 8 GPUs one has two of them, and seven wait for it."""
    job = Job(LLAMA_7B, ALPACA, context=2048, batch=144)
    found = forecast(job, MACHINES["h100_80gb"], 8)
    assert found.accumulation * found.micro_batch == 2
    assert found.idle > 0.4
    better = forecast(replace(job, batch=found.filling_batch), MACHINES["h100_80gb"], 8)
    assert better.idle == 0 and better.filling_batch is None
    assert better.hours < found.hours
    told = forecast_text(TrainForecast("sft", "7B", found, None, (), None))
    assert f"are empty in each step; `batch = {found.filling_batch}` would fill them" in told
    assert "idle" not in forecast_text(TrainForecast("sft", "7B", better, None, (), None))


def test_a_long_sequence_is_divided_among_gpus() -> None:
    """8 billion parameters at 128k: on one H100 each a sequence's activations alone take 71 GB, on eight a ninth."""
    whole = Load(LLAMA3_8B, 1, 131_072, chunked=True)
    shared = replace(whole, sequence_parallel=8)
    assert (whole.memory(8).kept, whole.memory(8).working) == pytest.approx((34.4e9, 37.0e9), rel=0.01)
    assert (shared.memory(8).kept, shared.memory(8).working) == pytest.approx((4.3e9, 5.25e9), rel=0.01)
    assert shared.memory(8).weights == whole.memory(8).weights
    masked = replace(shared, packed=True)
    assert masked.memory(8).mask == 131_072**2, "attention works on all tokens, each GPU's heads"
    assert remedies(whole, H100, 8)[0].change == "sequence_parallel = 2"
    assert (fewest_gpus(whole, H100), fewest_gpus(shared, H100)) == (32, 8)
    assert "sequence_parallel = 2" not in [r.change for r in remedies(whole, H100, 1)]


def test_groups_of_gpus_take_sequences_as_one_gpu_does() -> None:
    """Each sends 7/8 of its 16,384 tokens, 10,240 numbers wide in bf16, forward, recomputed and backward in 32 layers."""
    assert exchange(LLAMA3_8B, 16_384, 8) == 3 * 32 * 2 * 10_240 * 16_384 * 7 / 8
    lengths = lengths_of(np.full(64, 131_072), "given")
    job = Job(LLAMA3_8B, lengths, 131_072, micro_batch=1, batch=16, chunked=True, masked=False)
    alone = forecast(job, H100, 16)
    eight = forecast(replace(job, sequence_parallel=8), H100, 16)
    assert (alone.accumulation, eight.accumulation) == (1, 8)
    assert alone.steps == eight.steps == 4
    assert eight.arithmetic_s == pytest.approx(alone.arithmetic_s)
    assert eight.seconds > alone.seconds + 8 * 28.2e9 / H100.joined(8) * 0.9
    assert not alone.fits and eight.fits
    found = smallest(replace(job, sequence_parallel=8), H100)
    assert found is not None and found.gpus == 8


def test_twice_the_micro_batch_of_the_large_models_is_refused() -> None:
    """At 2,048 tokens the 33B and 65B rows fill their GPUs: there is no room for the next micro-batch."""
    for shape, micro_batch, gpus in ((LLAMA_33B, 4, 8), (LLAMA_65B, 2, 16)):
        assert Load(shape, micro_batch, 2048).fits(A800, gpus)
        assert not Load(shape, 2 * micro_batch, 2048).fits(A800, gpus)


def test_what_does_not_fit_is_told_what_would() -> None:
    load = Load(LLAMA3_8B, micro_batch=4, width=4096, recompute=False)
    changes = [remedy.change for remedy in remedies(load, MACHINES["h100_80gb"], 4)]
    assert changes[:2] == ["recompute = true", "micro_batch = 1"]
    for remedy in remedies(load, MACHINES["h100_80gb"], 4):
        assert remedy.total <= 80e9
    assert fewest_gpus(Load(LLAMA3_70B, 1, 4096, lora_rank=16), MACHINES["h100_80gb"]) == 4
    assert fewest_gpus(Load(LLAMA3_70B, 1, 4096), MACHINES["h100_80gb"]) == 32


def test_stages_of_zero_divide_what_they_divide() -> None:
    states = [memory_of(LLAMA_7B, gpus=4, tokens=0, zero=zero) for zero in (0, 1, 2, 3)]
    weights = [m.weights / LLAMA_7B.parameters for m in states]
    gradients = [m.gradients / LLAMA_7B.parameters for m in states]
    optimizer = [m.optimizer / LLAMA_7B.parameters for m in states]
    # Without ZeRO the weights are fp32 themselves, and there is no second copy.
    assert weights == [4, 2, 2, 0.5]
    assert gradients == [4, 2, 0.5, 0.5]
    assert optimizer == [8, 3, 3, 3]


@given(st.lists(st.integers(1, 600), min_size=1, max_size=200), st.integers(1, 64))
def test_a_batch_is_as_wide_as_its_longest_example(tokens: list[int], batch: int) -> None:
    lengths = lengths_of(np.asarray(tokens), "drawn")
    widths = [lengths.expected_longest(n) for n in (1, batch, 10_000)]
    assert widths[0] == pytest.approx(np.mean(tokens))
    assert sorted(widths) == pytest.approx(widths)
    assert widths[2] <= lengths.longest
    assert (lengths.examples, lengths.total) == (len(tokens), sum(tokens))


@given(st.integers(1, 200_000), st.floats(20, 2000))
@example(26_773, 2000.0)  # more examples than quantiles: rounding must not take from the long ones
def test_assumed_lengths_have_the_number_and_mean_asked_for(examples: int, mean: float) -> None:
    lengths = assumed_lengths(examples, mean, "assumed")
    assert lengths.examples == examples
    if examples > 1000:
        assert lengths.mean == pytest.approx(mean, rel=0.01)


def test_packing_is_counted_by_packing() -> None:
    lengths = lengths_of(np.asarray([300, 200, 250, 250, 500]), "drawn")
    shape = Shape(64, 2, 4, 2, 128, 512)
    assert sequences_of(Job(shape, lengths, context=500)).count == 3
    assert sequences_of(Job(shape, lengths, context=500, packing=False)).count == 5


def test_sizes_are_read_from_a_configuration() -> None:
    config = {
        "model_type": "qwen2",
        "hidden_size": 896,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "intermediate_size": 4864,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
    }
    shape = shape_of_config(config)
    assert shape is not None
    assert shape.parameters == 494_032_768  # Qwen2.5-0.5B
    assert known_shape("Qwen/Qwen2.5-0.5B-Instruct") == shape
    assert shape_of_config({"model_type": "mamba"}) is None


@pytest.mark.parametrize(
    "family",
    [
        "llama",
        "qwen2",
        "qwen3_moe",
        "mixtral",
        "gemma2",
        "phi3",
        "phi",
        "gpt_neox",
        "starcoder2",
        "gpt_oss",
        "apertus",
        "gemma",
        "gemma3_text",
        "cohere2",
        "deepseek_v2",
        "deepseek_v3",
        "glm4_moe",
        "minicpm3",
        "qwen2_moe",
        "qwen3_next",
    ],
)
def test_a_family_has_as_many_parameters_as_transformers_builds(family: str) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = transformers.AutoConfig.for_model(family)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    # A published `config.json` leaves out what is the family's default, ties of the embeddings among it.
    written = {name: value for name, value in config.to_dict().items() if name != "tie_word_embeddings"}
    if not transformers.AutoConfig.for_model(family).tie_word_embeddings:
        written["tie_word_embeddings"] = False
    shape = shape_of_config(written)
    assert shape is not None
    assert shape.parameters == pytest.approx(sum(p.numel() for p in model.parameters()), rel=1e-3)


def test_the_part_for_texts_of_a_model_of_pictures_has_sizes() -> None:
    config = {
        "model_type": "gemma3",
        "text_config": {**SIZES, "model_type": "gemma3_text"},
        "vision_config": {},
    }
    shape = shape_of_config(config)
    assert shape is not None and shape.hidden == 64 and shape.tie


def test_a_train_block_without_a_forecast_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"model_type": "jamba", "mamba_d_state": 16}')
    text = SPEC.format(micro_batch=8)
    start, end = text.index("  repo ="), text.index("  output")
    spec = tmp_path / "t.mix"
    spec.write_text(f'{text[:start]}  base = "model"\n{text[end:]}')
    assert cli.main(["plan", str(spec)]) == 0
    said = "train student   no forecast: the planner does not know how models of type 'jamba' are laid out"
    assert said in capsys.readouterr().out


SIZES = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "vocab_size": 100,
}


@pytest.mark.parametrize(
    "hostile",
    [
        {"hidden_size": float("inf")},
        {"hidden_size": 10**400},
        {"num_hidden_layers": float("nan")},
        {"vocab_size": [1]},
        {"num_experts": -3},
        {"intermediate_size": -1},
        {"head_dim": -1},
        {"num_attention_heads": "many"},
        {"n_routed_experts": 256, "num_experts_per_tok": 300},
        {"layer_types": ["conv", "full_attention"]},
        {"kv_lora_rank": 16},
        {"mamba_d_state": 16},
    ],
)
def test_a_configuration_that_makes_no_sense_has_no_shape(hostile: dict[str, Any]) -> None:
    assert shape_of_config(SIZES) is not None
    assert shape_of_config({**SIZES, **hostile}) is None


def test_hostile_files_have_no_sizes(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[" * 200_000)
    assert shape_of({"base": "."}, tmp_path) is None
    sizes = {"hidden": 64, "layers": 2, "heads": 4, "kv_heads": 2, "ffn": 128}
    for text in ('{"model": [1], "added_tokens": [3]}', '{"model": {"vocab": 3}}', "[", "7"):
        (tmp_path / "tokenizer.json").write_text(text)
        found = shape_of({"architecture": sizes, "tokenizer": "."}, tmp_path)
        assert found is not None and found[0].vocabulary == 32_000
    (tmp_path / "tokenizer.json").write_text(
        '{"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": "x"}, 3, {"id": 6}]}'
    )
    found = shape_of({"architecture": sizes, "tokenizer": "."}, tmp_path)
    assert found is not None and found[0].vocabulary == 7


def test_new_tokens_are_planned_with_where_the_base_has_no_rows_for_them(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 998}]}')
    new = {"base": ".", "new_tokens": ["<a>", "<b>"], "new_special_tokens": ["<c>"]}
    for rows, planned in ((1024, 1024), (1000, 1008), (999, 1002)):
        (tmp_path / "config.json").write_text(json.dumps({**SIZES, "vocab_size": rows}))
        found = shape_of(new, tmp_path)
        assert found is not None and found[0].vocabulary == planned
    fresh = {"hidden": 64, "layers": 2, "heads": 4, "kv_heads": 2, "ffn": 128}
    found = shape_of({**new, "base": None, "architecture": fresh, "tokenizer": "."}, tmp_path)
    assert found is not None and found[0].vocabulary == 1002


@pytest.mark.parametrize(
    "sizes",
    [
        "{ hidden = 128 }",
        "[1]",
        "{ hidden = 128, layers = 2, heads = 0, kv_heads = 2, ffn = 384 }",
        "{ hidden = 1e300, layers = 2, heads = 2, kv_heads = 2, ffn = 384 }",
    ],
)
def test_a_broken_architecture_on_named_gpus_is_an_error_with_its_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sizes: str
) -> None:
    spec = tmp_path / "t.mix"
    text = SPEC.format(micro_batch=8)
    start, end = text.index("  repo ="), text.index("  output")
    spec.write_text(f"{text[:start]}  architecture = {sizes}\n  vocabulary = 400\n{text[end:]}")
    assert cli.main(["plan", str(spec)]) == 1
    assert "error[MIX704]" in capsys.readouterr().err


@pytest.mark.parametrize("packing", [True, False])
def test_a_batch_larger_than_the_data_trains_no_more_than_there_is(packing: bool) -> None:
    """MFU cannot pass one because a step asks for more examples than exist."""
    job = Job(LLAMA_7B, lengths_of(np.full(100, 100), "t"), 512, packing=packing, steps=10, batch=100)
    whole, more = (forecast(replace(job, batch=batch), MACHINES["h100_80gb"], 4) for batch in (100, 10_000))
    assert more.mfu == whole.mfu < 1


def test_a_probe_recovers_the_constants() -> None:
    """Two micro-batches of a machine of 40% and 25 GB/s give these back."""
    peak, sent = 100e12, 5e9

    def timed(operations: float) -> Timed:
        return Timed(operations, sent, operations / (0.4 * peak) + sent / 25e9)

    found = calibration_of(timed(1e13), timed(4e13), device="x", ranks=2, peak=peak)
    assert found.utilisation == pytest.approx(0.4)
    assert found.bandwidth == pytest.approx(25e9)
    alone = calibration_of(Timed(1e13, 0, 0.5), Timed(4e13, 0, 2.0), device="x", ranks=1, peak=peak)
    assert (alone.utilisation, alone.bandwidth) == (pytest.approx(0.2), None)
    with pytest.raises(ValueError, match="too busy"):
        calibration_of(timed(4e13), timed(1e13), device="x", ranks=2, peak=peak)
    assert steady_seconds([9.0, 5.0, 3.0, 1.0, 1.2, 1.1]) == 1.1


SPEC = """edition 2026

source people inline {{ rows = [{{ name = "Ada" }}, {{ name = "Bob" }}] }}
pipeline chats {{ from people {{ repeat = 30000 }}
  chat {{ user = name, assistant = name }}
}}
mixture main {{
  seed = 1
  chats = 52002
}}
train student on main {{
  repo = "huggyllama/llama-7b"
  revision = "8416d3fefb0cb3ff5775a7b13c1692d10ff1aa16"
  output = "out/student"
  packing = none
  micro_batch = {micro_batch}
  batch = 64
  context = 4096
  cluster {{ gpus = 2, gpu = a800_80gb, price = $2 }}
}}
"""


def test_the_plan_shows_a_job_that_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "t.mix"
    spec.write_text(SPEC.format(micro_batch=8))
    assert cli.main(["plan", str(spec)]) == 0
    printed = capsys.readouterr().out
    assert "train student   (huggyllama/llama-7b, 6.74 B parameters, on 2 a800_80gb)" in printed
    assert "2 GPUs would hold it" in printed
    assert "GPU-hours, $" in printed


def test_the_plan_refuses_a_job_that_its_data_make_too_large(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Padded, what fits depends on the longest example: `check` cannot know, the plan does."""
    spec = tmp_path / "t.mix"
    spec.write_text(SPEC.format(micro_batch=32))
    assert cli.main(["check", str(spec)]) == 0
    capsys.readouterr()
    assert cli.main(["plan", str(spec), "--json"]) == 1
    [job] = json.loads(capsys.readouterr().out)["training"]
    assert job["fits"] is False
    assert job["memory_bytes"]["total"] > 80e9
    assert "micro_batch = 8" in [way["change"] for way in job["would_fit"]]


def test_reasoning_and_calls_count_as_text() -> None:
    from mixwright.training_forecast import _said

    message = {"content": "4", "reasoning_content": "2+2", "tool_calls": [{"function": {"name": "add"}}]}
    assert _said(message) == '2+24[{"function": {"name": "add"}}]'
    assert _said({"content": None}) == ""
