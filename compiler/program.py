"""The bound and typed program: every name resolved, every attribute a value of its type, every column known.

Made by `resolve.py` from the syntax trees of a spec and its imports, checked by `checks/`, read by `lower.py`.
Attribute values are plain Python: int, float, bool, str, None, list, dict, and for the types below:

    ref:*          the qualified name (str) of the declaration, e.g. "tulu.hard_math"
    column         the column's name (str)
    expr:*         TypedExpression
    call:*         CallValue
    secret         {"env": "NAME"}
    quantities     numbers: shares 0..1, seconds, bytes, dollars
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from compiler.catalog import Entry
from dsl.source import SourceFile, Span

Schema = Mapping[str, str]
"""Column name -> type: text, int, float, bool, list[T], struct{a: T, ...}, chat, json, any."""


@dataclass(frozen=True, kw_only=True)
class TypedExpression:
    """A row expression after type checking: see `plan.Expression` for `sql` and `tree`."""

    sql: str
    tree: Any
    type: str
    columns: tuple[str, ...]
    span: Span


@dataclass(frozen=True, kw_only=True)
class CallValue:
    function: str
    args: tuple[Any, ...]
    keywords: Mapping[str, Any]
    span: Span


@dataclass(frozen=True, kw_only=True)
class Bound:
    """An attribute's value and where it was written; `is_default` when it was not."""

    value: Any
    span: Span
    is_default: bool = False


class SubBlock(dict[str, Any]):
    """Values of a nested block's attributes by name, and where each was written; defaults have no span."""

    def __init__(self, attributes: Mapping[str, Bound]) -> None:
        super().__init__((name, bound.value) for name, bound in attributes.items())
        self.spans = {name: bound.span for name, bound in attributes.items() if not bound.is_default}


Attributes = Mapping[str, Bound]


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What every declaration has. `name` is qualified by the import it came through."""

    name: str
    entry: Entry
    attributes: Attributes
    span: Span
    name_span: Span


@dataclass(frozen=True, kw_only=True)
class ParamDecl:
    name: str
    type: str
    value: Any
    span: Span


@dataclass(frozen=True, kw_only=True)
class ModelDecl(Declared):
    engine: str


@dataclass(frozen=True, kw_only=True)
class SourceDecl(Declared):
    """`columns` is None while nothing is known of the rows: not inline and not locked."""

    kind: str
    columns: Schema | None
    mapping: Mapping[str, str] = field(default_factory=dict)
    where: TypedExpression | None = None
    locked_rows: int | None = None


@dataclass(frozen=True, kw_only=True)
class TemplateMessageDecl:
    role: str
    text: str
    span: Span
    offsets: tuple[int, ...] | None = None
    """For a heredoc: file offset of each line of `text`, so Jinja positions map back. None for strings and files."""


@dataclass(frozen=True, kw_only=True)
class TemplateDecl(Declared):
    messages: tuple[TemplateMessageDecl, ...] = ()
    inputs: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class FromDecl:
    rows: str
    kind: str  # "source" or "pipeline"
    attributes: Attributes
    span: Span
    rows_span: Span


@dataclass(frozen=True, kw_only=True)
class StepDecl:
    id: str
    entry: Entry
    label: str
    label_span: Span | None
    attributes: Attributes
    when: TypedExpression | None
    reads: tuple[str, ...]
    makes: Schema
    columns: Schema
    """The schema after this step."""
    span: Span
    kind_span: Span


@dataclass(frozen=True, kw_only=True)
class PipelineDecl(Declared):
    start: FromDecl
    steps: tuple[StepDecl, ...]
    columns: Schema


@dataclass(frozen=True, kw_only=True)
class ComponentDecl:
    rows: str
    kind: str  # "source", "pipeline" or "mixture"
    group: str
    quota: CallValue | int | float | str
    """int: count; float: share; "all"; CallValue: max, weight, take, rate."""
    span: Span
    name_span: Span
    quota_span: Span


@dataclass(frozen=True, kw_only=True)
class MixtureDecl(Declared):
    components: tuple[ComponentDecl, ...]
    steps: tuple[StepDecl, ...]
    columns: Schema
    variant_of: str = ""


@dataclass(frozen=True, kw_only=True)
class EvaluationDecl(Declared):
    """An `evaluate` block of a train. `graded`: rows of the set with the column `reply`, and the verifiers of it."""

    graded: PipelineDecl


@dataclass(frozen=True, kw_only=True)
class TrainDecl(Declared):
    mixture: str
    mixture_span: Span
    evaluations: tuple[EvaluationDecl, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ExportDecl(Declared):
    mixture: str
    mixture_span: Span


@dataclass(frozen=True, kw_only=True)
class TestDecl(Declared):
    pass


@dataclass(frozen=True, kw_only=True)
class PolicyDecl(Declared):
    pass


@dataclass(frozen=True, kw_only=True)
class Program:
    """A whole spec with its imports and parameters applied."""

    source: SourceFile
    files: tuple[SourceFile, ...]
    edition: int
    params: Mapping[str, ParamDecl]
    lets: Mapping[str, Any]
    models: Mapping[str, ModelDecl]
    sources: Mapping[str, SourceDecl]
    templates: Mapping[str, TemplateDecl]
    pipelines: Mapping[str, PipelineDecl]
    mixtures: Mapping[str, MixtureDecl]
    """Variants are here too, already applied, with `variant_of` set."""
    trains: Mapping[str, TrainDecl]
    exports: Mapping[str, ExportDecl]
    tests: Mapping[str, TestDecl]
    policies: Mapping[str, PolicyDecl]
