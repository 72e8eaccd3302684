"""`benchmarks/gpu`: prepared where there is no GPU, so that the day when one is at hand is not spent on mending it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.gpu.findings import Findings, Skip, Wrong
from benchmarks.gpu.measure import (
    PARTS,
    ROOT,
    Outcome,
    Part,
    _is_met,
    environment_with,
    main,
    run_part,
    table,
)
from mixwright_runtime.training.state import write_lines


def fake(name: str) -> Part:
    return Part(name, f"tests.training.gpu_parts:{name}", 0.5)


def figures(out: Path) -> dict[str, Any]:
    return json.loads((out / "figures.json").read_text())


def test_a_part_that_fails_keeps_what_it_found_and_the_next_begins(tmp_path: Path, capsys: Any) -> None:
    names = ["machine", "raises", "dies", "skips", "wrong", "tells"]
    assert main(["--out", str(tmp_path)], parts=[fake(name) for name in names]) == 1
    parts = figures(tmp_path)["parts"]
    assert {name: part["status"] for name, part in parts.items()} == {
        "machine": "done",
        "raises": "failed",
        "dies": "failed",
        "skips": "skipped",
        "wrong": "wrong",
        "tells": "done",
    }
    assert parts["raises"]["why"] == "ValueError: the kernel | gave up"
    assert parts["dies"]["why"] == "exit status 9: Killed for memory"
    assert parts["raises"]["found"] == parts["dies"]["found"] == {"before": 1}
    # A cell of the table, on the screen and in its file.
    for text in ((tmp_path / "table.md").read_text(), capsys.readouterr().out):
        assert "| raises | failed |" in text and "the kernel \\| gave up" in text


def test_without_cuda_everything_is_small_and_that_is_told(tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path)], parts=[fake("machine"), fake("tells")]) == 0
    told = figures(tmp_path)
    assert (told["toy"], told["why_toy"]) == (True, "no CUDA device was found")
    assert told["parts"]["tells"]["found"] == {"is_toy": True}
    assert "at toy size" in (tmp_path / "table.md").read_text()


def test_a_machine_without_torch_tells_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.gpu import parts

    monkeypatch.setitem(sys.modules, "torch", None)
    findings = Findings(tmp_path / "result.json")
    with pytest.raises(ImportError):
        parts.machine({"work": str(tmp_path), "is_toy": True}, findings)
    found = json.loads((tmp_path / "result.json").read_text())["found"]
    assert found["cuda"] is False and found["why_no_cuda"].startswith("torch cannot be imported")
    assert found["cores"] >= 1


def test_a_part_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    """Its time is over as soon as it has told what it found: a limit of real seconds would be long or too short."""
    told = tmp_path / "hangs" / "result.json"

    def wait(child: subprocess.Popen[bytes], limit_s: float) -> None:
        while not told.exists():
            assert child.poll() is None
            time.sleep(0.01)
        raise subprocess.TimeoutExpired(child.args, limit_s)

    outcome = run_part(fake("hangs"), sys.executable, {"work": str(tmp_path)}, limit_s=30, wait=wait)
    assert (outcome.status, outcome.why) == ("out of time", "it was ended after 30 s")
    with pytest.raises(ProcessLookupError):
        _signal_unless_ended(outcome.found["rank"])


def _signal_unless_ended(pid: int) -> None:
    """Raises as `os.kill` does for a process that is gone, or that nobody has yet asked how it ended."""
    os.kill(pid, 0)
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    if state in "ZX":
        raise ProcessLookupError


def test_a_part_for_which_no_time_is_left_is_not_begun(tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path), "--seconds", "0"], parts=[fake("raises")]) == 0
    told = figures(tmp_path)["parts"]["raises"]
    assert (told["status"], told["why"]) == ("skipped", "0 seconds are over")


def wheel(folder: Path, name: str, *, needs: Sequence[str] = ()) -> None:
    """A wheel with one module, which says where it is from."""
    folder.mkdir(exist_ok=True)
    information = f"{name}-2.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-2.0-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", "ORIGIN = 'a wheel'\n")
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n"
        file.writestr(
            f"{information}/METADATA", metadata + "".join(f"Requires-Dist: {need}\n" for need in needs)
        )
        file.writestr(
            f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        record = f"{name}.py,,\n{information}/METADATA,,\n{information}/WHEEL,,\n{information}/RECORD,,\n"
        file.writestr(f"{information}/RECORD", record)


def test_what_is_missing_comes_from_the_wheels_and_the_machine_stays_as_it_is(tmp_path: Path) -> None:
    """One package is in the folder, one with half of what it needs, one is not there at all; numpy the machine has."""
    pytest.importorskip("pip")
    wheel(tmp_path / "wheels", "mixwright_given")
    wheel(tmp_path / "wheels", "mixwright_alone", needs=["mixwright-beside", "mixwright-nowhere>=1"])
    wheel(tmp_path / "wheels", "mixwright_beside")
    found = environment_with(
        ["numpy>=1", "mixwright-given>=2", "mixwright-alone", "mixwright-absent>=3"],
        tmp_path / "wheels",
        tmp_path / "venv",
    )
    assert found.installed == ("mixwright_alone 2.0", "mixwright_beside 2.0", "mixwright_given 2.0")
    assert list(found.lacking) == ["mixwright-absent>=3"]
    code = "import mixwright_given, mixwright_alone, numpy; print(mixwright_given.ORIGIN, numpy.__file__)"
    said = subprocess.run([found.python, "-c", code], capture_output=True, text=True, check=True).stdout
    import numpy

    assert said.split() == ["a", "wheel", numpy.__file__]
    code = "import mixwright_given"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 1


def test_without_a_folder_of_wheels_the_machine_is_used_as_it_is(tmp_path: Path) -> None:
    told = environment_with(["mixwright-absent>=3"], tmp_path / "nowhere", tmp_path / "venv")
    assert told.python == sys.executable and "there is no folder" in told.lacking["mixwright-absent>=3"]
    told = environment_with(["mixwright-absent>=3"], None, tmp_path / "venv")
    assert told.lacking == {"mixwright-absent>=3": "no --wheels was given"}
    assert not (tmp_path / "venv").exists()


def test_a_version_below_the_least_counts_as_missing() -> None:
    def version_of(name: str) -> str:
        if name != "torch":
            raise PackageNotFoundError
        return "2.11.0+cu130"

    assert _is_met("torch>=2.6", version_of) and _is_met("torch", version_of)
    assert not _is_met("torch>=2.12,<3", version_of)
    assert not _is_met("deepspeed>=0.19", version_of)


def test_the_table_has_a_line_for_each_run() -> None:
    run = {
        "parameters": 1.04e9,
        "context": 4096,
        "micro_batch": 8,
        "fill": 0.9981,
        "tokens_per_s": 61234.5,
        "mfu": 0.5123,
        "planned_mfu": 0.41,
        "peak_bytes": 31.44e9,
        "planned_bytes": 30e9,
        "is_on_gpu": True,
    }
    small = Outcome("small", "done", 90.0, found={"runs": {"packed": run, "chunked": {"why": "no | such"}}})
    text = table(
        [Outcome("machine", "done", 9.0, found={"device": "NVIDIA H200", "torch": "2.11"}), small], False
    )
    assert text.startswith("On NVIDIA H200, torch 2.11.\n")
    assert "| 1.04B | packed | 8 x 4096 | 99.8% | 61,234 | 51.2% | 41.0% | 31.4 | 30.0 |  |" in text
    assert "| small | chunked | | | | | | | | no \\| such |" in text


@pytest.mark.train
@pytest.mark.slow  # a job of one rank: torch and deepspeed are imported in four processes
def test_the_script_measures_a_job_at_toy_size(tmp_path: Path) -> None:
    pytest.importorskip("deepspeed")
    done = subprocess.run(
        [
            ROOT / "benchmarks" / "gpu" / "run.sh",
            *("--out", tmp_path, "--seconds", "3000", "--parts", "machine", "small"),
            *("--variants", "packed"),
        ],
        env={**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = figures(tmp_path)
    assert (told["toy"], told["why_toy"]) == (True, "torch.cuda is not available")
    run = told["parts"]["small"]["found"]["runs"]["packed"]
    assert run["steps"] == 5 and run["fill"] > 0.8 and run["tokens_per_s"] > 0
    assert run["planned_bytes"] > 12 * run["parameters"] and run["mfu"] is None
    assert not (tmp_path / "work").exists()


def told_by(part: str, place: Path) -> dict[str, Any]:
    """What a part at toy size finds, run in this process."""
    from benchmarks.gpu import parts

    findings = Findings(place / "result.json")
    try:
        getattr(parts, part)({"work": str(place), "out": str(place), "is_toy": True}, findings)
    except Skip as why:
        findings.end("skipped", str(why))
    return json.loads((place / "result.json").read_text())


@pytest.mark.train
def test_packed_and_padded_are_compared_and_examples_that_see_each_other_are_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers")
    from mixwright_runtime.training import batches

    found = told_by("equality", tmp_path)["found"]
    assert found["leaks"]["llama"] < 1e-5 and found["leaks"]["opt"] > 0.01
    assert found["losses"]["llama"]["loss_apart"] < 1e-5
    right = batches.batch_of

    def positions_on_and_on(packed: Any, bins: list[int]) -> dict[str, Any]:
        batch = right(packed, bins)
        batch["position_ids"] = (batch["position_ids"] * 0 + 1).cumsum(dim=1) - 1
        return batch

    monkeypatch.setattr(batches, "batch_of", positions_on_and_on)
    with pytest.raises(Wrong, match=r"llama: loss 0\.\d+ and gradient 0\.\d+ apart"):
        told_by("equality", tmp_path)


@pytest.mark.train
@pytest.mark.parametrize("off", [0.0, 0.3])
def test_a_run_that_continues_with_other_losses_is_wrong(
    off: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs that only write what a job writes; `tests/training/test_train.py` stops and continues real ones."""
    pytest.importorskip("transformers")
    from mixwright_runtime.training import train

    calls: list[tuple[str, int]] = []

    def job(plan: Any, block: Any, rows: Any, output: Path, *, pause_after: int = 0, **given: Any) -> Any:
        calls.append((output.name, pause_after))
        output.mkdir(exist_ok=True)
        losses = [6.0, 5.9, 5.8, 5.7 + off * (output.name == "stopped")]
        write_lines(
            output / "curve.jsonl",
            [{"step": n, "loss": x, "tokens_per_s": 1.0, "seconds": 1.0} for n, x in enumerate(losses)],
        )
        (output / "model.safetensors").write_bytes(b"%f" % losses[-1])
        return SimpleNamespace(steps=pause_after or 4, reloaded_loss=5.7)

    monkeypatch.setattr(train, "train_mixture", job)
    if off:
        with pytest.raises(Wrong, match=r"losses of the continued run are 0\.05\d+ off"):
            told_by("resume", tmp_path)
    else:
        found = told_by("resume", tmp_path)["found"]
        assert found["paused_at"] == 2 and found["same_losses"] and found["same_bytes"]
    assert calls == [("straight", 0), ("stopped", 2), ("stopped", 0)]


