"""What of a new spec breaks those who read what the old one exported: findings at their places in the new spec.

    MIX950  an export is gone, or is written somewhere else
    MIX951  an export or a column has another form
    MIX952  fewer rows
    MIX953  a license that asks more of those who use the rows
    MIX954  rows have other identities, so that those of two releases cannot be told to be the same

More rows, more exports, another prompt, a renamed step: nothing of that breaks. Only what an export reaches counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mixwright_compiler.bind.plain import by_class
from mixwright_compiler.catalog.catalog import PATH_TYPES
from mixwright_compiler.catalog.license_expressions import alternatives
from mixwright_compiler.catalog.licenses import CLASSES, asked_by
from mixwright_compiler.plan.licenses import NOT_STATED, licenses_of
from mixwright_compiler.plan.plan import Component, Export, Mixture, Plan, SourceSpec
from mixwright_compiler.plan.quotas import quota_text
from mixwright_compiler.program import Program
from mixwright_compiler.schema import written_type
from mixwright_dsl.diagnostic import Diagnostic, Label, error
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.source import Span


@dataclass(frozen=True)
class Spec:
    """A spec as it was bound and as it was planned."""

    program: Program
    plan: Plan


def breaking_changes(old: Spec, new: Spec) -> tuple[Diagnostic, ...]:
    """Everything that breaks, in the order of the new spec; each finding's further place is in the old one."""
    found = list(_Comparison(old, new).all())
    order = {id(file): at for at, file in enumerate(new.program.files)}
    return tuple(
        sorted(found, key=lambda d: (order.get(id(d.primary.span.source), 0), d.primary.span.start, d.code))
    )


