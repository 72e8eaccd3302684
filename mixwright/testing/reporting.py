"""How tests went: lines for people, JSON and JUnit XML for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypedDict
from xml.etree import ElementTree

from mixwright.terminal import Painted, duration, number_of, printable
from mixwright_dsl.json_report import DiagnosticReport
from mixwright_dsl.render import render
from mixwright_dsl.visible import visible

if TYPE_CHECKING:
    from mixwright.testing.running import TestRun

_GOOD, _BAD, _PLAIN = "\x1b[32m", "\x1b[1;31m", "\x1b[0m"

Spec = tuple[str, Sequence["TestRun"]]
"""A spec's file, and its tests."""


def line_of(run: TestRun, color: bool) -> str:
    """One test for a terminal."""
    word, code = ("ok    ", _GOOD) if run.status == "passed" else ("FAILED", _BAD)
    shown = f"{code}{word}{_PLAIN}" if color else word
    written = f"  (wrote {printable(', '.join(run.updated))})" if run.updated else ""
    return Painted(f"  {shown}  {printable(run.test.name)}{written}")


def summary_of(specs: Sequence[Spec], seconds: float) -> str:
    """`3 tests: 2 passed, 1 failed in 0.4 s`."""
    runs = [run for _, found in specs for run in found]
    failed = sum(run.status == "failed" for run in runs)
    words = [f"{len(runs) - failed} passed"] if len(runs) > failed or not failed else []
    words += [f"{failed} failed"] if failed else []
    return f"{number_of(len(runs), 'test')}: {', '.join(words)} in {duration(seconds)}"


class OneTest(TypedDict):
    """A test. of: the mixture or fragment that it is of. line: in the spec. updated: files that were written anew."""

    spec: str
    name: str
    of: str | None
    line: int
    status: str
    seconds: float
    failures: list[DiagnosticReport]
    updated: list[str]


class AllTests(TypedDict):
    """Every test, and how many passed and failed."""

    tests: list[OneTest]
    summary: dict[Literal["tests", "passed", "failed"], int]


def report_of(specs: Sequence[Spec]) -> AllTests:
    """What `test --json` prints, without the contract's head."""
    tests: list[OneTest] = [
        {
            "spec": spec,
            "name": run.test.name,
            "of": run.test.of or None,
            "line": run.test.name_span.position.line,
            "status": run.status,
            "seconds": round(run.seconds, 3),
            "failures": json.loads(render(run.failures, "json"))["diagnostics"],
            "updated": list(run.updated),
        }
        for spec, runs in specs
        for run in runs
    ]
    failed = sum(test["status"] == "failed" for test in tests)
    return {
        "tests": tests,
        "summary": {"tests": len(tests), "passed": len(tests) - failed, "failed": failed},
    }


def junit_of(specs: Sequence[Spec]) -> bytes:
    """The tests as JUnit XML, a suite for each spec. What XML cannot hold is written as its code."""
    root = ElementTree.Element("testsuites", {"name": "mixwright"})
    for spec, runs in specs:
        suite = ElementTree.SubElement(root, "testsuite", _counted(spec, runs))
        for run in runs:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                {
                    "classname": visible(spec),
                    "name": visible(run.test.name),
                    "file": visible(spec),
                    "line": str(run.test.name_span.position.line),
                    "time": f"{run.seconds:.3f}",
                },
            )
            if run.failures:
                first = run.failures[0]
                failure = ElementTree.SubElement(
                    case, "failure", {"type": first.code, "message": visible(first.message)}
                )
                failure.text = visible(render(run.failures))
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    root.set("time", f"{sum(run.seconds for _, runs in specs for run in runs):.3f}")
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _counted(spec: str, runs: Sequence[TestRun]) -> dict[str, str]:
    return {
        "name": visible(spec),
        "tests": str(len(runs)),
        "failures": str(sum(run.status == "failed" for run in runs)),
        "errors": "0",
        "skipped": "0",
        "time": f"{sum(run.seconds for run in runs):.3f}",
    }
