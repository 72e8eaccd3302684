"""Ctrl-C ends a command with status 130, also where it arrives inside a query of DuckDB."""

from __future__ import annotations

from typing import Any

import pytest

from mixwright.cli import main
from mixwright.commands import doctor


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("Query interrupted")])
def test_ctrl_c_is_no_traceback(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(arguments: Any) -> int:
        raise error

    monkeypatch.setattr(doctor, "run", interrupted)
    assert main(["doctor"]) == 130


def test_other_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(arguments: Any) -> int:
        raise RuntimeError("something else")

    monkeypatch.setattr(doctor, "run", failing)
    with pytest.raises(RuntimeError, match="something else"):
        main(["doctor"])
