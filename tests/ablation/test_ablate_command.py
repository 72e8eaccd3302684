"""`mixwright ablate`: which jobs it starts in which order, what it does not do twice, what it tells. The jobs are
stand-ins; test_ablation_run.py trains."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mixwright import cli
from mixwright_runtime.ablation import job
from mixwright_runtime.ablation.pace import CellsPace, Left
from mixwright_runtime.errors import RunError
from mixwright_runtime.training.launch import Interrupted
from mixwright_runtime.training.outcome import TrainReport
from mixwright_runtime.training.planning.probe import Calibration, write_calibration

SPEC = """edition 2026

source numbers inline { rows = [{ q = "1+1", a = "2" }, { q = "1+2", a = "3" }] }
source words inline { rows = [{ q = "cat", a = "Katze" }] }
pipeline sums {
  from numbers
  chat { user = q, assistant = a }
}
pipeline translations {
  from words
  chat { user = q, assistant = a }
}
mixture m {
  seed = 1
  group math { sums = all }
  group language { translations = all }
}
variant no_math of m { without = [math] }
variant few of m { set { math.sums = 1 } }
train student on m {
  base = "model"
  batch = 1
  epochs = 2
  seed = 5
  holdout = 10%
  output = "out/student"
}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "model" / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "t.mix").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return tmp_path


