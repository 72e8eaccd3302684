"""The plan: everything the runtime needs, as one versioned JSON document.

A plan is complete: names are resolved, constants folded, parameters applied, templates inlined, row
expressions compiled, defaults filled in. A reader needs neither the spec nor the compiler. Secrets are
the one exception: they stay `{"env": "NAME"}` and are looked up when the run starts.

`format_version`: the minor part grows when fields are added, the major part when a reader must change.
"""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from mixwright_compiler.catalog.catalog import Catalog, Provider, builtin_catalog, entry_from_json
from mixwright_compiler.catalog.groups import Gathering, Part, gatherings_of, part_of
from mixwright_compiler.catalog.traits import Traits, emitted_of, traits_of
from mixwright_dsl.lazy_dataclass import replace

FORMAT_VERSION = "1.4"

Json = Any  # a JSON value; pydantic checks that it serialises


class PlanModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Origin(PlanModel):
    """The place in the spec that something comes from; line and column start at 1."""

    file: str
    line: int
    column: int


class Fingerprint(PlanModel):
    """Content hashes (hex, 32 digits) of a node's attributes by class; `row` includes its operation version."""

    row: str
    set: str
    meta: str


class Expression(PlanModel):
    """A typed row expression, twice: as DuckDB SQL for tables and as a tree for rows that stream.

    Both mean the same (a property test holds them together). The tree is nested lists:
    ["lit", value], ["col", name], ["call", function, arg...], ["op", operator, arg...], ["list", item...].
    """

    sql: str
    tree: Json
    type: str
    columns: tuple[str, ...]


class ModelSpec(PlanModel):
    """A model and the engine that serves it. `attributes` has defaults filled in."""

    name: str
    engine: str
    attributes: dict[str, Json]
    identity: str = Field(
        description="hash of what decides the text: weights, revision, tokenizer, chat template"
    )
    origin: Origin


class SourcePin(PlanModel):
    """What the lock file knows of a source."""

    digest: str = Field(description="sha256 of the bytes read, or of the rows for SQL and inline sources")
    rows: int
    selected: int | None = Field(
        default=None, description="rows after `where` and `limit`; null where the lock did not count these"
    )
    revision: str = ""


class SourceSpec(PlanModel):
    """Rows from outside. `columns` is the schema after `mapping` (new name -> name in the file)."""

    name: str
    kind: str
    attributes: dict[str, Json]
    columns: dict[str, str]
    mapping: dict[str, str] = {}
    where: Expression | None = None
    license: str = ""
    pin: SourcePin | None = None
    origin: Origin


class TemplateMessage(PlanModel):
    role: Literal["system", "user", "assistant"]
    text: str = Field(description="Jinja source")


class TemplateSpec(PlanModel):
    """A prompt. An `assistant` message at the end is a prefix that the answer continues."""

    name: str
    messages: tuple[TemplateMessage, ...]
    inputs: tuple[str, ...]
    operator: Literal["", "depth", "breadth"] = Field(
        default="", description="of the prompt of an operator, which has the operator's name"
    )
    doc: str = ""
    origin: Origin


class ToolFunction(PlanModel):
    """What a model is told of a tool. `parameters`: the JSON Schema of an object."""

    name: str
    description: str = ""
    parameters: dict[str, Json]


class ToolSpec(PlanModel):
    """A tool that models call; one may have several functions, as a recorded server does."""

    name: str
    kind: str
    attributes: dict[str, Json]
    functions: tuple[ToolFunction, ...]
    reads: tuple[str, ...] = Field(default=(), description="columns of the rows it is used on")
    code: str = Field(default="", description="the source of a function that it runs")
    digest: str = Field(default="", description="sha256 of the recording that it gives again")
    identity: str = Field(description="hash of what decides its results, but for the arguments and the row")
    origin: Origin


def _declared_traits(step: dict[str, Json]) -> Traits:
    return traits_of(builtin_catalog().entries.get(step["operation"]), step["attributes"], step["label"])


class Via(PlanModel):
    """A use of a fragment that a step came from; `origin` is the place of the `use`."""

    fragment: str
    id: str = Field(description="of the use; the ids of its steps begin with it")
    doc: str = Field(default="", description="what the fragment is for")
    origin: Origin


