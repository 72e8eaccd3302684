"""From the bound program to the plan: `lower` has the logical plan made and its passes run
(`mixwright_compiler.logical`), fills in every default, inlines every template, dumps every expression, and keeps what
the spec's own pipelines, mixtures, trainings and exports reach.

Reads two things besides the program: the lock, and the files of local models (their digest is part of a model's
identity; see `mixwright_compiler/plan/weights.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mixwright_compiler.bind.lock import Lock, is_stale, model_definition, selected_rows
from mixwright_compiler.bind.plain import FIELDS_OF_SOURCES, plain, resolved
from mixwright_compiler.catalog.catalog import Catalog, Entry, entry_to_json
from mixwright_compiler.load.uses import Use
from mixwright_compiler.logical.build import build, steps_of
from mixwright_compiler.logical.nodes import Flow, Keep, Mix, Work
from mixwright_compiler.logical.passes import optimised
from mixwright_compiler.logical.reach import Reach, reach
from mixwright_compiler.plan.drawn import drawn_from
from mixwright_compiler.plan.estimate import Observed, estimates
from mixwright_compiler.plan.fingerprint import Meanings, model_identity, node_hashes, source_hashes
from mixwright_compiler.plan.origins import origin_of
from mixwright_compiler.plan.plan import (
    Budget,
    Evaluation,
    Export,
    Expression,
    Fingerprint,
    From,
    Mixture,
    ModelSpec,
    Pipeline,
    Plan,
    PluginSpec,
    SourcePin,
    SourceSpec,
    SpecFile,
    Step,
    TemplateMessage,
    TemplateSpec,
    Train,
    Via,
)
from mixwright_compiler.plan.quotas import component_of, tag_of
from mixwright_compiler.plan.text_lengths import column_characters
from mixwright_compiler.plan.tools import told_of, tool_spec
from mixwright_compiler.plan.weights import Weights, weights_identity
from mixwright_compiler.program import (
    Attributes,
    Declared,
    EvaluationDecl,
    ExportDecl,
    ModelDecl,
    PolicyDecl,
    Program,
    SourceDecl,
    TemplateDecl,
    TrainDecl,
)
from mixwright_dsl.lazy_dataclass import replace

if TYPE_CHECKING:
    from mixwright_compiler.plugins.reading import Plugin

D = TypeVar("D", bound=Declared)


def lower(
    program: Program,
    *,
    root: Path,
    directory: Path,
    lock: Lock | None = None,
    version: str = "",
    variant: str | None = None,
    pipeline: str | None = None,
    observed: Observed | None = None,
    reads_weights: bool = True,
) -> Plan:
    """The plan of a checked program.

    Args:
        root: project root; directory: the spec's, where relative paths start.
        lock: pins sources and models; None or missing names leave them unpinned.
        version: of Mixwright, recorded in the plan.
        variant: plan this mixture or variant and what hangs on it, and no other pipeline.
        pipeline: plan this pipeline and what it reads, and nothing else.
        observed: yields and tokens of earlier runs, for the estimates.
        reads_weights: False for a plan that is only looked at: local models are not told apart by what is in their files.
    """
    reached = reach(program, variant, pipeline)
    lowering = _Lowering(program, root, directory, lock or Lock(), version, reached, reads_weights)
    return lowering.plan(observed)


def expression_of(value: Any) -> Expression | None:
    """The plan's form of a row expression, bound or plain."""
    return None if value is None else Expression.model_validate(plain(value))