class _Comparison:
    def __init__(self, old: Spec, new: Spec) -> None:
        self.old = old
        self.new = new

    def all(self) -> Iterator[Diagnostic]:
        mixtures: dict[str, None] = {}
        for name, export in self.old.plan.exports.items():
            if name not in self.new.plan.exports:
                yield self.gone(export)
                continue
            other = self.new.plan.exports[name]
            yield from self.export(export, other)
            if export.mixture == other.mixture:
                mixtures.setdefault(export.mixture)
        for name in self.with_nested(mixtures):
            before, after = self.old.plan.mixtures[name], self.new.plan.mixtures[name]
            yield from self.rows(before, after)
            yield from self.columns(before, after)
            yield from self.identities(before, after)
        for name in mixtures:
            yield from self.licenses(name)

    def with_nested(self, mixtures: dict[str, None]) -> list[str]:
        """The mixtures and those inside them, where both sides have them."""
        found: dict[str, None] = {}
        pending = list(mixtures)
        while pending:
            name = pending.pop(0)
            if name not in found and name in self.new.plan.mixtures:
                found[name] = None
                pending += [c.rows for c in self.old.plan.mixtures[name].components if c.kind == "mixture"]
        return list(found)

    def gone(self, export: Export) -> Diagnostic:
        decl = self.old.program.exports[export.name]
        mixture = self.new.program.mixtures.get(export.mixture)
        return error(
            "MIX950",
            f"export `{export.name}` is gone",
            mixture.name_span if mixture is not None else self.top(),
            "it was one of this mixture" if mixture is not None else "",
            secondary=(Label(decl.name_span, "it was here"),),
            hint=f"keep `export {export.name} of {export.mixture}`, or tell its readers",
        )

    def top(self) -> Span:
        """The first line of the new spec, where nothing in it says more."""
        source = self.new.program.source
        return source.span(0, len(source.line_text(1)))

    def export(self, old: Export, new: Export) -> Iterator[Diagnostic]:
        decl, before = self.new.program.exports[new.name], self.old.program.exports[old.name]
        if old.mixture != new.mixture:
            yield error(
                "MIX951",
                f"export `{new.name}` is of mixture `{new.mixture}`, and was of `{old.mixture}`",
                decl.mixture_span,
                secondary=(Label(before.mixture_span, "here"),),
                hint="give the new one a name of its own",
            )
        entry = self.new.plan.catalog.entries.get(f"export.{new.format}")
        types = {schema.name: schema.type for schema in entry.attributes} if entry else {}
        for name in dict.fromkeys((*new.attributes, *old.attributes)):
            one, other = old.attributes.get(name), new.attributes.get(name)
            is_path = types.get(name) in PATH_TYPES
            decides = entry is None or name in by_class(entry, {name: 0})["set"] or is_path
            if one == other or not decides or (old.format != new.format and name != "format"):
                continue
            bound = decl.attributes.get(name)
            at = decl.name_span if bound is None or bound.is_default else bound.span
            was = before.attributes.get(name)
            yield error(
                "MIX950" if is_path else "MIX951",
                f"`{name}` of export `{new.name}` was {_shown(one)} and is {_shown(other)}",
                at,
                secondary=() if was is None or was.is_default else (Label(was.span, "it was this"),),
                hint=f"add a second export, and leave `{new.name}` as it was",
            )

    def rows(self, old: Mixture, new: Mixture) -> Iterator[Diagnostic]:
        counts = [{e.node: e.rows_out for e in spec.plan.estimates} for spec in (self.old, self.new)]
        lines = {component.rows: component for component in new.components}
        written = {c.rows: c for c in self.old.program.mixtures[old.name].components}
        for component in old.components:
            node = f"{old.name}.{component.rows}"
            before, after = counts[0].get(node), counts[1].get(node)
            label = Label(written[component.rows].span, "it was here") if component.rows in written else None
            secondary = (label,) if label else ()
            if component.rows not in lines:
                yield error(
                    "MIX952",
                    f"`{component.rows}` is no part of mixture `{new.name}` any more",
                    self.new.program.mixtures[new.name].name_span,
                    f"{before:,} rows were of it" if before is not None else "",
                    secondary=secondary,
                    hint="a pipeline that is only called otherwise has other row ids: keep its name",
                )
            elif before is not None and after is not None and after < before:
                yield error(
                    "MIX952",
                    f"`{component.rows}` gives {after:,} rows to mixture `{new.name}`, and gave {before:,}",
                    self.quota_span(new.name, component),
                    f"quota {quota_text(lines[component.rows])}, was {quota_text(component)}",
                    secondary=secondary,
                    hint="a larger quota keeps every row of a smaller one; a smaller one leaves rows out",
                )
        if old.seed != new.seed:
            bound = self.new.program.mixtures[new.name].attributes.get("seed")
            yield error(
                "MIX954",
                f"mixture `{new.name}` chooses its rows by seed {new.seed}, and did by {old.seed}",
                bound.span if bound is not None else self.new.program.mixtures[new.name].name_span,
                "other rows are chosen, in another order",
                hint=f"write `seed = {old.seed}`",
            )

    def quota_span(self, mixture: str, component: Component) -> Span:
        lines = self.new.program.mixtures[mixture].components
        return next(line.quota_span for line in lines if line.rows == component.rows)

    def columns(self, old: Mixture, new: Mixture) -> Iterator[Diagnostic]:
        """Columns that all rows of a mixture had, which `mixwright.rows` and other mixtures read."""
        decl = self.new.program.mixtures[new.name]
        for name, type in old.columns.items():
            other = new.columns.get(name)
            if other is None or "any" in (type, other) or other == type:
                if other is not None or not new.columns:
                    continue
                message = f"rows of mixture `{new.name}` have no column `{name}` any more"
            else:
                is_now, was = written_type(other), written_type(type)
                message = f"column `{name}` of mixture `{new.name}` is {is_now}, and was {was}"
            yield error(
                "MIX951", message, decl.name_span, hint=f"make `{name}` as it was, and what is new beside it"
            )

    def licenses(self, mixture: str) -> Iterator[Diagnostic]:
        before, after = licenses_of(self.old.plan, mixture), licenses_of(self.new.plan, mixture)
        known = [asked for license in before for asked in _asked(license)]
        for license, brought_by in after.items():
            asked = min(_asked(license), key=len)
            if license in before or any(mine <= other for mine in _asked(license) for other in known):
                continue
            kind, _, name = brought_by[0].partition(" ")
            program = self.new.program
            decl: Any = (program.sources if kind == "source" else program.models)[name]
            bound = decl.attributes.get("license")
            yield error(
                "MIX953",
                f"license `{license}` comes into mixture `{mixture}`"
                if license != NOT_STATED
                else f"rows without a license come into mixture `{mixture}`",
                bound.span if bound is not None and not bound.is_default else decl.name_span,
                _asked_words(asked),
                notes=(f"licenses before: {', '.join(before) or 'none'}",),
                hint=f"leave `{name}` out of `{mixture}`, or export it in a mixture of its own",
            )

    def identities(self, old: Mixture, new: Mixture) -> Iterator[Diagnostic]:
        lines = {component.rows for component in new.components}
        for component in old.components:
            if component.kind == "mixture" or component.rows not in lines:
                continue
            yield from self.identity(component.rows, set())

    def identity(self, leaf: str, seen: set[str]) -> Iterator[Diagnostic]:
        """Of the rows of a pipeline or source: the first thing on their way that names them otherwise."""
        if leaf in seen:
            return
        seen.add(leaf)
        old, new = self.old.plan, self.new.plan
        if leaf in old.sources and leaf in new.sources:
            if words := _named_otherwise(old.sources[leaf], new.sources[leaf], new):
                yield error(
                    "MIX954",
                    f"rows of source `{leaf}` have other identities: {words}",
                    self.new.program.sources[leaf].name_span,
                    "a row is named by what its columns hold",
                    secondary=(Label(self.old.program.sources[leaf].name_span, "it was here"),),
                    hint="add the new form as a source of its own",
                )
            return
        if leaf not in old.pipelines or leaf not in new.pipelines:
            return
        one, other = old.pipelines[leaf], new.pipelines[leaf]
        decl = self.new.program.pipelines[leaf]
        if one.start.rows != other.start.rows:
            yield error(
                "MIX954",
                f"rows of pipeline `{leaf}` start from `{other.start.rows}`, and did from `{one.start.rows}`",
                decl.start.rows_span,
                "their identities begin with those of the rows that they start from",
                hint="add a pipeline of its own for the new rows",
            )
            return
        forks = [_forks(plan, leaf) for plan in (old, new)]
        if list(forks[0].values()) != list(forks[1].values()):
            steps = {step.id: step for step in decl.steps}
            fresh = [id for id in forks[1] if forks[1][id] not in forks[0].values()]
            span = steps[fresh[0]].kind_span if fresh and fresh[0] in steps else decl.name_span
            ways = [" → ".join(f"`{name}`" for name in fork.values()) or "no step" for fork in forks]
            yield error(
                "MIX954",
                f"rows of pipeline `{leaf}` have other identities",
                span,
                f"rows are made of rows by {ways[1]}, and were by {ways[0]}",
                hint="keep these steps and their `id`s, or add a pipeline of its own",
            )
            return
        yield from self.identity(one.start.rows, seen)


