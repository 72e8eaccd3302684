"""`mixwright train`: what it chooses, reads, prints and refuses. The job itself is a stand-in; test_train.py runs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mixwright import cli
from mixwright_runtime.training import outcome
from mixwright_runtime.training import train as training

SPEC = """edition 2026

source numbers inline { rows = [{ q = "1+1", a = "2" }] }
pipeline sums { from numbers
  chat { user = q, assistant = a }
}
mixture m {
  seed = 1
  sums = all
}
train first on m { base = "model", output = "out/first" }
train second on m { base = "model", output = "out/second" }
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "t.mix").write_text(SPEC)
    (tmp_path / "rows.jsonl").write_text(
        json.dumps(
            {
                "id": "one",
                "messages": [{"role": "user", "content": "1+1"}, {"role": "assistant", "content": "2"}],
            }
        )
        + "\n"
    )
    return tmp_path


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """The jobs that would have been started, with their rows."""
    started: list[dict[str, Any]] = []

    def stand_in(plan: Any, train: Any, rows: Any, output: Any, **options: Any) -> outcome.TrainReport:
        listener = options.pop("listener")
        started.append({"train": train.name, "rows": list(rows), "output": output, **options})
        listener.line({"step": 1, "loss": 2.0, "grad_norm": 1.0, "learning_rate": 1e-3, "tokens_per_s": 10.0})
        accuracy = {"asked": 10, "accuracy": 0.5, "low": 0.24, "high": 0.76}
        return outcome.TrainReport(
            output="out",
            how="done",
            steps=1,
            rows=1,
            examples=1,
            bins=1,
            fill=1.0,
            tokens=9,
            trained_tokens=2,
            parameters=5,
            ranks=1,
            first_loss=2.0,
            last_loss=1.0,
            reloaded_loss=1.0,
            tokens_per_s=10.0,
            seconds=2.0,
            held_out={"sums": [2.0, 1.0]},
            evaluation={"before": {"exam": accuracy}, "after": {"exam": {**accuracy, "accuracy": 0.7}}},
            not_trained={},
        )

    monkeypatch.setattr(training, "train_mixture", stand_in)
    yield started


def run(*arguments: object) -> int:
    try:
        return cli.main(["train", *map(str, arguments)])
    except SystemExit as misuse:
        return int(misuse.code or 0)


def test_it_trains_on_a_file_and_tells_what_came_of_it(
    project: Path, jobs: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [project / "t.mix", "--train", "second", "--data", project / "rows.jsonl"]
    assert run(*arguments, "--steps", 3, "--ranks", 1) == 0
    [job] = jobs
    assert (job["train"], job["steps"], job["ranks"]) == ("second", 3, 1)
    assert [row["id"] for row in job["rows"]] == ["one"]
    printed = capsys.readouterr().out
    assert "loss 2.0000 -> 1.0000 per trained token" in printed
    assert "accuracy on 10 problems of exam: 50.0% before, 70.0% after (95%: 24.0% to 76.0%)" in printed


def test_json_is_the_whole_report(
    project: Path, jobs: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(project / "t.mix", "--train", "first", "--data", project / "rows.jsonl", "--json") == 0
    assert json.loads(capsys.readouterr().out)["trained_tokens"] == 2


def test_a_spec_without_a_train_block_is_told_what_to_write(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = SPEC[: SPEC.index("\ntrain ")]
    (project / "t.mix").write_text(kept)
    assert run(project / "t.mix") == 2
    assert "has no `train` block; write one: train student on " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["t.mix"], "name one of the `train` blocks with --train: first, second"),
        (["t.mix", "--train", "third"], "has no train 'third'; it has first, second"),
        (["t.mix", "--train", "first"], "'mixwright run t.mix' makes one"),
        (["t.mix", "--train", "first", "--data", "none.jsonl"], "none.jsonl cannot be read"),
        (["t.mix", "--train", "first", "--data", "t.mix"], "t.mix:1: needs an object with `messages`"),
        (["t.mix", "--steps", "0"], "invalid"),
        (["plan.json"], "plan.json cannot be read"),
    ],
)
def test_misuse_is_one_line_and_status_2(
    project: Path,
    jobs: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(project)
    assert run(*arguments) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert "Traceback" not in printed


def test_the_mixture_of_the_last_run_is_what_is_trained_on(
    project: Path, jobs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    assert cli.main(["lock", "t.mix"]) == 0
    assert cli.main(["run", "t.mix"]) == 0
    assert run("t.mix", "--train", "first") == 0
    [job] = jobs
    assert [row["messages"] for row in job["rows"]] == [
        [{"role": "user", "content": "1+1"}, {"role": "assistant", "content": "2"}]
    ]
