"""`select less` in a spec, on the model that ships with the project."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mixwright import cli

pytestmark = [
    pytest.mark.train,
    pytest.mark.slow,
]  # each job imports torch and trains an adapter: 10 CPU-seconds
pytest.importorskip("peft")

ROOT = Path(__file__).resolve().parents[2]
SPEC = """edition 2026

source sums jsonl { path = "sums.jsonl", license = "cc0-1.0" }
source exam inline { rows = [
  { q = "Ada has 31 coins and finds 12 more.", a = "31 + 12 = 43 #### 43" },
  { q = "Ada has 22 coins and finds 15 more.", a = "22 + 15 = 37 #### 37" },
] }

pipeline chosen {
  from sums
  chat { user = q, assistant = a }
  select less {
    base = "model"
    targets = [exam]
    user = q
    assistant = a
    count = COUNT
    projection = 2048
    context = 128
    warmup { fraction = 50%, epochs = 2, batch = 8, learning_rate = 1e-3 }
    lora { rank = 8, alpha = 32 }
  }
}

mixture best { seed = 1, chosen = all }
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Forty sums of which eight are additions, the exam's kind."""
    (tmp_path / "pyproject.toml").touch()
    shutil.copytree(ROOT / "specs" / "tiny" / "model", tmp_path / "model")
    rows = []
    for i in range(40):
        a, b = 20 + i, 10 + i % 7
        if i % 5 == 0:
            rows.append(
                {"q": f"Ada has {a} coins and finds {b} more.", "a": f"{a} + {b} = {a + b} #### {a + b}"}
            )
        else:
            rows.append({"q": f"Say the word number {i}.", "a": f"word {'la' * (i % 6 + 1)} {i * 7}"})
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "s.mix").write_text(SPEC.replace("COUNT", "6"))
    return tmp_path


def selected(project: Path) -> set[str]:
    from mixwright import rows

    return {row["messages"][0]["content"].split()[0] for row in rows(project / ".mixwright", "best")}


def test_the_planted_kind_is_on_top_and_another_count_computes_nothing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", str(project / "s.mix")]) == 0, capsys.readouterr().err
    assert selected(project) == {"Ada"}
    [directory] = (project / ".mixwright" / "less").iterdir()
    [scores] = directory.glob("scores-*.npy")
    made = scores.stat().st_mtime_ns

    (project / "s.mix").write_text(SPEC.replace("COUNT", "4"))
    assert cli.main(["run", str(project / "s.mix")]) == 0
    assert scores.stat().st_mtime_ns == made
    assert list((project / ".mixwright" / "less").iterdir()) == [directory]

    # Each target a task of its own: other scores, from the features that are there.
    features = directory / "features" / "epoch-0" / "rows" / "features.npy"
    taken = features.stat().st_mtime_ns
    (project / "s.mix").write_text(
        SPEC.replace("COUNT", "4").replace("assistant = a\n", "assistant = a\n    by = q\n")
    )
    assert cli.main(["run", str(project / "s.mix")]) == 0, capsys.readouterr().err
    assert list((project / ".mixwright" / "less").iterdir()) == [directory]
    assert len(list(directory.glob("scores-*.npy"))) == 2
    assert features.stat().st_mtime_ns == taken


def test_a_killed_run_goes_on_at_the_row_where_it_was(project: Path) -> None:
    """The features that were written are not taken again; the scores are those of a run that was not killed."""
    command = [sys.executable, "-m", "mixwright", "run", str(project / "s.mix")]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    marks = ".mixwright/less/*/features/epoch-0/rows/written.npy"
    while not list(project.glob(marks)) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    [directory] = (project / ".mixwright" / "less").iterdir()
    assert not list(directory.glob("scores-*.npy"))
    trained = (directory / "warmup" / "epoch-1" / "epoch.json").stat().st_mtime_ns
    assert cli.main(["run", str(project / "s.mix")]) == 0
    assert (directory / "warmup" / "epoch-1" / "epoch.json").stat().st_mtime_ns == trained
    assert selected(project) == {"Ada"}


def test_what_is_wrong_with_the_targets_is_said_before_anything_runs(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "s.mix").write_text(SPEC.replace("COUNT", "6").replace("user = q\n", "user = question\n"))
    assert cli.main(["run", str(project / "s.mix")]) == 1
    assert "no column `question` in rows of `exam`" in capsys.readouterr().err
    assert not (project / ".mixwright" / "less").exists()
