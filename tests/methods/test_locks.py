"""The lock files beside the specs of methods and recipes pin what there is, so that `check` needs no run before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixwright.cli import main
from tests.checkout import ROOT

LOCKED = sorted(path for room in ("methods", "recipes") for path in (ROOT / "specs" / room).glob("*.lock"))


@pytest.mark.parametrize("lock", LOCKED, ids=lambda lock: lock.stem)
def test_a_lock_is_current(lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it is not: `mixwright lock specs/ROOM/NAME.mix`."""
    assert main(["lock", "--check", str(lock.with_suffix(".mix"))]) == 0, capsys.readouterr()
