"""TRL trains on the exported files with the losses of `mixwright train`. Runs where TRL is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.exported import exported, mixed

pytestmark = pytest.mark.trl
pytest.importorskip(
    "trl", reason="needs TRL, in an environment of its own: its data libraries slow every rank's start"
)


@pytest.fixture
def block(train_block: Any) -> Any:
    """Three steps in fp32 on one process; each sees every row, so that the order of rows does not matter."""
    small = {"zero": 0, "ranks": 1, "precision": "fp32", "batch": 40, "steps": 3, "checkpoints": 1}
    return lambda **given: train_block(**{**small, "recompute": False, "warmup": 0.0, **given})


def our_losses(plan: Any, block: Any, rows: Any, output: Path) -> list[float]:
    from mixwright_runtime.training.train import train_mixture

    train_mixture(plan, block, [row.for_training() for row in mixed(rows)], output)
    return [json.loads(line)["loss"] for line in (output / "curve.jsonl").read_text().splitlines()]


def trl_losses(place: Path, output: Path, *options: str) -> list[float]:
    """What `trl sft --config trl.yaml`, started in the export's directory, logs of each step."""
    from trl.scripts.sft import main, make_parser

    given = [
        "--config",
        "trl.yaml",
        "--use_cpu",
        "true",
        "--output_dir",
        str(output),
        "--disable_tqdm",
        "true",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("HF_HOME", str(output / "cache"))
        arguments = make_parser().parse_args_and_config([*given, *options], fail_with_unknown_args=True)
        main(*arguments[:4])
    [state] = output.glob("checkpoint-*/trainer_state.json")
    history = json.loads(state.read_text())["log_history"]
    return [entry["loss"] for entry in history if "loss" in entry]


def test_trls_losses_are_ours_on_messages_and_on_tokens(
    plan: Any, block: Any, rows: Any, tmp_path: Path
) -> None:
    expected = our_losses(plan, block(), rows, tmp_path / "out")
    assert len(expected) == 3 and expected[2] < expected[0] - 0.1
    for format in ("trl", "tokenized"):
        place = exported(format, rows, block(), tmp_path / format)
        assert trl_losses(place, tmp_path / f"out-{format}") == pytest.approx(expected, abs=2e-5)


def test_trls_losses_are_ours_without_packing_and_on_packed_sequences(
    plan: Any, block: Any, rows: Any, tmp_path: Path
) -> None:
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    expected = our_losses(plan, block(packing="none"), rows, tmp_path / "out")
    padded = exported("trl", rows, block(packing="none"), tmp_path / "padded")
    assert trl_losses(padded, tmp_path / "out-padded") == pytest.approx(expected, abs=2e-5)

    place = exported("packed", rows, block(), tmp_path / "packed")
    data = load_dataset(
        "parquet",
        data_files=str(place / "data" / "*.parquet"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    base = block().attributes["base"]
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(base),
        processing_class=AutoTokenizer.from_pretrained(place / "tokenizer"),
        args=SFTConfig(
            output_dir=str(tmp_path / "out-packed"),
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            dataset_kwargs={"skip_prepare_dataset": True},
            padding_free=True,
            max_length=None,
            per_device_train_batch_size=len(data),
            max_steps=3,
            learning_rate=block().attributes["learning_rate"],
            logging_steps=1,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        ),
        train_dataset=data,
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses == pytest.approx(expected, abs=2e-5)
