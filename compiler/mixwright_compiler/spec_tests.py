"""What a `test` says, bound and typed: the rows that it starts from, the steps that these go through, what models answer
meanwhile, and what is expected of what comes out.

Nothing of it is in a plan: a test changes no hash, no lock and no request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from mixwright_compiler.program import (
    Bound,
    Declared,
    MixtureDecl,
    PipelineDecl,
    SourceDecl,
    TypedExpression,
)
from mixwright_dsl.lazy_dataclass import dataclass, field
from mixwright_dsl.nodes import Expression
from mixwright_dsl.source import Span

GIVEN = "given rows"
"""The source of a test's rows; no declaration can be called so."""

Status = Literal["kept", "dropped", "quarantined"]


@dataclass(frozen=True, kw_only=True)
class IsTrue:
    """An expression that is true of each row. `node`: as it is written, each `render(…)` and `score(…)` in the place of a
    column of its own."""

    expression: TypedExpression
    node: Expression
    span: Span


@dataclass(frozen=True, kw_only=True)
class HasValues:
    """Values that each row has in these columns. within: column -> how far off a number may be, where that is written."""

    values: Mapping[str, Bound]
    within: Mapping[str, float]
    span: Span


@dataclass(frozen=True, kw_only=True)
class Ends:
    """How rows end: every given row so, or exactly `count` rows. step, because: at which step, and with which words in
    the reason; empty for any. of: the component or group of a mixture whose rows alone are meant, `components` those of
    it; empty for all."""

    status: Status
    span: Span
    count: int | None = None
    step: str = ""
    because: str = ""
    of: str = ""
    components: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class IsShort:
    """A mixture that its components have too few rows for: `count` of them, or any number. of, components: as `Ends`
    has them."""

    span: Span
    count: int | None = None
    of: str = ""
    components: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class IsGolden:
    """A file that has what comes out, or a text of each row. path: from the spec's directory."""

    path: str
    text: TypedExpression | None
    span: Span


Expectation = IsTrue | HasValues | Ends | IsShort | IsGolden


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a test with steps of its own takes rows through, for editors: also where what it expects is missing or wrong.
    `given` are the columns of the rows that it begins with."""

    given: Mapping[str, str]
    tested: PipelineDecl


@dataclass(frozen=True, kw_only=True)
class SpecTest(Declared):
    """A `test`. `tested`: the rows that are given, and the steps that they go through; or a mixture, whose components
    are all sources.

    given: the number of rows, None where some are those of a source; takes: source -> of its rows only the first so
    many. given_spans: where each row is written, of a mixture in the order of its components.
    sources: what the plan of the test has in the place of what the spec declares: the given rows, and those of `rows`.
    answers: by step, one for each request or one for all of them; answers_spans: where they are written.
    rendered: columns that stand for `render(…)` in expressions -> template, and role or an empty text for all messages.
    scored: columns that stand for `score(…)` -> step.
    """

    tested: PipelineDecl | MixtureDecl
    of: str
    given: int | None
    expectations: tuple[Expectation, ...]
    given_spans: tuple[Span, ...] = ()
    takes: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, SourceDecl] = field(default_factory=dict)
    answers: Mapping[str, Any] = field(default_factory=dict)
    answers_spans: Mapping[str, Span] = field(default_factory=dict)
    rendered: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    scored: Mapping[str, str] = field(default_factory=dict)

    @property
    def are_lost(self) -> bool:
        """Are expressions and values about rows that do not come out?"""
        ends = [each for each in self.expectations if isinstance(each, Ends) and each.count is None]
        return bool(ends) and all(each.status != "kept" for each in ends)
