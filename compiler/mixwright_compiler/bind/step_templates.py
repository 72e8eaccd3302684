"""Templates that a step renders, against the rows that reach it."""

from __future__ import annotations

from collections.abc import Mapping

from mixwright_compiler.bind.place import Place
from mixwright_compiler.bind.repair import check_repair_reads, repair_columns, repair_template
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.catalog.catalog import Entry
from mixwright_compiler.catalog.references import kind_of_reference
from mixwright_compiler.program import Bound
from mixwright_compiler.schema import Columns
from mixwright_compiler.templates.messages import check_use
from mixwright_dsl.diagnostic import Label


def check_templates(scope: Scope, place: Place, entry: Entry, attributes: Mapping[str, Bound]) -> set[str]:
    """Check that the rows at this place have what the templates of a step read; returns columns that they do not have."""
    missing: set[str] = set()
    columns = place.columns
    assert columns is not None
    for bound in _template_names(entry, attributes):
        name = str(bound.value)
        scope.ask(scope.world.by_name[name], bound.span)
        parsed = scope.parsed.get(name)
        if parsed is not None:
            missing |= check_use(scope.world, parsed, columns, bound.span, place.rows_words, place.later)
    return missing | _check_repair(scope, place, entry, attributes)


def _check_repair(scope: Scope, place: Place, entry: Entry, attributes: Mapping[str, Bound]) -> set[str]:
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
    columns, response = place.columns, attributes.get("response")
    assert columns is not None
    check_repair_reads(
        name,
        parsed.reads,
        "" if response is None else str(response.value),
        on_fail,
        Label(declaration.name_span, "this template"),
        scope.findings,
    )
    seen = repair_columns(columns, on_fail, entry.evidence, scope.findings)
    return check_use(scope.world, parsed, seen, on_fail.span, place.rows_words, place.later)


def template_inputs(
    scope: Scope, columns: Columns, entry: Entry, attributes: Mapping[str, Bound]
) -> list[str]:
    """Columns that the step's templates need. That of `on_fail = repair(…)` is no part: no measurement reads it."""
    parsed = [scope.parsed.get(str(bound.value)) for bound in _template_names(entry, attributes)]
    inputs = [name for template in parsed if template is not None for name in template.inputs]
    return [name for name in inputs if columns.type_of(name) is not None]


def _template_names(entry: Entry, attributes: Mapping[str, Bound]) -> list[Bound]:
    """Each template that the step may render, where it is named."""
    found: list[Bound] = []
    for schema in entry.attributes:
        bound = attributes.get(schema.name)
        if bound is None or bound.is_default:
            continue
        if kind_of_reference(schema.type) == "template":
            found += bound.each()
    return found
