"""What can be written at a cursor, while the text around it need not be whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from mixwright.language_server.columns import Columns, columns_before, columns_for_template, columns_of_rows
from mixwright.language_server.cursor import Cursor
from mixwright.language_server.enclosing import (
    Enclosing,
    attributes_in,
    entry_of,
    is_in_steps,
)
from mixwright.language_server.places import MESSAGES, jinja_start
from mixwright.language_server.tested import columns_in_test, tested_by
from mixwright.reference.pages import attribute_line
from mixwright.reference.texts import CALLS, DRAWN
from mixwright.reference.texts import FUNCTIONS as FUNCTION_TEXTS
from mixwright_compiler.catalog.blocks import (
    KIND_BLOCKS,
    MIXTURE_STEPS,
    QUOTA_CALLS,
    STEP_FAMILIES,
    language_blocks,
    top_blocks,
)
from mixwright_compiler.catalog.catalog import PATH_TYPES, AttributeSchema, Catalog, Entry
from mixwright_compiler.catalog.references import LISTS, REFERENCE_KINDS, is_expression
from mixwright_compiler.catalog.trials import ENDS, EXPECTING, FROM, SHORT, TESTED
from mixwright_compiler.expressions.functions import FUNCTIONS
from mixwright_compiler.load.library import library_names
from mixwright_compiler.load.world import NAMED_KINDS, Module, visible_names
from mixwright_compiler.program import Program
from mixwright_compiler.templates.messages import ROLES

Sort = Literal["block", "kind", "attribute", "word", "name", "column", "function", "file", "value"]

MOST_ITEMS = 400
"""Chosen: items that are sent at once."""


@dataclass(frozen=True)
class Item:
    """One that could be written: `insert` stands for the word at the cursor, with `$0` where the cursor goes on."""

    label: str
    sort: Sort
    detail: str = ""
    doc: str = ""
    insert: str = ""


@dataclass(frozen=True)
class Known:
    """What completion goes by: the last text that could be read, and what can be written at all."""

    catalog: Catalog
    program: Program | None = None
    module: Module | None = None
    directory: Path | None = None


def completions(cursor: Cursor, known: Known) -> list[Item]:
    """What can stand at the cursor, in the order of use; all of it, whatever is typed of the word."""
    return list(dict.fromkeys(_items(cursor, known)))[:MOST_ITEMS]


def _items(cursor: Cursor, known: Known) -> Iterator[Item]:
    if cursor.inside == "comment":
        return
    if cursor.inside == "text":
        yield from _in_text(cursor, known)
    elif cursor.attribute:
        yield from _values(cursor, known)
    elif cursor.statement:
        yield from _labels(cursor, known)
    else:
        yield from _statements(cursor, known)


# -- the beginning of a statement


def _statements(cursor: Cursor, known: Known) -> Iterator[Item]:
    around, catalog = cursor.around, known.catalog
    if _is_part_of_test(around):
        yield from _parts_of_test(cursor, known)
        return
    if not around:
        for name in top_blocks():
            entry = language_blocks().get(name)
            yield Item(name, "block", doc=entry.doc if entry else "", insert=SHAPES.get(name, f"{name} $0"))
        return
    if is_in_steps(around, catalog):
        starts = around[-1].kind != "test"
        yield from (item for item in _steps(catalog) if starts or item.label != "from")
    if around[-1].kind in ("mixture", "group", "variant"):
        for item in _names(known, REFERENCE_KINDS["rows"]):
            yield Item(item.label, "name", item.detail, item.doc, f"{item.label} = $0")
        if around[-1].kind != "group":
            yield Item("group", "block", doc=language_blocks()["group"].doc, insert="group $0 {\n}")
            for family in MIXTURE_STEPS:
                yield Item(family, "kind", insert=f"{family} $0")
    for schema in attributes_in(around, catalog):
        if schema.name not in around[-1].attributes:
            yield _attribute(schema)


def _steps(catalog: Catalog) -> Iterator[Item]:
    blocks = language_blocks()
    yield Item("from", "kind", doc=blocks["from"].doc, insert="from $0")
    yield Item("use", "kind", doc=blocks["use"].doc, insert="use $0")
    for entry in catalog.family("step").values():
        if not entry.with_attribute:
            shape = f"{entry.name} $0 {{ }}" if entry.label == "new_column" else f"{entry.name} {{ $0 }}"
            yield Item(entry.name, "kind", doc=entry.doc, insert=shape)
    for family in STEP_FAMILIES:
        if catalog.family(family):
            yield Item(
                family, "kind", detail=", ".join(sorted(catalog.family(family))), insert=f"{family} $0"
            )


def _attribute(schema: AttributeSchema) -> Item:
    insert = f"{schema.name} {{ $0 }}" if schema.type.startswith("block:") else f"{schema.name} = $0"
    return Item(schema.name, "attribute", attribute_line(schema), schema.doc, insert)


# -- after a kind


def _labels(cursor: Cursor, known: Known) -> Iterator[Item]:
    first, written = cursor.statement[0], len(cursor.statement)
    catalog = known.catalog
    if (first in KIND_BLOCKS and written == 2) or (first in STEP_FAMILIES and written == 1):
        yield from _kinds(catalog.family(first))
    elif first == "from" and written == 1:
        yield from _names(known, REFERENCE_KINDS["start"])
    elif first == "use" and written == 1:
        yield from _names(known, REFERENCE_KINDS["fragment"])
    elif first in ("train", "export", "variant", "policy") and written == 2:
        yield Item("on" if first == "train" else "of", "value")
    elif first in ("train", "export", "variant", "policy") and written == 3:
        yield from _names(known, REFERENCE_KINDS["mixture"])
    elif first == "test" and written == 2:
        yield Item("of", "value")
    elif first == "test" and written == 3:
        yield from _names(known, TESTED)
    elif first == "import" and written == 1:
        yield Item("python", "value", "the kinds of a plugin")
    elif first == "operator" and written == 2:
        yield Item("depth", "value")
        yield Item("breadth", "value")


def _kinds(entries: Mapping[str, Entry]) -> Iterator[Item]:
    for name, entry in sorted(entries.items()):
        yield Item(name, "kind", doc=entry.doc)


# -- values


def _values(cursor: Cursor, known: Known) -> Iterator[Item]:
    if _is_part_of_test(cursor.around):
        if cursor.around[-1].key == "expect":
            yield Item("approx", "function", "a number, and how far off it may be", insert="approx($0)")
        yield from _names(known, REFERENCE_KINDS["constant"])
        return
    if cursor.around and cursor.around[-1].key:
        yield from _row_values(cursor, known)
        return
    if cursor.around and cursor.around[-1].kind == "test" and cursor.attribute == "expect":
        yield from _expected(cursor, known)
        return
    entry = entry_of(cursor.around, known.catalog)
    schema = entry.attribute(cursor.attribute) or entry.attribute("*") if entry is not None else None
    if schema is None or (
        cursor.around and cursor.around[-1].kind in ("mixture", "group") and schema.name == "*"
    ):
        if cursor.around and cursor.around[-1].kind in ("mixture", "group", "variant"):
            yield from _quotas(cursor, known)
        yield from _names(known, NAMED_KINDS)
        return
    yield from _of_type(schema.type, cursor, known)


def _of_type(type: str, cursor: Cursor, known: Known) -> Iterator[Item]:
    head, _, rest = type.partition(":")
    if type.startswith(LISTS):
        yield from _of_type(type[5:-1], cursor, known)
    elif head == "enum":
        for word in rest.split("|"):
            yield Item(word, "word")
    elif head == "bool":
        yield Item("true", "value")
        yield Item("false", "value")
    elif head == "ref":
        yield from _names(known, REFERENCE_KINDS[rest])
    elif head == "drawn":
        yield from _names(known, REFERENCE_KINDS["start"])
        yield from _calls(DRAWN["constraints"])
    elif head in ("column", "column_or_json"):
        yield from _columns(_columns_at(cursor, known))
    elif is_expression(type) or head in ("aggregate", "map[new_column=expr"):
        yield from _row_values(cursor, known)
    elif head == "call" and rest in CALLS:
        yield from _calls(CALLS[rest])
    elif head in ("secret", "text_or_secret"):
        yield Item("env", "function", insert='env("$0")')
    else:
        yield from _names(known, REFERENCE_KINDS["constant"])


def _row_values(cursor: Cursor, known: Known) -> Iterator[Item]:
    """Parts of an expression over a row."""
    yield from _columns(_columns_at(cursor, known))
    for name, function in FUNCTIONS.items():
        yield Item(
            name,
            "function",
            f"{function.usage} → {function.result}",
            FUNCTION_TEXTS.get(name, ""),
            f"{name}($0)",
        )
    yield from _names(known, REFERENCE_KINDS["constant"])


def _quotas(cursor: Cursor, known: Known) -> Iterator[Item]:
    if cursor.call in QUOTA_CALLS and known.program is not None:
        yield from _columns(columns_of_rows(known.program, cursor.attribute))
        return
    yield Item("all", "value", "every row that comes")
    for name in QUOTA_CALLS:
        yield Item(name, "function", insert=f"{name}($0)")


def _calls(shapes: dict[str, str]) -> Iterator[Item]:
    for shape, doc in shapes.items():
        yield Item(shape, "function", doc=doc)


def _names(known: Known, kinds: tuple[str, ...]) -> Iterator[Item]:
    if known.module is None:
        return
    for name, declaration in visible_names(known.module, tuple(kinds)):
        yield Item(name, "name", declaration.kind)


def _columns(columns: Columns) -> Iterator[Item]:
    for column in columns.values():
        yield Item(column.name, "column", column.type)


def _columns_at(cursor: Cursor, known: Known) -> Columns:
    around = cursor.around
    if known.program is None or not around:
        return {}
    if around[0].kind == "test":
        if len(around) > 1 and not around[1].key:
            return columns_in_test(known.program, around[0], around[1].ordinal)
        tested = tested_by(known.program, around[0])
        return {} if tested is None else tested.after
    if around[0].kind == "pipeline" and around[0].labels:
        step = around[1].ordinal if len(around) > 1 else cursor.siblings
        return columns_before(known.program, around[0].labels[0], step, inside=len(around) > 2)
    if around[0].kind == "source":
        return columns_of_rows(known.program, around[0].labels[0] if around[0].labels else "")
    if around[0].kind in ("mixture", "variant", "train", "export"):
        return columns_of_rows(known.program, _mixture_of(around[0]))
    return {}


def _mixture_of(block: Enclosing) -> str:
    """`m` of `mixture m`, `train t on m`, `export e of m`."""
    if block.kind == "mixture":
        return block.labels[0] if block.labels else ""
    return block.labels[2] if len(block.labels) > 2 else ""


# -- tests


def _is_part_of_test(around: tuple[Enclosing, ...]) -> bool:
    """Is it in the braces of what a test gives, answers or expects?"""
    return len(around) > 1 and around[-2].kind == "test" and bool(around[-1].key)


def _parts_of_test(cursor: Cursor, known: Known) -> Iterator[Item]:
    """What can be named in the braces of `given`, `answers`, `rows` and `expect`, where it is not written yet."""
    block = cursor.around[-1]
    if block.key == "rows":
        found = list(_names(known, REFERENCE_KINDS["start"]))
    else:
        tested = None if known.program is None else tested_by(known.program, cursor.around[0])
        if tested is None:
            return
        if block.key == "answers":
            found = [Item(name, "name", "step") for name in tested.asking]
        elif block.key == "given" and tested.components:
            found = [Item(name, "name", "component") for name in tested.components]
        else:
            found = list(_columns(tested.given if block.key == "given" else tested.after))
    for item in found:
        if item.label not in block.attributes:
            yield replace(item, insert=f"{item.label} = $0")


def _expected(cursor: Cursor, known: Known) -> Iterator[Item]:
    """What a test expects: words, calls with what goes into them, and expressions over the rows that come out."""
    tested = None if known.program is None else tested_by(known.program, cursor.around[0])
    components = tested.components if tested is not None else ()
    if cursor.call in (*ENDS, SHORT):
        yield from (Item(name, "name", "component") for name in components)
    match cursor.call:
        case "dropped" | "quarantined":
            yield from (
                Item(step.id, "name", "step") for step in (tested.steps if tested is not None else ())
            )
            if not components:
                yield Item(FROM, "name", "what `where` does not let in")
            yield Item("because", "word", "a part of the reason", insert='because = "$0"')
        case "score":
            yield from (
                Item(step, "name", "verifier") for step in (tested.measuring if tested is not None else ())
            )
        case "render":
            yield from _names(known, REFERENCE_KINDS["template"])
            yield from (Item(role, "word", "messages of this role alone") for role in ROLES)
        case "kept" | "short":
            yield from _names(known, REFERENCE_KINDS["constant"])
        case _:
            for word in (*ENDS, *((SHORT,) if components else ()), *EXPECTING):
                yield Item(word, "word", insert=f"{word}($0)" if word in EXPECTING else word)
            yield from _row_values(cursor, known)


# -- texts


def _in_text(cursor: Cursor, known: Known) -> Iterator[Item]:
    if cursor.statement[:1] == ("import",):
        for name in library_names():
            yield Item(name, "file", "comes with Mixwright")
        yield from _files(cursor, known, (".mix", ".py"))
        return
    entry = entry_of(cursor.around, known.catalog)
    schema = entry.attribute(cursor.attribute) if entry is not None else None
    if schema is not None and schema.type in PATH_TYPES:
        yield from _files(cursor, known, ())
    elif (
        cursor.around and cursor.around[-1].kind in ("template", "operator") and cursor.attribute in MESSAGES
    ):
        labels = cursor.around[-1].labels
        if jinja_start(cursor.text) >= 0 and known.program is not None and labels:
            yield from _columns(columns_for_template(known.program, labels[0]))


def _files(cursor: Cursor, known: Known, endings: tuple[str, ...]) -> Iterator[Item]:
    """Files and folders of the project at the path that is typed so far; hidden ones are left out."""
    if known.directory is None:
        return
    typed = cursor.text.lstrip('"')
    folder = known.directory / typed.rpartition("/")[0]
    try:
        found = sorted(folder.iterdir(), key=lambda path: (path.is_file(), path.name))
    except (OSError, ValueError):
        return
    for path in found:
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield Item(f"{path.name}/", "file")
        elif not endings or path.suffix in endings:
            yield Item(path.name, "file")


SHAPES = {
    "edition": "edition 2026",
    "import": 'import "$0" as ',
    "param": "param $0 {\n  type = \n}",
    "let": "let {\n  $0\n}",
    "model": "model $0",
    "source": "source $0",
    "tool": "tool $0",
    "template": 'template $0 {\n  user = ""\n}',
    "fragment": "fragment $0 {\n  needs { }\n  makes { }\n}",
    "pipeline": "pipeline $0 {\n  from \n}",
    "mixture": "mixture $0 {\n}",
    "train": "train $0 on ",
    "export": "export $0 of ",
    "variant": "variant $0 of ",
    "policy": "policy $0 {\n}",
    "test": 'test "$0" {\n  given = { }\n  expect = kept\n}',
}
"""What stands for a block at the top of a file."""
