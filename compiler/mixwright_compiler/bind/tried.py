"""A fragment that nothing uses, bound for the sake of what can be found in it: a library is checked by itself."""

from __future__ import annotations

from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.bind.steps import Flow
from mixwright_compiler.bind.used_steps import alone
from mixwright_compiler.findings import Reported
from mixwright_compiler.load.world import Declaration
from mixwright_compiler.program import FragmentDecl
from mixwright_compiler.schema import Columns


def try_alone(scope: Scope, declaration: Declaration) -> None:
    """Bind the steps of a fragment on rows that have what it needs, and report what is wrong with them."""
    fragment = scope.bound(declaration.qualified)
    if not isinstance(fragment, FragmentDecl):
        return
    try:
        blocks = alone(scope, declaration.module, fragment)
    except Reported:
        return
    known = len(scope.findings.items)
    flow = Flow(scope, declaration.module, declaration.name, list(fragment.body))
    flow.rows_words = f"rows that `{declaration.name}` is used on"
    flow.also_names(blocks)
    given = {
        param.default.span.text if param.default is not None else param.name: "any"
        for param in fragment.params.values()
        if param.type == "column" and param.name not in fragment.makes
    }
    flow.columns = Columns({**given, **{name: type for name, (type, _) in fragment.needs.items()}})
    flow.steps(blocks)
    # What stands in for a param is none of the user's making.
    stand_ins = {
        (param.span.start, param.span.end) for param in fragment.params.values() if param.default is None
    }
    scope.findings.items[known:] = [
        found
        for found in scope.findings.items[known:]
        if (found.primary.span.start, found.primary.span.end) not in stand_ins
    ]
