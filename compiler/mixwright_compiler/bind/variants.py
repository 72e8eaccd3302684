"""Variants: a mixture's block with parts left out or replaced, before it is bound, and what is otherwise in steps.

The statements that stay keep their spans, so a finding in a variant points at the line it comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from mixwright_compiler.bind.changed_steps import (
    Changes,
    StepChange,
    StepPaths,
    check_settable,
    with_change,
)
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.bind.tags import PREFIX, tagged
from mixwright_compiler.findings import Reported
from mixwright_compiler.load.world import CHAIN_LIMIT, Declaration
from mixwright_compiler.suggest import did_you_mean, listing, nearest, one_of
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.lazy_dataclass import dataclass, replace
from mixwright_dsl.nodes import Attribute, Block, Expression, ListNode, ObjectNode, Ref, Statement
from mixwright_dsl.source import Span

OWN = ("doc",)
"""Attributes that a variant states of itself, in the place of its base's."""
ATTRIBUTES = ("seed", "total", "shortfall", "scale")
BUDGET = ("requests", "tokens", "time", "cost")


@dataclass(frozen=True)
class Effective:
    """What a variant is: the mixture that it is of (at the root of a chain of variants), the block of that with the
    changes made, and what is otherwise in the steps that rows come through."""

    of: Declaration
    block: Block
    changes: Changes


def effective_block(scope: Scope, declaration: Declaration) -> Effective:
    """What a variant is.

    Raises:
        Reported: the variant does not say which mixture, or goes in a circle.
    """
    return _effective(scope, declaration, ())


def _effective(scope: Scope, declaration: Declaration, chain: tuple[Declaration, ...]) -> Effective:
    findings, block = scope.findings, declaration.node
    match block.labels:
        case (Ref(), Ref(parts=("of",)), Ref() as of):
            pass
        case _:
            raise findings.error(
                "MIX120",
                "`variant` needs a name and the mixture it is of",
                block.labels[0].span if block.labels else block.kind_span,
                hint=f"write `variant {declaration.name} of my_mixture {{ … }}`",
            )
    base = scope.world.need(declaration.module, of, "mixture")
    if base in (*chain, declaration):
        names = [d.name for d in (*chain, declaration)] + [base.name]
        raise findings.error(
            "MIX103",
            f"variants go in a circle: {' → '.join(names)}",
            of.span,
            "this closes the circle",
            secondary=(Label(base.name_span, f"`{base.name}` is declared here"),),
            hint="let one of them be of a mixture",
        )
    if len(chain) >= CHAIN_LIMIT:
        raise scope.world.too_long(base.name, of.span)
    if base.kind == "variant":
        effective = _effective(scope, base, (*chain, declaration))
    else:
        effective = Effective(base, base.node, {})
    return _Change(scope, declaration, base.name, effective).apply()


