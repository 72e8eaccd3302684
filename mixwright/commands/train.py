"""Pack a mixture and train on it, as a `train` block says.

The rows are those the last 'mixwright run' selected for the mixture, or a JSON-lines file with `messages`. The
same command continues a run that was stopped or killed. Ctrl-C once saves a checkpoint and ends the ranks, twice
ends them at once.

Exit status: 0 trained; 1 errors in the spec; 2 nothing selected yet, misuse, or a failure of the machine; 130 and 143
interrupted.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright.json_output import document_text
from mixwright.number_options import positive
from mixwright.params_option import add_params_option
from mixwright.sandbox_option import add_sandbox_option
from mixwright.terminal import Painted

if TYPE_CHECKING:
    from mixwright_compiler.plan.plan import Plan, Train
    from mixwright_runtime.training.launch import Nodes
    from mixwright_runtime.training.outcome import TrainReport
    from mixwright_runtime.training.prepare import Prepared
    from mixwright_runtime.training.train import Listener


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", type=Path, metavar="FILE", help="a .mix file, or a plan.json")
    add_params_option(parser)
    parser.add_argument("--train", metavar="NAME", help="which `train` block; needed when there are several")
    parser.add_argument("--store", type=Path, metavar="DIR", help="the store with the mixture (.mixwright)")
    parser.add_argument("--data", type=Path, metavar="FILE", help="train on this JSON-lines file instead")
    parser.add_argument("--output", type=Path, metavar="DIR", help="instead of the block's `output`")
    parser.add_argument("--steps", type=positive, metavar="N", help="optimizer steps, instead of the block's")
    parser.add_argument("--ranks", type=positive, metavar="N", help="processes, instead of the block's")
    parser.add_argument(
        "--probe", action="store_true", help="train 20 steps to measure this machine for 'mixwright plan'"
    )
    parser.add_argument("--nodes", type=positive, metavar="N", help="machines, instead of the block's")
    parser.add_argument("--node-rank", type=int, metavar="K", help="this machine's number, 0 being the first")
    parser.add_argument("--master", metavar="HOST[:PORT]", help="address of the first machine (port 29500)")
    parser.add_argument(
        "--write-launcher",
        type=Path,
        metavar="DIR",
        help="write a shell script, a Slurm and a Ray job that start it",
    )
    add_sandbox_option(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON, progress to stderr")


def run(arguments: argparse.Namespace) -> int:
    """Train; returns the exit status."""
    from mixwright.compiling import chosen_train, plan_of_file

    plan = plan_of_file(arguments.spec, arguments.params)
    if plan is None:
        return 1
    train = chosen_train(plan, arguments.train)
    if arguments.write_launcher is not None:
        from mixwright.launchers import write_launchers

        for path in write_launchers(plan, train, arguments.spec, arguments.write_launcher):
            print(f"wrote {path}")
        return 0
    if arguments.probe:
        return _probe(plan, train, arguments)
    nodes = _nodes(train, arguments)
    if nodes is not None and nodes.rank > 0:
        return _work(nodes)
    from mixwright.selected import training_rows
    from mixwright_runtime.report.training import write_training_page
    from mixwright_runtime.training.train import train_mixture

    progress = Progress(sys.stderr)
    report = train_mixture(
        plan,
        train,
        training_rows(plan, train.mixture, store=arguments.store, data=arguments.data),
        arguments.output,
        ranks=arguments.ranks,
        steps=arguments.steps,
        nodes=nodes,
        sandbox=arguments.sandbox,
        listener=progress.listener(),
    )
    progress.end()
    page = write_training_page(train.name, Path(report.output))
    if arguments.json:
        sys.stdout.write(document_text("train", asdict(report)))
    else:
        print(_report_text(report))
    if page is not None and not arguments.json:
        print(f"report: {page}")
    return 0


def _probe(plan: Plan, train: Train, arguments: argparse.Namespace) -> int:
    """Measure this machine and keep its constants beside the store."""
    from mixwright.selected import training_rows
    from mixwright_compiler.load.project_root import store_directory
    from mixwright_runtime.training.planning.probe import write_calibration
    from mixwright_runtime.training.probing import probe

    rows = training_rows(plan, train.mixture, store=arguments.store, data=arguments.data)
    found = probe(
        plan,
        train,
        rows,
        arguments.output,
        ranks=arguments.ranks,
        says=lambda text: print(text, file=sys.stderr, flush=True),
    )
    path = write_calibration(found, store_directory(plan.root, arguments.store))
    if arguments.json:
        sys.stdout.write(document_text("train", asdict(found)))
        return 0
    rate = found.utilisation * found.peak
    sent = "nothing is sent" if found.bandwidth is None else f"{found.bandwidth / 1e9:,.3g} GB/s"
    share = "" if found.device == "cpu" else f", {found.utilisation:.1%} of its peak"
    print(f"{found.device}, {found.ranks} ranks: {rate / 1e9:,.1f} GFLOP/s on each{share}; {sent}")
    print(f"wrote {path}; 'mixwright plan' uses it")
    return 0


def _nodes(train: Train, arguments: argparse.Namespace) -> Nodes | None:
    """The machines of the job and this one's place among them; None for one machine.

    Raises:
        Misuse: there are several, and this one's number or the first one's address is not given.
    """
    from mixwright.compiling import Misuse
    from mixwright_runtime.training.launch import Nodes

    count = arguments.nodes or int((train.attributes.get("cluster") or {}).get("nodes") or 1)
    if count == 1:
        return None
    if arguments.node_rank is None or not arguments.master:
        raise Misuse(
            f"train '{train.name}' runs on {count} machines: start it on each with --node-rank 0, 1, … and --master "
            "with the first one's address; '--write-launcher DIR' writes scripts that do, '--nodes 1' trains here alone"
        )
    if not 0 <= arguments.node_rank < count:
        raise Misuse(f"--node-rank is 0 to {count - 1}, here {arguments.node_rank}")
    host, _, port = arguments.master.partition(":")
    if port and not port.isdigit():
        raise Misuse(f"--master takes HOST or HOST:PORT, here {arguments.master!r}")
    return Nodes(count, arguments.node_rank, host, int(port or 29500))


def _work(nodes: Nodes) -> int:
    """This machine's part when it is not the first."""
    from mixwright_runtime.training.nodes import work

    print(f"node {nodes.rank} of {nodes.count}: waiting for {nodes.master}", file=sys.stderr, flush=True)
    ended = work(nodes)
    print("nothing to do" if ended is None else f"{ended.how} at step {ended.step}", file=sys.stderr)
    return 0


