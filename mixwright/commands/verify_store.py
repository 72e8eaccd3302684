"""Read the whole store and check that it is complete; with --repair, rebuild a damaged one from what can be read.

Exit status: 0 it is complete, or was repaired; 1 it is not; 2 there is no store, or it cannot be read at all; 75 a run
holds it.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TypedDict

from mixwright.json_output import document_text
from mixwright.terminal import printable
from mixwright_compiler.load.project_root import project_root, store_directory
from mixwright_runtime.errors import StoreBroken


class RepairReport(TypedDict):
    """A store made anew: where the old files are, rows by table, and the faults before (`found`) and after."""

    kept_aside: str
    rows: dict[str, int]
    from_segments: int
    from_journal: int
    lost: list[str]
    found: list[str]
    faults: list[str]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--store", type=Path, metavar="DIR", help="the store's directory [ROOT/.mixwright]")
    parser.add_argument(
        "--repair", action="store_true", help="rebuild a damaged store; the old files are kept aside"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print what was found: 0 for a whole store, 1 for faults that can be repaired, 2 when it cannot be opened."""
    from mixwright_runtime.store.verify import StoreReport, verify

    directory = store_directory(project_root(Path.cwd()), arguments.store)
    try:
        report = verify(directory)
    except StoreBroken as error:
        if not arguments.repair:
            raise
        report = StoreReport(directory / "store.duckdb", faults=[str(error)])
    if report.faults and arguments.repair:
        return _repair(directory, report.faults, as_json=arguments.json)
    if arguments.json:
        sys.stdout.write(document_text("verify-store", asdict(report)))
        return 1 if report.faults else 0
    held = ", ".join(f"{rows:,} {table}s" for table, rows in report.rows.items() if rows) or "nothing yet"
    print(f"{report.path}: {held}; {report.size_bytes / 1e6:,.1f} MB")
    if report.journaled:
        print(f"{report.journaled:,} calls of a killed run wait in the journal; the next run takes them in")
    for note in report.notes:
        print(f"note: {printable(note)}")
    for fault in report.faults:
        print(f"fault: {printable(fault)}")
    if report.faults:
        print("next: 'mixwright verify-store --repair' makes a whole store of what can be read")
        return 1
    print("every transaction is whole, nothing is stored twice, every run adds up")
    return 0


def _repair(directory: Path, faults: list[str], *, as_json: bool) -> int:
    from mixwright_runtime.store.repair import repair
    from mixwright_runtime.store.verify import verify

    done = repair(directory)
    report = verify(directory)
    if as_json:
        document: RepairReport = {
            "kept_aside": str(done.kept_aside),
            "rows": done.rows,
            "from_segments": done.from_segments,
            "from_journal": done.from_journal,
            "lost": done.lost,
            "found": faults,
            "faults": report.faults,
        }
        sys.stdout.write(document_text("verify-store", document))
        return 1 if report.faults else 0
    for fault in faults:
        print(f"found: {printable(fault)}")
    for lost in done.lost:
        print(f"lost: {printable(lost)}")
    kept = ", ".join(f"{rows:,} {table}s" for table, rows in done.rows.items() if rows) or "nothing"
    print(
        f"kept: {kept}; {done.from_segments:,} calls from sealed copies, {done.from_journal:,} from the journal"
    )
    print(f"the damaged files are in {done.kept_aside}; delete them when the store is as you want it")
    for fault in report.faults:
        print(f"fault: {printable(fault)}")
    print("next: 'mixwright run SPEC' makes again what was lost, and asks only for answers that are gone")
    return 1 if report.faults else 0
