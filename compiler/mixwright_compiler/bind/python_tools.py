"""Functions in Python that models call: their signatures, read from the source, of which nothing is run here."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from mixwright_compiler.findings import Findings
from mixwright_compiler.suggest import nearest
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.source import Span

TYPES: Mapping[str, str] = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "list": "array",
    "dict": "object",
}
"""Annotations -> types of JSON Schema."""

OF_THE_NETWORK = (
    *("socket", "ssl", "http.client", "http.server", "urllib.request", "urllib3"),
    *("ftplib", "smtplib", "imaplib", "poplib", "telnetlib", "xmlrpc"),
    *("requests", "httpx", "aiohttp", "websockets", "paramiko"),
)
"""Modules that are of use with a network alone."""


@dataclass(frozen=True)
class Signature:
    """What a function takes, as the JSON Schema of an object, and what its docstring says."""

    parameters: Mapping[str, Any]
    doc: str


def signature_of(findings: Findings, code: str, name: str, at: Span) -> Signature:
    """The signature of the function of a tool's name; raises Reported (MIX483), and warns of a network (MIX469)."""

    def wrong(message: str, label: str, hint: str) -> Exception:
        return findings.error("MIX483", message, at, label, hint=hint)

    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        text = getattr(error, "msg", None) or str(error)
        raise wrong(
            f"the code of `{name}` is no Python",
            f"line {line}: {text}" if line else text,
            f"write a function: `def {name}(text: str) -> str:`",
        ) from None
    functions = {
        node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    function = functions.get(name)
    if function is None:
        near = nearest(name, functions) or (next(iter(functions)) if len(functions) == 1 else None)
        raise wrong(
            f"the code has no function `{name}`",
            f"it has: {', '.join(f'`{one}`' for one in functions)}" if functions else "it has no function",
            f"call it as the tool: `def {name}(…)`" + (f", not `{near}`" if near else ""),
        )
    if isinstance(function, ast.AsyncFunctionDef):
        raise wrong(f"`{name}` is a coroutine", "nothing would await it", f"write `def {name}(…)`")
    arguments = function.args
    if arguments.vararg or arguments.kwarg or arguments.posonlyargs:
        raise wrong(
            f"`{name}` takes what has no name",
            "models give arguments by name",
            "write its parameters out: no `*args`, `**kwargs` or `/`",
        )
    positional = arguments.args
    defaults = {argument.arg for argument in positional[len(positional) - len(arguments.defaults) :]}
    defaults |= {
        argument.arg
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is not None
    }
    properties: dict[str, Any] = {}
    for argument in (*positional, *arguments.kwonlyargs):
        type = _type_of(argument.annotation)
        if type is None:
            annotation = ast.unparse(argument.annotation) if argument.annotation is not None else ""
            raise wrong(
                f"parameter `{argument.arg}` of `{name}` is annotated `{annotation}`",
                "a model cannot be told that",
                f"write one of {', '.join(f'`{one}`' for one in TYPES)}",
            )
        properties[argument.arg] = type
    for module in dict.fromkeys(_imported(tree)):
        if any(module == one or module.startswith(f"{one}.") for one in OF_THE_NETWORK):
            findings.warning(
                "MIX469",
                f"`{name}` imports `{module}`, and tools run without a network",
                at,
                "no connection can be made there",
                hint='record the server and replay it: `tool NAME mcp { record = "…" }`',
            )
    schema = {
        "type": "object",
        "properties": properties,
        "required": [argument for argument in properties if argument not in defaults],
        "additionalProperties": False,
    }
    return Signature(schema, inspect.cleandoc(ast.get_docstring(function) or ""))


def _type_of(annotation: ast.expr | None) -> dict[str, Any] | None:
    """JSON Schema of an annotation; a text without one, None where it says what no schema has here."""
    match annotation:
        case None:
            return {"type": "string"}
        case ast.Name(id=name) if name in TYPES:
            return {"type": TYPES[name]}
        case ast.Subscript(value=ast.Name(id="list"), slice=inner):
            items = _type_of(inner)
            return None if items is None else {"type": "array", "items": items}
        case ast.Subscript(value=ast.Name(id="dict")):
            return {"type": "object"}
        case ast.Constant(value=str(text)):
            try:
                return _type_of(ast.parse(text, mode="eval").body)
            except SyntaxError:
                return None
    return None


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
