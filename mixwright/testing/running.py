"""Runs the tests of a spec, each on the rows that it gives and with the answers that it records."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mixwright.testing.golden import Golden
from mixwright.testing.judging import judged
from mixwright.testing.telling import as_written, message_notes
from mixwright_compiler.program import MixtureDecl
from mixwright_compiler.spec_tests import SpecTest
from mixwright_dsl.diagnostic import Diagnostic, error

if TYPE_CHECKING:
    from mixwright_compiler.bind.lock import Lock
    from mixwright_compiler.plan.plan import Plan
    from mixwright_compiler.program import Program

Status = Literal["passed", "failed"]


@dataclass(frozen=True)
class TestRun:
    """How a test went. seconds: wall time. updated: golden files that were written."""

    __test__ = False

    test: SpecTest
    failures: tuple[Diagnostic, ...]
    seconds: float
    updated: tuple[str, ...] = ()

    @property
    def status(self) -> Status:
        return "failed" if self.failures else "passed"


def chosen(tests: Mapping[str, SpecTest], patterns: Sequence[str]) -> list[SpecTest]:
    """The tests whose names hold one of the patterns, in whatever case; all without a pattern."""
    wanted = [pattern.casefold() for pattern in patterns]
    return [
        test
        for name, test in tests.items()
        if not wanted or any(pattern in name.casefold() for pattern in wanted)
    ]


def run_tests(
    program: Program,
    spec: Path,
    lock: Lock,
    tests: Sequence[SpecTest],
    *,
    sandbox: str = "bwrap",
    updates: bool = False,
) -> Iterator[TestRun]:
    """Run tests one after the other. updates: write golden files that differ or are missing.

    Raises:
        OSError: a golden file cannot be written.
    """
    for test in tests:
        begun = time.monotonic()
        golden = Golden(spec.resolve().parent, updates)
        failures = _failures(program, spec, lock, test, sandbox, golden)
        yield TestRun(test, failures, time.monotonic() - begun, tuple(golden.written))


def _failures(
    program: Program, spec: Path, lock: Lock, test: SpecTest, sandbox: str, golden: Golden
) -> tuple[Diagnostic, ...]:
    from mixwright_compiler.plan.lower import template_spec
    from mixwright_runtime.errors import RunError
    from mixwright_runtime.run.mixture_trial import tried_mixture
    from mixwright_runtime.run.recorded_answers import NoAnswer, WrongAnswer
    from mixwright_runtime.run.trial import tried

    try:
        plan = plan_of_test(program, spec, lock, test)
        how = tried_mixture if isinstance(test.tested, MixtureDecl) else tried
        found = how(plan, test.tested.name, test.answers, takes=test.takes, sandbox=sandbox)
    except NoAnswer as missing:
        return (_no_answer(test, missing),)
    except WrongAnswer as wrong:
        at = test.answers_spans.get(wrong.step, test.name_span)
        return (error("MIX974", f"`{wrong.step}` asks for {wrong.wanted}", at, "recorded otherwise"),)
    except RunError as failed:
        return (error("MIX976", " ".join(str(failed).split()), test.name_span, "the test could not be run"),)
    templates = {
        column: (template_spec(program.templates[name]), role)
        for column, (name, role) in test.rendered.items()
    }
    failures = list(judged(test, found, templates, golden))
    failures += [
        error(
            "MIX974",
            f"`{step}` did not ask for {count} of its recorded answers"
            if isinstance(test.answers[step], list)
            else f"`{step}` asked nothing, and an answer is recorded for it",
            test.answers_spans[step],
            "more than is asked",
            hint="delete what is left over",
        )
        for step, count in found.unasked.items()
    ]
    return tuple(failures)


def plan_of_test(program: Program, spec: Path, lock: Lock, test: SpecTest) -> Plan:
    """The plan of a test's steps or mixture alone, with the given rows in the place of its own."""
    from mixwright.version import VERSION
    from mixwright_compiler.load.project_root import root_of
    from mixwright_compiler.plan.lower import lower

    tested, name = test.tested, test.tested.name
    is_mixture = isinstance(tested, MixtureDecl)
    pipelines = {key: decl for key, decl in program.pipelines.items() if key not in test.sources}
    tried: Program = replace(
        program,
        pipelines=pipelines if isinstance(tested, MixtureDecl) else {**pipelines, name: tested},
        sources={**program.sources, **test.sources},
        mixtures={name: tested} if isinstance(tested, MixtureDecl) else {},
        trains={},
        exports={},
        policies={},
        tests={},
    )
    return lower(
        tried,
        root=root_of(spec),
        directory=spec.resolve().parent,
        lock=lock,
        version=VERSION,
        variant=name if is_mixture else None,
        pipeline=None if is_mixture else name,
    )


def _no_answer(test: SpecTest, missing: Any) -> Diagnostic:
    step = missing.step
    again = f", request {missing.number}" if missing.number > 1 else ""
    recorded = test.answers.get(step)
    every = recorded if isinstance(recorded, list) else [recorded]
    if step not in test.answers:
        # A list is one answer for each request.
        first = [missing.example] if isinstance(missing.example, list | dict) else missing.example
        label, hint = "no answer of this step", f"add `answers = {{ {step} = {as_written(first)} }}`"
    else:
        listed = as_written([*every, missing.example])
        label, hint = f"{len(every)} recorded", f"write one more: `{step} = {listed}`"
    return error(
        "MIX974",
        f"`{step}` asks `{missing.model}`{again}, and no answer is recorded for it",
        test.answers_spans.get(step, test.name_span),
        label,
        notes=message_notes(missing.messages),
        hint=hint,
    )
