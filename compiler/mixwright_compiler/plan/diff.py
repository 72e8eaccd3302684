"""What differs between two plans: by node, and by what a change of it costs.

    ~ pipeline.math.problem (row: template hard_math.user; set: samples 4 -> 8)
    + mixture.tulu3.gsm8k
    - export.hub

`row`: rows change, and are made again from that step on. `set`: other rows are wanted, those there are stay. `meta`:
nothing in the data. `run`: how it is executed. Names carry no meaning: a renamed template with the same text is `meta`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from mixwright_compiler.bind.plain import block_entry, class_of, schema_of, weaker
from mixwright_compiler.catalog.blocks import language_blocks
from mixwright_compiler.catalog.catalog import AttributeClass, Catalog, Entry
from mixwright_compiler.catalog.references import is_expression, kind_of_reference, named_in
from mixwright_compiler.plan.diff_pairs import counterparts, measures, paired
from mixwright_compiler.plan.diff_text import moved, sql_of, tree_of
from mixwright_compiler.plan.plan import Mixture, ModelSpec, Pipeline, Plan, SourceSpec, Step, ToolSpec
from mixwright_compiler.plan.quotas import quota_text
from mixwright_compiler.plan.subtotals import changed_tags
from mixwright_compiler.plan.tag_limits import changed_limits
from mixwright_compiler.plan.tools import RESULTS, tool_change, tool_words
from mixwright_compiler.plugins.files import short
from mixwright_dsl.lazy_dataclass import dataclass

_ORDER: tuple[AttributeClass, ...] = ("row", "set", "meta", "run")


@dataclass(frozen=True)
class Change:
    """One attribute or part that differs, in a few words: `temperature 1.0 -> 0.7`."""

    cls: AttributeClass
    what: str


@dataclass(frozen=True)
class Difference:
    """One node that was added (`+`), removed (`-`) or changed (`~`)."""

    sign: Literal["+", "-", "~"]
    node: str
    changes: tuple[Change, ...] = ()

    def __str__(self) -> str:
        if not self.changes:
            return f"{self.sign} {self.node}"
        parts = []
        for cls in _ORDER:
            words = [change.what for change in self.changes if change.cls == cls]
            if words:
                parts.append(f"{cls}: {', '.join(words)}")
        return f"{self.sign} {self.node} ({'; '.join(parts)})"

    @property
    def classes(self) -> frozenset[AttributeClass]:
        return frozenset(change.cls for change in self.changes)


def differences(old: Plan, new: Plan, catalog: Catalog | None = None) -> tuple[Difference, ...]:
    """Everything that differs, sources first, in the new plan's order; empty when the plans mean the same."""
    return tuple(_Comparison(old, new, catalog or new.catalog).all())


def first_changed_step(old: Plan, new: Plan, pipeline: str) -> str | None:
    """Id of the first step whose rows the new plan makes differently, `from` for the start; None if there is none."""
    from mixwright_compiler.plan.fingerprint import of_row, pipeline_row_hashes

    before, after = old.pipelines.get(pipeline), new.pipelines[pipeline]
    if before is None or pipeline_row_hashes(old)[pipeline] == pipeline_row_hashes(new)[pipeline]:
        return None
    bare: dict[str, Any] = {"steps": (), "written": ()}
    if pipeline_row_hashes(_with(old, before, bare)) != pipeline_row_hashes(_with(new, after, bare)):
        return "from"
    olds, news = before.steps_as_written, after.steps_as_written
    for one, other in zip(olds, news, strict=False):
        if (one.fingerprint.row, of_row(old, one)) != (other.fingerprint.row, of_row(new, other)):
            return other.id
    return max(olds, news, key=len)[min(len(olds), len(news))].id


def _with(plan: Plan, pipeline: Pipeline, update: Mapping[str, Any]) -> Plan:
    """The plan with this one pipeline, changed, and those that it takes rows from."""
    kept = {pipeline.name: pipeline.model_copy(update=update)}
    pending = list(pipeline.read)
    while pending:
        name = pending.pop()
        if name not in kept:
            kept[name] = plan.pipelines[name]
            pending += kept[name].read
    return plan.model_copy(update={"pipelines": kept})


