"""Train and measure the cells of an ablation, one after another; what is finished is not done again."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import Plan, Train
from mixwright_runtime.ablation.cells import Cell, Result, finished, keep, key_of, with_seed, write_whole
from mixwright_runtime.ablation.pace import CellsPace, Left
from mixwright_runtime.ablation.table import Table, table_csv, table_json, table_of
from mixwright_runtime.errors import RunError
from mixwright_runtime.report.training import write_training_page
from mixwright_runtime.training.evaluate import measured, problems_digest
from mixwright_runtime.training.fresh import base_digest, write_start
from mixwright_runtime.training.held_out import divided, without
from mixwright_runtime.training.launch import Interrupted
from mixwright_runtime.training.outcome import TrainReport
from mixwright_runtime.training.preview import job_tokenizer
from mixwright_runtime.training.settings import TrainSettings, settings_of
from mixwright_runtime.training.train import Listener, train_mixture


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
    """Hears of the work. `cell`: which of how many is begun, and what is left of all, None before something was measured;
    `line`: a line of its curve, its steps, and what is left."""

    cell: Callable[[Cell, int, int, Left | None], None] = lambda cell, number, of, left: None
    ended: Callable[[Cell, Result, bool], None] = lambda cell, result, was_kept: None
    failed: Callable[[Cell, str], None] = lambda cell, text: None
    says: Callable[[str], None] = lambda text: None
    line: Callable[[dict[str, Any], int, Left | None], None] = lambda line, steps, left: None


class Ablation:
    """An ablation being made: the mixtures (the base first), and what has come of its cells."""

    def __init__(
        self,
        mixed: Sequence[Mixed],
        options: Options,
        watcher: Watcher,
        *,
        report: Callable[[Table], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """report: the table as a page. clock: seconds that only grow."""
        self.mixed = {one.name: one for one in mixed}
        self.options = options
        self.watcher = watcher
        self.results: list[Result] = []
        self.failures: dict[tuple[str, int], str] = {}
        self.untrained: dict[str, dict[str, Any]] = {}
        self._report = report
        self._clock = clock
        self._base = mixed[0]
        self._pace = CellsPace(())

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
        states = [self._state(cell, held_out, problems) for cell in cells]
        steps = planned_steps(list(self.mixed.values()), self.options)
        self._pace = CellsPace(
            [steps[cell.mixture] for cell, state in zip(cells, states, strict=True) if isinstance(state, str)]
        )
        for number, (cell, state) in enumerate(zip(cells, states, strict=True), 1):
            try:
                if isinstance(state, Exception):
                    raise state
                was_kept = isinstance(state, Result)
                if isinstance(state, str):
                    self.watcher.cell(cell, number, len(cells), self._pace.left(self._clock()))
                    result = self._train(cell, held_out, state, steps[cell.mixture])
                else:
                    result = state
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

    def _state(
        self, cell: Cell, held_out: Mapping[str, list[dict[str, Any]]], problems: str
    ) -> Result | str | Exception:
        """The result of a cell that was finished before, the key of one that is to be trained, or why it cannot be."""
        one = self.mixed[cell.mixture]
        if one.failure:
            return RunError(one.failure)
        try:
            settings = settings_of(
                with_seed(one.train, cell.seed),
                Path(one.plan.directory),
                ranks=self.options.ranks,
                steps=self.options.steps,
            )
            trained, _ = without(one.rows, held_out)
            key = key_of(settings, trained, held_out, problems)
        except Exception as error:
            return error
        return finished(cell, self.options.output, key) or key

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
        start = kept / _start_of(settings)
        start.mkdir(parents=True, exist_ok=True)
        if settings.new_tokens is not None:
            write_start(settings, job_tokenizer(settings), start)
        place, revision = settings.start(start)
        self.untrained = measured(
            self._base.plan,
            train.evaluations,
            place,
            revision=revision,
            template=settings.chat_template,
            context=settings.context,
            kept=kept,
            moment=f"before-{_start_of(settings)}",
            sandbox=self.options.sandbox,
            says=self.watcher.says,
        )
        shutil.rmtree(start)

    def _train(
        self, cell: Cell, held_out: Mapping[str, list[dict[str, Any]]], key: str, steps: int
    ) -> Result:
        self._pace.begin(self._clock())
        has_ended = False
        try:
            result = self._trained(cell, held_out, key, steps)
            has_ended = True
        finally:
            self._pace.end(self._clock(), failed=not has_ended)
        return result

    def _trained(
        self, cell: Cell, held_out: Mapping[str, list[dict[str, Any]]], key: str, steps: int
    ) -> Result:
        def line(line: dict[str, Any]) -> None:
            now = self._clock()
            self._pace.step(now, int(line["step"]))
            self.watcher.line(line, steps, self._pace.left(now))

        one, directory = self.mixed[cell.mixture], cell.directory(self.options.output)
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
            listener=Listener(line=line, says=self.watcher.says),
        )
        result = _result(cell, key, one, report)
        write_training_page(f"{cell.mixture}, seed {cell.seed}", directory)
        # Last: a cell with a result is not looked at again.
        keep(result, self.options.output)
        if not self.options.keeps_models:
            _discard_models(directory)
        return result


def planned_steps(mixtures: Sequence[Mixed], options: Options) -> dict[str, int]:
    """Optimizer steps of a cell of each mixture; packed ones hold `batch` examples on average: right to a step or two."""
    found = {}
    for one in mixtures:
        given = one.train.attributes
        wanted = options.steps or given["steps"]
        found[one.name] = int(wanted or math.ceil(len(one.rows) * given["epochs"] / given["batch"]))
    return found


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
    """Short digest of the model that training starts from: its weights, its template, its tokens."""
    told = [base_digest(settings), settings.chat_template, settings.new_tokens]
    return blake2b(repr(told).encode(), digest_size=6).hexdigest()


def _discard_models(directory: Path) -> None:
    """Delete a cell's weights; its curve, report and result stay."""
    for place in (directory, *directory.glob("state/*/final"), *directory.glob("state/*/initial")):
        for weights in place.glob("*.safetensors"):
            weights.unlink()
    for place in directory.glob("state/*/checkpoints"):
        shutil.rmtree(place, ignore_errors=True)
    for place in directory.glob("adapter"):
        shutil.rmtree(place, ignore_errors=True)
