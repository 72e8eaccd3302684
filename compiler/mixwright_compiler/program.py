"""The bound and typed program: every name resolved, every attribute a value of its type, every column known.

Made by `bind/resolve.py` from the syntax trees of a spec and its imports, checked by `checks/`, read by
`logical/build.py` and `plan/lower.py`.
Attribute values are plain Python: int, float, bool, str, None, list, dict, and for the types below:

    ref:*          the qualified name (str) of the declaration, e.g. "tulu.hard_math"
    column         the column's name (str)
    expr:*         TypedExpression
    call:*         CallValue
    secret         {"env": "NAME"}
    quantities     numbers: shares 0..1, seconds, bytes, dollars
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Literal

from mixwright_compiler.catalog.catalog import Catalog, Entry, builtin_catalog
from mixwright_compiler.catalog.groups import Part
from mixwright_compiler.catalog.traits import Traits, traits_of
from mixwright_compiler.load.uses import Use, uses_of
from mixwright_dsl.lazy_dataclass import dataclass, field
from mixwright_dsl.nodes import Block, Expression
from mixwright_dsl.source import SourceFile, Span

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
    """The value of an attribute of type `call`: `take(50k, balance = language)`."""

    function: str
    args: tuple[Any, ...]
    keywords: Mapping[str, Any]
    span: Span
    arg_spans: tuple[Span, ...] = ()
    """Where each of `args` is written, where that can be elsewhere than the call."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """An attribute's value and where it was written; `is_default` when it was not."""

    value: Any
    span: Span
    is_default: bool = False

    def each(self) -> list[Bound]:
        """The items of a list, each where it was written; the value itself where it is none."""
        if not isinstance(self.value, list):
            return [self]
        spans = self.value.spans if isinstance(self.value, Items) else [self.span] * len(self.value)
        return [Bound(value=item, span=span) for item, span in zip(self.value, spans, strict=True)]


class Items(list[Any]):
    """A list as it was written, and where each of its items was."""

    def __init__(self, items: Iterable[Any], spans: Iterable[Span]) -> None:
        super().__init__(items)
        self.spans = list(spans)


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
    """A `param`; `value` is the one given with `-p`, else its default."""

    name: str
    type: str
    value: Any
    span: Span


@dataclass(frozen=True, kw_only=True)
class ModelDecl(Declared):
    """A `model` and the engine that runs it."""

    engine: str


@dataclass(frozen=True, kw_only=True)
class SourceDecl(Declared):
    """`columns` is None while nothing is known of the rows: not inline and not locked."""

    kind: str
    columns: Schema | None
    mapping: Mapping[str, str] = field(default_factory=dict)
    where: TypedExpression | None = None
    locked_rows: int | None = None
    """The most rows it can give: after `where` and `limit` where the lock counted these, else before them."""
    is_counted: bool = True
    """False for a locked source that selects otherwise than when it was locked."""


@dataclass(frozen=True, kw_only=True)
class TemplateMessageDecl:
    """One message of a template, its text as written."""

    role: str
    text: str
    span: Span
    offsets: tuple[int, ...] | None = None
    """For a heredoc: file offset of each line of `text`, so Jinja positions map back. None for strings and files."""


@dataclass(frozen=True, kw_only=True)
class TemplateDecl(Declared):
    """A `template`; `inputs` are the columns that its messages cannot do without, `reads` also those that they can."""

    messages: tuple[TemplateMessageDecl, ...] = ()
    operator: Literal["", "depth", "breadth"] = ""
    """`depth` or `breadth` where it is the prompt of an operator."""
    inputs: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class OperatorDecl(Declared):
    """An `operator`; its prompt is the template of its name. `guard` is as it is written, `reads` the columns in it."""

    guard: Expression | None
    reads: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ToolDecl(Declared):
    """A `tool`. functions: what a model is told of it, `{ name, description, parameters }` each, the last a JSON Schema
    of an object. reads: columns of the rows it is used on that decide what it gives."""

    kind: str
    functions: tuple[Mapping[str, Any], ...]
    reads: tuple[str, ...] = ()
    code: str = ""
    """The source of the function that it runs."""
    digest: str = ""
    """sha256 of the recording that it gives again."""


@dataclass(frozen=True, kw_only=True)
class FragmentParam:
    """A param of a fragment; `default` is what stands for it where a use gives nothing."""

    name: str
    type: str
    default: Expression | None
    span: Span
    doc: str = ""