Job = tuple[str, int, list[str]]


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs that were started: mixture, seed, components of the rows."""
    started: list[Job] = []

    def stand_in(plan: Any, train: Any, rows: Any, output: Path, **options: Any) -> TrainReport:
        started.append((train.mixture, train.attributes["seed"], sorted(row["component"] for row in rows)))
        output.mkdir(parents=True, exist_ok=True)
        (output / "model.safetensors").write_bytes(b"trained")
        verdicts = ("1" * len(rows)).ljust(4, "0") * 50
        accuracy = {"set": "exam", "accuracy": len(rows) / 4, "verdicts": verdicts}
        done = dict.fromkeys(("rows", "examples", "bins", "tokens", "trained_tokens", "parameters"), 1)
        return TrainReport(
            output=str(output),
            how="done",
            steps=options["steps"] or 6,
            **done,
            fill=1.0,
            ranks=1,
            first_loss=2.0,
            last_loss=1.0,
            reloaded_loss=None,
            tokens_per_s=None,
            seconds=1.0,
            held_out={},
            evaluation={"after": {"exam": accuracy}},
            not_trained={},
        )

    monkeypatch.setattr(job, "train_mixture", stand_in)
    return started


def run(*arguments: object) -> int:
    try:
        return cli.main(["ablate", "t.mix", *map(str, arguments)])
    except SystemExit as misuse:
        return int(misuse.code or 0)


def test_every_mixture_with_one_seed_then_with_the_next(
    project: Path, jobs: list[Job], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--seeds", 2) == 0
    assert [(mixture, seed) for mixture, seed, _ in jobs] == [
        ("m", 5),
        ("no_math", 5),
        ("few", 5),
        ("m", 6),
        ("no_math", 6),
        ("few", 6),
    ]
    assert [rows for _, _, rows in jobs[:3]] == [
        ["sums", "sums", "translations"],
        ["translations"],
        ["sums", "translations"],
    ]
    told = capsys.readouterr()
    assert "6 cells: 3 mixtures x 2 seeds, about 24 steps in all (m 6, no_math 2, few 4 each)" in told.err
    assert told.out.splitlines()[:4] == [
        "mixture    rows        exam      +/-",
        "m             3  75.0 ± 0.0",
        "  no_math     1  25.0 ± 0.0  -50.0 *",
        "  few         2  50.0 ± 0.0  -25.0 *",
    ]
    output = project / "out" / "student-ablation"
    assert json.loads((output / "ablation.json").read_text())["lines"][1]["entries"]["exam"]["mean"] == 0.25
    assert "no_math,6,exam,0.25" in (output / "ablation.csv").read_text()
    assert "no_math" in (output / "ablation.html").read_text()


def test_a_finished_cell_is_not_trained_again_until_something_changes(
    project: Path, jobs: list[Job], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--seeds", 1, "--discard-models") == 0
    assert len(jobs) == 3
    assert not list((project / "out").rglob("*.safetensors"))
    assert run("--seeds", 1) == 0
    assert len(jobs) == 3
    assert "m, seed 5: finished before, 6 steps" in capsys.readouterr().err
    # One variant's rows change: that one is trained, the others are not.
    (project / "t.mix").write_text(SPEC.replace("math.sums = 1", "language.translations = 0, math.sums = 1"))
    assert run("--seeds", 1) == 0
    assert [(mixture, rows) for mixture, _, rows in jobs[3:]] == [("few", ["sums"])]


def test_without_anything_to_measure_nothing_is_trained(
    project: Path, jobs: list[Job], capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "t.mix").write_text(SPEC.replace("  holdout = 10%\n", ""))
    assert run() == 2
    assert "train 'student' has neither `evaluate` nor `holdout`" in capsys.readouterr().err
    assert jobs == []


def test_leave_one_out_makes_a_variant_for_each_group(
    project: Path, jobs: list[Job], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--leave-one-out", "--seeds", 1, "--json") == 0
    assert [(mixture, rows) for mixture, _, rows in jobs] == [
        ("m", ["sums", "sums", "translations"]),
        ("without_math", ["translations"]),
        ("without_language", ["sums", "sums"]),
    ]
    told = capsys.readouterr()
    assert [line["mixture"] for line in json.loads(told.out)["lines"]] == [
        "m",
        "without_math",
        "without_language",
    ]
    assert told.err == ""
    assert (project / "t.mix").read_text() == SPEC


def failing_for(monkeypatch: pytest.MonkeyPatch, mixture: str, error: Exception) -> None:
    whole: Callable[..., TrainReport] = job.train_mixture

    def train(plan: Any, train: Any, *arguments: Any, **options: Any) -> TrainReport:
        if train.mixture == mixture:
            raise error
        return whole(plan, train, *arguments, **options)

    monkeypatch.setattr(job, "train_mixture", train)


def test_a_failing_cell_is_told_and_the_others_go_on(
    project: Path, jobs: list[Job], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing_for(monkeypatch, "no_math", RunError("rank 0 ran out of memory"))
    assert run("--seeds", 1) == 1
    assert [mixture for mixture, _, _ in jobs] == ["m", "few"]
    told = capsys.readouterr()
    assert "failed: no_math, seed 5: rank 0 ran out of memory" in told.err
    assert "failed: no_math, seed 5: rank 0 ran out of memory" in told.out
    assert "  no_math  failed" in told.out


def test_a_mixture_that_cannot_be_filled_fails_alone(
    project: Path, jobs: list[Job], capsys: pytest.CaptureFixture[str]
) -> None:
    spec = SPEC.replace("math.sums = 1", "math.sums = 7").replace(
        "from numbers", "from numbers { repeat = 4 }\n  dedup exact { on = q }"
    )
    (project / "t.mix").write_text(spec)
    assert run("--seeds", 1) == 1
    assert [mixture for mixture, _, _ in jobs] == ["m", "no_math"]
    assert "failed: few, seed 5" in capsys.readouterr().out


def test_an_interrupt_keeps_what_is_finished(
    project: Path, jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing_for(monkeypatch, "no_math", Interrupted("stopped at step 2"))
    assert run("--seeds", 1) == 130
    table = json.loads((project / "out" / "student-ablation" / "ablation.json").read_text())
    assert [len(line["seeds"]) for line in table["lines"]] == [1, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--variants", "no_maths"], "mixture 'm' has no variant 'no_maths'; it has no_math, few"),
        (["--train", "teacher"], "has no train 'teacher'; it has student"),
        (["--leave-one-out", "--variants", "few"], "--leave-one-out makes its own variants"),
        (["--seeds", "0"], "invalid"),
    ],
)
def test_misuse_is_one_line_and_status_2(
    project: Path, jobs: list[Job], capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(*arguments) == 2
    assert message in capsys.readouterr().err
    assert jobs == []


def test_no_forecast_of_a_machine_that_nobody_measured(
    project: Path, jobs: list[Job], capsys: pytest.CaptureFixture[str]
) -> None:
    """Constants of a data sheet promised two hours for three minutes."""
    config = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 128}
    config |= {"num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 512}
    (project / "model" / "config.json").write_text(json.dumps(config))
    (project / "t.mix").write_text(
        SPEC.replace("  seed = 5\n", '  seed = 5\n  cluster { gpu = "h100_80gb", gpus = 1, price = $2 }\n')
    )
    assert run("--seeds", 1) == 0
    assert "forecast" not in capsys.readouterr().err
    write_calibration(Calibration("h100_80gb", 1, 989e12, 0.3, None), project / ".mixwright")
    assert run("--seeds", 1) == 0
    assert "of training, by the probe of this machine, $" in capsys.readouterr().err


STEP_S, BESIDES_S = 2.0, 30.0


def told_of_cells(steps: list[int], *, failing: int | None = None) -> list[tuple[float, Left | None]]:
    """What is left of cells whose steps take 2 s, and all else 20 s before and 10 s after: by the clock, by the pace."""
    pace, now = CellsPace(steps), 0.0
    seen: list[tuple[float, Left | None]] = []

    def note() -> None:
        seen.append((now, pace.left(now)))

    for number, count in enumerate(steps):
        note()
        pace.begin(now)
        now += BESIDES_S - 10
        if number == failing:
            pace.end(now, failed=True)
            continue
        for step in range(1, count + 1):
            now += STEP_S
            pace.step(now, step)
            note()
        now += 10
        pace.end(now)
    return [(now - at, left) for at, left in seen]


def test_what_is_left_comes_of_the_cells_that_ended_by_their_steps() -> None:
    steps = [100, 20, 100, 20, 100, 20]
    seen = told_of_cells(steps)
    assert seen[0][1] is None, "nothing is measured"
    assert [left for _, left in seen[1:6]] == [None] * 4 + [Left(710.0, is_least=True)]
    after = seen[1 + steps[0] :]
    assert len(after) == 5 + sum(steps[1:])
    for truth, left in after:
        assert left is not None and not left.is_least
        # The step that the launcher does not tell the beginning of is in what comes besides: a step a cell.
        assert abs(left.seconds - truth) <= STEP_S


def test_a_cell_that_failed_says_nothing_of_the_others() -> None:
    for truth, left in told_of_cells([50] * 5, failing=1)[60:]:
        assert left is not None
        assert abs(left.seconds - truth) <= STEP_S


def test_cells_that_ended_before_are_not_waited_for(
    project: Path, jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of three variants were trained by an earlier ablation: one cell is left, not three."""
    assert run("--seeds", 1) == 0
    begun: list[list[int]] = []
    monkeypatch.setattr(job, "CellsPace", lambda steps: begun.append(list(steps)) or CellsPace(steps))
    (project / "t.mix").write_text(SPEC.replace("math.sums = 1", "language.translations = 0, math.sums = 1"))
    assert run("--seeds", 1) == 0
    assert begun == [[], [2]]
