"""Write a mixture's files again, from the rows that the last 'mixwright run' selected for it.

Nothing is run and no model is asked. Use it after changing an export's path or format, after deleting its files, or
with --force where a data file was edited by hand or the directory holds something else: what mixwright wrote there is
replaced, everything else stays. --report writes the run's page.

Exit status: 0 done; 1 errors in the spec; 2 nothing selected yet, or a directory that may not be replaced.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from mixwright.params_option import add_params_option

if TYPE_CHECKING:
    from mixwright_compiler.plan.plan import Plan


class ExportedFiles(TypedDict):
    """An export on disk. run: the run that selected its rows."""

    name: str
    mixture: str
    run: int
    rows: int
    path: str


class ExportReport(TypedDict):
    """What was written. report: the page of the run, where it was asked for."""

    exports: list[ExportedFiles]
    report: str | None


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("spec", type=Path, metavar="FILE", help="a .mix file or a plan.json")
    add_params_option(parser)
    parser.add_argument("--variant", metavar="NAME", help="export this variant in the place of its mixture")
    parser.add_argument("--mixture", metavar="NAME", help="export only this mixture")
    parser.add_argument("--store", type=Path, metavar="DIR", help="where the rows are (.mixwright)")
    parser.add_argument("--force", action="store_true", help="replace edited files, write beside others'")
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="also write the report of the run, one HTML file"
    )
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Write the exports; returns the exit status."""
    from mixwright.compiling import plan_of_file

    plan = plan_of_file(arguments.spec, arguments.params, variant=arguments.variant, errors_only=True)
    if plan is None:
        return 1
    from mixwright.json_output import document_text
    from mixwright.selected import last_selection, open_store, warn_of_changes
    from mixwright_compiler.load.project_root import store_directory
    from mixwright_runtime.exporters.write import check_targets, write_exports
    from mixwright_runtime.facts.run import run_facts
    from mixwright_runtime.plugins.loading import load_plugins
    from mixwright_runtime.report.html import write_report
    from mixwright_runtime.report.training import training_facts

    mixtures = _mixtures(plan, arguments)
    exports: list[ExportedFiles] = []
    directory = store_directory(plan.root, arguments.store)
    load_plugins(plan)
    check_targets(plan, mixtures, store=directory, force=arguments.force)
    with open_store(plan, directory) as store:
        for mixture in mixtures:
            run_id, old = last_selection(store, plan, mixture)
            warn_of_changes(plan, old, mixture, run_id)
            # Rows, quotas and licenses are those of that run; where and how they are written is as the spec says now.
            then = old.model_copy(update={"exports": plan.exports, "directory": plan.directory})
            for export in write_exports(then, store, run_id, mixture, force=arguments.force):
                exports.append(
                    {
                        "name": export.name,
                        "mixture": mixture,
                        "run": run_id,
                        "rows": export.rows,
                        "path": str(export.path),
                    }
                )
                if not arguments.json:
                    print(f"export {export.name}: {export.rows:,} rows of run {run_id} in {export.path}")
        if arguments.report is not None and mixtures:
            run_id, old = last_selection(store, plan, mixtures[0])
            write_report(arguments.report, run_facts(store, old, run_id), training_facts(plan))
            if not arguments.json:
                print(f"report: {arguments.report}")
    if arguments.json:
        report = str(arguments.report) if arguments.report is not None else None
        sys.stdout.write(document_text("export", ExportReport(exports=exports, report=report)))
    return 0


def _mixtures(plan: Plan, arguments: argparse.Namespace) -> list[str]:
    """The mixtures to export: one that is named, else all that have an export."""
    from mixwright.compiling import Misuse

    exported = list(dict.fromkeys(export.mixture for export in plan.exports.values()))
    if arguments.mixture is None:
        if not exported and arguments.report is None:
            raise Misuse(
                f"{plan.spec} has no export; 'export NAME of MIXTURE {{ path = \"out\" }}' makes one"
            )
        return exported or list(plan.mixtures)[:1]
    if arguments.mixture not in plan.mixtures:
        raise Misuse(
            f"{plan.spec} has no mixture '{arguments.mixture}'; it has {', '.join(plan.mixtures) or 'none'}"
        )
    if arguments.mixture not in exported and arguments.report is None:
        raise Misuse(
            f"mixture '{arguments.mixture}' has no export; {', '.join(exported) or 'no mixture'} has"
        )
    return [arguments.mixture]
