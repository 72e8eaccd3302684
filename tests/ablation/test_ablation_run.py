"""A whole ablation: rows made, a small model trained without each part, measured, killed and continued.

Slow: each cell starts a Python process that imports torch, about 8 CPU-seconds.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.checkout import IMPORT_PATH

pytestmark = [pytest.mark.train, pytest.mark.slow]
pytest.importorskip("torch")
pytest.importorskip("accelerate")

SMALL_MODEL = Path(__file__).parents[2] / "specs" / "tiny" / "model"
SPEC = """edition 2026

param model { type = path }
source sums duckdb { sql = "SELECT i AS a, i % 7 AS b FROM range(40) t(i)" }
source exam inline { rows = [{ q = "1+1", answer = "2" }, { q = "2+2", answer = "4" }] }
template ask { user = "{{ q }}" }
pipeline plus {
  from sums
  derive { q = text(a) + "+" + text(b), answer = "#### " + text(a + b) }
  chat { user = q, assistant = answer }
}
pipeline minus {
  from sums
  derive { q = text(a) + "-" + text(b), answer = "#### " + text(a - b) }
  chat { user = q, assistant = answer }
}
mixture m {
  seed = 1
  group adding { plus = all }
  group taking { minus = all }
  decontaminate ngram { against = [exam] }
}
variant no_taking of m { without = [taking] }
train student on m {
  base = model
  context = 96
  batch = 8
  zero = 0
  ranks = 1
  precision = fp32
  save_as = fp32
  recompute = false
  steps = 4
  checkpoints = 4
  holdout = 10%
  output = "out/student"
  evaluate exam { on = exam, prompt = ask, answer = answer, max_tokens = 16 }
}
"""


def test_a_killed_ablation_goes_on_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "t.mix").write_text(SPEC)
    command = [sys.executable, "-m", "mixwright", "ablate", "t.mix", "-p", f"model={SMALL_MODEL}"]
    command += ["--seeds", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    environment["PYTHONPATH"] = IMPORT_PATH
    log = (tmp_path / "log").open("w")
    first = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=log, stdout=log)
    output = tmp_path / "out" / "student-ablation"
    until = time.monotonic() + 240
    while not (output / "m" / "seed-0" / "cell.json").exists():
        assert first.poll() is None and time.monotonic() < until, (tmp_path / "log").read_text()
        time.sleep(0.2)
    first.send_signal(signal.SIGKILL)
    first.wait()
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    assert "m, seed 0: finished before, 4 steps" in ended.stderr
    table = json.loads((output / "ablation.json").read_text())
    assert [(line["mixture"], line["rows"], line["seeds"]) for line in table["lines"]] == [
        ("m", {"plus": 40, "minus": 40}, [0]),
        ("no_taking", {"plus": 40}, [0]),
    ]
    assert table["columns"] == ["exam", "loss minus", "loss plus"]
    assert table["untrained"].keys() == {"exam"}
    base, without = (line["entries"] for line in table["lines"])
    # Measured on the examples that the base holds out, also of the part that is left out.
    assert without.keys() == base.keys() == {"exam", "loss minus", "loss plus"}
    assert without["loss minus"]["mean"] != base["loss minus"]["mean"]
    assert "<svg" in (output / "m" / "seed-0" / "report.html").read_text()
