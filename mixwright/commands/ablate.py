"""Measure what the parts of a mixture are worth: train on it and on each of its variants, with several seeds.

The rows of the base mixture come first, then those of each variant; all share the store, so nothing is generated twice.
Then one training job after another: every mixture with the first seed, every one with the next, each measured by the
`evaluate` blocks of the train. The table has a row for each mixture, the mean over seeds with its standard deviation, and
the difference to the base; `*` marks a difference larger than that of any two seeds of one of the two mixtures.

A cell that is finished is not trained again while nothing that decides it changes; Ctrl-C or a kill loses at most the
steps since the last checkpoint. A cell that fails is told, and the others go on.

Exit status: 0 done; 1 errors in the spec, or a cell failed; 2 misuse or a failure of the machine; 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright.json_output import document_text
from mixwright.number_options import positive
from mixwright.params_option import add_params_option
from mixwright.sandbox_option import add_sandbox_option

if TYPE_CHECKING:
    from mixwright_compiler.plan.plan import Plan, Train
    from mixwright_runtime.ablation.cells import Cell, Result
    from mixwright_runtime.ablation.job import Mixed, Options, Watcher
    from mixwright_runtime.ablation.pace import Left
    from mixwright_runtime.ablation.table import Table

SEEDS = 3
"""With two, an interval is wide and holds less often than it says (`mixwright_runtime.ablation.interval`)."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", type=Path, metavar="FILE", help="a .mix file")
    add_params_option(parser)
    parser.add_argument("--train", metavar="NAME", help="which `train` block; needed when there are several")
    parser.add_argument(
        "--variants", metavar="A,B", help="these variants of its mixture, instead of all that the spec has"
    )
    parser.add_argument(
        "--leave-one-out",
        action="store_true",
        help="instead of variants of the spec: for each group of the mixture (and each component in none) one without it",
    )
    parser.add_argument(
        "--seeds", type=positive, default=SEEDS, metavar="N", help=f"training runs of each mixture [{SEEDS}]"
    )
    parser.add_argument(
        "--steps", type=positive, metavar="N", help="optimizer steps of each, instead of the block's"
    )
    parser.add_argument("--ranks", type=positive, metavar="N", help="processes, instead of the block's")
    parser.add_argument("--output", type=Path, metavar="DIR", help="[the block's `output` with -ablation]")
    parser.add_argument("--store", type=Path, metavar="DIR", help="where rows are kept (.mixwright)")
    parser.add_argument(
        "--discard-models", action="store_true", help="delete the weights of each cell once it is measured"
    )
    add_sandbox_option(parser)
    parser.add_argument("--json", action="store_true", help="print the table as JSON, and no progress")


