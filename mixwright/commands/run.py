"""Execute a spec or a plan: make its rows, fill its mixtures, write its exports.

Everything made so far is kept in the store, so running again asks a model only for what is missing: after a kill,
a dead endpoint, a larger quota or an edited threshold. Ctrl-C once stops cleanly, twice at once. With --locked nothing
runs unless the lock file fits the spec: every source, model, plugin and library is pinned, as it is written now (MIX807).

Exit status: 0 done; 1 errors in the spec, with --locked a lock that does not fit, more quarantined rows than the policy
allows, or a quota that could not be filled; 2 misuse or a failure of the machine; 75 another run holds the store; 130 and
143 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright.at_option import add_at_option, placed
from mixwright.cluster_option import add_cluster_option
from mixwright.params_option import add_params_option
from mixwright.sandbox_option import add_sandbox_option

if TYPE_CHECKING:
    from mixwright_compiler.plan.plan import Plan
    from mixwright_runtime.run.run import RunReport
    from mixwright_runtime.store.store import Store


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", type=Path, metavar="FILE", help="a .mix file or a plan.json")
    add_params_option(parser)
    parser.add_argument("--variant", metavar="NAME", help="run this variant in the place of its mixture")
    parser.add_argument("--mixture", metavar="NAME", help="fill only this mixture")
    parser.add_argument("--store", type=Path, metavar="DIR", help="where results are kept (.mixwright)")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="start at most N rows of each pipeline, to try a spec out"
    )
    parser.add_argument("--locked", action="store_true", help="run only what the lock file fits; for CI")
    add_cluster_option(parser)
    add_at_option(parser)
    add_sandbox_option(parser)
    parser.add_argument("--no-export", action="store_true", help="write no export")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON, and no progress")


def run(arguments: argparse.Namespace) -> int:
    """Run the spec; returns the exit status."""
    from mixwright.compiling import plan_of_file

    plan = _locked_plan(arguments) if arguments.locked else None
    if plan is None and not arguments.locked:
        plan = plan_of_file(arguments.spec, arguments.params, variant=arguments.variant)
    if plan is None:
        return 1
    plan = placed(plan, arguments.at)
    from mixwright.extras import require_extras
    from mixwright.terminal import printable

    require_extras(plan)
    from mixwright_compiler.load.project_root import store_directory
    from mixwright_runtime.errors import CalibrationFailed
    from mixwright_runtime.exporters.write import check_targets
    from mixwright_runtime.run.execute import run_plan
    from mixwright_runtime.run.progress import watcher
    from mixwright_runtime.run.run import RunOptions
    from mixwright_runtime.store.status import status_path
    from mixwright_runtime.store.store import Store

    directory = store_directory(plan.root, arguments.store)
    chosen = arguments.mixture or arguments.variant
    if not arguments.no_export:
        check_targets(plan, (chosen,) if chosen else plan.mixtures, store=directory)
    with Store.open(directory) as store:
        try:
            report = run_plan(
                plan,
                store=store,
                options=RunOptions(
                    sandbox=arguments.sandbox,
                    cluster=arguments.cluster or "",
                    mixtures=(chosen,) if chosen else (),
                    limit=arguments.limit,
                    exports=not arguments.no_export,
                    command=_command(arguments),
                    watch=watcher(status_path(directory), is_quiet=arguments.json),
                ),
            )
        except CalibrationFailed:
            # The figures are what there is to look at: no row was started.
            last = store.last_run()
            if last is not None:
                _write_pages(directory, store, plan, last.run_id)
            raise
        told = report.messages if report.status == "stopped" else ()
        # At once: the page, and the end of a large store, take seconds.
        _tell(told)
        page = _write_pages(directory, store, plan, report.run_id)
    if arguments.json:
        from mixwright.json_output import document_text

        summary = {"status": report.status, **report.summary}
        sys.stdout.write(document_text("run", summary, indent=None))
    else:
        print(report_text(report), end="")
        print(f"report: {page}")
    _tell(report.messages[len(told) :])
    for warning in store.warnings:  # the last copy is sealed when the store is closed
        if warning not in report.messages:
            print(printable(f"warning: {warning}"), file=sys.stderr)
    return report.exit_code


def _tell(messages: Sequence[str]) -> None:
    for message in messages:
        print(message, file=sys.stderr, flush=True)


def _locked_plan(arguments: argparse.Namespace) -> Plan | None:
    """The plan of a spec that its lock fits; None where it does not, which is then printed."""
    from mixwright.compiling import Misuse, compiled, lock_of
    from mixwright_compiler.plan.lock_fit import misfits
    from mixwright_dsl.render import render, wants_color

    if arguments.spec.suffix == ".json":
        raise Misuse("a plan.json has what was locked in it; give --locked with the .mix file")
    result = compiled(arguments.spec, arguments.params, variant=arguments.variant)
    if result is None:
        return None
    found = misfits(result.program, result.plan, lock_of(arguments.spec))
    sys.stderr.write(render(found, color=wants_color(sys.stderr)))
    return None if found else result.plan


def _write_pages(directory: Path, store: Store, plan: Plan, run_id: int) -> Path:
    """Write the page of a run beside the store, and as `report.html`, the last one; returns the run's own.

    A run that finds everything made says little of how that came about: the pages of earlier runs stay.
    """
    from mixwright_runtime.facts.run import run_facts
    from mixwright_runtime.report.html import write_report

    facts = run_facts(store, plan, run_id)
    page = directory / "reports" / f"run-{run_id}.html"
    page.parent.mkdir(exist_ok=True)
    write_report(page, facts)
    write_report(directory / "report.html", facts)
    return page


def report_text(report: RunReport) -> str:
    """What the command prints when a run has ended."""
    from mixwright.cluster_text import address_lines, cluster_line
    from mixwright.terminal import duration, printable, table
    from mixwright_runtime.verifiers.calibrate import calibration_lines
    from mixwright_runtime.verifiers.rates import rates_line
    from mixwright_runtime.verifiers.reviewed import review_lines

    summary = report.summary
    lines = [f"run {report.run_id}: {report.status} in {duration(summary['seconds'])}"]
    rows = [["step", "in", "out", "dropped", "quarantined"]]
    for name, pipeline in summary["pipelines"].items():
        for step, counts in pipeline["steps"].items():
            rows.append(
                [
                    f"{name}.{step}",
                    f"{counts['in']:,}",
                    f"{counts['out']:,}",
                    _reasons(counts["dropped"]),
                    _reasons(counts["quarantined"]),
                ]
            )
    if len(rows) > 1:
        lines += ["", table(rows, right=(1, 2))]
    for name, pipeline in summary["pipelines"].items():
        for step, counts in pipeline["steps"].items():
            for reason, why in counts.get("quarantined_because", {}).items():
                lines.append(
                    f"  {name}.{step} quarantined {counts['quarantined'][reason]:,}, {reason}: {why}"
                )
            if again := counts.get("asked_again"):
                counted = f"rows: {again['rows']:,}, passed then: {again['passed']:,}"
                lines.append(f"  {name}.{step} asked the model again, {counted}")
            if rated := counts.get("rated"):
                lines.append(f"  {rates_line(f'{name}.{step}', rated)}")
    for node, figures in summary["calibrations"].items():
        lines += ["", *calibration_lines(node, figures)]
    for node, figures in summary["reviews"].items():
        lines += ["", *(review_lines(node, figures) if figures else [f"review {node}: no row came"])]
    for name, mixture in summary["mixtures"].items():
        lines += ["", f"mixture {name}: {mixture['rows']:,} rows"]
        parts = [["component", "wanted", "got", "available"]]
        for component, found in mixture["components"].items():
            wanted = "all" if found["wanted"] is None else f"{found['wanted']:,}"
            parts.append([component, wanted, f"{found['got']:,}", f"{found['available']:,}"])
        for part in mixture["subtotals"]:
            name = f"{part['kind']} {part['name']}" if part["name"] else "no group"
            parts.append([name, "", f"{part['rows']:,}", ""])
        lines.append(table(parts, right=(1, 2, 3)))
        lines += [
            f"  {step} dropped {_reasons(counts)}" for step, counts in mixture["dropped"].items() if counts
        ]
        lines += [f"  {note}" for note in mixture["notes"]]
    lines.append("")
    if summary["requests"] or summary["reused"]:
        cost = f", ${summary['cost']:.2f}" if summary["cost"] else ""
        lines.append(
            f"{summary['requests']:,} requests, {summary['reused']:,} answers reused, "
            f"{summary['prompt_tokens']:,} + {summary['output_tokens']:,} tokens{cost}"
        )
    lines += address_lines(summary.get("addresses", []))
    if "cluster" in summary:
        lines.append(cluster_line(summary["cluster"]))
    for name, export in summary["exports"].items():
        lines.append(f"export {name}: {export['rows']:,} rows in {export['path']}")
    return printable("\n".join(lines)) + "\n"


def _reasons(counts: dict[str, int]) -> str:
    """`3 (2 parse, 1 duplicate)`; nothing for none."""
    if not counts:
        return ""
    parts = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{count:,} {reason}" for reason, count in parts)
    return f"{sum(counts.values()):,} ({shown})" if len(parts) > 1 else shown


def _command(arguments: argparse.Namespace) -> str:
    parts: list[Any] = ["run", arguments.spec]
    for param in arguments.params:
        parts += ["-p", param]
    for place in arguments.at:
        parts += ["--at", place]
    for option in ("variant", "mixture", "limit", "cluster"):
        if getattr(arguments, option) is not None:
            parts += [f"--{option}", getattr(arguments, option)]
    return " ".join(map(str, parts))