class Step(PlanModel):
    """One step of a pipeline.

    `operation` is the catalog key (`step.generate`, `verify.math`, `dedup.minhash`). `attributes` holds every
    attribute with defaults filled in: references as names, quantities as numbers (shares 0..1, seconds, bytes),
    row expressions as `Expression` dumps, calls as {"call": name, "args": [...], "keywords": {...}}.
    """

    id: str = Field(
        description="unique in its pipeline; `id = name` in the spec, else made from kind and label"
    )
    made_id: str = Field(
        default="", description="the id made from kind and label, whatever `id` says; empty in older plans"
    )
    operation: str
    version: int
    label: str = ""
    attributes: dict[str, Json]
    when: Expression | None = None
    reads: tuple[str, ...] = ()
    makes: dict[str, str] = {}
    columns: dict[str, str] = Field(description="schema of the rows after this step")
    inside: str = Field(
        default="", description="the loop whose body it is in, by id; the body stands behind it"
    )
    breaker: bool = False
    traits: Traits = Field(
        default_factory=lambda step: _declared_traits(step),
        description="what it asks models, and of rows; where an older plan does not say it: as the catalog declares it",
    )
    moved_by: str = Field(
        default="", description="the pass that took it from its place in the spec; empty where it is there"
    )
    via: tuple[Via, ...] = Field(
        default=(), description="the uses of fragments that it came from, the outermost first"
    )
    names: dict[str, str] = Field(
        default={}, description="what its templates call columns -> columns, where these are not called so"
    )
    fingerprint: Fingerprint
    origin: Origin

    @field_validator("traits", mode="before")
    @classmethod
    def _of_before(cls, traits: Json, info: ValidationInfo) -> Json:
        return _declared_traits(info.data) if traits is None else traits

    @property
    def part(self) -> Part:
        """It, as far as groups of candidates go."""
        family = self.operation.partition(".")[0]
        return part_of(
            family, self.traits, self.attributes, column=self.label, breaker=self.breaker, inside=self.inside
        )

    @property
    def identity(self) -> str:
        """What stands for the step in identities of rows and in draws: a step that is only called otherwise must
        make the same rows."""
        return self.made_id or self.id


class From(PlanModel):
    """Where a pipeline's rows start: a source or another pipeline's kept rows."""

    rows: str
    kind: Literal["source", "pipeline"]
    where: Expression | None = None
    columns: tuple[str, ...] = ()
    limit: int | None = None
    repeat: int = Field(default=1, description="how often a row may be started: replicas 0..repeat-1")
    origin: Origin


class Drawn(PlanModel):
    """Rows of another pipeline that a step draws from: all that it keeps, or the first `limit`."""

    rows: str
    limit: int | None = None


class Pipeline(PlanModel):
    """Rows through steps, which stand in the order in which they are done."""

    name: str
    start: From
    steps: tuple[Step, ...]
    written: tuple[str, ...] = Field(
        default=(), description="the steps' ids in the order of the spec; empty where that is this one"
    )
    groups: tuple[Gathering, ...] = Field(
        default_factory=lambda pipeline: _gatherings(pipeline)[0],
        description="candidates of a row, and what looks at them together; older plans do not say it",
    )
    asks_again: dict[str, str] = Field(
        default_factory=lambda pipeline: _gatherings(pipeline)[1],
        description="verifier with `retry` or `repair` -> the step that answers again; older plans do not say it",
    )
    draws: tuple[Drawn, ...] = Field(default=(), description="other pipelines that its steps draw rows from")
    lag: int | None = Field(
        default=None,
        description="of a pipeline that draws from its own rows: how far behind a row the rows are that it sees",
    )
    columns: dict[str, str] = Field(description="schema of the rows that leave it")
    seed: int = 0
    doc: str = ""
    origin: Origin

    @property
    def steps_as_written(self) -> tuple[Step, ...]:
        """Its steps in the order of the spec."""
        by_id = {step.id: step for step in self.steps}
        return tuple(by_id[id] for id in self.written) if self.written else self.steps

    @property
    def read(self) -> tuple[str, ...]:
        """The pipelines that it takes rows from: to start them, or to draw."""
        started = (self.start.rows,) if self.start.kind == "pipeline" else ()
        return tuple(dict.fromkeys((*started, *(drawn.rows for drawn in self.draws))))

    def around(self, step: Step) -> tuple[Step, ...]:
        """The loops that a step is in, from the inside out."""
        if not step.inside:
            return ()
        by_id = {other.id: other for other in self.steps}
        found: list[Step] = []
        while step.inside:
            step = by_id[step.inside]
            found.append(step)
        return tuple(found)

    @property
    def fanout(self) -> int:
        """Rows that one row becomes when nothing is dropped: candidates that nobody picks from stay rows, and a loop lets
        out one each round."""
        candidates = prod(group.samples for group in self.groups if not group.closed_by)
        return candidates * prod(emitted_of(step.attributes) for step in self.steps if step.traits.loops)


