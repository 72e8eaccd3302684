"""Qwen2.5's seven strategies in one mixture: what each checks, its counts, and a small run of all."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

import mixwright
from mixwright_compiler.plan.plan import CountQuota
from tests.checkout import ROOT

SPEC = ROOT / "specs" / "recipes" / "qwen25.mix"
CHECKED_BY = {
    "mathematics.solved": {"verify.math"},
    "code.in_python": {"verify.code"},
    "code.in_bash": {"verify.code"},
    "languages.translated": {"verify.translation"},
    "tables.answered": {"verify.schema", "verify.agreement"},
    "logic.concluded": {"verify.agreement"},
}
"""What decides, by pipeline; the others are judged by models, whose answers filters read."""


def test_each_strategy_has_its_check_and_its_part() -> None:
    plan = mixwright.plan(SPEC)
    groups: Counter[str] = Counter()
    for component in plan.mixtures["qwen25"].components:
        assert isinstance(component.quota, CountQuota)
        groups[component.group] += component.quota.count
    assert groups == {
        "mathematics": 10, "code": 15, "languages": 15, "long_answers": 15, "tables": 20, "systems": 5, "reasoning": 20
    }  # fmt: skip
    for name, checks in CHECKED_BY.items():
        assert checks <= {step.operation for step in plan.pipelines[name].steps}
    assert [step.id for step in plan.pipelines["balanced"].steps][-2:] == ["balanced.balance", "chat"]
    train = plan.trains["sft"].attributes
    assert (train["epochs"], train["context"], train["learning_rate"]) == (2, 32 * 1024, 7e-6)
    assert (train["min_learning_rate"], train["weight_decay"], train["clip"]) == (7e-7, 0.1, 1)
    without = mixwright.plan(SPEC, variant="no_judges").mixtures["no_judges"]
    assert {c.rows for c in without.components}.isdisjoint(
        {"long_answers.requested", "robust.robust_answers", "balanced"}
    )


@pytest.mark.train
@pytest.mark.slow
def test_all_strategies_run_small(tmp_path: Path) -> None:
    """Eight models are loaded, some at the same time."""
    pytest.importorskip("transformers")
    shutil.copytree(ROOT / "specs", tmp_path / "specs", ignore=shutil.ignore_patterns("out", ".mixwright"))
    (tmp_path / "pyproject.toml").touch()
    report = mixwright.run(
        tmp_path / "specs" / "recipes" / "qwen25.mix", params={"scale": "0.2"}, store=tmp_path / "store"
    )
    made = report.summary["mixtures"]["qwen25"]
    groups = {part["name"]: part["rows"] for part in made["subtotals"] if part["kind"] == "group"}
    assert all(groups.values()) and len(groups) == 7 and sum(groups.values()) == made["rows"] >= 18
    assert not any("internal error" in reason for reason in report.summary["quarantined"])
