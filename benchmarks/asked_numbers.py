"""The run that benchmarks of engines time: a model is asked once for each of some numbers, and nothing else is done."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import mixwright
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store

SPEC = """\
edition 2026
source numbers sql {{ sql = "SELECT range AS n FROM range({rows})" }}
model teacher openai {{ model = "fake", {model} }}
template ask {{ user = "Write about {{{{ n }}}}." }}
pipeline written {{
  from numbers
  generate answer {{ prompt = ask, model = teacher }}
}}
"""


def rows_a_second(rows: int, model: str, cluster: str = "") -> float:
    """Rows a second of a run into a new store. model: its attributes, as they are written."""
    with tempfile.TemporaryDirectory() as directory:
        spec = Path(directory) / "spec.mix"
        spec.write_text(SPEC.format(rows=rows, model=model))
        plan = mixwright.plan(spec)
        with Store.open(Path(directory) / "store") as store:
            start = time.monotonic()
            report = run_plan(plan, store=store, options=RunOptions(exports=False, cluster=cluster))
            seconds = time.monotonic() - start
    assert report.exit_code == 0, report.summary
    return rows / seconds
