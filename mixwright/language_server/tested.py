"""What a `test` takes rows through, as far as it is written: the columns before and behind its steps, and the steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mixwright.language_server.columns import Column, Columns, columns_along, columns_of_rows
from mixwright.language_server.enclosing import Enclosing
from mixwright_compiler.bind.tested_steps import steps_named
from mixwright_compiler.catalog.references import declared_name
from mixwright_compiler.program import MixtureDecl, PipelineDecl, Program, StepDecl
from mixwright_compiler.spec_tests import GIVEN, Trial


@dataclass(frozen=True)
class Tested:
    """`given`: the columns that rows of the test have; `after`: those of the rows that come out. components: of a
    mixture."""

    given: Columns
    steps: tuple[StepDecl, ...]
    after: Columns
    components: tuple[str, ...] = ()

    @property
    def asking(self) -> tuple[str, ...]:
        """The steps that ask a model."""
        return tuple(step.id for step in self.steps if step.traits.asks)

    @property
    def measuring(self) -> tuple[str, ...]:
        """The steps that are verifiers."""
        return tuple(step.id for step in self.steps if step.entry.family == "verify")


def tested_by(program: Program, test: Enclosing) -> Tested | None:
    """None where the test, or the pipeline that it is of, is not known yet."""
    if test.labels[1:2] == ("of",):
        if len(test.labels) < 3:
            return None
        mixture = program.mixtures.get(test.labels[2])
        return _of_pipeline(program, test.labels[2]) if mixture is None else _of_mixture(program, mixture)
    trial = _trial(program, test)
    if trial is None:
        return None
    given = _columns(trial.given, GIVEN)
    steps = trial.tested.steps
    return Tested(given, steps, columns_along(trial.tested, len(steps), given))


def columns_in_test(program: Program, test: Enclosing, ordinal: int) -> Columns:
    """In front of the step that stands at `ordinal` in a test with steps of its own."""
    trial = _trial(program, test)
    return {} if trial is None else columns_along(trial.tested, ordinal, _columns(trial.given, GIVEN))


def _trial(program: Program, test: Enclosing) -> Trial | None:
    return program.trials.get(test.labels[0].strip('"')) if test.labels else None


def _of_pipeline(program: Program, of: str) -> Tested | None:
    """Of `math.problems.generate_problem`: the pipeline with the longest name that it begins with, and a step of it."""
    parts = of.split(".")
    names = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    name = next((name for name in names if name in program.pipelines), None)
    if name is None:
        return None
    pipeline = program.pipelines[name]
    start = columns_of_rows(program, pipeline.start.rows)
    step = of[len(name) + 1 :]
    if not step:
        return Tested(start, pipeline.steps, columns_of_rows(program, name))
    chosen = steps_named(pipeline, step)
    if not chosen:
        return None
    first, last = chosen[0], chosen[-1]
    before = _behind(pipeline, first - 1) if first else start
    return Tested(before, pipeline.steps[first : last + 1], _behind(pipeline, last))


def _of_mixture(program: Program, mixture: MixtureDecl) -> Tested:
    names = tuple(declared_name(component.rows) for component in mixture.components)
    return Tested({}, mixture.steps, columns_of_rows(program, mixture.name), names)


def _behind(pipeline: PipelineDecl, position: int) -> Columns:
    step = pipeline.steps[position]
    return _columns(step.columns, step.id)


def _columns(types: Mapping[str, str], made: str) -> Columns:
    return {name: Column(name, type, made, None) for name, type in types.items()}
