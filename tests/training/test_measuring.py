"""Measuring while training: which weights are kept, and when a job stops early."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mixwright_compiler.plan.plan import Plan, Train
from mixwright_runtime.training import measuring
from mixwright_runtime.training.held_out import read_held_out
from mixwright_runtime.training.launch import Ended
from mixwright_runtime.training.settings import Measure

pytestmark = pytest.mark.train
pytest.importorskip("deepspeed")

from mixwright_runtime.training import train as training  # noqa: E402
from mixwright_runtime.training.train import train_mixture  # noqa: E402

BY_LOSS = Measure(every=10, on=("held_out",), best="held_out", patience=2)
BY_EXAM = Measure(every=10, on=("exam",), best="exam", patience=2)


@pytest.mark.parametrize(
    ("values", "is_loss", "best", "over"),
    [
        ([3.0, 2.0, 2.5], True, 20, False),
        ([3.0, 2.0, 2.5, 2.1], True, 20, True),
        ([3.0, 2.0, 2.5, 1.9, 2.0], True, 40, False),
        ([0.1, 0.2, 0.2, 0.2], False, 20, True),  # as good is not better
        ([0.3, 0.1, 0.2], False, 10, True),
        ([], True, None, False),
    ],
)
def test_a_loss_is_better_lower_and_a_share_higher(
    values: list[float], is_loss: bool, best: int | None, over: bool
) -> None:
    points = [(10 * (i + 1), value) for i, value in enumerate(values)]
    found = measuring.best_of(points, is_loss=is_loss)
    assert (None if found is None else found[0]) == best
    assert measuring.is_over(points, BY_LOSS if is_loss else BY_EXAM) is over


def test_a_measure_names_an_evaluation_or_one_verifier_of_it() -> None:
    """A set that is imported has a name with a point."""
    measure = Measure(
        every=10, on=("held_out", "lessons.exam", "ifeval.strict"), best="lessons.exam", patience=None
    )
    asked = [name for name in ("lessons.exam", "ifeval", "held_out", "exam") if measure.asks(name)]
    assert asked == ["lessons.exam", "ifeval"]


def test_the_last_step_is_measured_too() -> None:
    assert [step for step in range(26) if measuring.is_moment(step, BY_LOSS, 25)] == [10, 20, 25]


def job(directory: Path, scores: dict[int, float], measure: Measure, steps: int = 50) -> Any:
    """A job whose ranks save a model at each moment and end there, and whose evaluations give `scores`.

    Returns what runs it, the steps that the ranks went through, and the directory.
    """
    ran: list[int] = []
    prepared: Any = SimpleNamespace(
        settings=SimpleNamespace(measure=measure), directory=directory, steps=steps
    )

    def checkpoint() -> int:
        return max((int(p.name[11:]) for p in (directory / "checkpoints").glob("checkpoint-*")), default=0)

    def start() -> Ended:
        step = min(steps, checkpoint() + measure.every)
        ran.append(step)
        place = measuring.place_of(directory, step)
        place.mkdir(parents=True, exist_ok=True)
        (place / "model").write_text(str(step))
        (place / measuring.PROBE).write_text(json.dumps({"loss": step}))
        saved = directory / "checkpoints" / f"checkpoint-{step}"
        saved.mkdir(parents=True, exist_ok=True)
        (saved / "COMPLETE").write_text('{"ranks": 1}')
        return Ended("done", step, 0.0) if step == steps else Ended("measured", step)

    def judge(step: int) -> None:
        measuring.record(directory, step, {"exam": scores[step]})
        measuring.prune(directory, measure, steps=steps, checkpoint=step)

    def run(judge: Callable[[int], None] = judge) -> Ended:
        return training._until_over(prepared, start, judge, training.Listener())

    return run, ran


def test_ranks_and_evaluations_take_turns_until_nothing_gets_better(tmp_path: Path) -> None:
    run, ran = job(tmp_path, {10: 0.1, 20: 0.4, 30: 0.3, 40: 0.4}, BY_EXAM)
    assert run() == Ended("done", 40, probe_loss=20.0)
    assert ran == [10, 20, 30, 40]
    assert (tmp_path / "final" / "model").read_text() == "20"
    assert [place.name for place in (tmp_path / "measured").iterdir()] == ["step-20"]


def test_the_last_weights_are_kept_where_they_are_the_best(tmp_path: Path) -> None:
    run, ran = job(tmp_path, {10: 0.1, 20: 0.2, 25: 0.3}, BY_EXAM, steps=25)
    assert run() == Ended("done", 25, probe_loss=25.0)
    assert ran == [10, 20, 25]


def test_an_evaluation_that_was_cut_short_is_made_at_the_next_start(tmp_path: Path) -> None:
    run, ran = job(tmp_path, {10: 0.5, 20: 0.1, 30: 0.1}, BY_EXAM)

    def killed(step: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(killed)
    assert run() == Ended("done", 30, probe_loss=10.0)
    assert ran == [10, 20, 30]


def test_a_job_that_stopped_early_is_not_trained_on(tmp_path: Path) -> None:
    """Nor by a run that failed after its training, and is started again."""
    run, ran = job(tmp_path, {10: 0.5, 20: 0.1, 30: 0.1}, BY_EXAM)
    assert run() == run()
    assert ran == [10, 20, 30]


def test_what_was_measured_after_the_checkpoint_is_forgotten(tmp_path: Path) -> None:
    for step in (10, 20):
        measuring.record(tmp_path, step, {"exam": 0.5})
        (tmp_path / f"replies-step-{step}-aa.json").touch()
    measuring.cut(tmp_path, 10)
    assert [line["step"] for line in measuring.read_measures(tmp_path)] == [10]
    assert [path.name for path in tmp_path.glob("replies-*")] == ["replies-step-10-aa.json"]


def test_the_best_before_the_last_checkpoint_is_not_deleted(tmp_path: Path) -> None:
    """A kill goes back to the checkpoint at step 20; where another number of ranks goes on, step 30 may be another."""
    lines = [{"step": step, "losses": {}, "mean": mean} for step, mean in ((10, 2.0), (20, 3.0), (30, 1.0))]
    (tmp_path / "held_out.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for step in (10, 20, 30):
        measuring.place_of(tmp_path, step).mkdir(parents=True)
    measuring.prune(tmp_path, BY_LOSS, steps=90, checkpoint=20)
    assert sorted(place.name for place in (tmp_path / "measured").iterdir()) == ["step-10", "step-30"]


@pytest.mark.slow  # starts two ranks twice
def test_a_job_that_gets_worse_stops_and_keeps_its_best_weights_over_a_stop(
    plan: Plan, train_block: Callable[..., Train], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    """ZeRO-3, a rate at which the model breaks: the best is measured before the stop, the end is after it."""
    import torch
    from transformers import AutoModelForCausalLM

    from mixwright_runtime.training.held_out import losses, open_held_out

    train = train_block(
        steps=12,
        warmup=0.9,
        learning_rate=3.0,
        clip=1e9,
        holdout=0.2,
        precision="fp32",
        save_as="fp32",
        checkpoints=1,
        measure={"every": 1, "on": ["held_out"], "best": "held_out", "patience": 3},
    )
    paused = train_mixture(plan, train, rows, tmp_path / "out", pause_after=2)
    report = train_mixture(plan, train, rows, tmp_path / "out")
    values = {line["step"]: line["mean"] for line in read_held_out(tmp_path / "out" / "held_out.jsonl")}
    del values[0]
    best = min(values, key=lambda step: values[step])
    assert (paused.how, report.how, report.best_step) == ("paused", "done", best)
    assert report.steps == max(values) == best + 3 < 12
    assert report.measured == [list(point) for point in values.items()]
    [state] = (tmp_path / "out" / "state").glob("*/settings.json")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    found = losses(model, open_held_out(state.parent), micro=2, device=torch.device("cpu"))
    assert found["sums"] == pytest.approx(values[best], rel=1e-5)
    assert not (state.parent / "measured").exists()