def run(arguments: argparse.Namespace) -> int:
    """Make the table; returns the exit status."""
    from mixwright.ablation_plans import Stopped, compiled_variant, parts_of, variants_of
    from mixwright.compiling import Misuse, chosen_train, compiled
    from mixwright.extras import require_extras

    if arguments.leave_one_out and arguments.variants:
        raise Misuse("--leave-one-out makes its own variants; leave out --variants")
    base = compiled(arguments.spec, arguments.params)
    if base is None:
        return 1
    train = chosen_train(base.plan, arguments.train)
    if not train.evaluations and not train.attributes["holdout"]:
        raise Misuse(
            f"train '{train.name}' has neither `evaluate` nor `holdout`: there is nothing to compare; add "
            "`evaluate { on = …, prompt = …, answer = … }`, or `holdout = 5%`"
        )
    named = [name.strip() for name in arguments.variants.split(",")] if arguments.variants else None
    parts = parts_of(base.program, train.mixture) if arguments.leave_one_out else {}
    variants = list(parts) or variants_of(base.program, train.mixture, named)
    if not variants:
        raise Misuse(
            f"mixture '{train.mixture}' has no variant; add `variant small of {train.mixture} {{ without = […] }}`, "
            "or let --leave-one-out make them"
        )
    plans = {train.mixture: base.plan}
    for name in variants:
        found = compiled_variant(arguments.spec, arguments.params, train.mixture, name, parts.get(name))
        if found is None:
            return 1
        plans[name] = found.plan
    for plan in plans.values():
        require_extras(plan, trains=True)
    from mixwright_runtime.ablation.cells import cells_of
    from mixwright_runtime.ablation.job import Ablation, Options
    from mixwright_runtime.ablation.page import ablation_html

    seed = int(train.attributes["seed"])
    output = arguments.output or Path(base.plan.directory) / f"{train.attributes['output']}-ablation"
    options = Options(
        output=output,
        seeds=tuple(range(seed, seed + arguments.seeds)),
        steps=arguments.steps,
        ranks=arguments.ranks,
        sandbox=arguments.sandbox,
        keeps_models=not arguments.discard_models,
    )
    progress = _Progress(is_quiet=arguments.json)
    try:
        mixtures = _rows(plans, train, arguments, progress)
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return stopped.exit_code
    cells = cells_of(list(plans), options.seeds)
    for text in cost_lines(mixtures, cells, options, arguments.store):
        progress.says(text)
    ablation = Ablation(mixtures, options, progress.watcher(), report=ablation_html)
    with _exclusive(output):
        try:
            ablation.work(cells)
        finally:
            progress.end()
    if arguments.json:
        from dataclasses import asdict

        sys.stdout.write(document_text("ablate", asdict(ablation.table)))
    else:
        print(table_text(ablation.table), end="")
        print(f"report: {output / 'ablation.html'}")
    return 1 if ablation.failures else 0


def _rows(
    plans: dict[str, Plan], train: Train, arguments: argparse.Namespace, progress: _Progress
) -> list[Mixed]:
    from mixwright.ablation_plans import mixed

    found = []
    for number, (name, plan) in enumerate(plans.items(), 1):
        progress.says(f"rows of {name} ({number} of {len(plans)} mixtures)")
        one = mixed(
            plan,
            train.name,
            name,
            store=arguments.store,
            sandbox=arguments.sandbox,
            is_quiet=arguments.json,
        )
        progress.says(f"  cannot be made: {one.failure}" if one.failure else f"  {len(one.rows):,} rows")
        found.append(one)
    return found


def cost_lines(mixtures: list[Mixed], cells: list[Cell], options: Options, store: Path | None) -> list[str]:
    """What will be trained, and where a probe has measured the machine how long its steps take."""
    from mixwright.training_forecast import Unforeseen, training_forecasts
    from mixwright_compiler.load.project_root import store_directory
    from mixwright_runtime.ablation.job import planned_steps

    steps = planned_steps(mixtures, options)
    hours: dict[str, float] = {}
    dollars = 0.0
    for one in mixtures:
        for forecast in training_forecasts(one.plan, store_directory(one.plan.root, store)):
            # Assumed constants are right to a factor at best, and of another machine than one thinks.
            if isinstance(forecast, Unforeseen) or not forecast.found.machine.is_measured:
                continue
            if forecast.train == one.train.name and forecast.found.steps:
                share = steps[one.name] / forecast.found.steps
                hours[one.name] = forecast.found.hours * share
                dollars += (forecast.dollars or 0.0) * share * len(options.seeds)
    of = len(options.seeds)
    total = sum(steps[cell.mixture] for cell in cells)
    lines = [
        f"{len(cells)} cells: {len(mixtures)} mixtures x {of} seed{'s' * (of > 1)}, about {total:,} steps in all ("
        + ", ".join(f"{name} {count:,}" for name, count in steps.items())
        + " each)"
    ]
    if hours:
        from mixwright.terminal import duration

        seconds = sum(hours.get(cell.mixture, 0.0) for cell in cells) * 3600
        lines.append(
            f"forecast: {duration(seconds)} of training, by the probe of this machine"
            + (f", ${dollars:,.2f}" if dollars else "")
            + "; making rows, asking and grading come on top"
        )
    return lines