def _forks(plan: Plan, pipeline: str) -> dict[str, str]:
    """The steps that give rows a name of their own, by id: what stands in the names for each."""
    return {
        step.id: step.identity
        for step in plan.pipelines[pipeline].steps_as_written
        if step.traits.opens or step.traits.folds or step.traits.loops
    }


def _named_otherwise(old: SourceSpec, new: SourceSpec, plan: Plan) -> str:
    """Why rows of a source have other columns or other contents than before; empty where nothing says so. What is in its
    file is not looked at: rows that a new one shares with the old one keep their names."""
    if old.kind != new.kind:
        return f"they are read as {new.kind}, and were as {old.kind}"
    if old.mapping != new.mapping:
        return "`columns` is another one"
    entry = plan.catalog.entries.get(f"source.{new.kind}")
    if entry is None:
        return ""
    types = {schema.name: schema.type for schema in entry.attributes}
    rows = [by_class(entry, source.attributes)["row"] for source in (old, new)]
    for name in dict.fromkeys((*rows[1], *rows[0])):
        if types.get(name) not in (*PATH_TYPES, "json") and rows[0].get(name) != rows[1].get(name):
            return f"`{name}` is another one"
    return ""


def _asked(license: str) -> list[frozenset[str]]:
    """What a license asks of works made with it, for each of those that it lets one choose among; its own name stands for
    terms that its id does not say."""
    if license == NOT_STATED:
        return [frozenset({license})]
    found = [(terms, asked_by(terms)) for terms in alternatives(license)]
    return [frozenset(terms) if asked is None else asked for terms, asked in found]


def _asked_words(asked: frozenset[str]) -> str:
    return "; ".join(CLASSES.get(one, "its terms are not known by its id") for one in sorted(asked))


def _shown(value: Any) -> str:
    return "none" if value is None else f"`{value}`"
