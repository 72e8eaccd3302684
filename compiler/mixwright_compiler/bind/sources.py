"""Sources: what is known of their columns and rows, from the spec or the lock."""

from __future__ import annotations

from typing import Any

from mixwright_compiler.bind.attributes import bind_attributes
from mixwright_compiler.bind.labels import extra_labels, kind_entry
from mixwright_compiler.bind.odd_rows import check_odd_rows
from mixwright_compiler.bind.place import Place
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.catalog.catalog import Entry
from mixwright_compiler.load.world import Declaration
from mixwright_compiler.program import (
    Bound,
    SourceDecl,
)
from mixwright_compiler.schema import Columns, columns_of_rows
from mixwright_compiler.suggest import listing, nearest, one_of, suggested
from mixwright_dsl.lazy_dataclass import replace
from mixwright_dsl.nodes import Attribute, ListNode, named
from mixwright_dsl.source import Span


def bind_source(scope: Scope, declaration: Declaration) -> SourceDecl:
    block = declaration.node
    entry = kind_entry(scope.world, "source", block, block.labels[1:], "a kind")
    extra_labels(scope.world, block, block.labels[2:], f"source {declaration.name} {entry.name} {{ … }}")
    title = f"source `{declaration.name}`"
    place = Place(scope.world, declaration.module, rows_words=title)
    first = bind_attributes(
        place,
        entry,
        [s for s in block.body if not _is(s, "where")],
        declaration.name_span,
        title,
    )
    columns, locked_rows = _source_columns(scope, declaration, entry, first)
    place.columns = columns
    where = [s for s in block.body if _is(s, "where")]
    attributes = dict(first)
    if where:
        only = replace(entry, attributes=tuple(a for a in entry.attributes if a.name == "where"))
        attributes.update(bind_attributes(place, only, where, declaration.name_span, title))
    is_counted = True
    if (locked := _locked(scope, declaration.qualified, entry, first)) is not None:
        from mixwright_compiler.bind.lock import selected_rows

        counted = selected_rows(locked, attributes)
        is_counted = counted is not None
        locked_rows = locked_rows if counted is None else counted
    decl = SourceDecl(
        name=declaration.qualified,
        entry=entry,
        attributes=attributes,
        span=block.span,
        name_span=declaration.name_span,
        kind=entry.name,
        columns=None if columns.is_open else columns.types,
        mapping=attributes["columns"].value if "columns" in attributes else {},
        where=attributes["where"].value if "where" in attributes else None,
        locked_rows=locked_rows,
        is_counted=is_counted,
    )
    scope.sources[decl.name] = decl
    scope.columns[decl.name] = columns
    return decl


def _source_columns(
    scope: Scope, declaration: Declaration, entry: Entry, attributes: dict[str, Bound]
) -> tuple[Columns, int | None]:
    """Columns after `columns`, and the number of rows where it is known."""
    mapping = attributes["columns"].value if "columns" in attributes else None
    in_file: dict[str, str] | None = None
    rows: int | None = None
    if entry.is_empty:
        return Columns(), 1
    if entry.rows_in:
        written = attributes[entry.rows_in].value if entry.rows_in in attributes else None
        if written is None or not all(isinstance(row, dict) for row in written):
            if written is not None:
                _not_rows(scope, declaration, attributes[entry.rows_in], written)
            return Columns(is_open=True), None
        in_file, rows = columns_of_rows(written), len(written)
        node = next((s.value for s in declaration.node.body if _is(s, entry.rows_in)), None)
        if isinstance(node, ListNode):
            check_odd_rows(scope.findings, f"`{declaration.name}`", node, written)
    elif (locked := _locked(scope, declaration.qualified, entry, attributes)) is not None:
        in_file, rows = dict(locked.columns), int(locked.rows)
    if "columns" not in attributes and any(_is(s, "columns") for s in declaration.node.body):
        return Columns(is_open=True), rows  # the mapping itself was reported
    if mapping is None:
        return Columns(in_file or {}, is_open=in_file is None), rows
    if in_file is None:
        return Columns(dict.fromkeys(mapping, "any")), rows
    types = {}
    for new, old in mapping.items():
        types[new] = _mapped_type(scope, declaration, attributes["columns"].span, new, old, in_file)
    return Columns(types), rows


def _mapped_type(
    scope: Scope, declaration: Declaration, at: Span, new: str, old: str, in_file: dict[str, str]
) -> str:
    if old in in_file:
        return in_file[old]
    first, _, rest = old.partition(".")
    if rest and first in in_file:
        return "any"
    near = nearest(old, in_file)
    span = at
    for statement in declaration.node.body:
        if _is(statement, "columns") and hasattr(getattr(statement, "value", None), "body"):
            for item in statement.value.body:
                if isinstance(item, Attribute) and item.name.name == new:
                    span = item.value.span
    scope.findings.error(
        "MIX203",
        f"source `{declaration.name}` has no column `{old}`",
        span,
        f"its columns are: {listing(in_file)}",
        **suggested(near, span, one_of(in_file)),
    )
    return "any"


def _not_rows(scope: Scope, declaration: Declaration, bound: Bound, written: list[Any]) -> None:
    place = next(i for i, row in enumerate(written) if not isinstance(row, dict))
    scope.findings.error(
        "MIX212",
        f"row {place + 1} of source `{declaration.name}` is no object",
        bound.span,
        hint='rows are objects: `rows = [{ text = "…" }]`',
    )


def _locked(scope: Scope, name: str, entry: Entry, attributes: dict[str, Bound]) -> Any:
    """What the lock knows of a source; None when it is not locked, or locked under another definition."""
    lock = scope.world.lock
    locked = lock.sources.get(name) if lock is not None else None
    if locked is None:
        return None
    from mixwright_compiler.bind.lock import is_stale

    return None if is_stale(locked, entry, attributes) else locked


def _is(statement: Any, name: str) -> bool:
    return named(statement)[0] == name