@dataclass(frozen=True, kw_only=True)
class FragmentDecl(Declared):
    """A `fragment` as it is written: its body is bound at each use. `needs` and `makes`: column -> type and place."""

    params: Mapping[str, FragmentParam]
    needs: Mapping[str, tuple[str, Span]]
    makes: Mapping[str, tuple[str, Span]]
    body: tuple[Block, ...]
    inner: frozenset[str]
    """Columns that its steps make and that are no part of `makes`."""
    after: Mapping[str, str] = field(default_factory=dict)
    """Columns that a step calls after its own, as `task_template` after `task` -> that one."""
    unused: tuple[FragmentParam, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FromDecl:
    """The `from` that a pipeline starts with."""

    rows: str
    kind: str  # "source" or "pipeline"
    attributes: Attributes
    span: Span
    rows_span: Span


@dataclass(frozen=True)
class Aggregate:
    """`mean(x)` in a `fold`: what is worked out from the rows made of one. `of`: the expression, or `all` of
    `count(all)`; None where there is none."""

    function: str
    of: TypedExpression | str | None
    type: str


@dataclass(frozen=True, kw_only=True)
class StepDecl:
    """One step of a pipeline or a mixture. `made_id`: the id made from kind and label, whatever `id` says."""

    id: str
    made_id: str
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
    inside: str = ""
    """The loop whose body it is in, by id: its steps follow it."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What its templates call columns, where these are called otherwise in the rows: of a step of a fragment."""

    def columns_read(self, names: Iterable[str]) -> set[str]:
        """The columns that these names in a template of it stand for."""
        return {self.names.get(name, name) for name in names}

    @cached_property
    def traits(self) -> Traits:
        """What it asks models, and of rows."""
        values = {name: bound.value for name, bound in self.attributes.items()}
        return traits_of(self.entry, values, self.label)

    @property
    def part(self) -> Part:
        """It, as far as groups of candidates go."""
        return Part(self.traits, self.label, self.entry.breaker, inside=self.inside)

    @property
    def uses(self) -> tuple[Use, ...]:
        """The uses of fragments that it came from, the outermost first."""
        return tuple(use for use in uses_of(self.span) if not use.is_guard)


@dataclass(frozen=True, kw_only=True)
class PipelineDecl(Declared):
    """A `pipeline`; `columns` is the schema of the rows that leave it."""

    start: FromDecl
    steps: tuple[StepDecl, ...]
    columns: Schema
    changed: tuple[Span, ...] = ()
    """Where a variant says what is otherwise in its steps: of a pipeline as the variant has it."""


@dataclass(frozen=True, kw_only=True)
class ComponentDecl:
    """One line of a mixture: whose rows, and how many."""

    rows: str
    kind: str  # "source", "pipeline" or "mixture"
    group: str
    quota: CallValue | int | float | str
    """int: count; float: share; "all"; CallValue: max, weight, take, rate."""
    span: Span
    name_span: Span
    quota_span: Span
    unscaled: CallValue | int | float | str | None = None
    """The quota as it is written, where `scale` made another one of it."""


@dataclass(frozen=True, kw_only=True)
class TagDecl:
    """A `tag` of a mixture; `rows` are components."""

    name: str
    rows: tuple[str, ...]
    doc: str
    name_span: Span
    least: Bound | None = None
    most: Bound | None = None
    """Rows (int) or a share of the mixture (float)."""


@dataclass(frozen=True, kw_only=True)
class MixtureDecl(Declared):
    """A `mixture` or a `variant` of one; `steps` follow its selection."""

    components: tuple[ComponentDecl, ...]
    steps: tuple[StepDecl, ...]
    columns: Schema
    tags: tuple[TagDecl, ...] = ()
    is_whole: bool = True
    """Could every component be bound?"""
    variant_of: str = ""


@dataclass(frozen=True, kw_only=True)
class EvaluationDecl(Declared):
    """An `evaluate` block of a train. `graded`: rows of the set with the column `reply`, and the verifiers of it."""

    graded: PipelineDecl


@dataclass(frozen=True, kw_only=True)
class TrainDecl(Declared):
    """A `train` block and the mixture it reads."""

    mixture: str
    mixture_span: Span
    evaluations: tuple[EvaluationDecl, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ExportDecl(Declared):
    """An `export` block and the mixture it writes."""

    mixture: str
    mixture_span: Span


@dataclass(frozen=True, kw_only=True)
class ExcludedDecl:
    """A source that a policy keeps out, and the reason."""

    source: str
    because: str
    span: Span


@dataclass(frozen=True, kw_only=True)
class PolicyDecl(Declared):
    """A `policy` block, and the mixture that it is of; of all where that is empty."""

    mixture: str = ""
    excluded: tuple[ExcludedDecl, ...] = ()


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
    policies: Mapping[str, PolicyDecl]
    catalog: Catalog = field(default_factory=builtin_catalog)
    """What could be written: what ships with Mixwright, and what plugins declare."""
    plugins: Mapping[str, Any] = field(default_factory=dict)
    """Plugins by name (`mixwright_compiler.plugins.reading.Plugin`)."""
    fragments: Mapping[str, FragmentDecl] = field(default_factory=dict)
    tools: Mapping[str, ToolDecl] = field(default_factory=dict)
    tests: Mapping[str, Any] = field(default_factory=dict)
    """The spec's own tests by name (`mixwright_compiler.spec_tests.SpecTest`)."""
    trials: Mapping[str, Any] = field(default_factory=dict)
    """Of tests with steps of their own what these are (`mixwright_compiler.spec_tests.Trial`), for editors."""
