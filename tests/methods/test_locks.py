"""The lock files beside the specs of methods: what they pin is what there is, so that `check` needs no run before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixwright.cli import main
from tests.checkout import ROOT

LOCKED = sorted((ROOT / "specs" / "methods").glob("*.lock"))


@pytest.mark.parametrize("lock", LOCKED, ids=lambda lock: lock.stem)
def test_a_lock_is_current(lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it is not: `mixwright lock specs/methods/NAME.mix`."""
    assert main(["lock", "--check", str(lock.with_suffix(".mix"))]) == 0, capsys.readouterr()
