"""Humpback: what one round has trained is what the next one asks, and nothing is asked for that was answered before,
killed or not.

The backward model is really trained. For the two judges, which are trained in the same way, there are the small model and
a copy of it with other weights.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixwright import cli
from mixwright_runtime.store.store import Store
from tests.checkout import ROOT
from tests.killing import kill_on_the_way, killing, rows_of

pytestmark = [pytest.mark.train, pytest.mark.slow]
pytest.importorskip("transformers")


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The spec in a project of its own, in which it is run."""
    (tmp_path / "pyproject.toml").touch()
    for name in ("methods/humpback.mix", "methods/humpback.lock", "tiny/methods.mix", "tiny/methods.lock"):
        (tmp_path / "specs" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "specs" / name, tmp_path / "specs" / name)
    shutil.copytree(ROOT / "specs" / "tiny" / "methods_model", tmp_path / "specs" / "tiny" / "methods_model")
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "specs" / "methods" / "humpback.mix"


def judged(pipeline: str) -> tuple[int, int, int]:
    """Pairs kept, pairs dropped, and of these the ones that are half of one text and half of another."""
    with Store.open(Path(".mixwright"), read_only=True) as store:
        [found] = store.sql(
            """SELECT count(*) FILTER (status = 'kept'), count(*) FILTER (status = 'dropped'),
              count(*) FILTER (status = 'dropped' AND columns->>'document' LIKE 'A joke%')
            FROM row_outcome WHERE pipeline = ?""",
            [pipeline],
        )
    return found


def test_each_round_asks_what_the_one_before_has_trained(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    def requests_of(mixture: str) -> int:
        assert cli.main(["run", str(spec), "--mixture", mixture, "--json"]) == 0
        requests: int = json.loads(capsys.readouterr().out)["requests"]
        return requests

    assert requests_of("backwards") == 0
    assert cli.main(["train", str(spec), "--train", "backward", "--steps", "2"]) == 0
    capsys.readouterr()
    out = spec.parent / "out" / "humpback"
    small = spec.parents[1] / "tiny" / "methods_model"
    trained, base = (load_file(place / "model.safetensors") for place in (out / "backward", small))
    assert any(not torch.equal(trained[name].float(), base[name].float()) for name in base)

    shutil.copytree(small, out / "first")
    assert requests_of("round_one") == 160
    kept, dropped, halves = judged("best_one")
    assert kept + dropped == 80
    assert 50 <= kept <= 75 and halves >= 0.8 * dropped > 0

    # A judge with other weights is another model: its scores are asked for, and no request is.
    shutil.copytree(small, out / "second")
    weights = {name: (tensor * 1.01).contiguous() for name, tensor in base.items()}
    save_file(weights, out / "second" / "model.safetensors", metadata={"format": "pt"})
    assert requests_of("round_two") == 80
    kept, dropped, halves = judged("best_two")
    assert 50 <= kept <= 75 and halves >= 0.8 * dropped > 0
    assert requests_of("round_two") == 0

    # All of it at once, from what is stored; and killed three times, with the same answers.
    whole, killed = Path(".mixwright"), Path("killed")
    assert cli.main(["run", str(spec)]) == 0
    with Store.open(whole, read_only=True) as store:
        [(answers,)] = store.sql("SELECT count(*) FROM call")
    with killing("tests.methods.told", "run_told") as run_told:
        kill_on_the_way(
            lambda moment: run_told(spec, killed.resolve(), whole.resolve(), moment), answers, 3, "humpback"
        )
    found = rows_of(whole)
    assert len(found) >= 160 and rows_of(killed) == found
