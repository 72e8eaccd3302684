"""Rows that a test is given: written in it, in a file, or those of a source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixwright_compiler.bind.json_values import json_value
from mixwright_compiler.bind.odd_rows import check_odd_rows
from mixwright_compiler.bind.place import Place, missing_column
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.findings import Findings, Reported
from mixwright_compiler.load.constants import as_type
from mixwright_compiler.load.params import constant_expression
from mixwright_compiler.program import Bound, SourceDecl
from mixwright_compiler.schema import Columns, columns_of_rows, is_assignable, type_of_value
from mixwright_dsl.lazy_dataclass import dataclass, field
from mixwright_dsl.nodes import Attribute, Call, Expression, ListNode, ObjectNode, Ref
from mixwright_dsl.source import Span


@dataclass(frozen=True)
class GivenRows:
    """Rows as they are written. source: where they are those of one, and then `take` of them, or all. name: of what
    holds them in the test."""

    span: Span
    rows: tuple[Mapping[str, Any], ...] = ()
    nodes: tuple[ObjectNode | None, ...] = ()
    source: str = ""
    take: int | None = None
    columns: Columns = field(default_factory=Columns)
    name: str = "given"

    def at(self, row: int, column: str = "") -> Span:
        """Where a row, or a value of it, is written; the whole where it is in a file or a constant."""
        node = self.nodes[row]
        if node is None:
            return self.span
        found = (s.value.span for s in node.body if isinstance(s, Attribute) and s.name.name == column)
        return next(found, node.span)


def given_rows(scope: Scope, place: Place, node: Expression, name: str = "given") -> GivenRows:
    """The rows of `given`, or of `name` in it; raises Reported."""
    match node:
        case Ref():
            found, rest = scope.world.find(place.module, node)
            if found is not None and found.kind == "source" and not rest:
                return _of_source(scope, place, node, node.span)
        case Call(function=Ref(parts=("take",)), arguments=(Ref() as source, count), keywords=()):
            return _of_source(scope, place, source, node.span, count)
        case Call(function=Ref(parts=("take",))):
            raise place.findings.error(
                "MIX122", "`take` takes a source and a number here", node.span, hint="write `take(people, 3)`"
            )
    return written_rows(place, node, name)


def _of_source(
    scope: Scope, place: Place, name: Ref, span: Span, count: Expression | None = None
) -> GivenRows:
    source = scope.world.need(place.module, name, "source")
    scope.ask(source, name.span)
    take = None
    if count is not None:
        constant = constant_expression(scope.world, place.module, count)
        take = int(as_type(constant, "count", "`take`", count.span, place.findings))
        if take < 1:
            raise place.findings.error("MIX117", "`take` takes at least 1 row", count.span, "out of range")
    columns = scope.columns.get(source.qualified, Columns(is_open=True))
    return GivenRows(span, source=source.qualified, take=take, columns=columns)


def written_rows(place: Place, node: Expression, name: str) -> GivenRows:
    """Rows written in a spec or in a JSON file, one or a list of them; raises Reported."""
    value = json_value(place, node, False)
    rows = value if isinstance(value, list) else [value]
    nodes: list[Any] = list(node.items) if isinstance(node, ListNode) else [node]
    written = [item if isinstance(item, ObjectNode) else None for item in nodes]
    if len(written) != len(rows):
        written = [None] * len(rows)
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            at = nodes[number].span if isinstance(node, ListNode) else node.span
            raise place.findings.error(
                "MIX212", f"row {number + 1} of `{name}` is no object", at, hint='write `{ text = "…" }`'
            )
    if not rows:
        raise place.findings.error(
            "MIX117",
            f"`{name}` is empty",
            node.span,
            "at least one row is needed",
            hint="write `[{ … }]`",
        )
    if isinstance(node, ListNode):
        check_odd_rows(place.findings, f"`{name}`", node, rows)
    return GivenRows(
        node.span, tuple(rows), tuple(written), columns=Columns(columns_of_rows(rows)), name=name
    )


def check_columns(place: Place, given: GivenRows, columns: Columns, words: str) -> None:
    """Raise Reported for columns that the rows which these stand for do not have (MIX401), and values of another type
    (MIX123)."""
    place = Place(place.world, place.module, columns, words)
    told: set[str] = set()
    is_wrong = False
    for number, row in enumerate(given.rows):
        for name in row:
            if name not in told and columns.type_of(name) is None:
                told.add(name)
                missing_column(place, name, _name_at(given, number, name))
    for name, common in given.columns.types.items():
        wanted = columns.types.get(name, "any")
        holding = [i for i, row in enumerate(given.rows) if row.get(name) is not None and name not in told]
        # Values that have no type in common are looked at one by one.
        types = {i: type_of_value(given.rows[i][name]) if common == "json" else common for i in holding}
        wrong = next((i for i, type in types.items() if not is_assignable(type, wanted)), None)
        if wrong is not None:
            found, at, is_wrong = types[wrong], given.at(wrong, name), True
            _not_odd(place.findings, at)
            place.findings.error(
                "MIX123",
                f"column `{name}` is {wanted} in {words}, here {found}",
                at,
                f"of type {found}",
            )
    if told or is_wrong:
        raise Reported


def _not_odd(findings: Findings, at: Span) -> None:
    """That a value of a wrong type differs from those of the other rows is no second mistake."""
    findings.take_back(lambda told: told.code == "MIX219" and told.primary.span == at)


def _name_at(given: GivenRows, row: int, column: str) -> Span:
    node = given.nodes[row]
    found = (
        (s.name.span for s in node.body if isinstance(s, Attribute) and s.name.name == column) if node else ()
    )
    return next(iter(found), given.span)


def as_source(scope: Scope, name: str, given: GivenRows, columns: Columns) -> SourceDecl:
    """A source with these rows."""
    entry = next(each for each in scope.world.catalog.family("source").values() if each.rows_in)
    return SourceDecl(
        name=name,
        entry=entry,
        attributes={entry.rows_in: Bound(value=[dict(row) for row in given.rows], span=given.span)},
        span=given.span,
        name_span=given.span,
        kind=entry.name,
        columns=columns.types,
    )
