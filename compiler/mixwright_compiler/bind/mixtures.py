"""Mixtures and their variants: components with quotas, then steps over all rows."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from mixwright_compiler.bind.attributes import bind_attributes, bind_budget, value_without_equal
from mixwright_compiler.bind.changed_steps import UNCHANGED, StepChanges
from mixwright_compiler.bind.labels import extra_labels
from mixwright_compiler.bind.place import Place
from mixwright_compiler.bind.quotas import bind_quota
from mixwright_compiler.bind.scaling import scaled, scaled_tags
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.bind.steps import Flow
from mixwright_compiler.catalog.blocks import MIXTURE_STEPS, language_blocks
from mixwright_compiler.findings import Findings, Reported
from mixwright_compiler.load.world import Declaration, Module
from mixwright_compiler.program import Bound, CallValue, ComponentDecl, MixtureDecl, TagDecl
from mixwright_compiler.schema import Columns, common_type
from mixwright_compiler.suggest import did_you_mean, listing, nearest, one_of, suggested
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.nodes import Attribute, Block, Ref, Statement
from mixwright_dsl.source import Span


def bind_mixture(scope: Scope, declaration: Declaration) -> MixtureDecl | None:
    """The mixture with its components; a variant is its base with the changes applied."""
    variant_of, module = "", declaration.module
    block = declaration.node
    if declaration.kind == "variant":
        # Here: few specs have variants.
        from mixwright_compiler.bind.changed_pipelines import changed_module
        from mixwright_compiler.bind.variants import effective_block

        effective = effective_block(scope, declaration)
        base, block = effective.of, effective.block
        variant_of, module = base.qualified, base.module
        scope.ask(base, declaration.name_span)
        changes = effective.changes.get(base.qualified, UNCHANGED)
        if effective.changes:
            module = changed_module(scope, declaration, base, effective.changes)
    else:
        extra_labels(scope.world, block, block.labels[1:], f"mixture {declaration.name} {{ … }}")
        changes = scope.changes.get(declaration.qualified, UNCHANGED)
    return _Mixing(scope, declaration, module, block, changes).bind(variant_of)


class _Mixing:
    def __init__(
        self,
        scope: Scope,
        declaration: Declaration,
        module: Module,
        block: Block,
        changes: StepChanges,
    ) -> None:
        self.scope = scope
        self.changes = changes
        self.declaration = declaration
        self.module = module
        self.block = block
        self.entry = language_blocks()["mixture"]
        self.words = [a.name for a in self.entry.attributes]
        self.components: list[ComponentDecl] = []
        self.groups: dict[str, Span] = {}
        self.tags: list[Block] = []
        self.paths: dict[str, list[str]] = {}
        """Components by what a tag can call them: a component, a group, a component in its group."""
        self.has_failed = False

    @property
    def findings(self):  # type: ignore[no-untyped-def]
        return self.scope.findings

    def bind(self, variant_of: str) -> MixtureDecl:
        title = f"mixture `{self.declaration.name}`"
        place = Place(self.scope.world, self.module)
        attributes = bind_attributes(
            place,
            self.entry,
            self.block.body,
            self.declaration.name_span,
            title,
            taken=lambda s: isinstance(s, Block) or self._is_component(s),
        )
        steps = self._statements(self.block.body, "")
        tags: tuple[TagDecl, ...] = ()
        if self.tags:
            from mixwright_compiler.bind.tags import bind_tags

            tags = bind_tags(place, self.tags, self.paths)
        self._fill(attributes)
        budget = bind_budget(place, self.block.body)
        if budget is not None:
            attributes["budget"] = budget
        columns = self._columns()
        flow = Flow(self.scope, self.module, self.declaration.name, steps, changes=self.changes)
        flow.columns = columns
        bound_steps = flow.steps(steps)
        self.scope.columns[self.declaration.qualified] = flow.columns
        return MixtureDecl(
            name=self.declaration.qualified,
            entry=self.entry,
            attributes=attributes,
            span=self.declaration.node.span,
            name_span=self.declaration.name_span,
            components=scaled(self.components, attributes, self.scope.mixtures.get(variant_of)),
            tags=scaled_tags(tags, attributes),
            steps=tuple(bound_steps),
            columns=flow.columns.types,
            is_whole=not self.has_failed,
            variant_of=variant_of,
        )

    def _is_component(self, statement: Statement) -> bool:
        """Is it `rows = quota` rather than an attribute, written rightly or not, of the mixture?"""
        if not isinstance(statement, Attribute) or statement.name.name in self.words:
            return False
        if len(statement.name.parts) > 1 or statement.name.name in self.module.declarations:
            return True
        rows = self.scope.world.visible(self.module, ("source", "pipeline", "mixture", "variant"))
        return nearest(statement.name.name, rows) is not None or not nearest(statement.name.name, self.words)

    def _statements(self, body: Sequence[Statement], group: str) -> list[Block]:
        """Bind components and groups; returns the blocks that are steps."""
        steps = []
        for statement in body:
            if isinstance(statement, Attribute):
                if group or self._is_component(statement):
                    self._component(statement, group)
            elif statement.kind == "group" and not group:
                self._group(statement)
            elif statement.kind == "tag" and not group:
                self.tags.append(statement)
            elif statement.kind in MIXTURE_STEPS and not group:
                steps.append(statement)
            elif statement.kind != "budget" or group:
                self._no_block(statement, group)
        return steps

    def _no_block(self, block: Block, group: str) -> None:
        self.has_failed = True
        if (
            block.kind in self.words
            and not group
            and value_without_equal(Place(self.scope.world, self.module), block)
        ):
            return
        catalog = self.scope.world.catalog
        if block.kind in catalog.family("step") or block.kind in ("verify", "from", "use"):
            self.findings.error(
                "MIX121",
                f"`{block.kind}` cannot stand in a {'group' if group else 'mixture'}",
                block.kind_span,
                "it works row by row, so it belongs in a pipeline",
                hint="put it into the pipeline that makes these rows",
            )
            return
        names = [] if group else ["group", "tag", "budget", *MIXTURE_STEPS]
        near = nearest(block.kind, names)
        self.findings.error(
            "MIX116" if not group else "MIX121",
            f"no block `{block.kind}` in a {'group' if group else 'mixture'}",
            block.kind_span,
            **suggested(
                near,
                block.kind_span,
                f"blocks here are: {listing(names)}" if names else "a group holds `rows = quota`",
            ),
        )

    def _group(self, block: Block) -> None:
        match block.labels:
            case (Ref(parts=(name,)) as label,):
                pass
            case _:
                self.findings.error(
                    "MIX120", "`group` needs a name", block.kind_span, hint="write `group math { … }`"
                )
                self._statements(block.body, "?")
                return
        if name in self.groups:
            self.findings.error(
                "MIX114",
                f"group `{name}` is declared twice",
                label.span,
                "declared again here",
                secondary=(Label(self.groups[name], "first declared here"),),
                hint="move its lines into the first",
            )
        self.groups.setdefault(name, label.span)
        self.paths.setdefault(name, [])
        if not block.body:
            self.findings.error(
                "MIX613",
                f"group `{name}` has no component",
                label.span,
                "nothing is in it",
                hint="delete it, or add `rows = all` for a source or pipeline `rows`",
            )
        self._statements(block.body, name)

    def _component(self, statement: Attribute, group: str) -> None:
        place = Place(self.scope.world, self.module)
        name = statement.name.name
        paths = (name, group, f"{group}.{name}") if group else (name,)
        for path in paths:
            self.paths.setdefault(path, [])
        try:
            found = self.scope.world.need(self.module, statement.name, "rows")
            bound = self.scope.ask(found, statement.name.span)
        except Reported:
            self.has_failed = True
            with contextlib.suppress(Reported):
                bind_quota(place, statement.value)
            return
        place.columns = self.scope.columns.get(found.qualified)
        place.rows_words = f"rows of `{statement.name.name}`"
        first = next((c for c in self.components if c.rows == found.qualified), None)
        if first is not None and _is_set_twice(self.findings, statement):
            return
        if first is not None:
            self.findings.error(
                "MIX612",
                f"`{statement.name.name}` is in the mixture twice",
                statement.name.span,
                "again here",
                secondary=(Label(first.name_span, "first here"),),
                hint="give it one quota; `take(n, repeat = 2)` lets its rows appear twice",
            )
            return
        try:
            quota = bind_quota(place, statement.value)
        except Reported:
            self.has_failed = True
            return
        if bound is None:
            self.has_failed = True
        for path in paths:
            self.paths[path].append(found.qualified)
        self.components.append(
            ComponentDecl(
                rows=found.qualified,
                kind="mixture" if found.kind == "variant" else found.kind,
                group=group,
                quota=quota,
                span=statement.span,
                name_span=statement.name.span,
                quota_span=statement.value.span,
            )
        )

    def _fill(self, attributes: dict[str, Bound]) -> None:
        """Make the component of `shortfall = fill(component)` a qualified name."""
        bound = attributes.get("shortfall")
        if bound is None or not isinstance(bound.value, CallValue) or not bound.value.args:
            return
        written = str(bound.value.args[0])
        ref = Ref(tuple(written.split(".")), bound.span, (bound.span,) * (written.count(".") + 1))
        try:
            found, rest = self.scope.world.find(self.module, ref)
        except Reported:
            return
        rows = [c.rows for c in self.components]
        if found is not None and not rest and found.qualified in rows:
            call = CallValue(function="fill", args=(found.qualified,), keywords={}, span=bound.span)
            attributes["shortfall"] = Bound(value=call, span=bound.span)
            return
        if self.has_failed:
            return
        near = nearest(written, rows)
        self.findings.error(
            "MIX615",
            f"`{written}` is no component of this mixture",
            bound.span,
            f"components are: {listing(rows)}",
            hint=did_you_mean(near and f"fill({near})", one_of(rows)),
        )

    def _columns(self) -> Columns:
        """The columns that all components have, in a type that fits all."""
        known = [self.scope.columns.get(c.rows, Columns(is_open=True)) for c in self.components]
        if not known or self.has_failed:
            return Columns(is_open=True)
        closed = [k for k in known if not k.is_open]
        if not closed:
            names = dict.fromkeys(name for k in known for name in k.types)
        else:
            names = dict.fromkeys(n for n in closed[0].types if all(n in k.types for k in closed))
        types: dict[str, str] = {}
        for name in names:
            merged: str | None = None
            for columns in known:
                found = columns.type_of(name) or "any"
                merged = found if merged is None else (common_type(merged, found) or "json")
            types[name] = merged or "any"
        return Columns(types, is_open=not closed)


def _is_set_twice(findings: Findings, statement: Attribute) -> bool:
    """Did the parser report that it stands twice in one block?"""
    span = statement.name.span
    return any(
        found.code == "MIX006"
        and found.primary.span.start == span.start
        and found.primary.span.source is span.source
        for found in findings.items
    )
