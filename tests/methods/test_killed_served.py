"""Specs of methods whose models are behind addresses, and of those that ask none: killed along the way, they end with the
rows of a whole run."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixwright_runtime.store.store import Store
from tests.checkout import ROOT
from tests.killing import Ended, kill_on_the_way, killing, rows_of

KILLS = 3
SMALLER = {
    "repeat = 100": "repeat = 2",
    "persona_if = 600": "persona_if = all",
    "if_augmented = 200": "if_augmented = all",
    "repeat = 30": "repeat = 3",
    "take(12, balance = code)": "all",
}
SERVED = ("judge", "math_reward", "precise_if", "translation")
ASKING_NOTHING = ("demonstrations", "flan")


@pytest.fixture(scope="module")
def run_standing() -> Iterator[Ended]:
    with killing("tests.methods.stand_in", "run_standing") as run_standing:
        yield run_standing


@pytest.fixture(scope="module")
def run_unasked() -> Iterator[Ended]:
    with killing("tests.methods.stand_in", "run_unasked") as run_unasked:
        yield run_unasked


@pytest.mark.parametrize("method", SERVED)
def test_a_method_that_was_killed_ends_with_the_same_rows(
    tmp_path: Path, run_standing: Ended, method: str
) -> None:
    text = (ROOT / "specs/methods" / f"{method}.mix").read_text(encoding="utf-8")
    for whole, part in SMALLER.items():
        text = text.replace(whole, part)
    (tmp_path / "pyproject.toml").touch()
    spec = tmp_path / f"{method}.mix"
    spec.write_text(text, encoding="utf-8")
    assert run_standing(spec, tmp_path / "whole", 0) == 0
    found = rows_of(tmp_path / "whole")
    assert {"kept", "dropped"} <= {status for _, _, status, *_ in found}
    with Store.open(tmp_path / "whole", read_only=True) as opened:
        [(answers,)] = opened.sql("SELECT count(*) FROM call")
    kill_on_the_way(lambda moment: run_standing(spec, tmp_path / "killed", moment), answers, KILLS, method)
    assert rows_of(tmp_path / "killed") == found


@pytest.mark.parametrize("method", ASKING_NOTHING)
def test_a_method_that_asks_no_model_and_was_killed_ends_with_the_same_rows(
    tmp_path: Path, run_unasked: Ended, method: str
) -> None:
    (tmp_path / "pyproject.toml").touch()
    shutil.copytree(ROOT / "specs", tmp_path / "specs", ignore=shutil.ignore_patterns("out", ".mixwright"))
    spec = tmp_path / "specs/methods" / f"{method}.mix"
    assert run_unasked(spec, tmp_path / "whole", 0) == 0
    found = rows_of(tmp_path / "whole")
    for moment in (1, len(found) // 2):
        assert run_unasked(spec, tmp_path / "killed", moment) == -signal.SIGKILL
    assert run_unasked(spec, tmp_path / "killed", 0) == 0
    assert rows_of(tmp_path / "killed") == found
