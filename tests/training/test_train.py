"""Whole training jobs: DeepSpeed ZeRO-3 in bf16 on two CPU ranks, killed, stopped and continued.

Slow: each job starts two Python processes that import torch and deepspeed, about 10 CPU-seconds.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mixwright_compiler.plan.plan import Plan, Train
from mixwright_runtime.errors import RunError
from mixwright_runtime.training.curve import COMPLETE, read_curve

pytestmark = [pytest.mark.train, pytest.mark.slow]
pytest.importorskip("deepspeed")

from mixwright_runtime.training.outcome import TrainReport  # noqa: E402
from mixwright_runtime.training.train import Listener, train_mixture  # noqa: E402
from tests.free_ports import free_port  # noqa: E402

Rows = list[dict[str, Any]]


def losses(output: Path) -> list[float]:
    return [line["loss"] for line in read_curve(output / "curve.jsonl")]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Path, TrainReport]]:
    """A ZeRO-3 job of eight steps on two ranks, run once for the module."""
    done: list[tuple[Path, TrainReport]] = []

    def run(plan: Plan, train: Train, rows: Rows) -> tuple[Path, TrainReport]:
        if not done:
            output = tmp_path_factory.mktemp("straight") / "out"
            done.append((output, train_mixture(plan, train, rows, output)))
        return done[0]

    return run


def test_zero3_on_two_ranks_learns_and_writes_a_model_that_loads(
    plan: Plan, train_block: Callable[..., Train], rows: Rows, straight: Any
) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    output, report = straight(plan, train_block(steps=8), rows)
    assert (report.how, report.steps, report.ranks, report.rows) == ("done", 8, 2, 40)
    assert report.first_loss - report.last_loss > 1.0
    weights = load_file(output / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    AutoModelForCausalLM.from_pretrained(output)
    assert AutoTokenizer.from_pretrained(output).chat_template
    settings = json.loads(next(output.glob("state/*/settings.json")).read_text())
    assert (settings["zero"], settings["precision"], settings["recompute"]) == (3, "bf16", True)


def test_a_job_that_has_ended_is_not_run_again(
    plan: Plan, train_block: Callable[..., Train], rows: Rows, straight: Any
) -> None:
    output, report = straight(plan, train_block(steps=8), rows)
    lines: list[Any] = []
    again = train_mixture(
        plan, train_block(steps=8), rows, output, listener=replace(Listener(), line=lines.append)
    )
    assert (again, lines) == (report, [])


def test_a_stopped_run_continues_to_the_same_bytes(
    plan: Plan, train_block: Callable[..., Train], rows: Rows, straight: Any, tmp_path: Path
) -> None:
    expected, _ = straight(plan, train_block(steps=8), rows)
    train = train_block(steps=8)
    paused = train_mixture(plan, train, rows, tmp_path / "out", pause_after=3)
    assert (paused.how, paused.steps) == ("paused", 3)
    ended = train_mixture(plan, train, rows, tmp_path / "out")
    assert ended.how == "done"
    assert losses(tmp_path / "out") == losses(expected)
    name = "model.safetensors"
    assert (tmp_path / "out" / name).read_bytes() == (expected / name).read_bytes()


def test_a_killed_run_continues_from_its_checkpoint_and_leaves_no_process(
    plan: Plan, train_block: Callable[..., Train], rows: Rows, straight: Any, tmp_path: Path
) -> None:
    expected, _ = straight(plan, train_block(steps=8), rows)
    train = train_block(steps=8)
    script = tmp_path / "job.py"
    script.write_text(
        "import json, sys\n"
        "from pathlib import Path\n"
        "from mixwright_compiler.plan.plan import Plan, Train\n"
        "from mixwright_runtime.training.train import train_mixture\n"
        "plan, train, rows, output = (json.loads(text) for text in Path(sys.argv[1]).read_text().splitlines())\n"
        "train_mixture(Plan(**plan), Train(**train), rows, Path(output))\n"
    )
    given = tmp_path / "given"
    given.write_text(
        "\n".join(
            [
                plan.model_dump_json(),
                train.model_dump_json(),
                json.dumps(rows),
                json.dumps(str(tmp_path / "out")),
            ]
        )
    )
    launcher = subprocess.Popen([sys.executable, str(script), str(given)])
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob(f"out/state/*/checkpoints/*/{COMPLETE}")):
        assert launcher.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    ranks = _descendants(launcher.pid)
    assert len(ranks) >= 3  # torchrun and two ranks
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    while any(map(_is_running, ranks)):
        assert time.monotonic() < deadline, "ranks outlive their launcher"
        time.sleep(0.1)
    resumed: list[Any] = []
    listener = replace(Listener(), prepared=lambda prepared: resumed.append(prepared.resumed_at))
    report = train_mixture(plan, train, rows, tmp_path / "out", listener=listener)
    assert report.how == "done" and resumed[0] >= 2
    assert losses(tmp_path / "out") == losses(expected)


def test_a_kill_during_a_save_leaves_the_checkpoint_before_it(
    plan: Plan, train_block: Callable[..., Train], rows: Rows, straight: Any, tmp_path: Path
) -> None:
    """A checkpoint counts when every rank has written its part; of half of one nothing is read."""
    expected, _ = straight(plan, train_block(steps=8), rows)
    train = train_block(steps=8)
    train_mixture(plan, train, rows, tmp_path / "out", pause_after=4)
    [checkpoints] = tmp_path.glob("out/state/*/checkpoints")
    whole = max(checkpoints.glob("checkpoint-*"), key=lambda place: int(place.name[11:]))
    # What a kill in the middle of the next save leaves: files, some of them cut off, and no mark.
    half = checkpoints / "checkpoint-6"
    shutil.copytree(whole, half)
    (half / COMPLETE).unlink()
    for shard in half.rglob("*.pt"):
        os.truncate(shard, shard.stat().st_size // 2)
    resumed: list[Any] = []
    listener = replace(Listener(), prepared=lambda prepared: resumed.append(prepared.resumed_at))
    train_mixture(plan, train, rows, tmp_path / "out", listener=listener)
    assert resumed == [4]
    assert losses(tmp_path / "out") == losses(expected)


def test_a_probe_measures_this_machine(
    plan: Plan, train_block: Callable[..., Train], rows: Rows, tmp_path: Path
) -> None:
    from mixwright_runtime.training.probing import probe

    try:
        found = probe(plan, train_block(micro_batch=8), rows, tmp_path / "out")
    except RunError as busy:
        assert "too busy" in str(busy)  # the wider micro-batch was the faster one: other work had the cores
        return
    assert (found.device, found.ranks) == ("cpu", 2)
    assert found.utilisation > 0 and found.bandwidth is not None and found.bandwidth > 0
    assert not (tmp_path / "out" / "state" / "probe").exists()


def test_an_interrupt_saves_a_checkpoint(
    plan: Plan, train_block: Callable[..., Train], rows: Rows, tmp_path: Path
) -> None:
    from mixwright_runtime.training.launch import Interrupted

    def interrupt(line: dict[str, Any]) -> None:
        if line["step"] == 2:
            os.kill(os.getpid(), signal.SIGINT)

    train = train_block(steps=200, checkpoints=1)
    with pytest.raises(Interrupted, match="the same command continues from there"):
        train_mixture(plan, train, rows, tmp_path / "out", listener=replace(Listener(), line=interrupt))
    [complete] = tmp_path.glob(f"out/state/*/checkpoints/*/{COMPLETE}")
    assert json.loads(complete.read_text()) == {"ranks": 2}


def test_another_number_of_ranks_continues_without_being_asked(
    plan: Plan, train_block: Callable[..., Train], rows: Rows, straight: Any, tmp_path: Path
) -> None:
    """Two ranks stop after three steps, one goes on: the same losses as without a stop, to rounding."""
    expected, _ = straight(plan, train_block(steps=8), rows)
    train = train_block(steps=8)
    train_mixture(plan, train, rows, tmp_path / "out", pause_after=3)
    ended = train_mixture(plan, train, rows, tmp_path / "out", ranks=1)
    assert (ended.how, ended.ranks) == ("done", 1)
    assert losses(tmp_path / "out") == pytest.approx(losses(expected), rel=5e-3)


def test_a_checkpoint_of_stage_2_continues_on_another_number_of_ranks(
    plan: Plan, train_block: Callable[..., Train], rows: Rows, tmp_path: Path
) -> None:
    """Its shards lack a note that DeepSpeed's converter asks for, and that stage 3 does without."""
    train = train_block(steps=4, zero=2)
    train_mixture(plan, train, rows, tmp_path / "out", pause_after=2)
    ended = train_mixture(plan, train, rows, tmp_path / "out", ranks=1)
    assert (ended.how, ended.steps, ended.ranks) == ("done", 4, 1)
    assert losses(tmp_path / "out") == sorted(losses(tmp_path / "out"), reverse=True)