def table_text(table: Table) -> str:
    """The table for a terminal: a row for each mixture, a column for each measure and for its difference to the base."""
    from mixwright.terminal import printable
    from mixwright.terminal import table as aligned
    from mixwright_runtime.ablation.table import mark_note, shown_difference, shown_mean

    # A column where all differ by nothing but the base has no second column.
    compared = {
        column for column in table.columns for line in table.lines if _difference(line, column) is not None
    }
    header = ["mixture", "rows"]
    for column in table.columns:
        header += [column, "+/-"] if column in compared else [column]
    rows = [header]
    if table.untrained:
        cells = ["before training", ""]
        for column in table.columns:
            cells.append(f"{table.untrained[column] * 100:.1f}" if column in table.untrained else "")
            cells += [""] if column in compared else []
        rows.append(cells)
    for line in table.lines:
        name = line.mixture if line.mixture == table.base else f"  {line.mixture}"
        cells = [name, f"{sum(line.rows.values()):,}" if line.rows else "failed"]
        for column in table.columns:
            entry = line.entries.get(column)
            cells.append(shown_mean(column, entry) if entry else "")
            if column in compared:
                cells.append(shown_difference(column, entry) if entry else "")
        rows.append(cells)
    text = aligned(rows, right=range(1, len(header)), indent="") + "\n"
    if table.seeds > 1:
        text += f"mean ± standard deviation over {table.seeds} seeds; "
    text += "accuracies in per cent, losses per trained token\n"
    if note := mark_note(table):
        text += note + "\n"
    for line in table.lines:
        for seed, failure in line.failures.items():
            text += f"failed: {line.mixture}, seed {seed}: {failure.partition(chr(10))[0]}\n"
    return printable(text)


def _difference(line: Any, column: str) -> float | None:
    entry = line.entries.get(column)
    return None if entry is None else entry.difference


class _Progress:
    """Tells of the work on stderr: a line for what begins and ends, and on a terminal one that renews itself."""

    def __init__(self, *, is_quiet: bool) -> None:
        from mixwright_runtime.run.live import LiveBlock, is_live

        self._is_quiet = is_quiet
        self._block = LiveBlock(sys.stderr) if is_live(sys.stderr) and not is_quiet else None

    def watcher(self) -> Watcher:
        from mixwright_runtime.ablation.job import Watcher

        return Watcher(self.cell, self.ended, self.failed, lambda text: self.says(f"  {text}"), self.line)

    def cell(self, cell: Cell, number: int, of: int, left: Left | None) -> None:
        told = "" if left is None else f", {_left(left)}"
        self.says(f"cell {number} of {of}: {cell.mixture}, seed {cell.seed}{told}")

    def ended(self, cell: Cell, result: Result, was_kept: bool) -> None:
        measures = "".join(f", {name} {of['accuracy']:.1%}" for name, of in result.measures.items())
        loss = "" if result.last_loss is None else f", loss {result.last_loss:.4f}"
        how = f"{cell.mixture}, seed {cell.seed}: finished before, " if was_kept else "  "
        self.says(f"{how}{result.steps:,} steps{loss}{measures}")

    def failed(self, cell: Cell, text: str) -> None:
        self.end()
        print(f"failed: {cell.mixture}, seed {cell.seed}: {text}", file=sys.stderr, flush=True)

    def line(self, line: dict[str, Any], steps: int, left: Left | None) -> None:
        if self._block is not None:
            parts = [] if left is None else [f"{_left(left)} in all"]
            parts += [f"step {line['step']:,} of about {steps:,}", f"loss {line['loss']:.4f}"]
            self._block.show([f"  {' · '.join(parts)}"])

    def says(self, text: str) -> None:
        if not self._is_quiet:
            self.end()
            print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._block is not None:
            self._block.end()


def _left(left: Left) -> str:
    from mixwright.terminal import duration

    return f"{'more than' if left.is_least else 'about'} {duration(left.seconds)} left"


def _exclusive(output: Path) -> Any:
    """Hold the lock of an output directory; it goes with the process."""
    import fcntl
    from contextlib import contextmanager

    from mixwright_runtime.errors import RunError

    @contextmanager
    def held() -> Any:
        output.mkdir(parents=True, exist_ok=True)
        with (output / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunError(f"another ablation writes to {output}") from error
            yield

    return held()
