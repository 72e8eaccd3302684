"""What `run` says of an interrupted run is said at once: its page and the end of a large store take seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixwright.cli import main
from mixwright.commands import run as command
from mixwright_runtime.run import execute
from mixwright_runtime.run.run import RunReport

SPEC = """edition 2026
source people inline { rows = [{ name = "Ada" }], license = "cc0-1.0" }
pipeline all { from people }
mixture main { seed = 1, all = all }
"""
KEPT = "interrupted; 1 finished rows are kept, 'mixwright run' again goes on from there"


def test_what_was_kept_is_told_before_the_page_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "spec.mix"
    spec.write_text(SPEC)

    def again(*_: object) -> Path:
        assert KEPT in capsys.readouterr().err
        raise KeyboardInterrupt

    monkeypatch.setattr(
        execute, "run_plan", lambda *_, **__: RunReport(1, "stopped", 130, {}, ("other", KEPT))
    )
    monkeypatch.setattr(command, "_write_pages", again)
    assert main(["run", str(spec)]) == 130