class _Comparison:
    def __init__(self, old: Plan, new: Plan, catalog: Catalog) -> None:
        self.old = old
        self.new = new
        self.catalog = catalog

    def all(self) -> Iterator[Difference]:
        old, new = self.old, self.new
        yield from self.named("source", old.sources, new.sources, self.source)
        yield from self.named("model", old.models, new.models, self.model)
        yield from self.named("tool", old.tools, new.tools, self.tool)
        yield from self.named("pipeline", old.pipelines, new.pipelines, _start)
        for name, pipeline in new.pipelines.items():
            if name in old.pipelines:
                yield from self.steps(
                    f"pipeline.{name}",
                    old.pipelines[name].steps_as_written,
                    pipeline.steps_as_written,
                    draws_from_itself=pipeline.lag is not None,
                )
        yield from self.named("mixture", old.mixtures, new.mixtures, _mixture)
        for name, mixture in new.mixtures.items():
            if name in old.mixtures:
                yield from self.components(old.mixtures[name], mixture)
                yield from self.steps(f"mixture.{name}", old.mixtures[name].steps, mixture.steps)
        yield from self.named("train", old.trains, new.trains, self.train)
        yield from self.named("export", old.exports, new.exports, self.export)
        yield from self.named("policy", old.policies, new.policies, lambda *sides: _of_policy(self, *sides))

    def named(
        self, kind: str, old: Mapping[str, Any], new: Mapping[str, Any], changes: Any
    ) -> Iterator[Difference]:
        for name in new:
            if name not in old:
                yield Difference("+", f"{kind}.{name}")
            else:
                yield from _changed(f"{kind}.{name}", changes(old[name], new[name]))
        for name in old:
            if name not in new:
                yield Difference("-", f"{kind}.{name}")

    def steps(
        self,
        node: str,
        old: tuple[Step, ...],
        new: tuple[Step, ...],
        *,
        draws_from_itself: bool = False,
    ) -> Iterator[Difference]:
        before = counterparts(old, new)
        for step in new:
            if step.id in before:
                changes = self.step(before[step.id], step)
                if draws_from_itself:
                    # Which rows are kept decides what later ones are asked.
                    changes = (Change("row", c.what) if c.cls == "set" else c for c in changes)
                yield from _changed(f"{node}.{step.id}", changes)
            else:
                yield Difference("+", f"{node}.{step.id}")
        kept = [step.id for step in before.values()]
        for step in old:
            if step.id not in kept:
                yield Difference("-", f"{node}.{step.id}")
        if kept != [step.id for step in old if step.id in kept]:
            yield Difference("~", node, (Change("row", "order of the steps"),))

    def source(self, old: SourceSpec, new: SourceSpec) -> Iterator[Change]:
        if old.kind != new.kind:
            yield Change("row", moved("kind", old.kind, new.kind))
        else:
            yield from self.plugin("row", f"source.{new.kind}")
        is_pinned = old.pin is not None and new.pin is not None
        if is_pinned and old.pin != new.pin:
            yield Change("row", "contents")
        for change in self.attributes(self.entry(f"source.{new.kind}"), old.attributes, new.attributes):
            is_same_file = is_pinned and old.pin == new.pin and change.what.startswith(("path ", "inputs"))
            yield Change("meta", change.what) if is_same_file else change
        if old.mapping != new.mapping:
            yield Change("row", "columns")
        if tree_of(old.where) != tree_of(new.where):
            yield Change("row", moved("where", sql_of(old.where), sql_of(new.where)))

    def model(self, old: ModelSpec, new: ModelSpec) -> Iterator[Change]:
        if old.engine != new.engine:
            cls: AttributeClass = "run" if old.identity == new.identity else "row"
            yield Change(cls, moved("engine", old.engine, new.engine))
        else:
            yield from self.plugin("row", f"model.{new.engine}")
        changes = list(self.attributes(self.entry(f"model.{new.engine}"), old.attributes, new.attributes))
        if old.identity == new.identity:
            changes = [Change("run", c.what) if c.cls == "row" else c for c in changes]
        elif not any(c.cls == "row" for c in (*changes, *self.plugin("row", f"model.{new.engine}"))):
            yield Change("row", "weights")
        yield from changes

    def tool(self, old: ToolSpec, new: ToolSpec) -> Iterator[Change]:
        edited = list(self.plugin("row", f"tool.{new.kind}")) if old.kind == new.kind else []
        yield from edited
        what = tool_change(old, new)
        if what and not (edited and what == RESULTS):
            yield Change("row", what)

    def step(self, old: Step, new: Step) -> Iterator[Change]:
        if old.operation != new.operation:
            yield Change("row", moved("operation", old.operation, new.operation))
            return
        if old.id != new.id:
            yield Change("meta", moved("id", old.id, new.id))
        if old.version != new.version:
            yield Change("row", moved("operation version", old.version, new.version))
        yield from self.plugin("row", new.operation)
        if old.label != new.label:
            yield Change("row", moved("label", old.label, new.label))
        if bool(old.inside) != bool(new.inside):
            yield Change("row", f"moved {'into a loop' if new.inside else 'out of its loop'}")
        if tree_of(old.when) != tree_of(new.when):
            yield Change("row", moved("when", sql_of(old.when), sql_of(new.when)))
        from mixwright_compiler.plan.fingerprint import thresholds_of, verdict_columns

        entry = self.entry(new.operation)
        # Where rows have a column with the verdict, what decides it decides what they hold.
        has_verdict = verdict_columns(entry, old.attributes) and verdict_columns(entry, new.attributes)
        decisive = thresholds_of(entry) if has_verdict else ()
        yield from self.attributes(entry, old.attributes, new.attributes, decisive)

    def components(self, old: Mixture, new: Mixture) -> Iterator[Difference]:
        before = {c.rows: c for c in old.components}
        after = {c.rows: c for c in new.components}
        for name, component in after.items():
            node = f"mixture.{new.name}.{name}"
            if name not in before:
                yield Difference("+", node)
                continue
            changes = []
            if before[name].quota != component.quota:
                changes.append(Change("set", f"quota {quota_text(before[name])} -> {quota_text(component)}"))
            if before[name].group != component.group:
                changes.append(Change("meta", moved("group", before[name].group, component.group)))
            yield from _changed(node, iter(changes))
        for name in before:
            if name not in after:
                yield Difference("-", f"mixture.{new.name}.{name}")

    def train(self, old: Any, new: Any) -> Iterator[Change]:
        if old.mixture != new.mixture:
            yield Change("row", moved("on", old.mixture, new.mixture))
        before, after = measures(old), measures(new)
        for name in sorted({*before, *after}):
            if before.get(name) != after.get(name):
                yield Change("meta", f"evaluate {name}")
        yield from self.attributes(self.catalog.only("train"), old.attributes, new.attributes)

    def export(self, old: Any, new: Any) -> Iterator[Change]:
        if old.mixture != new.mixture:
            yield Change("set", moved("of", old.mixture, new.mixture))
        if old.format == new.format:
            yield from self.plugin("run", f"export.{new.format}")
        yield from self.attributes(self.entry(f"export.{new.format}"), old.attributes, new.attributes)

    def plugin(self, cls: AttributeClass, key: str) -> Iterator[Change]:
        """That the plugin which declares an operation is another one, or an edited one."""
        before, after = self.old.provider(key), self.new.provider(key)
        if before != after:
            words = [short(identity) or "Mixwright" for identity in (before, after)]
            yield Change(cls, f"plugin {words[0]} -> {words[1]}")

    def entry(self, key: str) -> Entry:
        """The catalog's entry; one without attributes for an operation this version does not know."""
        family, _, name = key.partition(".")
        return self.catalog.entries.get(key) or Entry(family, name, "")

    def attributes(
        self,
        entry: Entry,
        old: Mapping[str, Any],
        new: Mapping[str, Any],
        decisive: Sequence[str] = (),
        *,
        inside: str = "",
        block: AttributeClass = "row",
    ) -> Iterator[Change]:
        """Changes of attributes; those of `decisive` ones are of rows, whatever is declared.

        inside: the block that they stand in, with a dot, in front of their names; `block` is its class.
        """
        for written in dict.fromkeys((*new, *old)):
            before, after, name = old.get(written), new.get(written), f"{inside}{written}"
            schema = schema_of(entry, written)
            type = schema.type if schema else "json"
            cls = "row" if written in decisive else weaker(block, class_of(entry, written))
            nested = block_entry(schema, self.catalog)
            blocks = paired(nested, name, before, after) if nested is not None else None
            if nested is not None and blocks is not None:
                for title, one, other in blocks:
                    yield from self.attributes(nested, one, other, inside=title, block=cls)
            elif type == "drawn" and isinstance(before, str) and isinstance(after, str):
                yield from self.references("ref:source", name, cls, before, after)
            elif kind_of_reference(type) is not None:
                yield from self.references(type, name, cls, before, after)
            elif is_expression(type):
                if tree_of(before) != tree_of(after):
                    yield Change(cls, moved(name, sql_of(before), sql_of(after)))
            elif before != after:
                yield Change(cls, moved(name, before, after))

    def references(
        self, type: str, name: str, cls: AttributeClass, before: Any, after: Any
    ) -> Iterator[Change]:
        """Changes of an attribute that names declarations: by what they are, not by their names."""
        kind = kind_of_reference(type) or ""
        olds, news = named_in(before), named_in(after)
        is_named = type.startswith("some[") and isinstance(
            after, list
        )  # then rows say which they were made with
        if len(olds) != len(news) or isinstance(before, list) != isinstance(after, list):
            yield Change(cls, name)
            return
        for one, other in zip(olds, news, strict=True):
            parts = self.meaning_changes(kind, one, other)
            if parts:
                yield from (Change(cls, part) for part in parts)
            elif one != other:
                yield Change(cls if is_named else "meta", f"{name} renamed {one} -> {other}")

    def meaning_changes(self, kind: str, old: str, new: str) -> list[str]:
        """What differs between two declarations of a kind: `template ask.user`, `model teacher`."""
        if kind == "template":
            before, after = self.old.templates.get(old), self.new.templates.get(new)
            texts = [{m.role: m.text for m in spec.messages} if spec else {} for spec in (before, after)]
            roles = [r for r in ("system", "user", "assistant") if texts[0].get(r) != texts[1].get(r)]
            return [f"template {new}.{role}" for role in roles]
        if kind == "model":
            one, other = self.old.models.get(old), self.new.models.get(new)
            is_same = one is not None and other is not None and one.identity == other.identity
            return [] if is_same else [f"model {new}" if old == new else f"model {old} -> {new}"]
        if kind == "tool":
            return tool_words(self.old.tools.get(old), self.new.tools.get(new), old, new)
        if old == new:
            has_changed = old in self.new.sources and any(
                change.cls == "row" for change in self.source_changes(old)
            )
            return [f"rows of {new}"] if has_changed else []
        return [moved(kind, old, new)]

    def source_changes(self, name: str) -> list[Change]:
        old, new = self.old.sources.get(name), self.new.sources.get(name)
        return list(self.source(old, new)) if old and new else []


