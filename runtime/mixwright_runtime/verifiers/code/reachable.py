"""Which statements of a Python test program can be reached: from the module's own, and from what a test runner calls."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from mixwright_runtime.verifiers.code.flatten import EXITS, dotted

_LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)


def reachable(tree: ast.Module) -> set[int]:
    """The ids of the statements that can be reached, from the module's own and from what a test runner calls."""
    found: set[int] = set()
    waiting: list[ast.stmt] = _live(tree.body)
    kept: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]] = {}
    """Functions and classes by name, until something that can be reached mentions them."""
    mentioned: set[str] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in found:
            continue
        found.add(id(node))
        names = set()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            is_run = node.name.startswith(
                ("test", "Test", "setup", "setUp", "teardown", "tearDown", "asyncSet", "__")
            )
            bases = [ast.unparse(base) for base in getattr(node, "bases", ())]
            is_run |= any("TestCase" in base for base in bases)
            is_run |= bool(node.decorator_list)
            outer = [*node.decorator_list, *getattr(node, "bases", ())]
            names = {n for part in outer for n in _mentions(part)}
            if is_run or node.name in mentioned:
                waiting += _live(node.body)
            else:
                kept.setdefault(node.name, []).append(node)
        else:
            for body in bodies_of(node):
                waiting += _live(body)
            for part in own_parts(node):
                names |= _mentions(part)
        new = names - mentioned
        mentioned |= new
        waiting += [s for name in new for owner in kept.pop(name, ()) for s in _live(owner.body)]
    return found


def _live(body: Iterable[ast.stmt]) -> list[ast.stmt]:
    """The statements of a block up to the first that leaves it."""
    alive = []
    for node in body:
        alive.append(node)
        if isinstance(node, _LEAVES) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and dotted(node.value) in EXITS
        ):
            break
    return alive


def bodies_of(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The blocks of a statement, without those that are never entered."""
    match node:
        case ast.If(test=test, body=body, orelse=orelse):
            if not is_constant(test, False):
                yield body
            if not is_constant(test, True):
                yield orelse
        case ast.While(test=test, body=body, orelse=orelse):
            if not is_constant(test, False):
                yield body
            yield orelse
        case ast.For(iter=ast.List(elts=[]) | ast.Tuple(elts=[]) | ast.Dict(keys=[]), orelse=orelse):
            yield orelse
        case ast.Match(cases=cases):
            for case in cases:
                yield case.body
        case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=finalbody):
            yield body
            for handler in handlers:
                yield handler.body
            yield orelse
            yield finalbody
        case _:
            for field in ("body", "orelse"):
                block = getattr(node, field, None)
                if isinstance(block, list):
                    yield block


def own_parts(node: ast.stmt) -> Iterator[ast.AST]:
    """The expressions of a statement itself, without those of the statements in it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ExceptHandler):
            if child.type is not None:
                yield child.type
        elif isinstance(child, ast.match_case):
            yield from (part for part in (child.pattern, child.guard) if part is not None)
        elif not isinstance(child, ast.stmt):
            yield child


def _mentions(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} | {
        n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)
    }


def is_constant(node: ast.expr, value: bool) -> bool:
    """Is an expression a literal of this truth value?"""
    return isinstance(node, ast.Constant) and bool(node.value) is value
