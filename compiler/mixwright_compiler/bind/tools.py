"""Tools as they are declared: what they are made of, and what models are told of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from mixwright_compiler.bind.attributes import bind_attributes
from mixwright_compiler.bind.labels import extra_labels, kind_entry
from mixwright_compiler.bind.place import Place, missing_column
from mixwright_compiler.bind.python_tools import Signature, signature_of
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.catalog.catalog import AttributeSchema, Entry
from mixwright_compiler.catalog.declaring import TAKEN
from mixwright_compiler.findings import Reported
from mixwright_compiler.load.world import Declaration
from mixwright_compiler.program import Bound, ToolDecl

LONGEST_NAME = 64
"""Characters of a function's name, by OpenAI's reference of `tools`."""
NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST_NAME}}}")
TEXT = {"type": "string"}


def bind_tool(scope: Scope, declaration: Declaration) -> ToolDecl:
    """The tool; raises Reported where what it is made of cannot be told."""
    block, findings = declaration.node, scope.findings
    entry = kind_entry(scope.world, "tool", block, block.labels[1:], "a kind")
    extra_labels(scope.world, block, block.labels[2:], f"tool {declaration.name} {entry.name} {{ … }}")
    title = f"tool `{declaration.name}`"
    if len(declaration.name) > LONGEST_NAME:
        raise findings.error(
            "MIX107",
            f"the name of a tool has at most {LONGEST_NAME} characters, here {len(declaration.name)}",
            declaration.name_span,
            "models call it by that name",
            hint=f"for example `{declaration.name[:20]}`",
        )
    place = Place(scope.world, declaration.module, rows_words="the rows that it is used on")
    attributes = bind_attributes(place, entry, block.body, declaration.name_span, title)
    made = _Made(scope, declaration, entry, attributes)
    decl = ToolDecl(
        name=declaration.qualified,
        entry=entry,
        attributes=attributes,
        span=block.span,
        name_span=declaration.name_span,
        kind=entry.name,
        functions=tuple(made.functions()),
        reads=tuple(place.reads),
        code=made.code,
        digest=made.digest,
    )
    scope.tools[decl.name] = decl
    return decl


class _Made:
    """What a tool is made of, by what the catalog says of its attributes."""

    def __init__(
        self, scope: Scope, declaration: Declaration, entry: Entry, attributes: Mapping[str, Bound]
    ) -> None:
        self.scope = scope
        self.declaration = declaration
        self.entry = entry
        self.attributes = attributes
        self.code = ""
        self.digest = ""

    def functions(self) -> list[dict[str, Any]]:
        """`{ name, description, parameters }` of each."""
        doc = self.attributes["doc"].value if "doc" in self.attributes else ""
        properties = {name: {"type": TAKEN[type]} for name, type in self.entry.takes.items()}
        for schema in self.entry.attributes:
            bound = self.attributes.get(schema.name)
            if bound is None or bound.is_default:
                if schema.required:
                    raise Reported  # reported as missing, or for its value
                continue
            match schema.holds:
                case "python":
                    found = self.python(schema, bound)
                    return [_function(self.declaration.name, doc or found.doc, found.parameters)]
                case "mcp_record":
                    return self.recorded(bound)
                case "column_of_source":
                    self.check_column(bound)
                case "day":
                    self.check_day(bound)
            if schema.type == "ref:template":
                parsed = self.scope.parsed.get(str(bound.value))
                properties |= dict.fromkeys(sorted(parsed.inputs) if parsed is not None else (), TEXT)
        if any(schema.holds == "python" for schema in self.entry.attributes):
            raise Reported  # that none of them is given is for the check of alternatives to say, but not here
        return [_function(self.declaration.name, doc, _object(properties, list(properties)))]

    def python(self, schema: AttributeSchema, bound: Bound) -> Signature:
        """The function's signature."""
        text = self.text_of(bound) if schema.name == "file" else str(bound.value)
        found = signature_of(self.scope.findings, text, self.declaration.name, bound.span)
        self.code = text
        return found

    def text_of(self, bound: Bound) -> str:
        """A file's text."""
        try:
            return self.content_of(bound).decode("utf-8")
        except UnicodeDecodeError:
            raise self.scope.findings.error(
                "MIX108", f"cannot read `{bound.value}`", bound.span, "not a UTF-8 text file"
            ) from None

    def content_of(self, bound: Bound) -> bytes:
        path = self.scope.world.directory / str(bound.value)
        try:
            return path.read_bytes()
        except OSError as error:
            raise self.scope.findings.error(
                "MIX108",
                f"no file `{bound.value}`"
                if isinstance(error, FileNotFoundError)
                else f"cannot read `{bound.value}`: {error.strerror}",
                bound.span,
                hint="a path starts at the directory of the file that names it",
            ) from None

    def recorded(self, bound: Bound) -> list[dict[str, Any]]:
        """What a recorded server lists."""
        from mixwright_compiler.load.mcp_record import RecordFault, record_of

        try:
            found = record_of(self.content_of(bound))
        except RecordFault as fault:
            raise self.scope.findings.error(
                "MIX484",
                f"`{bound.value}` is no recording of an MCP server",
                bound.span,
                str(fault),
                hint="record both sides of a session over stdio, a JSON-RPC message a line, with its `tools/list`",
            ) from None
        for function in found.functions:
            if not NAME.fullmatch(function["name"]):
                raise self.scope.findings.error(
                    "MIX484",
                    f"`{bound.value}` lists a tool that no model can call: `{function['name'][:80]}`",
                    bound.span,
                    f"a name has letters, digits, `_` and `-`, at most {LONGEST_NAME}",
                    hint="record a server that calls it otherwise",
                )
        self.digest = found.digest
        return [dict(function) for function in found.functions]

    def check_column(self, bound: Bound) -> None:
        """That the source which is named beside it has the column."""
        source = next(
            str(self.attributes[s.name].value)
            for s in self.entry.attributes
            if s.type == "ref:source" and s.name in self.attributes
        )
        columns = self.scope.columns.get(source)
        if columns is not None and columns.type_of(str(bound.value)) is None:
            place = Place(
                self.scope.world, self.declaration.module, columns, f"source `{source.rpartition('.')[2]}`"
            )
            raise missing_column(place, str(bound.value), bound.span)

    def check_day(self, bound: Bound) -> None:
        try:
            date.fromisoformat(str(bound.value))
        except ValueError:
            raise self.scope.findings.error(
                "MIX107",
                f"`day` takes a date, here `{bound.value}`",
                bound.span,
                "no day of the calendar",
                hint='for example `"2024-03-05"`',
            ) from None


def _object(properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": required,
        "additionalProperties": False,
    }


def _function(name: str, description: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "description": description, "parameters": dict(parameters)}
