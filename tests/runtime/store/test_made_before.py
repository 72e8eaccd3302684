"""A store and a plan of format 1.0, from before plans had traits, groups and moved steps: they open, explain, continue.

`made_before/` holds a spec with its lock, the plan that was made of it, and the store after `mixwright run plan.json`.
"""

from __future__ import annotations

import json
import lzma
import shutil
from pathlib import Path
from typing import Any

import pytest

from mixwright.cli import main
from mixwright_runtime.store.store import Store

MADE = Path(__file__).parent / "made_before"
SELECTED = "54d348d3d045f149fc78cd2fbe3da395"
"""The row of the mixture that came first."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("old.mix", "old.lock"):
        shutil.copy(MADE / name, name)
    plan = json.loads((MADE / "plan.json").read_text(encoding="utf-8"))
    Path("plan.json").write_text(json.dumps(plan | {"root": str(tmp_path), "directory": str(tmp_path)}))
    Path(".mixwright").mkdir()
    Path(".mixwright/store.duckdb").write_bytes(lzma.decompress((MADE / "store.duckdb.xz").read_bytes()))
    return tmp_path


def asked(sql: str) -> list[tuple[Any, ...]]:
    store = Store.open(Path(".mixwright"))
    try:
        return store.sql(sql)
    finally:
        store.close()


SELECTION = "SELECT position, row_id FROM selection WHERE run_id = {run} ORDER BY position"


def test_it_is_shown(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 0
    assert "run 1 of old.mix: done" in capsys.readouterr().out
    assert main(["explain", SELECTED]) == 0
    said = capsys.readouterr().out
    assert "mixture m: position 0, as p" in said
    assert "verify_math (verify.math)  old.mix:14: verify math {" in said
    assert "score of p.verify_math: measured 1" in said
    assert main(["verify-store"]) == 0


@pytest.mark.parametrize("again", ["plan.json", "old.mix"])
def test_it_goes_on_without_work_done_twice(
    again: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the spec is planned anew and its filter goes first."""
    measured = asked("SELECT count(*) FROM score")
    assert main(["run", again]) == 0
    assert asked("SELECT count(*) FROM score") == measured == [(38,)]
    assert asked(SELECTION.format(run=2)) == asked(SELECTION.format(run=1)) != []
    assert main(["export", again]) == 0
    assert "export out: 10 rows of run 2" in capsys.readouterr().out
    assert main(["verify-store"]) == 0
