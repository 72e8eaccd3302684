"""Demonstrations of people: no user on both sides, none with too many rows, and the shares of kinds in the report."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import mixwright
from mixwright_runtime.facts.reports import step_reports
from mixwright_runtime.mixture.record import mixture_rows
from mixwright_runtime.store.store import Store
from tests.checkout import ROOT


def test_users_are_split_and_capped_and_kinds_are_told(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    methods = tmp_path / "methods"
    methods.mkdir()
    shutil.copytree(ROOT / "specs/methods/demonstrations", methods / "demonstrations")
    for name in ("demonstrations.mix", "demonstrations.lock"):
        shutil.copy(ROOT / "specs/methods" / name, methods)
    plan = mixwright.plan(methods / "demonstrations.mix")
    mixwright.run(methods / "demonstrations.mix", store=tmp_path / "store")
    with Store.open(tmp_path / "store", read_only=True) as store:
        learned, held = (
            [row.columns for row in mixture_rows(store, plan, 1, name, with_columns=True)]
            for name in ("sft", "valid")
        )
        reports = {one.node: one.report for one in step_reports(store, 1)}
        reasons = store.sql("SELECT DISTINCT reason FROM outcome WHERE status = 'dropped' ORDER BY 1")
    assert len(learned) == 100 and len(held) >= 10
    users = Counter(row["user_id"] for row in learned)
    assert max(users.values()) == 12 and not users.keys() & {row["user_id"] for row in held}
    assert all(row["pii"] == "clean" for row in (*learned, *held))
    assert reasons == [("duplicate",), ("filter",)]
    kinds = reports["learned.demonstrated.kinds_wanted"]["shares"]
    counted = json.loads(json.dumps(kinds))["values"]["generation"]
    assert counted["wanted"] == 0.456 and 0.35 < counted["found"] < 0.6
    assert kinds["outside"] == 0 and kinds["freedom"] == 9 and 0 < kinds["l1"] < 0.5
