"""Bound declarations of a file that is being written: what a keystroke does not change is not bound again.

A declaration is bound as it was where its tree is the same object, its words name what they named, all that it asked
for is as it was, and so is what counts anywhere in the file: constants, imports, the lock. Only what was bound without
a finding is remembered, and only what names declarations of its own file and no path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.nodes import Block, Statement

if TYPE_CHECKING:
    from collections.abc import Callable

    from mixwright_compiler.bind.scope import Scope
    from mixwright_compiler.load.world import Declaration, Mention, World

KEPT = ("model", "source", "template", "pipeline")
"""Kinds that are remembered; what others are bound with is more than what they ask for."""
NAMED = (*KEPT, "let", "param")
"""Kinds that a remembered declaration may name."""
EVERYWHERE = ("edition", "import", "let", "param")
"""Statements that any declaration may hang on."""


@dataclass(frozen=True)
class _Bound:
    """node: of which it was made; it is kept, so that no other object gets its identity. words: all that stand in it.
    named: kinds of declarations that are called like one of these. asked: what it was bound with, by name: what that
    was, and the columns of its rows."""

    node: Block
    result: Any
    columns: Any
    parsed: Any
    mentions: tuple[Mention, ...]
    words: frozenset[str]
    named: Mapping[str, str]
    asked: tuple[tuple[str, Any, Any], ...]


class Remembered:
    """What was bound of one file, for one compilation after another."""

    def __init__(self) -> None:
        self._known: dict[int, _Bound] = {}
        self._around: tuple[Any, ...] = ()

    def keep(self, body: Iterable[Statement]) -> None:
        """Forget what is not among these statements."""
        kept = {id(statement) for statement in body}
        self._known = {node: bound for node, bound in self._known.items() if node in kept}

    def begin(self, world: World) -> None:
        """Forget everything where what counts anywhere is another. Ask when all files are loaded."""
        spec = world.spec
        everywhere = [s for s in spec.file.body if not isinstance(s, Block) or s.kind in EVERYWHERE]
        around = (id(world.catalog), world.lock, everywhere)
        if around != self._around:
            self._known.clear()
        self._around = around

    def bind(self, make: Callable[[Scope, Declaration], Any], scope: Scope, declaration: Declaration) -> Any:
        """What `make` makes of a declaration, or made of it before."""
        world, node = scope.world, declaration.node
        if declaration.kind not in KEPT or declaration.variant or declaration.module is not world.spec:
            return make(scope, declaration)
        known = self._known.get(id(node))
        if (
            known is not None
            and known.named == _named(known.words, declaration)
            and all(_is_as_it_was(scope, declaration, *asked) for asked in known.asked)
        ):
            _put(scope, declaration, known)
            return known.result
        outer, world.mentions = world.mentions, []
        findings, paths = len(world.findings.items), len(world.paths)
        try:
            result = make(scope, declaration)
        finally:
            own, world.mentions = world.mentions, outer
            # What was bound for it has noted its own already.
            outer += own
        is_plain = (findings, paths) == (len(world.findings.items), len(world.paths))
        if result is not None and is_plain and all(_may_name(m.declaration, declaration) for m in own):
            self._known[id(node)] = _bound(scope, declaration, result, tuple(own))
        return result


def _may_name(named: Declaration | None, declaration: Declaration) -> bool:
    return named is not None and named.kind in NAMED and named.module is declaration.module


def _is_as_it_was(scope: Scope, declaration: Declaration, name: str, result: Any, columns: Any) -> bool:
    asked = scope.world.by_name.get(name)
    if asked is None:
        return False
    found = scope.ask(asked, declaration.name_span)
    return bool(found == result and scope.columns.get(name) == columns)


def _bound(scope: Scope, declaration: Declaration, result: Any, mentions: tuple[Mention, ...]) -> _Bound:
    name = declaration.qualified
    asked = tuple(
        (other.qualified, scope.bound(other.qualified), scope.columns.get(other.qualified))
        for other in scope.asked_by(declaration)
    )
    words = frozenset(re.findall(r"\w+", declaration.node.span.text))
    return _Bound(
        declaration.node,
        result,
        scope.columns.get(name),
        scope.parsed.get(name),
        mentions,
        words,
        _named(words, declaration),
        asked,
    )


def _named(words: frozenset[str], declaration: Declaration) -> dict[str, str]:
    declared = declaration.module.declarations
    return {word: declared[word].kind for word in words & declared.keys()}


def _put(scope: Scope, declaration: Declaration, known: _Bound) -> None:
    """Leave in the scope what binding a declaration leaves there."""
    name = declaration.qualified
    scope.world.mentions += known.mentions
    if known.columns is not None:
        scope.columns[name] = known.columns
    match declaration.kind:
        case "model":
            scope.models[name] = known.result
        case "source":
            scope.sources[name] = known.result
        case "template":
            scope.templates[name], scope.parsed[name] = known.result, known.parsed
        case "pipeline":
            scope.pipelines[name] = known.result