class _Lowering:
    """One lowering: the program, its surroundings, and the names' meanings as far as they are lowered."""

    def __init__(
        self,
        program: Program,
        root: Path,
        directory: Path,
        lock: Lock,
        version: str,
        reached: Reach,
        reads_weights: bool,
    ) -> None:
        self.program = program
        self.root = root
        self.directory = directory
        self.lock = lock
        self.version = version
        self.catalog: Catalog = program.catalog
        self.reach = reached
        self.reads_weights = reads_weights

    def plan(self, observed: Observed | None) -> Plan:
        program, reached = self.program, self.reach
        logical = optimised(build(program, reached, self.catalog))
        models = {d.name: self.model(d) for d in _kept(program.models, reached.models)}
        sources = {d.name: self.source(d) for d in _kept(program.sources, reached.sources)}
        templates = {d.name: template_spec(d) for d in _kept(program.templates, reached.templates)}
        self.meanings = Meanings(
            models={name: spec.identity for name, spec in models.items()},
            sources={n: source_hashes(spec, program.sources[n].entry).row for n, spec in sources.items()},
            templates={n: [[m.role, m.text] for m in spec.messages] for n, spec in templates.items()},
            pipelines=program.pipelines,
        )
        used = _kept(program.tools, reached.tools)
        tools = {d.name: tool_spec(d, self.meanings, self.catalog) for d in used}
        self.meanings = replace(self.meanings, tools=told_of(tools))
        plan = Plan(
            mixwright_version=self.version,
            edition=program.edition,
            spec=program.source.name,
            root=str(self.root),
            directory=str(self.directory),
            files=tuple(_spec_file(f.name, f.text) for f in program.files),
            params={name: plain(param.value) for name, param in program.params.items()},
            models=models,
            sources=sources,
            templates=templates,
            tools=tools,
            pipelines={name: self.pipeline(flow) for name, flow in logical.flows.items()},
            mixtures={name: self.mixture(mix) for name, mix in logical.mixes.items()},
            trains={d.name: self.train(d) for d in _kept(program.trains, reached.trains)},
            exports={d.name: self.export(d) for d in _kept(program.exports, reached.exports)},
            policies={name: self.policy(d) for name, d in program.policies.items()},
            extras=tuple(sorted({e.extra for e in reached.entries if e.extra and e.plugin is None})),
            plugins=self.plugins(),
        )
        return plan.model_copy(
            update={"estimates": estimates(plan, column_characters(program, self.lock), observed)}
        )

    def plugins(self) -> dict[str, PluginSpec]:
        """The plugins of which something is reached."""
        used: dict[str, dict[str, Entry]] = {}
        for entry in self.reach.entries:
            if entry.plugin is not None:
                used.setdefault(entry.plugin.name, {})[entry.key] = entry
        return {name: plugin_spec(self.program.plugins[name], used[name]) for name in sorted(used)}

    def model(self, decl: ModelDecl) -> ModelSpec:
        values = resolved(decl.entry, decl.attributes, catalog=self.catalog)
        pinned = self.lock.models.get(decl.name)
        if pinned is not None and pinned.definition != model_definition(values):
            pinned = None
        weights = ""
        if values.get("path") and self.reads_weights:
            locked = Weights(pinned.digest, pinned.size_bytes) if pinned and pinned.digest else None
            weights = weights_identity(self.directory / values["path"], locked)
        elif values.get("repo") and pinned is not None and pinned.revision:
            # The engine loads the commit that was locked, whatever the branch is now.
            values["revision"] = pinned.revision
        identity = model_identity(decl.entry, values, weights=weights)
        return ModelSpec(
            name=decl.name,
            engine=decl.engine,
            attributes=values,
            identity=identity,
            origin=origin_of(decl.name_span),
        )

    def source(self, decl: SourceDecl) -> SourceSpec:
        values = resolved(decl.entry, decl.attributes, without=FIELDS_OF_SOURCES, catalog=self.catalog)
        pinned = self.lock.sources.get(decl.name)
        if pinned is not None and is_stale(pinned, decl.entry, decl.attributes):
            pinned = None
        pin = None
        if pinned is not None:
            pin = SourcePin(
                digest=pinned.digest,
                rows=pinned.rows,
                selected=selected_rows(pinned, decl.attributes),
                revision=pinned.revision,
            )
        return SourceSpec(
            name=decl.name,
            kind=decl.kind,
            attributes=values,
            columns=dict(decl.columns or {}),
            mapping=dict(decl.mapping),
            where=expression_of(decl.where),
            license=values.get("license") or (pinned.license if pinned else ""),
            pin=pin,
            origin=origin_of(decl.name_span),
        )

    def pipeline(self, flow: Flow) -> Pipeline:
        decl, start = flow.decl, flow.scan.decl
        ids = tuple(step.id for step in flow.steps)
        written = tuple(step.id for step in decl.steps)
        return Pipeline(
            name=decl.name,
            start=From(
                rows=start.rows,
                kind="source" if start.kind == "source" else "pipeline",
                where=expression_of(_plain_of(start.attributes, "where")),
                columns=tuple(_plain_of(start.attributes, "columns") or ()),
                limit=_plain_of(start.attributes, "limit"),
                repeat=_plain_of(start.attributes, "repeat") or 1,
                origin=origin_of(start.span),
            ),
            steps=tuple(map(self.step, flow.steps, flow.columns_after())),
            written=() if ids == written else written,
            groups=flow.gatherings or (),
            asks_again=dict(flow.asks_again or {}),
            **drawn_from(flow, self.program.pipelines),
            columns=dict(decl.columns),
            seed=_plain_of(decl.attributes, "seed") or 0,
            doc=_plain_of(decl.attributes, "doc") or "",
            origin=origin_of(decl.name_span),
        )

    def step(self, step: Work, columns: Mapping[str, str]) -> Step:
        """A step, after which rows have these columns."""
        decl = step.decl
        when = expression_of(decl.when)
        hashes = node_hashes(
            decl.entry,
            step.values,
            self.meanings,
            self.catalog,
            label=decl.label,
            when=when.tree if when else None,
            names=decl.names,
        )
        return Step(
            id=decl.id,
            made_id=decl.made_id,
            operation=decl.entry.key,
            version=decl.entry.version,
            label=decl.label,
            attributes=dict(step.values),
            when=when,
            reads=decl.reads,
            makes=dict(decl.makes),
            columns=dict(columns),
            inside=decl.inside,
            breaker=isinstance(step, Keep),
            traits=step.traits,
            moved_by=step.moved_by,
            via=tuple(_via(self.program, use) for use in decl.uses),
            names=dict(decl.names),
            fingerprint=Fingerprint(**hashes._asdict()),
            origin=origin_of(decl.span),
        )

    def mixture(self, mix: Mix) -> Mixture:
        decl = mix.decl
        shortfall, fill = _shortfall(_plain_of(decl.attributes, "shortfall"))
        return Mixture(
            name=decl.name,
            seed=_plain_of(decl.attributes, "seed") or 0,
            components=tuple(component_of(c) for c in decl.components),
            steps=tuple(self.step(step, step.decl.columns) for step in mix.steps),
            total=_plain_of(decl.attributes, "total"),
            scale=_plain_of(decl.attributes, "scale") or 1.0,
            tags=tuple(map(tag_of, decl.tags)),
            shortfall=shortfall,
            fill=fill,
            budget=_budget(_plain_of(decl.attributes, "budget") or {}),
            variant_of=decl.variant_of,
            doc=_plain_of(decl.attributes, "doc") or "",
            columns=dict(decl.columns),
            origin=origin_of(decl.name_span),
        )

    def train(self, decl: TrainDecl) -> Train:
        values = resolved(decl.entry, decl.attributes, catalog=self.catalog)
        hashes = node_hashes(decl.entry, values, self.meanings, self.catalog)
        return Train(
            name=decl.name,
            mixture=decl.mixture,
            attributes=values,
            evaluations=tuple(self.evaluation(evaluation) for evaluation in decl.evaluations),
            fingerprint=Fingerprint(**hashes._asdict()),
            origin=origin_of(decl.name_span),
        )

    def evaluation(self, decl: EvaluationDecl) -> Evaluation:
        values = resolved(decl.entry, decl.attributes, catalog=self.catalog)
        return Evaluation(
            name=decl.name,
            on=values["on"],
            prompt=values["prompt"],
            by=values["by"],
            limit=values["limit"],
            max_tokens=values["max_tokens"],
            steps=tuple(
                self.step(step, step.decl.columns) for step in steps_of(decl.graded.steps, {}, self.catalog)
            ),
            origin=origin_of(decl.span),
        )

    def policy(self, decl: PolicyDecl) -> dict[str, Any]:
        """Its attributes; `of` where it is of one mixture alone."""
        limits = _budget(_plain_of(decl.attributes, "budget") or {})
        values = {**resolved(decl.entry, decl.attributes), "budget": limits.model_dump(exclude_none=True)}
        if decl.excluded:
            values["excluded"] = {one.source: one.because for one in decl.excluded}
        return values | ({"of": decl.mixture} if decl.mixture else {})

    def export(self, decl: ExportDecl) -> Export:
        values = resolved(decl.entry, decl.attributes, catalog=self.catalog)
        return Export(
            name=decl.name,
            mixture=decl.mixture,
            format=values.get("format") or decl.entry.name,
            attributes=values,
            origin=origin_of(decl.name_span),
        )


