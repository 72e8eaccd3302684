"""Steps written out: what they stand for, where a spec has fragments or operators at all."""

from __future__ import annotations

from collections.abc import Sequence

from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.load.world import Module
from mixwright_dsl.nodes import Block, Statement


def written_out(scope: Scope, module: Module, blocks: Sequence[Block]) -> list[Block]:
    """`expanded` (`mixwright_compiler/bind/used_steps.py`), which is imported where it can find something."""
    if scope.world.kinds.isdisjoint(("fragment", "operator")) and not _uses(blocks):
        return list(blocks)
    from mixwright_compiler.bind.used_steps import expanded

    return expanded(scope, module, blocks)


def _uses(statements: Sequence[Statement]) -> bool:
    """Is there a `use`, which nothing declares?"""
    return any(isinstance(s, Block) and (s.kind == "use" or _uses(s.body)) for s in statements)