def test_two_nodes_train_as_one(
    plan: Plan, train_block: Callable[..., Train], rows: Rows, straight: Any, tmp_path: Path
) -> None:
    """Two machines with a rank each, played by two processes here, against one machine with two: the same bytes."""
    from mixwright_runtime.training.launch import Nodes

    expected, _ = straight(plan, train_block(steps=8), rows)
    port = free_port(2)
    code = (
        "from mixwright_runtime.training.nodes import work; from mixwright_runtime.training.launch import Nodes; "
        f"print(work(Nodes(2, 1, '127.0.0.1', {port})))"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    first = Nodes(2, 0, "127.0.0.1", port)
    try:
        report = train_mixture(plan, train_block(steps=8), rows, tmp_path / "out", ranks=1, nodes=first)
        told, _ = other.communicate(timeout=120)
    finally:
        other.kill()  # it waits for the first as long as that does not come
    assert (report.how, report.ranks, other.returncode) == ("done", 2, 0)
    assert "how='done', step=8" in told
    assert losses(tmp_path / "out") == losses(expected)
    name = "model.safetensors"
    assert (tmp_path / "out" / name).read_bytes() == (expected / name).read_bytes()


def test_adapters_are_trained_and_merged_with_a_loss_held_out_for_each_component(
    plan: Plan, train_block: Callable[..., Train], rows: Rows, tmp_path: Path
) -> None:
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    mixed = [{**row, "component": "sums" if i % 4 else "other"} for i, row in enumerate(rows)]
    lora = {"rank": 8, "alpha": 16, "dropout": 0.0, "layers": []}
    train = train_block(steps=6, lora=lora, holdout=0.2, learning_rate=1e-2)
    report = train_mixture(plan, train, mixed, tmp_path / "out")
    assert report.rows == 40 - 2 - 6  # a fifth of ten and of thirty
    assert sorted(report.held_out) == ["other", "sums"]
    assert all(after < before for before, after in report.held_out.values())
    assert report.reloaded_loss is not None
    adapter = load_file(tmp_path / "out" / "adapter" / "adapter_model.safetensors")
    assert adapter and all("lora" in name for name in adapter)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert not any("lora" in name for name, _ in model.named_parameters())


def test_a_job_runs_with_its_optimizer_in_the_host_s_memory(
    plan: Plan, train_block: Callable[..., Train], rows: Rows, straight: Any, tmp_path: Path
) -> None:
    expected, _ = straight(plan, train_block(steps=8), rows)
    report = train_mixture(plan, train_block(steps=8, offload="all"), rows, tmp_path / "out")
    assert report.how == "done"
    assert losses(tmp_path / "out") == pytest.approx(losses(expected), rel=5e-3)


@pytest.mark.parametrize("loss", ["token", "example", "sum"])
def test_the_loss_depends_on_neither_ranks_nor_micro_batch_nor_packing(
    plan: Plan, train_block: Callable[..., Train], rows: Rows, tmp_path: Path, loss: str
) -> None:
    """To six digits, gradients too, on all rows at a step: sharded, packed and in chunks, against one plain rank."""
    curves, norms = [], []
    for number, shape in enumerate(
        [
            {"zero": 3, "ranks": 2, "micro_batch": 1, "packing": "best_fit", "chunked_loss": "on"},
            {"zero": 0, "ranks": 1, "micro_batch": 4, "packing": "none", "chunked_loss": "off"},
        ]
    ):
        train = train_block(
            precision="fp32", loss=loss, batch=len(rows), steps=2, clip=1e9, warmup=0.0, **shape
        )
        train_mixture(plan, train, rows, tmp_path / str(number))
        curve = read_curve(tmp_path / str(number) / "curve.jsonl")
        curves.append([line["loss"] for line in curve])
        norms.append(curve[0]["grad_norm"])
    assert curves[0] == pytest.approx(curves[1], rel=2e-6)
    assert norms[0] == pytest.approx(norms[1], rel=2e-5)


def test_a_fresh_model_under_muon_makes_its_own_tokenizer(
    plan: Plan, train_block: Callable[..., Train], rows: Rows, tmp_path: Path
) -> None:
    train = train_block(
        base=None,
        architecture={"hidden": 32, "layers": 1, "heads": 2, "ffn": 64},
        vocabulary=300,
        zero=0,
        ranks=1,
        optimizer="muon",
        precision="fp32",
        save_as="fp32",
        init_std=0.06,
        learning_rate=3e-3,
        steps=20,
        warmup=0.1,
    )
    report = train_mixture(plan, train, rows, tmp_path / "out")
    assert report.last_loss is not None and report.first_loss is not None
    assert report.last_loss < report.first_loss - 1.0
    assert report.reloaded_loss is not None


def test_a_failing_rank_is_an_error_that_ends_with_its_log(
    plan: Plan, train_block: Callable[..., Train], rows: Rows, tmp_path: Path
) -> None:
    from mixwright_runtime.training.launch import run_ranks
    from mixwright_runtime.training.prepare import prepare
    from mixwright_runtime.training.settings import settings_of

    prepared = prepare(settings_of(train_block(), tmp_path), rows, tmp_path / "out")
    (prepared.directory / "slots.npy").unlink()
    with pytest.raises(RunError, match=r"(?s)training failed.*slots\.npy"):
        run_ranks(prepared.directory, ranks=2, on_line=lambda line: None)


def _descendants(pid: int) -> list[int]:
    """Processes below `pid`, from /proc."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found, frontier = [], [pid]
    while frontier:
        frontier = [child for child, parent in parents.items() if parent in frontier]
        found += frontier
    return found


def _is_running(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
