"""What is shown of a place: types, units, values, and the manual's page."""

from __future__ import annotations

from mixwright.language_server.columns import Column, Columns, columns_of_rows
from mixwright.language_server.places import (
    Named,
    OfAttribute,
    OfColumn,
    OfFunction,
    OfImport,
    OfKind,
    OfNumber,
    OfWord,
    Place,
)
from mixwright.reference.pages import attribute_line, entry_page
from mixwright.reference.texts import CLASSES
from mixwright.reference.texts import FUNCTIONS as FUNCTION_TEXTS
from mixwright_compiler.expressions.functions import FUNCTIONS
from mixwright_compiler.load.world import Declaration
from mixwright_compiler.program import Declared, Program, StepDecl
from mixwright_dsl.nodes import Block, Quantity
from mixwright_dsl.quantity import Unit

MOST_COLUMNS = 40
"""Chosen: columns that a hover lists."""

UNITS = {
    Unit.COUNT: "a count",
    Unit.SHARE: "a share of 1",
    Unit.DURATION: "seconds",
    Unit.BYTES: "bytes",
    Unit.MONEY: "dollars",
}


def hover_text(place: Place, program: Program | None) -> str:
    """Markdown about a place; empty where there is nothing to say."""
    match place:
        case Named(declaration=None):
            return f"import `{place.declared.text}`"
        case Named(declaration=declaration):
            assert declaration is not None
            return _declaration(declaration, program)
        case OfKind():
            return entry_page(place.entry)
        case OfAttribute(schema=schema):
            said = dict(CLASSES)[schema.cls]
            return (
                f"`{schema.name}`: {attribute_line(schema)}\n\n{schema.doc}\n\nA change of it changes {said}."
            )
        case OfWord():
            return f"`{place.schema.name} = {place.word}`\n\n{place.schema.doc}"
        case OfColumn():
            return _column(place.column)
        case OfFunction():
            function = FUNCTIONS[place.name]
            return f"`{function.usage}` → {function.result}\n\n{FUNCTION_TEXTS.get(place.name, '')}"
        case OfNumber():
            return _number(place.quantity)
        case OfImport():
            return f"`{place.name}`"


def _declaration(declaration: Declaration, program: Program | None) -> str:
    node = declaration.node
    if isinstance(node, Block):
        kinds = [label.span.text for label in node.labels[1:]]
        parts = [" ".join((declaration.kind, f"`{declaration.name}`", *kinds))]
    else:
        parts = [f"`{declaration.name} = {_shortened(node.value.span.text)}`"]
    if program is None:
        return parts[0]
    qualified = declaration.qualified
    if declaration.kind == "param" and qualified in program.params:
        param = program.params[qualified]
        parts.append(f"{param.type}, here `{_shortened(str(param.value))}`")
    if declaration.kind in ("template", "operator") and qualified in program.templates:
        template = program.templates[qualified]
        reads = ", ".join(f"`{name}`" for name in sorted(template.reads)) or "no column"
        parts.append(f"reads {reads}")
    if declaration.kind == "fragment" and qualified in program.fragments:
        fragment = program.fragments[qualified]
        params = ", ".join(f"`{p.name}` ({p.type})" for p in fragment.params.values())
        parts.append(f"params: {params or 'none'}")
        for title, columns in (("needs", fragment.needs), ("makes", fragment.makes)):
            if columns:
                parts.append(
                    f"{title} " + ", ".join(f"`{name}` ({type})" for name, (type, _) in columns.items())
                )
    if declaration.kind in ("source", "pipeline", "mixture", "variant"):
        if qualified in program.sources and program.sources[qualified].locked_rows is not None:
            parts.append(f"{program.sources[qualified].locked_rows:,} rows at most, by the lock")
        parts.append(columns_table(columns_of_rows(program, qualified)))
    doc = _doc(program, qualified)
    if doc:
        parts.insert(1, doc)
    return "\n\n".join(part for part in parts if part)


def _doc(program: Program, qualified: str) -> str:
    """What a declaration says of itself."""
    tables = (program.models, program.sources, program.templates, program.pipelines, program.mixtures)
    found: Declared | None = next((table[qualified] for table in tables if qualified in table), None)
    doc = found.attributes.get("doc") if found is not None else None
    return str(doc.value) if doc is not None and isinstance(doc.value, str) else ""


def columns_table(columns: Columns) -> str:
    if not columns:
        return "its columns are not known before `mixwright lock`"
    rows = [f"| `{c.name}` | {c.type} |" for c in list(columns.values())[:MOST_COLUMNS]]
    more = f"\n\nand {len(columns) - MOST_COLUMNS} more" if len(columns) > MOST_COLUMNS else ""
    return "| column | type |\n|---|---|\n" + "\n".join(rows) + more


def _column(column: Column) -> str:
    made = (
        f"made by `{_step_title(column.made)}`"
        if isinstance(column.made, StepDecl)
        else f"of `{column.made}`"
    )
    return f"column `{column.name}`: {column.type}\n\n{made}"


def _step_title(step: StepDecl) -> str:
    kind = step.entry.keyword if step.entry.family == "step" else f"{step.entry.family} {step.entry.name}"
    return f"{kind} {step.label}".strip()


def _number(quantity: Quantity) -> str:
    value = f"{quantity.value:,}" if isinstance(quantity.value, int) else f"{quantity.value:,g}"
    unit = UNITS.get(quantity.unit)
    return f"`{quantity.span.text}` is {value}" + (f", {unit}" if unit else "")


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 120 else f"{line[:119]}…"
