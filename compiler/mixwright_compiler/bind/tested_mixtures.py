"""A mixture in a test: the rows that are given in the place of its components."""

from __future__ import annotations

from typing import Any

from mixwright_compiler.bind.given_rows import GivenRows, as_source, check_columns, given_rows
from mixwright_compiler.bind.place import Place
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.bind.tested_steps import check_needed
from mixwright_compiler.catalog.references import declared_name
from mixwright_compiler.findings import Reported
from mixwright_compiler.program import CallValue, ComponentDecl, MixtureDecl, SourceDecl
from mixwright_compiler.schema import Columns
from mixwright_compiler.suggest import listing, nearest, one_of, suggested
from mixwright_dsl.lazy_dataclass import dataclass, replace
from mixwright_dsl.nodes import Attribute, Expression, ListNode, ObjectNode


@dataclass(frozen=True, kw_only=True)
class GivenMixture:
    """A mixture of sources alone. given: component -> its rows; sources: those that hold rows which are written."""

    tested: MixtureDecl
    given: dict[str, GivenRows]
    sources: dict[str, SourceDecl]


def given_mixture(scope: Scope, place: Place, mixture: MixtureDecl, node: Expression) -> GivenMixture:
    """The mixture with the rows of `given` in the place of its components; raises Reported."""
    findings = place.findings
    if not mixture.is_whole:
        raise Reported  # what is wrong there is told there
    components = {declared_name(component.rows): component for component in mixture.components}
    if not isinstance(node, ObjectNode):
        raise findings.error(
            "MIX107",
            "`given` of a mixture takes `{ component = [rows] }`",
            node.span,
            hint=f"for example `{{ {next(iter(components), 'tasks')} = [{{ … }}] }}`",
        )
    given: dict[str, GivenRows] = {}
    sources: dict[str, SourceDecl] = {}
    has_failed = False
    for item in node.body:
        try:
            component = _component(scope, place, item, components)
            assert isinstance(item, Attribute)
            rows = _rows(scope, place, item.value, component)
            columns = scope.columns.get(component.rows, Columns(is_open=True))
            check_columns(place, rows, columns, f"`{component.rows}`")
        except Reported:
            has_failed = True
            continue
        given[component.rows] = rows
        if not rows.source:
            if rows.rows:
                check_needed(findings, rows, mixture.steps, _looked_at(component), "the quota")
            types = Columns({**rows.columns.types, **columns.types})
            sources[component.rows] = as_source(scope, component.rows, rows, types)
    lacking = [name for name, component in components.items() if component.rows not in given]
    if has_failed:
        raise Reported
    if lacking:
        raise findings.error(
            "MIX971",
            f"no rows are given for {listing([f'`{name}`' for name in lacking])}",
            node.span,
            "every component of the mixture gets rows here",
            hint=f"add `{lacking[0]} = [{{ … }}]`, or `{lacking[0]} = []`",
        )
    as_sources = tuple(replace(component, kind="source") for component in mixture.components)
    tested = replace(mixture, components=as_sources, variant_of="")
    return GivenMixture(tested=tested, given={c.rows: given[c.rows] for c in as_sources}, sources=sources)


def _component(scope: Scope, place: Place, item: Any, components: dict[str, ComponentDecl]) -> ComponentDecl:
    if not isinstance(item, Attribute):
        raise place.findings.error(
            "MIX121", f"`{item.kind}` cannot stand here", item.kind_span, hint="write `component = [{ … }]`"
        )
    found, rest = scope.world.find(place.module, item.name)
    name = item.name.name if found is None or rest else found.qualified
    if name in components:
        return components[name]
    near = nearest(item.name.name, components)
    raise place.findings.error(
        "MIX972",
        f"`{item.name.name}` is no component of this mixture",
        item.name.span,
        f"components are: {listing(list(components))}",
        **suggested(near, item.name.span, one_of(list(components))),
    )


def _rows(scope: Scope, place: Place, node: Expression, component: ComponentDecl) -> GivenRows:
    name = declared_name(component.rows)
    if isinstance(node, ListNode) and not node.items:
        return GivenRows(node.span, name=name)
    rows = given_rows(scope, place, node, name)
    if rows.source and rows.source != component.rows:
        raise place.findings.error(
            "MIX972",
            f"rows of `{rows.source}` cannot stand for those of `{name}`",
            node.span,
            "only a source that is a component itself gives its own rows",
            hint=f'write the rows, `{name} = [{{ … }}]`, or `{name} = file("rows.json")`',
        )
    return rows


def _looked_at(component: ComponentDecl) -> list[str]:
    """The columns that a quota looks at: `take(5k, balance = topic, cap = { by = author, max = 3 })`."""
    if not isinstance(component.quota, CallValue):
        return []
    keywords = component.quota.keywords
    cap = keywords.get("cap")
    found = [keywords.get("balance"), cap.get("by") if isinstance(cap, dict) else None]
    return [name for name in found if name]