class _Change:
    def __init__(self, scope: Scope, declaration: Declaration, base: str, effective: Effective) -> None:
        self.scope = scope
        self.findings = scope.findings
        self.declaration = declaration
        self.base = base
        self.root = effective.of
        self.block = effective.block
        self.changes = effective.changes
        self.are_changed = False
        """Is a step otherwise?"""
        self.failed = False
        self.without: set[str] = set()
        self.values: dict[str, Attribute] = {}
        self.own: dict[str, Attribute] = {}

    def apply(self) -> Effective:
        self._read()
        body: list[Statement] = []
        for statement in self.block.body:
            changed = self._statement(statement, "")
            if changed is not None:
                body.append(changed)
        present = {s.name.name for s in body if isinstance(s, Attribute)}
        for path, value in self.values.items():
            if path in ATTRIBUTES and path not in present:
                body.append(value)
        body = self._budget([tag for s in body if (tag := self._tag(s, paths_of(body))) is not None])
        if tuple(body) == self.block.body and not self.are_changed and not self.failed:
            self.findings.warning(
                "MIX113",
                f"variant `{self.declaration.name}` equals `{self.base}`",
                self.declaration.name_span,
                "it changes nothing",
                hint="leave something out: `without = [group]`, or set a value: `set { seed = 1 }`",
            )
        kept = [s for s in body if not (isinstance(s, Attribute) and s.name.name in self.own)]
        return Effective(self.root, replace(self.block, body=(*kept, *self.own.values())), self.changes)

    @cached_property
    def steps(self) -> StepPaths:
        """The steps that can be named. The mixture must be bound for that."""
        self.scope.ask(self.root, self.declaration.name_span)
        return StepPaths(self.scope, self.root)

    def _step(self, path: Ref, known: list[str], item: Attribute | None = None) -> None:
        """Leave a step out, or set an attribute of it (the item); report a path that names nothing."""
        try:
            named = self.steps.find(path, of_set=item is not None)
            if named is None:
                self._no_match(path.span, known)
                return
            if item is not None:
                check_settable(self.steps, named, item)
        except Reported:
            self.failed = True
            return
        if item is None:
            change = StepChange(left_out=path.span)
        else:
            if named.is_same(item):
                return
            name = Ref((named.attribute,), item.name.span, (item.name.part_spans[-1],))
            change = StepChange({named.attribute: replace(item, name=name)})
        self.are_changed = True
        self.changes = with_change(self.changes, named.owner, named.step, change)

    def _read(self) -> None:
        for statement in self.declaration.node.body:
            if isinstance(statement, Attribute) and statement.name.name == "without":
                self._read_without(statement.value)
            elif isinstance(statement, Block) and statement.kind == "set" and not statement.labels:
                self._read_set(statement.body)
            elif (
                isinstance(statement, Attribute)
                and statement.name.name == "set"
                and isinstance(statement.value, ObjectNode)
            ):
                self._read_set(statement.value.body)
            elif isinstance(statement, Attribute) and statement.name.name in OWN:
                self.own[statement.name.name] = statement
            else:
                self.failed = True
                span = statement.name.span if isinstance(statement, Attribute) else statement.kind_span
                near = nearest(span.text, ["without", "set"])
                self.findings.error(
                    "MIX105",
                    f"a variant has no `{span.text}`",
                    span,
                    "unknown",
                    hint=did_you_mean(near, "it takes `without = […]` and `set { … }`"),
                )

    def _read_without(self, value: Expression) -> None:
        if not isinstance(value, ListNode):
            self.failed = True
            self.findings.error(
                "MIX107",
                "`without` takes a list",
                value.span,
                hint=f"write `[{value.span.text}]`" if isinstance(value, Ref) else "write `[group]`",
            )
            return
        known = [*paths_of(self.block.body), *self._tags]
        for item in value.items:
            if isinstance(item, Ref) and item.name in self._tags:
                self.without.update(self._tags[item.name])
            elif isinstance(item, Ref) and item.name in known:
                self.without.add(item.name)
            elif isinstance(item, Ref):
                self._step(item, known)
            else:
                self._no_match(item.span, known)

    def _read_set(self, body: tuple[Statement, ...]) -> None:
        known = [
            *(p for p in paths_of(self.block.body) if not self._is_group(p)),
            *ATTRIBUTES,
            *(f"budget.{name}" for name in BUDGET),
        ]
        for item in body:
            if isinstance(item, Block):
                self.failed = True
                self.findings.error(
                    "MIX121",
                    f"`{item.kind}` cannot stand in `set`",
                    item.kind_span,
                    hint="write `path = value`",
                )
            elif item.name.name in known:
                self.values[item.name.name] = item
            else:
                self._step(item.name, known, item)

    @cached_property
    def _tags(self) -> dict[str, list[str]]:
        """What each tag of the base names, by `tag.NAME`."""
        return {
            PREFIX + s.labels[0].span.text: [item.name for item in tagged(s)]
            for s in self.block.body
            if _is_tag(s) and isinstance(s, Block)
        }

    def _tag(self, statement: Statement, paths: list[str]) -> Statement | None:
        """A tag without what the variant leaves out; None where nothing is left. Other statements stay as they are.

        Then it need not come to as many rows, either: what an ablation leaves out is left out on purpose.
        """
        if not self.without or not _is_tag(statement) or not isinstance(statement, Block):
            return statement
        gone = {path for path in paths_of(self.block.body) if path not in paths}
        left = [item for item in tagged(statement) if item.name not in gone]
        if len(left) == len(tagged(statement)):
            return statement
        body = tuple(
            replace(s, value=replace(s.value, items=tuple(left)))
            if isinstance(s, Attribute) and s.name.name == "rows" and isinstance(s.value, ListNode)
            else s
            for s in statement.body
            if not (isinstance(s, Attribute) and s.name.name == "least")
        )
        return replace(statement, body=body) if left else None

    def _is_group(self, path: str) -> bool:
        return any(
            isinstance(s, Block) and s.kind == "group" and s.labels and s.labels[0].span.text == path
            for s in self.block.body
        )

    def _no_match(self, span: Span, known: list[str]) -> None:
        self.failed = True
        near = nearest(span.text, known)
        self.findings.error(
            "MIX110",
            f"`{span.text}` matches nothing in `{self.base}`",
            span,
            f"it has: {listing(known, 12)}",
            hint=did_you_mean(near, one_of(known, 12)),
        )

    def _statement(self, statement: Statement, group: str) -> Statement | None:
        if isinstance(statement, Block):
            if statement.kind != "group" or not statement.labels:
                return statement
            name = statement.labels[0].span.text
            if name in self.without:
                return None
            inner = [s for item in statement.body if (s := self._statement(item, name)) is not None]
            if statement.body and not inner:
                return None
            return replace(statement, body=tuple(inner)) if tuple(inner) != statement.body else statement
        name = statement.name.name
        paths = {name, f"{group}.{name}"} if group else {name}
        if paths & self.without:
            return None
        for path in paths:
            if path in self.values:
                is_same = self.values[path].value.span.text == statement.value.span.text
                return statement if is_same else replace(statement, value=self.values[path].value)
        return statement

    def _budget(self, body: list[Statement]) -> list[Statement]:
        """Apply `budget.NAME = value`, adding the block when the base has none."""
        changes = {p.removeprefix("budget."): v for p, v in self.values.items() if p.startswith("budget.")}
        if not changes:
            return body
        new = [replace(v, name=Ref((n,), v.name.span, (v.name.part_spans[-1],))) for n, v in changes.items()]
        for position, statement in enumerate(body):
            if isinstance(statement, Block) and statement.kind == "budget":
                kept = [
                    s for s in statement.body if not (isinstance(s, Attribute) and s.name.name in changes)
                ]
                return [*body[:position], replace(statement, body=(*kept, *new)), *body[position + 1 :]]
        at = new[0].span
        return [*body, Block("budget", at, (), tuple(new), True, at)]


def paths_of(body: Sequence[Statement]) -> list[str]:
    """What a variant can name of a mixture's block: components, groups, and components in groups."""
    paths: list[str] = []
    for statement in body:
        if isinstance(statement, Attribute) and statement.name.name not in (*ATTRIBUTES, *OWN):
            paths.append(statement.name.name)
        elif isinstance(statement, Block) and statement.kind == "group" and statement.labels:
            group = statement.labels[0].span.text
            inner = [s.name.name for s in statement.body if isinstance(s, Attribute)]
            paths += [group, *inner, *(f"{group}.{name}" for name in inner)]
    return paths


def _is_tag(statement: Statement) -> bool:
    return isinstance(statement, Block) and statement.kind == "tag" and bool(statement.labels)


__all__ = ["Reported", "effective_block"]
