"""The names in a fragment, and the params that none of them is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.findings import Reported
from mixwright_compiler.load.world import Declaration
from mixwright_compiler.program import FragmentParam
from mixwright_dsl.nodes import Attribute, Block, Expression, Ref, Statement, parts_of


def unused(
    scope: Scope,
    declaration: Declaration,
    params: Mapping[str, FragmentParam],
    columns: set[str],
    body: Sequence[Block],
) -> Iterator[FragmentParam]:
    """Params that nothing in the fragment names: its steps, its columns, or the templates that its steps render."""
    named = set(columns)
    templates: set[str] = set()
    for ref in (
        *refs_in(body),
        *(r for p in params.values() if p.default is not None for r in refs_in([p.default])),
    ):
        named.add(ref.parts[0])
        templates.add(ref.name)
    takes_any = any(p.default is None and p.type in ("template", "templates") for p in params.values())
    reads = {name for template in templates for name in _read_by(scope, declaration, template)}
    for param in params.values():
        is_read = param.type == "column" and (takes_any or param.name in reads)
        if param.name not in named and not is_read:
            yield param


def _read_by(scope: Scope, declaration: Declaration, name: str) -> Sequence[str]:
    """Columns that a template reads; none where the name is that of something else."""
    parts = tuple(name.split("."))
    span = declaration.name_span
    try:
        ref = Ref(parts, span, (span,) * len(parts))
        found, rest = scope.world.find(declaration.module, ref, is_use=False)
    except Reported:
        return ()
    if found is None or rest or found.kind != "template":
        return ()
    scope.ask(found, span)
    parsed = scope.parsed.get(found.qualified)
    return list(parsed.reads) if parsed is not None else ()


def refs_in(nodes: Sequence[Statement | Expression]) -> Iterator[Ref]:
    """Every name in statements and values: of labels, of attributes, and in values."""
    for node in nodes:
        for part in parts_of(node):
            if isinstance(part, Ref):
                yield part
            elif isinstance(part, Attribute):
                yield part.name
