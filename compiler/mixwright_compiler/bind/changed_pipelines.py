"""The pipelines that a variant has otherwise: those with a step that it changes, and those whose rows come from one.

Each is its base's declaration once more, called `NAME@VARIANT`, in files in which that name stands for it. So its text
is read again as it stands, and a `from` or `draw` in it leads to what the variant has.
"""

from __future__ import annotations

from mixwright_compiler.bind.changed_steps import UNCHANGED, Changes, parts_with_steps
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.load.world import Declaration, Module
from mixwright_dsl.lazy_dataclass import replace


def changed_module(scope: Scope, variant: Declaration, root: Declaration, changes: Changes) -> Module:
    """The file of a variant's mixture (the root), in which names stand for what the variant has otherwise."""
    parts = parts_with_steps(scope, root)
    moved = {name for name in parts if name in changes}
    while more := {
        name
        for name, declaration in parts.items()
        if name not in moved and any(a.qualified in moved for a in scope.asked_by(declaration))
    }:
        moved |= more
    modules = {
        id(module): replace(module, declarations=dict(module.declarations), imports=dict(module.imports))
        for module in scope.world.modules
    }
    for module in modules.values():
        module.beside = tuple(modules.values())
        for alias, target in module.imports.items():
            module.imports[alias] = None if target is None else modules[id(target)]
    for name in moved:
        declaration = parts[name]
        if declaration is root:
            continue
        module = modules[id(declaration.module)]
        own = Declaration(
            declaration.kind,
            declaration.name,
            module,
            declaration.node,
            declaration.name_span,
            is_used=True,
            variant=variant,
        )
        module.declarations[declaration.name] = own
        scope.world.by_name[own.qualified] = own
        scope.changes[own.qualified] = changes.get(name, UNCHANGED)
    return modules[id(root.module)]