@pytest.mark.train
def test_engines_that_are_here_answer_and_others_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers")
    from benchmarks.gpu import parts

    has = parts.importlib.util.find_spec
    monkeypatch.setattr(
        parts.importlib.util, "find_spec", lambda name, *more: None if name == "vllm" else has(name, *more)
    )
    told = told_by("engines", tmp_path)
    assert told["status"] == "skipped" and told["why"].startswith(
        "vLLM: vllm is not installed; transformers "
    )
    assert told["found"]["runs"]["transformers"]["answers"] == 4


@pytest.mark.train
def test_the_largest_model_is_the_last_that_the_planner_lets_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers")
    from benchmarks.gpu import parts

    measured: list[int] = []
    monkeypatch.setattr(
        parts, "_measure", lambda asked, findings, scale, sizes: measured.append(sizes["layers"])
    )
    assert "6 layers would take" in told_by("largest", tmp_path)["found"]["limited_by"]
    monkeypatch.setattr(parts, "_host_room", lambda asked: 2e6)
    assert "do not fit in 0 GB of memory and disk" in told_by("largest", tmp_path)["found"]["limited_by"]
    assert measured[0] == 5 and 0 < measured[1] < 5


def test_every_part_is_there_and_what_is_worth_most_comes_first() -> None:
    from benchmarks.gpu import parts

    assert [part.name for part in PARTS][:2] == ["machine", "small"]
    assert all(callable(getattr(parts, part.function.partition(":")[2])) for part in PARTS)
