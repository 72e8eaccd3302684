"""Templates that a step renders, against the rows that reach it."""

from __future__ import annotations

from collections.abc import Mapping

from mixwright_compiler.bind.expressions import DRAWN
from mixwright_compiler.bind.place import Place
from mixwright_compiler.bind.repair import check_repair_reads, repair_columns, repair_template
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.bind.used_columns import names_seen
from mixwright_compiler.catalog.catalog import Entry
from mixwright_compiler.catalog.references import BLOCKS, block_of, kind_of_reference
from mixwright_compiler.load.uses import Use
from mixwright_compiler.program import Bound
from mixwright_compiler.schema import UNTYPED, Columns, fields_of
from mixwright_compiler.templates.messages import ParsedTemplate, check_use
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.source import Span


def check_templates(
    scope: Scope,
    place: Place,
    entry: Entry,
    attributes: Mapping[str, Bound],
    use: Use | None,
    names: dict[str, str],
) -> set[str]:
    """Check that the rows at this place have what the templates of a step read; returns columns that they do not have.

    names: in a step of a fragment, becomes what its templates call columns that are called otherwise in the rows.
    """
    missing: set[str] = set()
    for bound in _template_names(scope, entry, attributes):
        name = str(bound.value)
        scope.ask(scope.world.by_name[name], bound.span)
        parsed = scope.parsed.get(name)
        if parsed is not None:
            columns = _seen(place, use, parsed, bound.span, names)
            later = _called(use, place.later)
            missing |= check_use(scope.world, parsed, columns, bound.span, place.rows_words, later)
    if use is not None:
        missing = {use.names.get(name, name) for name in missing}
    for bound in _template_names(scope, entry, attributes, of_drawn=True):
        scope.ask(scope.world.by_name[str(bound.value)], bound.span)
        parsed = scope.parsed.get(str(bound.value))
        if parsed is not None:
            check_use(scope.world, parsed, drawn_columns(place.drawn), bound.span, "what is drawn", {})
    return missing | _check_repair(scope, place, entry, attributes, use, names)


def _seen(place: Place, use: Use | None, parsed: ParsedTemplate, at: Span, names: dict[str, str]) -> Columns:
    """The columns that a template finds."""
    assert place.columns is not None
    if use is None:
        return place.columns
    columns, others = names_seen(use, parsed, at, place.around or place.columns, place.findings)
    names |= others
    return columns


def _called(use: Use | None, later: dict[str, Span]) -> dict[str, Span]:
    """Columns of later steps, under the names that a fragment's templates have for them."""
    if use is None:
        return later
    return {**later, **{name: later[column] for name, column in use.names.items() if column in later}}


def _check_repair(
    scope: Scope,
    place: Place,
    entry: Entry,
    attributes: Mapping[str, Bound],
    use: Use | None,
    names: dict[str, str],
) -> set[str]:
    """Check the template of `on_fail = repair(…)`: it sees the rows here, and what the verifier found."""
    on_fail = attributes.get("on_fail")
    name = repair_template(on_fail.value) if on_fail is not None else None
    if on_fail is None or name is None:
        return set()
    declaration = scope.world.by_name[name]
    scope.ask(declaration, on_fail.span)
    parsed = scope.parsed.get(name)
    if parsed is None:
        return set()
    columns, response = (
        _seen(place, use, parsed, on_fail.value.arg_spans[0], names),
        attributes.get("response"),
    )
    check_repair_reads(
        name,
        {names.get(name, name): None for name in parsed.reads},
        "" if response is None else str(response.value),
        on_fail,
        Label(declaration.name_span, "this template"),
        scope.findings,
    )
    seen = repair_columns(columns, on_fail, entry.evidence, scope.findings)
    return check_use(scope.world, parsed, seen, on_fail.span, place.rows_words, _called(use, place.later))


def template_inputs(
    scope: Scope,
    columns: Columns,
    entry: Entry,
    attributes: Mapping[str, Bound],
    names: Mapping[str, str],
) -> list[str]:
    """Columns that the step's templates need. That of `on_fail = repair(…)` is no part: no measurement reads it."""
    parsed = [scope.parsed.get(str(bound.value)) for bound in _template_names(scope, entry, attributes)]
    inputs = [
        names.get(name, name) for template in parsed if template is not None for name in template.inputs
    ]
    return [name for name in inputs if columns.type_of(name) is not None]


def drawn_columns(item: str) -> Columns:
    """The columns that a template of what is drawn has: those of the drawn row, or `drawn` for what is no row."""
    if item in UNTYPED:
        return Columns(is_open=True)
    fields = fields_of(item)
    return Columns({DRAWN: item} if fields is None else fields)


def _template_names(
    scope: Scope, entry: Entry, attributes: Mapping[str, Bound], *, of_drawn: bool = False
) -> list[Bound]:
    """Each template that the step may render of the row, or of what is drawn for it, where it is named."""
    found: list[Bound] = []
    for schema in entry.attributes:
        bound = attributes.get(schema.name)
        if bound is None or bound.is_default:
            continue
        if kind_of_reference(schema.type) == "template" and (schema.holds == "drawn") is of_drawn:
            found += bound.each()
        elif schema.type.startswith(BLOCKS):
            nested = scope.world.catalog.entries[block_of(schema.type) or ""]
            for block in bound.value:
                of_block = {
                    name: Bound(value=value, span=block.spans.get(name, bound.span))
                    for name, value in block.items()
                }
                found += _template_names(scope, nested, of_block, of_drawn=of_drawn)
    return found
