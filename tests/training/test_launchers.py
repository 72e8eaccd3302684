"""Scripts that start a job on its machines."""

from __future__ import annotations

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

from mixwright import cli

SPEC = """edition 2026

param scale { type = float, default = 1.0 }
source numbers inline { rows = [{ q = "1+1", a = "2" }] }
pipeline sums { from numbers
  chat { user = q, assistant = a }
}
mixture m { seed = 1, sums = all }
train big on m {
  repo = "meta-llama/Llama-3.1-8B"
  revision = "d04e592bb4f6aa9cfee91e2e20afa771667e1d4b"
  output = "out"
  context = 4096
  cluster { gpus = 8, nodes = 4, gpu = h100_80gb }
}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    path = tmp_path / "a spec's.mix"
    path.write_text(SPEC)
    return path


def test_all_three_start_the_same_command(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = spec.parent / "launch"
    assert cli.main(["train", str(spec), "-p", "scale=0.5", "--write-launcher", str(place)]) == 0
    shell, slurm, ray = ((place / name).read_text() for name in ("launch.sh", "job.slurm", "ray_job.py"))
    assert """exec mixwright train 'a spec'"'"'s.mix' --train big -p scale=0.5 --nodes 4""" in shell
    assert "#SBATCH --nodes=4" in slurm and "#SBATCH --gpus-per-node=8" in slurm
    assert "'train', \"a spec's.mix\", '--train', 'big', '-p', 'scale=0.5'" in ray.replace(
        '"train"', "'train'"
    )
    ast.parse(ray)
    assert "NODES, GPUS = 4, 8" in ray


def test_shell_scripts_parse(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = spec.parent / "launch"
    cli.main(["train", str(spec), "--write-launcher", str(place)])
    for name in ("launch.sh", "job.slurm"):
        subprocess.run(["bash", "-n", str(place / name)], check=True)


def test_the_shell_script_runs_from_anywhere(spec: Path, tmp_path: Path) -> None:
    """With a stand-in for `mixwright` that tells where it runs and with what."""
    cli.main(["train", str(spec), "--write-launcher", str(spec.parent / "launch")])
    program = tmp_path / "bin" / "mixwright"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\npwd; for word in "$@"; do echo "<$word>"; done\n')
    program.chmod(0o755)
    found = subprocess.run(
        [str(spec.parent / "launch" / "launch.sh")],
        cwd="/",
        env={
            "PATH": f"{program.parent}:{Path(shutil.which('bash') or '/bin/bash').parent}:/usr/bin:/bin",
            "NODE_RANK": "2",
            "MASTER_ADDR": "node0",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    words = [line.strip("<>") for line in found.stdout.splitlines()[1:]]
    assert found.stdout.splitlines()[0] == str(spec.parent)
    assert words[:4] == ["train", "a spec's.mix", "--train", "big"]
    assert words[-6:] == ["--nodes", "4", "--node-rank", "2", "--master", "node0:29500"]


def test_a_root_that_a_shell_would_read_otherwise_is_quoted(tmp_path: Path) -> None:
    root = tmp_path / 'a "$(touch pwned)" `b` $HOME'
    root.mkdir()
    (root / "pyproject.toml").touch()
    (root / "s.mix").write_text(SPEC)
    assert cli.main(["train", str(root / "s.mix"), "--write-launcher", str(tmp_path / "launch")]) == 0
    program = tmp_path / "mixwright"
    program.write_text("#!/bin/sh\npwd\n")
    program.chmod(0o755)
    found = subprocess.run(
        [str(tmp_path / "launch" / "launch.sh")],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:{Path(shutil.which('bash') or '/bin/bash').parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == str(root)
    assert not (tmp_path / "pwned").exists()


def test_slurm_s_signal_reaches_the_tasks(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`B:` would send it to this script, whose `srun` passes no single interrupt on."""
    place = spec.parent / "launch"
    cli.main(["train", str(spec), "--write-launcher", str(place)])
    text = (place / "job.slurm").read_text()
    assert "#SBATCH --signal=INT@300" in text
    assert text.splitlines()[-1].startswith("exec srun ") and not text.rstrip().endswith("&")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "runs on 4 machines: start it on each with --node-rank"),
        (["--node-rank", "4", "--master", "h"], "--node-rank is 0 to 3, here 4"),
        (["--node-rank", "1", "--master", "h:x"], "--master takes HOST or HOST:PORT"),
    ],
)
def test_a_job_on_several_machines_asks_which_this_is(
    spec: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert cli.main(["train", str(spec), *arguments]) == 2
    assert message in capsys.readouterr().err
