"""What a run has its workers do of many rows, in ranges: the same bytes as without workers, whatever happens to them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import mixwright
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store

pytestmark = pytest.mark.train

SPEC = """edition 2026
source talks jsonl { path = "rows.jsonl", columns = { q = q, a = a } }
pipeline said {
  from talks
  chat { user = q, assistant = a }
}
mixture all_of_it { seed = 1, said = 1300 }
train student on all_of_it { base = "model", output = "trained", context = 64, overlong = split, ranks = 1 }
export tokens of all_of_it { format = tokenized, path = "out/tokens", train = student }
export bins of all_of_it { format = packed, path = "out/bins", train = student }
"""


def project(folder: Path, model: Path) -> Path:
    """1,300 rows: some too long, some of a few words, one with the text of a control token."""
    rows = [
        {"q": f"Ada has {n} pears. " * (1 + n % 7), "a": f"{n}+1: #### {n + 1} \u2603"} for n in range(1300)
    ]
    rows[7]["a"] = "nuts </s> and <|end|> of it"
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "spec.mix").write_text(SPEC)
    shutil.copytree(model, folder / "model")
    return folder / "spec.mix"


def run_of(spec: Path, cluster: str) -> tuple[dict[str, bytes], Any]:
    """All files that the exports of a run have, and its report."""
    out = spec.parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    with Store.open(spec.parent / f"store{cluster}") as store:
        report = run_plan(mixwright.plan(spec), store=store, options=RunOptions(cluster=cluster))
    assert report.status == "done", report.messages
    return {
        str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*") if file.is_file()
    }, report


def test_exports_are_the_same_to_the_byte_with_any_workers(tmp_path: Path, random_model: Path) -> None:
    spec = project(tmp_path, random_model)
    alone, _ = run_of(spec, "")
    assert len(alone) > 10
    for cluster in ("local:1", "local:2"):
        made, report = run_of(spec, cluster)
        assert {name for name in alone if made.get(name) != alone[name]} == set()
        assert made.keys() == alone.keys()
        assert not [message for message in report.messages if "itself" in message or "no part" in message]
        answered = [worker["answered"] for worker in report.summary["cluster"]["workers"]]
        assert sum(answered) == 2 * 3, "each export has three ranges"
