"""The benchmark of growth: its parts work, and it fails where a cost grows faster than what it is the cost of."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import scale


@pytest.mark.parametrize("power", [1.0, 1.4])
def test_a_part_that_grows_too_fast_fails_the_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], power: float
) -> None:
    monkeypatch.setattr(scale, "measured", lambda name, size, at: {"cpu": (size / 1e4) ** power, "mb": 100})
    monkeypatch.setattr(sys, "argv", ["scale.py", "client", "--sizes", "10000,30000,90000", "--check"])
    assert scale.main() == (power > scale.CEILING)
    assert f"client     exponent {power:.2f}" in capsys.readouterr().out


@pytest.mark.parametrize(("part", "size"), [("rerun", 40), ("keys", 300), ("limit", 3_000), ("source", 500)])
def test_its_parts_work(tmp_path: Path, part: str, size: int) -> None:
    scale.PARTS[part].prepare(size, tmp_path)
    figures = scale.PARTS[part].work(size, tmp_path)
    assert figures.get("keys", size) == size
