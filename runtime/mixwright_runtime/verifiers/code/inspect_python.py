"""What can be said of a Python candidate without running it."""

from __future__ import annotations

import ast
import builtins
import sys
from typing import Any


def inspect(code: str, names: list[str], prefix: str, entry_point: str) -> dict[str, Any]:
    """`{"error": …}` when it does not parse, `{"missing": [names]}` that it certainly does not define; of `methods` it
    defines only in a class `Solution`, as LeetCode has it; `classes` are classes, `asynchronous` functions that are to be
    awaited, `packages` the modules that it imports and Python does not bring, `parameters` what each of its functions
    and methods takes. `source` is what to run: the code, after the prefix where it goes on from it, and with functions
    that call the methods.

    Runs in a worker: the text is a model's. `version` is that of this interpreter's syntax.
    """
    version = list(sys.version_info[:2])
    source = _with_prefix(code, prefix, entry_point)
    try:
        tree = ast.parse(source)
        compile(tree, "candidate.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        message = getattr(error, "msg", None) or str(error) or type(error).__name__
        return {"source": source, "error": message[:200], "line": line, "version": version}
    defined, is_certain = _defined(tree)
    missing = [name for name in names if name not in defined] if is_certain else []
    methods = [name for name in names if name in _methods_of_solution(tree)]
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name in names]
    asynchronous = [node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef)]
    return {
        "source": source,
        "missing": missing,
        "methods": methods,
        "classes": classes,
        "asynchronous": asynchronous,
        "packages": _packages(tree),
        "parameters": _parameters(tree),
        "version": version,
    }


def completed(code: str, earlier: list[str], later: list[str], prefix: str) -> str:
    """The code with those other blocks of an answer that define names which it uses and does not define: behind earlier
    ones, and before or behind a later one, where that itself uses what the code defines.

    Runs in a worker, as `inspect` does.
    """
    tree = _parsed(code)
    before = [(block, _parsed(block)) for block in earlier]
    if tree is None:
        return code
    known, _ = _defined(_parsed(prefix) or ast.Module([], []))
    lacking = _lacking(tree) - known
    chosen: list[str] = []
    # From the last to the first: what a block needs itself may be in one before it.
    for block, parsed in reversed(before):
        if parsed is None:
            continue
        found = _top_level(parsed) & lacking
        if found:
            chosen.insert(0, block)
            lacking = (lacking - found) | _lacking(parsed)
    behind: list[str] = []
    for block in later:
        parsed = _parsed(block)
        if parsed is None or not (found := _top_level(parsed) & lacking):
            continue
        needed = _lacking(parsed)
        (behind if needed & _top_level(tree) else chosen).append(block)
        lacking = (lacking - found) | (needed - _top_level(tree))
    return "\n\n".join([*chosen, code, *behind])


def _lacking(tree: ast.Module) -> set[str]:
    """Names that are used and neither bound anywhere in the code nor Python's own."""
    bound, is_certain = _defined(tree)
    if not is_certain:
        return set()
    bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    bound |= {node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name}
    loaded = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return loaded - bound - set(dir(builtins))


def _top_level(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign() | ast.AnnAssign() | ast.Import() | ast.ImportFrom():
                names |= _defined(ast.Module([node], []))[0]
    return names


def _packages(tree: ast.Module) -> list[str]:
    """Top-level modules that are imported and not Python's own."""
    roots: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            roots.add((node.module or "").split(".")[0])
    return sorted(filter(is_package, roots))


def is_package(module: str) -> bool:
    """Is a top-level module one that Python does not bring, and never did?"""
    return module not in sys.stdlib_module_names and module not in _PYTHON_2


_PYTHON_2 = (
    *(
        "__builtin__",
        "BaseHTTPServer",
        "ConfigParser",
        "cPickle",
        "cStringIO",
        "HTMLParser",
        "httplib",
        "md5",
        "Queue",
    ),
    *("sets", "sha", "SocketServer", "StringIO", "Tkinter", "urllib2", "urlparse", "UserDict"),
)
"""Python's own modules of another time: a program that imports one is wrong."""


def _defined(tree: ast.Module) -> tuple[set[str], bool]:
    """Names bound at the module's level, and whether there can be no others."""
    names: set[str] = set()
    is_certain = True
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                is_certain &= all(alias.name != "*" for alias in aliases)
                names.update(alias.asname or alias.name.split(".")[0] for alias in aliases)
            case ast.Name(id="exec" | "globals" | "setattr" | "vars" | "locals" | "__import__" | "eval"):
                is_certain = False
    return names, is_certain


def _parameters(tree: ast.Module) -> dict[str, list[str]]:
    return {
        node.name: [arg.arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def _methods_of_solution(tree: ast.Module) -> set[str]:
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    methods = {
        inner.name
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == "Solution"
        for inner in node.body
        if isinstance(inner, ast.FunctionDef)
    }
    return methods - functions


def _with_prefix(code: str, prefix: str, entry_point: str) -> str:
    """A completion after its prefix; a whole program after what of the prefix stands by itself, such as imports."""
    if not prefix:
        return code
    tree = _parsed(code)
    defines = tree is not None and any(
        isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == entry_point.split(".")[0]
        for node in tree.body
    )
    if not defines:
        return prefix + code
    if _parsed(prefix) is not None:
        return f"{prefix.rstrip()}\n\n{code}"
    head = prefix[: prefix.rfind(f"def {entry_point}")]
    return f"{head.rstrip()}\n\n{code}" if _parsed(head) is not None else code


def _parsed(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
