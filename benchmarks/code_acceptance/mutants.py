"""Programs with one thing wrong in them."""

from __future__ import annotations

import ast
import copy
import random
import re
from collections.abc import Iterator


def python_mutants(code: str, count: int, seed: str) -> list[tuple[str, str]]:
    """(kind, program) of up to `count` different programs: kinds are taken in turn, sites by chance from `seed`."""
    tree = ast.parse(code)
    rng = random.Random(seed)
    by_kind = {
        "constant": list(_constants(tree)),
        "off by one": list(_off_by_one(tree)),
        "deleted line": list(_deleted(tree)),
        "operator": list(_operators(tree)),
    }
    for sites in by_kind.values():
        rng.shuffle(sites)
    original = ast.unparse(tree)
    found: dict[str, str] = {}
    while len(found) < count and any(by_kind.values()):
        for kind, sites in by_kind.items():
            while sites:
                text = ast.unparse(ast.fix_missing_locations(sites.pop()))
                if text != original and text not in found:
                    found[text] = kind
                    break
            if len(found) >= count:
                break
    return [(kind, text) for text, kind in found.items()]


def _changed(tree: ast.Module, at: int, new: ast.AST | None) -> ast.Module:
    """A copy of the tree with node number `at` of its walk replaced."""
    other = copy.deepcopy(tree)
    target = list(ast.walk(other))[at]

    class Replace(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST | None:
            return new if node is target else self.generic_visit(node)

    return Replace().visit(other)  # type: ignore[no-any-return]


def _constants(tree: ast.Module) -> Iterator[ast.Module]:
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.Module) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for at, node in enumerate(ast.walk(tree)):
        if not isinstance(node, ast.Constant) or id(node) in docstrings:
            continue
        match node.value:
            case bool(value):
                yield _changed(tree, at, ast.Constant(not value))
            case int(value) | float(value):
                yield _changed(tree, at, ast.Constant(value + 1))
                yield _changed(tree, at, ast.Constant(value + 7))
            case str(value):
                yield _changed(tree, at, ast.Constant(f"{value}x"))


def _off_by_one(tree: ast.Module) -> Iterator[ast.Module]:
    swaps = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq}
    for at, node in enumerate(ast.walk(tree)):
        match node:
            case ast.Compare(ops=[op, *rest]) if type(op) in swaps:
                yield _changed(tree, at, ast.Compare(node.left, [swaps[type(op)](), *rest], node.comparators))
            case ast.Call(func=ast.Name(id="range" | "len")):
                yield _changed(tree, at, _plus_one(node))
            case ast.Subscript(slice=ast.Constant(value=int(number))):
                yield _changed(tree, at, ast.Subscript(node.value, ast.Constant(number + 1), node.ctx))
            case ast.Return(value=ast.expr() as value):
                yield _changed(tree, at, ast.Return(ast.Tuple([value], ast.Load())))


def _plus_one(node: ast.Call) -> ast.expr:
    if isinstance(node.func, ast.Name) and node.func.id == "range":
        *others, last = node.args
        return ast.Call(node.func, [*others, ast.BinOp(last, ast.Add(), ast.Constant(1))], [])
    return ast.BinOp(node, ast.Sub(), ast.Constant(1))


def _deleted(tree: ast.Module) -> Iterator[ast.Module]:
    for at, node in enumerate(ast.walk(tree)):
        if isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Pass):
            yield _changed(tree, at, ast.Pass())


def _operators(tree: ast.Module) -> Iterator[ast.Module]:
    swaps = {
        ast.Add: ast.Sub,
        ast.Sub: ast.Add,
        ast.Mult: ast.Add,
        ast.Mod: ast.FloorDiv,
        ast.FloorDiv: ast.Mod,
    }
    for at, node in enumerate(ast.walk(tree)):
        if isinstance(node, ast.BinOp) and type(node.op) in swaps:
            yield _changed(tree, at, ast.BinOp(node.left, swaps[type(node.op)](), node.right))


_NUMBER = re.compile(r"(?<![\w.\"'])(\d+)(?![\w.\"'])")
_COMPARISON = re.compile(r"(?<=\s)(<=|>=|<|>|==|!=|-eq|-ne|-lt|-le|-gt|-ge)(?=\s)")
_FLIPPED = {
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==",
    "-eq": "-ne", "-ne": "-eq", "-lt": "-le", "-le": "-lt", "-gt": "-ge", "-ge": "-gt",
}  # fmt: skip


def text_mutants(code: str, count: int, seed: str) -> list[tuple[str, str]]:
    """The same for any language, made on the text: a number, a comparison, a line."""
    rng = random.Random(seed)
    numbers = [(m.start(1), m.end(1), str(int(m.group(1)) + 1)) for m in _NUMBER.finditer(code)]
    comparisons = [(m.start(), m.end(), _FLIPPED[m.group()]) for m in _COMPARISON.finditer(code)]
    lines = [
        (m.start(), m.end(), "")
        for m in re.finditer(r"^[^\n]*;[ \t]*\n", code, re.M)
        if not any(bracket in m.group() for bracket in "{}")
    ]
    kinds = {"constant": numbers, "off by one": comparisons, "deleted line": lines}
    found: dict[str, str] = {}
    for sites in kinds.values():
        rng.shuffle(sites)
    while len(found) < count and any(kinds.values()):
        for kind, sites in kinds.items():
            if sites and len(found) < count:
                start, end, new = sites.pop()
                text = code[:start] + new + code[end:]
                if text != code:
                    found.setdefault(text, kind)
    return [(kind, text) for text, kind in found.items()]
