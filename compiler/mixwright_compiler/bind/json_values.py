"""Values of attributes that take any JSON: constants, JSON heredocs, and JSON files that are read here, those
of lines (`.jsonl`) as a list.

A file's content goes into the plan, so that a plan is complete and a step's hash follows what the file says.
"""

from __future__ import annotations

import json
import os
from typing import Any, NoReturn

from mixwright_compiler.bind.place import Place, place_path
from mixwright_compiler.load.constants import as_type
from mixwright_compiler.load.params import constant_expression
from mixwright_compiler.suggest import did_you_mean, nearest
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.nodes import Call, Expression, Heredoc, Ref
from mixwright_dsl.source import SourceFile, Span, read_source

FILE_BYTES = 4 * 1024 * 1024
"""Largest file that is read into a plan; a JSON Schema has a few kilobytes."""


def json_value(place: Place, node: Expression, bare: bool) -> Any:
    """The value of a `json` attribute; raises Reported. `bare`: words without quotes stand for themselves."""
    match node:
        case Heredoc(tag="JSON"):
            try:
                return _decoded(node.value)
            except json.JSONDecodeError as broken:
                words, offset = _fault(broken)
                at = node.offset_of(offset)
                raise place.findings.error(
                    "MIX107",
                    f"this is not JSON: {words}",
                    Span(node.span.source, at, at + 1),
                    hint="the heredoc's tag says JSON; `<<~TEXT` holds any text",
                ) from None
            except (RecursionError, ValueError) as error:
                raise place.findings.error("MIX107", f"this is not JSON: {_why(error)}", node.span) from None
        case Call(function=Ref(parts=("file",))):
            return _file(place, node)
    return constant_expression(place.world, place.module, node, bare_words=bare).value


def _file(place: Place, node: Call) -> Any:
    if len(node.arguments) != 1 or node.keywords:
        raise place.findings.error(
            "MIX122", "`file` takes one path", node.span, hint='write `file("shapes/person.json")`'
        )
    span = node.arguments[0].span
    constant = constant_expression(place.world, place.module, node.arguments[0])
    text: str = as_type(constant, "path", "`file`", span, place.findings)
    relative = place_path(place, text, span, is_vouched=constant.is_vouched)
    path = place.world.directory / relative
    shown = os.path.normpath(os.path.join(os.path.dirname(place.world.spec.source.name), relative))
    try:
        if path.stat().st_size > FILE_BYTES:
            raise place.findings.error(
                "MIX850", f"`{text}` is larger than {FILE_BYTES // 2**20} MiB", span, "read into the plan"
            )
        source = read_source(path, shown)
    except (OSError, UnicodeDecodeError):
        near = nearest(path.name, (p.name for p in path.parent.iterdir())) if path.parent.is_dir() else None
        raise place.findings.error(
            "MIX202",
            f"no file `{text}`" if not path.exists() else f"cannot read `{text}`",
            span,
            "a path starts at the directory of the spec",
            hint=did_you_mean(near, 'write the value here: `{ type = "object" }`'),
        ) from None
    try:
        return _lines(source.text) if path.suffix == ".jsonl" else _decoded(source.text)
    except json.JSONDecodeError as broken:
        words, offset = _fault(broken)
        at = min(offset, max(0, len(source.text) - 1))
        _broken(place, text, f"is not JSON: {words}", Span(source, at, at + 1), span)
    except (RecursionError, ValueError) as error:
        _broken(place, text, f"is not JSON: {_why(error)}", _whole(source), span)


def _broken(place: Place, name: str, what: str, at: Span, used: Span) -> NoReturn:
    raise place.findings.error(
        "MIX850",
        f"`{name}` {what}",
        used,
        f"line {at.position.line}, column {at.position.column} of the file",
        secondary=(Label(at, "here"),),
        hint="a JSON file holds one value, without comments and without a comma after the last item",
    )


def _decoded(text: str) -> Any:
    return json.loads(text, parse_constant=_no_constant)


def _lines(text: str) -> list[Any]:
    """The values of JSON lines, empty lines left out; an error has its place in the whole text."""
    values, at = [], 0
    for line in text.split("\n"):
        try:
            values += [_decoded(line)] if line.strip() else []
        except json.JSONDecodeError as broken:
            raise json.JSONDecodeError(broken.msg, text, at + broken.pos) from None
        at += len(line) + 1
    return values


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _fault(broken: json.JSONDecodeError) -> tuple[str, int]:
    """What is wrong and its offset, the same in every version of Python."""
    before = broken.doc[: broken.pos].rstrip()
    if broken.doc[broken.pos : broken.pos + 1] in ("]", "}") and before.endswith(","):
        return "nothing follows this comma", len(before) - 1
    if broken.msg.startswith("Illegal trailing comma"):  # from 3.13 on, at the comma
        return "nothing follows this comma", broken.pos
    return f"{broken.msg[:1].lower()}{broken.msg[1:]}", broken.pos


def _why(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _whole(source: SourceFile) -> Span:
    return Span(source, 0, min(1, len(source.text)))
