"""One run gives answers to learn from, pairs, and problems with what answers to them are checked against."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import mixwright
from tests.checkout import ROOT

pytestmark = [pytest.mark.train, pytest.mark.slow]
pytest.importorskip("transformers")


def test_pairs_and_problems_of_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    shutil.copytree(ROOT / "specs", tmp_path / "specs", ignore=shutil.ignore_patterns("out", ".mixwright"))
    mixwright.run(tmp_path / "specs/methods/pairs.mix", store=tmp_path / "store")
    out = tmp_path / "specs/methods/out/pairs"
    lines = {
        name: [
            json.loads(line)
            for line in (out / name / "data/train-00000-of-00001.jsonl")
            .read_text(encoding="utf-8")
            .splitlines()
        ]
        for name in ("sft", "preference", "rlvr")
    }
    manifest = json.loads((out / "preference/manifest.json").read_text(encoding="utf-8"))
    assert len(lines["sft"]) == len(lines["rlvr"]) == manifest["rows"] >= 30
    assert len(lines["preference"]) == manifest["pairs"] >= 20
    # Rows of which all four answers are right, or of which the rest is the same text, have no pair.
    assert sum(manifest["without_pair"].values()) == manifest["rows"] - manifest["pairs"] > 0
    answers = {line["id"]: line["messages"] for line in lines["sft"]}
    truths = {line["id"]: line["ground_truth"] for line in lines["rlvr"]}
    for pair in lines["preference"]:
        assert [*pair["prompt"], *pair["chosen"]] == answers[pair["id"]]
        assert pair["chosen"][0]["content"].endswith(f"#### {truths[pair['id']]}")
        assert not pair["rejected"][0]["content"].endswith(f"#### {truths[pair['id']]}")