def _gatherings(pipeline: dict[str, Json]) -> tuple[tuple[Gathering, ...], dict[str, str]]:
    return gatherings_of((step.id, step.part) for step in pipeline["steps"])


class Cap(PlanModel):
    """At most `max` rows for each value of column `by`."""

    by: str
    max: int


class CountQuota(PlanModel):
    """Exactly `count` rows."""

    kind: Literal["count"] = "count"
    count: int


class AllQuota(PlanModel):
    """Every row there is."""

    kind: Literal["all"] = "all"


class ShareQuota(PlanModel):
    """`share` (0..1] of the mixture's total."""

    kind: Literal["share"] = "share"
    share: float


class MaxQuota(PlanModel):
    """What there is, at most `count`."""

    kind: Literal["max"] = "max"
    count: int


class WeightQuota(PlanModel):
    """A part of what is left of the total, in proportion to `weight`."""

    kind: Literal["weight"] = "weight"
    weight: float


class TakeQuota(PlanModel):
    """`take(50k, balance = language, repeat = 2, cap = { by = user, max = 1 })`.

    `balance`: equal numbers for each value of a column. `repeat`: a row may appear this many times.
    """

    kind: Literal["take"] = "take"
    count: int
    balance: str | None = None
    repeat: int = 1
    cap: Cap | None = None


class RateQuota(PlanModel):
    """Example-proportional mixing: a part of what is left in proportion to min(rows, cap) (Raffel et al. 2020, 3.5.2)."""

    kind: Literal["rate"] = "rate"
    cap: int


Quota = Annotated[
    CountQuota | AllQuota | ShareQuota | MaxQuota | WeightQuota | TakeQuota | RateQuota,
    Field(discriminator="kind"),
]


class Component(PlanModel):
    """One line of a mixture: a quota over a source, a pipeline or another mixture."""

    rows: str
    kind: Literal["source", "pipeline", "mixture"]
    group: str = ""
    quota: Quota
    origin: Origin


class Budget(PlanModel):
    """What a run may spend; None is no limit. `cost` in dollars, `seconds` of wall time."""

    requests: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    cost: float | None = None


class Tag(PlanModel):
    """A name for components of any group."""

    name: str
    rows: tuple[str, ...]
    doc: str = ""
    least: CountQuota | ShareQuota | None = Field(
        default=None, description="the fewest rows they may come to"
    )
    most: CountQuota | ShareQuota | None = Field(default=None, description="the most")


class Mixture(PlanModel):
    """Quotas, then steps over the whole mixture (dedup, decontaminate). `total` is needed by shares and weights alone."""

    name: str
    seed: int
    components: tuple[Component, ...]
    steps: tuple[Step, ...] = ()
    total: int | None = None
    scale: float = Field(default=1.0, description="what counts and the total were multiplied by")
    tags: tuple[Tag, ...] = ()
    shortfall: Literal["error", "warn", "fill"] = "error"
    fill: str = Field(default="", description="component that fills a shortfall")
    budget: Budget = Budget()
    variant_of: str = ""
    doc: str = Field(default="", description="what it is for; the dataset card says it")
    columns: dict[str, str]
    origin: Origin


class Evaluation(PlanModel):
    """Held-out problems of a training job, and the verifiers that grade the replies to them."""

    name: str
    on: str = Field(description="source with the problems")
    prompt: str = Field(description="template that puts a problem to the model")
    by: str | None = None
    limit: int
    max_tokens: int
    steps: tuple[Step, ...] = Field(
        description="verifiers of the column `reply`; each is a measure of its own"
    )
    origin: Origin


class Train(PlanModel):
    name: str
    mixture: str
    attributes: dict[str, Json]
    evaluations: tuple[Evaluation, ...] = ()
    fingerprint: Fingerprint
    origin: Origin


class Export(PlanModel):
    name: str
    mixture: str
    format: str
    attributes: dict[str, Json]
    origin: Origin


class Estimate(PlanModel):
    """Expected work of one step or component; None where it cannot be known before a run."""

    node: str = Field(description="`pipeline.step`")
    rows_in: int | None
    rows_out: int | None
    requests: int | None
    prompt_tokens: int | None
    output_tokens: int | None