class Progress:
    """Shows a run: one moving line on a terminal, else a line every tenth of the way."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._steps = 0
        self._began_at = 0
        self._clock: tuple[float, int] | None = None
        self._is_midline = False

    def listener(self) -> Listener:
        from mixwright_runtime.training.train import Listener

        return Listener(self.prepared, self.line, self.measured, self.says)

    def prepared(self, prepared: Prepared) -> None:
        self._steps, self._began_at = prepared.steps, prepared.resumed_at
        for text in plan_lines(prepared):
            self.says(text)

    def line(self, line: dict[str, Any]) -> None:
        from mixwright.terminal import duration

        step, now = line["step"], time.monotonic()
        if self._clock is None:
            self._clock = (now, step)
        since, first = self._clock
        left = ""
        if step > first:
            left = f", {duration((now - since) / (step - first) * (self._steps - step))} left"
        text = (
            f"step {step}/{self._steps}  loss {line['loss']:.4f}  norm {line['grad_norm']:.2f}  "
            f"rate {line['learning_rate']:.2e}  {line['tokens_per_s']:,.0f} tokens/s{left}"
        )
        if self._is_terminal:
            self._stream.write(Painted(f"\r\x1b[K{text}"))
            self._stream.flush()
            self._is_midline = True
        elif step in (1, self._steps) or step % max(1, self._steps // 10) == 0:
            self.says(text)

    def measured(self, moment: str, measures: dict[str, dict[str, Any]]) -> None:
        for name, value in measures.items():
            self.says(
                f"{name} {moment} training: {value['right']} of {value['asked'] - value['failed']} right "
                f"({value['accuracy']:.1%}, {value['low']:.1%} to {value['high']:.1%})"
                + "".join(f"; {kind}: {share:.0%}" for kind, share in value["by_kind"].items())
                + (f"; {value['failed']} could not be graded" if value["failed"] else "")
            )

    def says(self, text: str) -> None:
        self.end()
        print(text, file=self._stream, flush=True)

    def end(self) -> None:
        if self._is_midline:
            self._stream.write("\n")
            self._is_midline = False


def plan_lines(prepared: Prepared) -> list[str]:
    """What will be trained, before it is."""
    from mixwright_runtime.training.encode import fates
    from mixwright_runtime.training.schedule import filling_batch, idle_text

    settings, manifest, layout = prepared.settings, prepared.manifest, prepared.layout
    start = "a fresh Llama" if settings.architecture else settings.place
    sharding = f"ZeRO-{settings.zero}" if settings.zero else "plain PyTorch"
    lines = [
        f"model: {start}, {prepared.parameters:,} parameters; {settings.optimizer}, {sharding}, "
        f"{settings.precision}, {settings.ranks} rank{'s' * (settings.ranks > 1)}"
        + (f", {settings.sequence_parallel} to a sequence" if settings.sequence_parallel > 1 else ""),
        f"data: {manifest.counts['rows']:,} rows, {manifest.tokens:,} tokens, {manifest.trained_tokens:,} trained; "
        f"{manifest.bins:,} sequences of up to {manifest.context:,}, {manifest.fill:.1%} full",
        f"steps: {prepared.steps:,} of {layout.bins_per_step} sequences "
        f"(about {layout.bins_per_step * manifest.examples / manifest.bins:.0f} examples)"
        + (f", continuing after step {prepared.resumed_at:,}" if prepared.resumed_at else ""),
    ]
    lines += [
        f"rows: {len(ids):,} {text} ({', '.join(ids[:3])}{', ...' if len(ids) > 3 else ''})"
        for text, ids in fates(manifest.counts)
    ]
    filling = filling_batch(
        layout, examples=manifest.examples, bins=manifest.bins, micro_batch=settings.micro_batch
    )
    if idle := idle_text(layout.idle, filling):
        lines.append(f"note: {idle}")
    lines += [f"warning: {note}" for note in prepared.notes]
    if manifest.counts["unstopped"]:
        lines.append(
            f"warning: the chat template puts no end token after {manifest.counts['unstopped']:,} of "
            f"{manifest.counts['rows']:,} answers; the model will not learn to stop"
        )
    return lines


def _report_text(report: TrainReport) -> str:
    from mixwright.terminal import duration

    lines = [f"trained {report.steps:,} steps in {duration(report.seconds)}: {report.output}"]
    if report.first_loss is not None and report.last_loss is not None:
        lines.append(f"loss {report.first_loss:.4f} -> {report.last_loss:.4f} per trained token")
    if report.reloaded_loss is not None:
        lines.append(f"the saved model was loaded again and gives the same loss ({report.reloaded_loss:.4f})")
    for component, (before, after) in report.held_out.items():
        lines.append(f"held-out loss of {component}: {before:.4f} before, {after:.4f} after")
    untrained = report.evaluation.get("before", {})
    for name, found in report.evaluation.get("after", {}).items():
        was = f"{untrained[name]['accuracy']:.1%} before, " if name in untrained else ""
        lines.append(
            f"accuracy on {found['asked']} problems of {name}: {was}{found['accuracy']:.1%} after "
            f"(95%: {found['low']:.1%} to {found['high']:.1%})"
        )
    return "\n".join(lines)