def template_spec(decl: TemplateDecl) -> TemplateSpec:
    """A template as a plan has it."""
    messages = tuple(TemplateMessage.model_validate({"role": m.role, "text": m.text}) for m in decl.messages)
    return TemplateSpec(
        name=decl.name,
        messages=messages,
        inputs=tuple(sorted(decl.inputs)),
        operator=decl.operator,
        doc=_plain_of(decl.attributes, "doc") or "",
        origin=origin_of(decl.name_span),
    )


def plugin_spec(plugin: Plugin, keys: Iterable[str]) -> PluginSpec:
    """A plugin as a plan has it, with the entries of these keys as they are declared."""
    return PluginSpec(
        name=plugin.name,
        identity=plugin.identity,
        path=plugin.path,
        module=plugin.module,
        declares=plugin.declares,
        entries=tuple(entry_to_json(plugin.declared[key].entry) for key in sorted(keys)),
    )


def _via(program: Program, use: Use) -> Via:
    doc = _plain_of(program.fragments[use.fragment].attributes, "doc") or ""
    return Via(fragment=use.fragment, id=use.id, doc=doc, origin=origin_of(use.span))


def _kept(declared: Mapping[str, D], names: Iterable[str]) -> list[D]:
    wanted = set(names)
    return [decl for name, decl in declared.items() if name in wanted]


def _spec_file(name: str, text: str) -> SpecFile:
    return SpecFile(name=name, sha256=hashlib.sha256(text.encode()).hexdigest(), text=text)


def _plain_of(attributes: Attributes, name: str) -> Any:
    return plain(attributes[name]) if name in attributes else None


def _shortfall(value: Any) -> tuple[Any, str]:
    """`error`, `warn` or `fill(component)` as (word, component)."""
    if isinstance(value, Mapping):
        return value["call"], str(value["args"][0]) if value["args"] else ""
    return value or "error", ""


def _budget(value: Mapping[str, Any]) -> Budget:
    limits = {name: value.get(name) for name in ("requests", "tokens", "cost")}
    return Budget(seconds=value.get("time"), **limits)