class PluginSpec(PlanModel):
    """A plugin whose kinds the plan uses: from a file or folder of the project, or from an installed package."""

    name: str
    identity: str = Field(description="`sha256:…` of its files, or `acme-tone==1.2`; another one is not run")
    path: str = Field(default="", description="of a project's plugin, from the root")
    module: str = Field(default="", description="import name of an installed one")
    declares: tuple[str, ...] = Field(
        default=(), description="its files with declarations, by their names inside it; empty for the first"
    )
    entries: tuple[dict[str, Json], ...] = Field(
        description="what it declares of what the plan uses, as in catalog.json"
    )

    @field_validator("declares")
    @classmethod
    def _are_modules(cls, declares: tuple[str, ...]) -> tuple[str, ...]:
        """They become paths of files whose code is run."""
        for name in declares:
            if name and not all(part.isidentifier() for part in name.split(".")):
                raise ValueError(f"{name!r} is no module of a plugin")
        return declares

    @field_validator("entries")
    @classmethod
    def _are_entries(cls, entries: tuple[dict[str, Json], ...]) -> tuple[dict[str, Json], ...]:
        for raw in entries:
            try:
                entry_from_json(raw)
            except (KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"no entry of a catalog: {error}") from None
        return entries


class SpecFile(PlanModel):
    name: str
    sha256: str
    text: str = Field(description="the text that was compiled: a run keeps its spec")


class Plan(PlanModel):
    format_version: str = FORMAT_VERSION
    mixwright_version: str
    edition: int
    spec: str = Field(description="the file given to the compiler, as given")
    root: str = Field(
        description="absolute project root: relative paths in attributes start at the spec's directory"
    )
    directory: str = Field(description="absolute directory of the spec")
    files: tuple[SpecFile, ...]
    params: dict[str, Json] = {}
    models: dict[str, ModelSpec] = {}
    sources: dict[str, SourceSpec] = {}
    templates: dict[str, TemplateSpec] = {}
    tools: dict[str, ToolSpec] = {}
    pipelines: dict[str, Pipeline] = {}
    mixtures: dict[str, Mixture] = {}
    trains: dict[str, Train] = {}
    exports: dict[str, Export] = {}
    policies: dict[str, dict[str, Json]] = {}
    """By name; one with `of` holds for that mixture alone."""
    estimates: tuple[Estimate, ...] = ()
    extras: tuple[str, ...] = Field(default=(), description="pip extras that this plan needs")
    plugins: dict[str, PluginSpec] = {}

    @cached_property
    def catalog(self) -> Catalog:
        """The entries that the plan may name: what ships with Mixwright, and its plugins'."""
        if not self.plugins:
            return builtin_catalog()
        return builtin_catalog().joined(
            replace(entry_from_json(raw), plugin=Provider(plugin.name, plugin.identity))
            for plugin in self.plugins.values()
            for raw in plugin.entries
        )

    def provider(self, key: str) -> str:
        """Identity of the plugin that a catalog key is of; empty for what ships with Mixwright."""
        found = self.catalog.entries.get(key) if self.plugins else None
        return found.plugin.identity if found is not None and found.plugin is not None else ""

    def mixtures_to_run(self) -> list[str]:
        """Mixtures that are no part of another one and no variant; the variants, in a plan of one variant alone."""
        nested = {c.rows for m in self.mixtures.values() for c in m.components if c.kind == "mixture"}
        outer = [name for name in self.mixtures if name not in nested]
        return [name for name in outer if not self.mixtures[name].variant_of] or outer

    def pipelines_in_order(self) -> list[Pipeline]:
        """Pipelines so that each comes after those it reads from."""
        ordered: list[Pipeline] = []
        done: set[str] = set()

        def visit(name: str) -> None:
            if name in done:
                return
            pipeline = self.pipelines[name]
            for other in pipeline.read:
                visit(other)
            done.add(name)
            ordered.append(pipeline)

        for name in self.pipelines:
            visit(name)
        return ordered


def plan_from_json(text: str) -> Plan:
    """Read a `plan.json`.

    Raises:
        ValueError: not a plan, or a plan of another major format version.
    """
    from mixwright_compiler.load.json_text import json_of

    document = json_of(text)
    version = str(document.get("format_version") or "") if isinstance(document, dict) else ""
    if version.split(".")[0] != FORMAT_VERSION.split(".")[0]:
        raise ValueError(f"plan format {version or 'missing'}, this version reads {FORMAT_VERSION}")
    return Plan.model_validate(document)
