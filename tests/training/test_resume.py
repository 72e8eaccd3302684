"""A run that another number of ranks continues, beside one that went straight on: the same, to six digits of fp32.

Slow: each job starts Python processes that import torch and deepspeed, about 10 CPU-seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mixwright_compiler.plan.plan import Plan, Train
from mixwright_runtime.training.curve import read_curve

pytestmark = [pytest.mark.train, pytest.mark.slow]
pytest.importorskip("deepspeed")

from mixwright_runtime.training import launch  # noqa: E402
from mixwright_runtime.training.train import train_mixture  # noqa: E402

Rows = list[dict[str, Any]]

STEPS = 8
FULL: dict[str, Any] = {}
LORA = {"lora": {"rank": 8, "alpha": 16, "dropout": 0.0, "layers": []}}


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[dict[str, Any]]]:
    """The curve of two ranks that were never stopped; of each kind of training run once."""
    done: dict[str, list[dict[str, Any]]] = {}

    def run(plan: Plan, train: Train, rows: Rows) -> list[dict[str, Any]]:
        kind = "lora" if train.attributes["lora"] else "full"
        if kind not in done:
            output = tmp_path_factory.mktemp(kind) / "out"
            train_mixture(plan, train, rows, output)
            done[kind] = read_curve(output / "curve.jsonl")
        return done[kind]

    return run


@pytest.mark.parametrize(
    ("zero", "before", "after", "more", "is_cut"),
    [
        pytest.param(3, 2, 1, FULL, False, id="stage 3, on fewer ranks"),
        pytest.param(3, 1, 2, FULL, False, id="stage 3, on more ranks"),
        pytest.param(3, 2, 1, FULL, True, id="stage 3, many sub-groups"),
        pytest.param(3, 2, 1, LORA, False, id="stage 3, adapters"),
        pytest.param(2, 2, 1, FULL, False, id="stage 2"),
        pytest.param(1, 1, 2, FULL, False, id="stage 1"),
        pytest.param(0, 2, 1, FULL, False, id="not sharded"),
    ],
)
def test_another_number_of_ranks_continues_as_if_it_had_not_been_stopped(
    plan: Plan,
    train_block: Callable[..., Train],
    rows: Rows,
    straight: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    zero: int,
    before: int,
    after: int,
    more: dict[str, Any],
    is_cut: bool,
) -> None:
    """Weights decay here, so that a group of parameters that takes another's settings is seen."""
    fp32 = {"precision": "fp32", "weight_decay": 0.3, "steps": STEPS, **more}
    expected = straight(plan, train_block(zero=3, **fp32), rows)
    if is_cut:
        monkeypatch.setattr(launch, "ranks_command", _in_small_groups)
    train, output = train_block(zero=zero, **fp32), tmp_path / "out"
    train_mixture(plan, train, rows, output, ranks=before, pause_after=3)
    train_mixture(plan, train, rows, output, ranks=after, pause_after=STEPS - 1)
    counts, decays = _saved(output)
    assert set(counts) == {STEPS - 1}
    assert (len(counts) > 4) == (is_cut or zero == 0)
    assert decays == ([0.3, 0.0] if not more else [0.3])
    [file] = output.glob("state/*/curve.jsonl")
    curve = read_curve(file)
    assert len(curve) == STEPS - 1
    for name in ("loss", "learning_rate", "grad_norm"):
        assert [line[name] for line in curve] == pytest.approx(
            [line[name] for line in expected[:-1]], rel=1e-6 if name != "grad_norm" else 1e-5
        )


def _in_small_groups(directory: Path, nodes: Any, ranks: int, arguments: list[str]) -> list[str]:
    command = _ranks_command(directory, nodes, ranks, arguments)
    at = command.index("mixwright_runtime.training.job")
    return [
        *command[: at - 1],
        str(Path(__file__).with_name("ranks_with_small_groups.py")),
        *command[at + 1 :],
    ]


_ranks_command = launch.ranks_command


def _saved(output: Path) -> tuple[list[int], list[float]]:
    """Of the newest checkpoint: how many steps each state has counted, and the decay of each group of parameters."""
    import torch

    [checkpoints] = output.glob("state/*/checkpoints")
    newest = launch.last_checkpoint(checkpoints)
    assert newest is not None
    shards = [*newest.place.glob("global_step*[0-9]/*_optim_states.pt"), *newest.place.glob("optimizer.pt")]
    counts: list[int] = []
    groups: list[Any] = []
    for shard in shards:
        held = torch.load(shard, weights_only=False)
        held = held.get("optimizer_state_dict", held)
        held = held.get("optimizer_state_dict") or held.get("base_optimizer_state") or held
        counts += [int(state["step"]) for state in held["state"].values()]
        groups = held["param_groups"]
    return counts, [group["weight_decay"] for group in groups]
