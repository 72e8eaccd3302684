"""What a logical plan is made of.

    Scan      rows of a source or of another pipeline, with the `where`, `limit` and `repeat` of `from`
    Apply     row by row: the row changed, or dropped
    Ask       asks a model; one row becomes as many candidates as it has answers
    Measure   a verifier: measures, and lets pass by thresholds
    Spread    makes rows of one
    Fold      brings the rows made of one together again
    Loop      takes a row through the steps that follow it and are inside it, several times
    Keep      decides on rows in start order by those before, or on all rows at once: a breaker
    Mix       rows of several flows by quotas, then steps on all of them

A further shape of step is a further class here, and a line in `build.step_of` and wherever `match` asks for the shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mixwright_compiler.catalog.groups import Gathering, Part, part_of
from mixwright_compiler.catalog.traits import Traits
from mixwright_compiler.program import FromDecl, MixtureDecl, PipelineDecl, Schema, StepDecl
from mixwright_dsl.lazy_dataclass import dataclass, field, replace


@dataclass(frozen=True, kw_only=True)
class Scan:
    """Where a flow's rows come from; `columns` is what is known of them, and `is_open` says that there may be more."""

    decl: FromDecl
    columns: Schema
    is_open: bool = False


@dataclass(frozen=True, kw_only=True)
class Work:
    """One step.

    values: its attributes, plain, with defaults filled in. adds: columns that rows have after it and not before it, or
    with another type. moved_by: the pass that took it from its place in the spec; empty where it is there.
    """

    decl: StepDecl
    values: Mapping[str, Any]
    traits: Traits
    adds: Schema
    moved_by: str = ""

    @property
    def id(self) -> str:
        return self.decl.id

    @property
    def depends_on(self) -> frozenset[str]:
        """Columns that decide what it makes of a row."""
        return frozenset((*self.decl.reads, *(self.decl.when.columns if self.decl.when else ())))

    @property
    def part(self) -> Part:
        """It, as far as groups of candidates go."""
        entry = self.decl.entry
        return part_of(
            entry.family,
            self.traits,
            self.values,
            column=self.decl.label,
            breaker=isinstance(self, Keep),
            inside=self.decl.inside,
        )


class Apply(Work):
    """Row by row."""


class Ask(Work):
    """A model's answers become a column."""


class Measure(Work):
    """A verifier."""


class Spread(Work):
    """Rows of one."""


class Fold(Work):
    """One row of those that were made of it."""


class Loop(Work):
    """Round by round through its body."""


class Keep(Work):
    """A breaker."""


@dataclass(frozen=True, kw_only=True)
class Flow:
    """One pipeline: rows of `scan` through `steps`, which are in the order in which they are done.

    gatherings, asks_again: None until a pass has found them. asks_again: verifier -> the step whose answer it has given
    again, by id.
    """

    decl: PipelineDecl
    scan: Scan
    steps: tuple[Work, ...]
    gatherings: tuple[Gathering, ...] | None = None
    asks_again: Mapping[str, str] | None = None

    @property
    def name(self) -> str:
        return self.decl.name

    def columns_after(self) -> Iterator[Schema]:
        """The columns of the rows after each step."""
        columns = dict(self.scan.columns)
        for step in self.steps:
            columns |= step.adds
            if isinstance(step, Fold):
                columns = {name: type for name, type in columns.items() if name in step.decl.columns}
            yield dict(columns)

    def with_steps(self, steps: Sequence[Work]) -> Flow:
        """The same rows through these steps."""
        return replace(self, steps=tuple(steps))


@dataclass(frozen=True, kw_only=True)
class Mix:
    """A mixture: its components by quota, then its steps."""

    decl: MixtureDecl
    steps: tuple[Work, ...]


@dataclass(frozen=True, kw_only=True)
class LogicalPlan:
    """The flows and mixtures that a spec's own declarations reach, by name."""

    flows: Mapping[str, Flow] = field(default_factory=dict)
    mixes: Mapping[str, Mix] = field(default_factory=dict)

    def with_flows(self, flows: Mapping[str, Flow]) -> LogicalPlan:
        """These flows in the place of those of their names."""
        return replace(self, flows={**self.flows, **flows})
