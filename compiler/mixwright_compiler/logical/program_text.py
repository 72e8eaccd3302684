"""A bound program to look at: every declaration with what was written, its names resolved and its columns known."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mixwright_compiler.bind.plain import plain
from mixwright_compiler.program import Attributes, Declared, PipelineDecl, Program, Schema, StepDecl

LONGEST_VALUE = 60
"""Characters of a value that the text shows."""
LISTED = (
    *("models", "sources", "templates", "tools", "pipelines", "mixtures"),
    *("trains", "exports", "policies"),
)


def program_text(program: Program) -> str:
    """One declaration after another, steps and components beneath theirs; ends with a newline."""
    lines = [f"edition {program.edition}"]
    lines += [f"param {param.name} = {value_text(param.value)}" for param in program.params.values()]
    for kind in LISTED:
        for decl in getattr(program, kind).values():
            lines += _lines(kind.removesuffix("s") if kind != "policies" else "policy", decl, program)
    return "\n".join(lines) + "\n"


def program_json(program: Program) -> dict[str, Any]:
    """The same as plain data; attributes that nobody wrote are left out."""
    return {
        "edition": program.edition,
        "params": {name: plain(param.value) for name, param in program.params.items()},
        **{
            kind: {name: _facts(decl, program) for name, decl in getattr(program, kind).items()}
            for kind in LISTED
        },
    }


def words_of(decl: StepDecl) -> str:
    """`generate problem`, `verify math`: a step as it is written."""
    entry = decl.entry
    kind = entry.name if entry.family == "step" else f"{entry.family} {entry.name}"
    return " ".join(part for part in (kind, decl.label) if part)


def value_text(value: Any) -> str:
    """A bound value on one line: expressions as SQL, calls as they are written."""
    match plain(value):
        case {"sql": str(sql), "tree": _}:
            return sql
        case {"call": str(name), "args": list(args), "keywords": dict(keywords)}:
            named = [f"{key} = {value_text(item)}" for key, item in keywords.items()]
            return f"{name}({', '.join([*map(value_text, args), *named])})" if args or named else name
        case {"env": str(name)}:
            return f'env("{name}")'
        case dict() as block:
            return f"{{ {', '.join(f'{key} = {value_text(item)}' for key, item in block.items())} }}"
        case list() as items:
            return f"[{', '.join(map(value_text, items))}]"
        case str() as text if text.replace(".", "").replace("_", "").isalnum():
            return text
        case other:
            return json.dumps(other, ensure_ascii=False)


def _lines(kind: str, decl: Declared, program: Program) -> Iterator[str]:
    is_one_of = decl.entry.family != "block" and decl.entry.name != decl.name
    head = " ".join([kind, decl.name, *([decl.entry.name] if is_one_of else [])])
    yield _line(head, _written(decl.attributes), _gives(_columns(decl)))
    if isinstance(decl, PipelineDecl):
        start = decl.start
        yield _line(f"  from {start.rows}", _written(start.attributes), _gives(_start_columns(decl, program)))
    for step in getattr(decl, "steps", ()):
        when = {"when": step.when} if step.when is not None else {}
        facts = [f"reads {', '.join(step.reads)}"] if step.reads else []
        facts += [f"makes {_schema_text(step.makes)}"] if step.makes else []
        yield _line(f"  {words_of(step)}", {**_written(step.attributes), **when}, *facts)
    for component in getattr(decl, "components", ()):
        yield f"  {component.rows} = {value_text(component.quota)}"
    for tag in getattr(decl, "tags", ()):
        stated = [(name, bound) for name, bound in (("least", tag.least), ("most", tag.most)) if bound]
        yield _line(
            f"  tag {tag.name}", {"rows": list(tag.rows), **{name: bound.value for name, bound in stated}}
        )
    for excluded in getattr(decl, "excluded", ()):
        yield _line(f"  exclude {excluded.source}", {"because": excluded.because})


def _line(head: str, written: Mapping[str, Any], *facts: str) -> str:
    values = ", ".join(f"{name} = {_cut(value_text(value))}" for name, value in written.items())
    return "; ".join(part for part in (f"{head}  {values}".rstrip(), *facts) if part)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _written(attributes: Attributes) -> dict[str, Any]:
    return {name: bound.value for name, bound in attributes.items() if not bound.is_default}


def _columns(decl: Declared) -> Schema | None:
    """Columns of the rows that a declaration gives; None where it gives none, or nothing is known of them."""
    columns: Schema | None = getattr(decl, "columns", None)
    return columns


def _start_columns(decl: PipelineDecl, program: Program) -> Schema | None:
    kept = decl.start.attributes.get("columns")
    upstream = program.sources.get(decl.start.rows) or program.pipelines.get(decl.start.rows)
    columns = _columns(upstream) if upstream else None
    if kept is None or not kept.value:
        return columns
    return {name: (columns or {}).get(name, "any") for name in kept.value}


def _gives(columns: Schema | None) -> str:
    return f"gives {_schema_text(columns)}" if columns else ""


def _schema_text(columns: Schema) -> str:
    return ", ".join(f"{name}: {type}" for name, type in columns.items())


def _facts(decl: Declared, program: Program) -> dict[str, Any]:
    found: dict[str, Any] = {"is": decl.entry.key, "attributes": plain(_written(decl.attributes))}
    if (columns := _columns(decl)) is not None:
        found["columns"] = dict(columns)
    if isinstance(decl, PipelineDecl):
        columns = _start_columns(decl, program)
        found["from"] = {
            "rows": decl.start.rows,
            "attributes": plain(_written(decl.start.attributes)),
            "columns": None if columns is None else dict(columns),
        }
    if hasattr(decl, "steps"):
        found["steps"] = [
            {
                "id": step.id,
                "is": step.entry.key,
                "label": step.label,
                "attributes": plain(_written(step.attributes)),
                "when": plain(step.when),
                "reads": list(step.reads),
                "makes": dict(step.makes),
                "columns": dict(step.columns),
            }
            for step in decl.steps
        ]
    if hasattr(decl, "components"):
        found["components"] = {component.rows: plain(component.quota) for component in decl.components}
    for name in ("mixture", "variant_of"):
        if getattr(decl, name, ""):
            found[name] = getattr(decl, name)
    return found
