"""How values move through the statements of a test program: what each binds, changes and needs, and which names hold
something of the candidate's."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from mixwright_runtime.verifiers.code.flatten import Item, NotFlat, stored_names


@dataclass(frozen=True)
class Step:
    """One item with what it needs of others.

    Attributes:
        defines: names that it binds or whose value it may change.
        replaces: of these, the names whose earlier value does not matter any more.
        tainted: the names that hold something of the candidate's when it is reached.
        passed: variables of the tests that were handed to the candidate before, and may have been changed by it.
    """

    item: Item
    defines: frozenset[str]
    replaces: frozenset[str]
    uses: frozenset[str]
    tainted: frozenset[str]
    passed: frozenset[str]

    @property
    def touches_candidate(self) -> bool:
        return bool(self.uses & self.tainted)


def steps_of(items: Sequence[Item], names: Sequence[str]) -> list[Step]:
    """The items in order, and how what the candidate makes spreads over names."""
    tainted, variables, passed = set(names), set[str](), set[str]()
    steps = []
    for item in items:
        uses = frozenset(loaded_names(item.node))
        bound = stored_names(item.node) if item.kind == "statement" else set()
        changed = _changed_names(item.node, variables) - bound
        replaces = bound - uses if isinstance(item.node, ast.Assign) else set()
        step = Step(
            item, frozenset(bound | changed), frozenset(replaces), uses, frozenset(tainted), frozenset(passed)
        )
        steps.append(step)
        if step.touches_candidate:
            passed |= uses & variables
        passed -= replaces
        if item.kind != "statement":
            continue
        if not step.touches_candidate:
            tainted -= bound - set(names)
        elif isinstance(item.node, ast.FunctionDef | ast.ClassDef):
            raise NotFlat(f"defines {item.node.name}, which calls the candidate")
        else:
            tainted |= step.defines
        if isinstance(item.node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            variables |= bound
            if isinstance(item.node.value, ast.Constant):
                # Nobody can change it.
                variables -= bound
    return steps


_MUTATORS = frozenset(
    (
        *(
            "append",
            "extend",
            "insert",
            "remove",
            "pop",
            "clear",
            "sort",
            "reverse",
            "add",
            "discard",
            "update",
        ),
        *(
            "popitem",
            "setdefault",
            "appendleft",
            "popleft",
            "rotate",
            "write",
            "read",
            "readline",
            "seek",
            "send",
        ),
    )
)


def _changed_names(node: ast.AST, variables: set[str]) -> set[str]:
    """Variables whose value a statement or an assertion may change without binding them: `d[k] = 1`, `items.sort()`; all
    that an expression statement uses, for it is there for its effect."""
    changed = {
        root
        for inner in ast.walk(node)
        for target in _changed_parts(inner)
        if (root := _root_name(target)) in variables
    }
    return changed | (loaded_names(node) & variables if isinstance(node, ast.Expr) else set())


def _changed_parts(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.Subscript(ctx=ast.Store() | ast.Del()) | ast.Attribute(ctx=ast.Store() | ast.Del()):
            return [node]
        case ast.Call(func=ast.Attribute(value=value, attr=attribute)) if attribute in _MUTATORS:
            return [value]
    return []


def _root_name(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def loaded_names(node: ast.AST) -> set[str]:
    """Names whose value a node needs."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)} | {
        n.target.id for n in ast.walk(node) if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)
    }
