"""Run the tests that stand in specs: rows through steps, templates and verifiers, without a model and in seconds.

  mixwright test                      the tests of all specs below the working directory
  mixwright test math.mix -k prompt   those of a spec whose names hold `prompt`
  mixwright test --update             write golden files that differ or are missing

A test is a block `test "…" { given, expect }`; docs/language/testing.md tells what it can say. Steps, verifiers and the
sandbox are those of a run. In the place of models are the answers that the test records, and nothing is kept: no store is
read or written. Of a directory every .mix file below it counts that has a test; tests of imported files run when these
are named.

Exit status: 0 all passed; 1 some failed; 2 a spec has errors or cannot be read, there is no such test, misuse; 130
interrupted.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mixwright.params_option import add_params_option
from mixwright.sandbox_option import add_sandbox_option

if TYPE_CHECKING:
    from mixwright.testing.running import TestRun


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "specs", type=Path, nargs="*", metavar="FILE", help=".mix files, or directories of them [.]"
    )
    add_params_option(parser)
    parser.add_argument(
        "-k",
        dest="patterns",
        action="append",
        default=[],
        metavar="TEXT",
        help="only tests whose names hold this text; several times: any of them",
    )
    parser.add_argument("--update", action="store_true", help="write golden files that differ or are missing")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML, too")
    add_sandbox_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the tests; returns the exit status."""
    from mixwright.compiling import Misuse, given_params, params_of_each
    from mixwright.file_changes import write_atomically
    from mixwright.json_output import document_text
    from mixwright.spec_files import specs_of
    from mixwright.testing.reporting import junit_of, report_of, summary_of

    begun = time.monotonic()
    found: list[tuple[str, list[TestRun]]] = []
    has_errors = False
    specs = [spec for spec in specs_of(arguments.specs or [Path()]) if _may_have_tests(spec)]
    given = params_of_each(specs, given_params(arguments.params))
    for spec in specs:
        own = [f"{name}={value}" for name, value in given[spec].items()]
        runs = _of_spec(spec, own, arguments)
        has_errors = has_errors or runs is None
        if runs:
            found.append((str(spec), runs))
    if not found and not has_errors:
        which = (
            f" whose name holds {' or '.join(map(repr, arguments.patterns))}" if arguments.patterns else ""
        )
        raise Misuse(f'no test{which}; write one: test "…" {{ given = {{ … }}, expect = kept }}')
    if arguments.junit is not None:
        write_atomically(arguments.junit, junit_of(found))
    if arguments.json:
        sys.stdout.write(document_text("test", report_of(found)))
    elif found:
        print(summary_of(found, time.monotonic() - begun))
    if has_errors:
        return 2
    return int(any(run.failures for _, runs in found for run in runs))


def _may_have_tests(spec: Path) -> bool:
    """False of a spec that can be read and has none: its params need no values then."""
    from mixwright_dsl.nodes import Block
    from mixwright_dsl.parser import parse
    from mixwright_dsl.source import read_source

    try:
        result = parse(read_source(spec))
    except (OSError, UnicodeDecodeError):
        return True
    has_any = any(isinstance(each, Block) and each.kind == "test" for each in result.file.body)
    return has_any or bool(result.diagnostics)


def _of_spec(spec: Path, params: list[str], arguments: argparse.Namespace) -> list[TestRun] | None:
    """The tests of a spec, run and printed; None where it has errors, which are printed, too."""
    from mixwright.compiling import checked
    from mixwright.testing.reporting import line_of
    from mixwright.testing.running import chosen, run_tests
    from mixwright_dsl.render import render, wants_color

    result, lock = checked(spec, params, errors_only=True)
    if result.program is None:
        return None
    tests = chosen(result.program.tests, arguments.patterns)
    runs: list[TestRun] = []
    color = wants_color(sys.stdout)
    if tests and not arguments.json:
        print(spec)
    for done in run_tests(
        result.program, spec, lock, tests, sandbox=arguments.sandbox, updates=arguments.update
    ):
        runs.append(done)
        if not arguments.json:
            print(line_of(done, color), flush=True)
    failures = [failure for done in runs for failure in done.failures]
    if failures and not arguments.json:
        print()
        sys.stdout.write(render(failures, color=color))
        print()
    return runs
