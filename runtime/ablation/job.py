"""Train and measure the cells of an ablation, one after another; what is finished is not done again."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler.plan import Plan, Train
from runtime.ablation.cells import (
    Cell,
    Result,
    finished,
    keep,
    key_of,
    with_seed,
    write_whole,
)
from runtime.ablation.table import Table, table_csv, table_json, table_of
from runtime.plugin import RunError
from runtime.report.training import write_training_page
from runtime.training.evaluate import measured, problems_digest
from runtime.training.held_out import divided, without
from runtime.training.launch import Interrupted
from runtime.training.settings import TrainSettings, settings_of
from runtime.training.train import Listener, TrainReport, train_mixture


@dataclass(frozen=True)
class Mixed:
    """A mixture with its rows, or what kept it from having any."""

    name: str
    plan: Plan
    train: Train
    rows: Sequence[dict[str, Any]]
    failure: str = ""


@dataclass(frozen=True)
class Options:
    """`keeps_models`: else a cell's weights are deleted once it is measured."""

    output: Path
    seeds: tuple[int, ...]
    steps: int | None = None
    ranks: int | None = None
    sandbox: str = "bwrap"
    keeps_models: bool = True


@dataclass(frozen=True)
class Watcher:
    """Hears of the work. `cell`: which of how many is begun, and seconds that are left, None before the first ended."""

    cell: Callable[[Cell, int, int, float | None], None] = lambda cell, number, of, left: None
    ended: Callable[[Cell, Result, bool], None] = lambda cell, result, was_kept: None
    failed: Callable[[Cell, str], None] = lambda cell, text: None
    says: Callable[[str], None] = lambda text: None
    line: Callable[[dict[str, Any]], None] = lambda line: None


class Ablation:
    """An ablation being made: the mixtures (the base first), and what has come of its cells."""

    def __init__(
        self, mixed: Sequence[Mixed], options: Options, watcher: Watcher, *, report: Callable[[Table], str]
    ) -> None:
        """report: the table as a page."""
        self.mixed = {one.name: one for one in mixed}
        self.options = options
        self.watcher = watcher
        self.results: list[Result] = []
        self.failures: dict[tuple[str, int], str] = {}
        self.untrained: dict[str, dict[str, Any]] = {}
        self._report = report
        self._base = mixed[0]

    @property
    def table(self) -> Table:
        return table_of(
            train=self._base.train.name,
            mixtures=list(self.mixed),
            results=self.results,
            failures=self.failures,
            untrained=self.untrained,
        )

    def work(self, cells: Sequence[Cell]) -> None:
        """Train and measure every cell; a failing one is told and the others go on. The table is written after each.

        Raises:
            Interrupted: Ctrl-C; what was trained is in a checkpoint, and the same ablation goes on from there.
        """
        self._measure_start()
        problems = problems_digest(self._base.plan, self._base.train.evaluations)
        _, held_out = divided(self._base.rows, float(self._base.train.attributes["holdout"]))
        spent: list[float] = []
        for number, cell in enumerate(cells, 1):
            left = sum(spent) / len(spent) * (len(cells) - number + 1) if spent else None
            one = self.mixed[cell.mixture]
            began = time.monotonic()
            try:
                if one.failure:
                    raise RunError(one.failure)
                settings = settings_of(
                    with_seed(one.train, cell.seed),
                    Path(one.plan.directory),
                    ranks=self.options.ranks,
                    steps=self.options.steps,
                )
                trained, _ = without(one.rows, held_out)
                key = key_of(settings, trained, held_out, problems)
                result = finished(cell, self.options.output, key)
                was_kept = result is not None
                if result is None:
                    self.watcher.cell(cell, number, len(cells), left)
                    result = self._train(cell, one, held_out, key)
                    spent.append(time.monotonic() - began)
                self.results.append(result)
                self.watcher.ended(cell, result, was_kept)
            except Interrupted:
                raise
            except Exception as error:
                # Whatever it is, the other cells do not depend on it.
                text = str(error) if isinstance(error, RunError) else f"{type(error).__name__}: {error}"
                self.failures[(cell.mixture, cell.seed)] = text
                self.watcher.failed(cell, text)
            self.write()

    def write(self) -> None:
        """Write `ablation.json`, `.csv` and `.html` into the output directory."""
        output, table = self.options.output, self.table
        output.mkdir(parents=True, exist_ok=True)
        text = json.dumps(table_json(table), ensure_ascii=False, indent=1) + "\n"
        write_whole(output / "ablation.json", text)
        write_whole(output / "ablation.csv", table_csv(self.results, self.untrained))
        write_whole(output / "ablation.html", self._report(table))

    def _measure_start(self) -> None:
        """Measure the model that all cells start from, where it is one."""
        train = self._base.train
        settings = settings_of(train, Path(self._base.plan.directory), ranks=self.options.ranks)
        if not train.evaluations or settings.architecture is not None:
            return
        kept = self.options.output / "before"
        kept.mkdir(parents=True, exist_ok=True)
        self.untrained = measured(
            self._base.plan,
            train.evaluations,
            settings.place,
            revision=settings.revision,
            context=settings.context,
            kept=kept,
            moment=f"before-{_start_of(settings)}",
            sandbox=self.options.sandbox,
            says=self.watcher.says,
        )

    def _train(
        self, cell: Cell, one: Mixed, held_out: Mapping[str, list[dict[str, Any]]], key: str
    ) -> Result:
        directory = cell.directory(self.options.output)
        report = train_mixture(
            one.plan,
            with_seed(one.train, cell.seed),
            one.rows,
            directory,
            ranks=self.options.ranks,
            steps=self.options.steps,
            held_out=held_out,
            evaluate_before=False,
            sandbox=self.options.sandbox,
            listener=Listener(line=self.watcher.line, says=self.watcher.says),
        )
        result = _result(cell, key, one, report)
        keep(result, self.options.output)
        write_training_page(f"{cell.mixture}, seed {cell.seed}", directory)
        if not self.options.keeps_models:
            _discard_models(directory)
        return result


def _result(cell: Cell, key: str, one: Mixed, report: TrainReport) -> Result:
    return Result(
        mixture=cell.mixture,
        seed=cell.seed,
        key=key,
        rows=len(one.rows),
        steps=report.steps,
        seconds=report.seconds,
        last_loss=report.last_loss,
        measures=report.evaluation.get("after", {}),
        held_out={component: after for component, (_, after) in report.held_out.items()},
        components=dict(Counter(str(row["component"]) for row in one.rows)),
    )


def _start_of(settings: TrainSettings) -> str:
    """Short digest of the weights that training starts from."""
    from runtime.training.fresh import base_digest

    return base_digest(settings).replace("/", "-")[-12:]


def _discard_models(directory: Path) -> None:
    """Delete a cell's weights; its curve, report and result stay."""
    for place in (directory, *directory.glob("state/*/final"), *directory.glob("state/*/initial")):
        for weights in place.glob("*.safetensors"):
            weights.unlink()
    for place in directory.glob("state/*/checkpoints"):
        shutil.rmtree(place, ignore_errors=True)
    for place in directory.glob("adapter"):
        shutil.rmtree(place, ignore_errors=True)