def _start(old: Pipeline, new: Pipeline) -> Iterator[Change]:
    if old.start.rows != new.start.rows:
        yield Change("row", moved("from", old.start.rows, new.start.rows))
    if tree_of(old.start.where) != tree_of(new.start.where):
        yield Change("row", moved("where", sql_of(old.start.where), sql_of(new.start.where)))
    if old.start.columns != new.start.columns:
        yield Change("row", "columns")
    if old.seed != new.seed:
        yield Change("row", moved("seed", old.seed, new.seed))
    for name in ("limit", "repeat"):
        before, after = getattr(old.start, name), getattr(new.start, name)
        if before != after:
            yield Change("set", moved(name, before, after))


def _of_policy(comparison: _Comparison, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for change in comparison.attributes(language_blocks()["policy"], old, new):
        # Its budget and the mixture it is of are no attributes there; nothing of a policy is in a row.
        yield Change("set", change.what) if change.cls == "row" else change


def _changed(node: str, changes: Iterator[Change]) -> Iterator[Difference]:
    found = tuple(dict.fromkeys(changes))
    if found:
        yield Difference("~", node, found)


def _mixture(old: Mixture, new: Mixture) -> Iterator[Change]:
    for name in ("seed", "total", "shortfall", "fill"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield Change("set", moved(name, before, after))
    yield from (
        Change("meta", moved(f"tag.{name}", *rows)) for name, *rows in changed_tags(old.tags, new.tags)
    )
    yield from (
        Change("run", moved(f"limits of tag.{name}", *limits))
        for name, *limits in changed_limits(old.tags, new.tags)
    )
    for name in type(new.budget).model_fields:
        before, after = getattr(old.budget, name), getattr(new.budget, name)
        if before != after:
            yield Change("set", moved(f"budget.{name}", before, after))
