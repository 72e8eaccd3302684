"""What stands at a place of a text that could be read: a kind, an attribute, a name, a word, a column, a function."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from mixwright.language_server.columns import Column, Columns, columns_before, columns_for_template
from mixwright.language_server.documents import Analysis
from mixwright.language_server.enclosing import Enclosing, enclosing_of, entry_of, words_of
from mixwright_compiler.catalog.blocks import KIND_BLOCKS, STEP_FAMILIES
from mixwright_compiler.catalog.catalog import AttributeSchema, Catalog, Entry, builtin_catalog
from mixwright_compiler.expressions.functions import FUNCTIONS
from mixwright_compiler.load.world import Declaration
from mixwright_compiler.program import Program
from mixwright_dsl.nodes import (
    Attribute,
    Block,
    Call,
    Expression,
    Heredoc,
    ObjectNode,
    Quantity,
    Ref,
    Statement,
    Text,
    parts_of,
)
from mixwright_dsl.source import Span

MESSAGES = ("system", "user", "assistant", "prompt")
"""Attributes whose texts are Jinja over columns."""

JINJA_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Named:
    """A name of a declaration: where it is declared, or where it is used. None: an import."""

    span: Span
    declared: Span
    declaration: Declaration | None


@dataclass(frozen=True)
class OfKind:
    span: Span
    entry: Entry


@dataclass(frozen=True)
class OfAttribute:
    span: Span
    entry: Entry
    schema: AttributeSchema


@dataclass(frozen=True)
class OfWord:
    """One of the words that an attribute takes."""

    span: Span
    schema: AttributeSchema
    word: str


@dataclass(frozen=True)
class OfColumn:
    span: Span
    column: Column


@dataclass(frozen=True)
class OfFunction:
    span: Span
    name: str


@dataclass(frozen=True)
class OfNumber:
    span: Span
    quantity: Quantity


@dataclass(frozen=True)
class OfImport:
    """The file that an import names."""

    span: Span
    name: str


Place = Named | OfKind | OfAttribute | OfWord | OfColumn | OfFunction | OfNumber | OfImport


def place_at(analysis: Analysis, program: Program | None, offset: int) -> Place | None:
    """What stands at an offset; None where nothing is known of it. program: what is known of names and columns."""
    named = _declared_at(analysis, offset)
    if named is not None:
        return named
    mention = analysis.mention_at(offset)
    if mention is not None:
        return Named(mention.span, mention.declared, mention.declaration)
    return _Looking(program, offset).among(analysis.file.body, ())


def real_place(place: Place | None, real: Callable[[Span], Span]) -> Place | None:
    """The same with places in the text as it is."""
    if place is None:
        return None
    span = real(place.span)
    if isinstance(place, Named):
        return replace(place, span=span, declared=real(place.declared))
    if isinstance(place, OfColumn) and place.column.span is not None:
        return replace(place, span=span, column=replace(place.column, span=real(place.column.span)))
    return replace(place, span=span)


def _declared_at(analysis: Analysis, offset: int) -> Named | None:
    module = analysis.module
    if module is None:
        return None
    for declaration in module.declarations.values():
        if _covers(declaration.name_span, offset):
            return Named(declaration.name_span, declaration.name_span, declaration)
    for span in module.import_spans.values():
        if _covers(span, offset):
            return Named(span, span, None)
    return None


class _Looking:
    """From the outermost statement inwards."""

    def __init__(self, program: Program | None, offset: int) -> None:
        self.program = program
        self.offset = offset

    @property
    def catalog(self) -> Catalog:
        return self.program.catalog if self.program is not None else builtin_catalog()

    def among(self, body: tuple[Statement, ...], around: tuple[Enclosing, ...]) -> Place | None:
        blocks = 0
        for statement in body:
            if _covers(statement.span, self.offset):
                if isinstance(statement, Attribute):
                    return self._attribute(statement, around)
                return self._block(statement, (*around, enclosing_of(statement, blocks)))
            blocks += isinstance(statement, Block)
        return None

    def _block(self, block: Block, around: tuple[Enclosing, ...]) -> Place | None:
        entry = entry_of(around, self.catalog)
        if _covers(block.kind_span, self.offset):
            return OfKind(block.kind_span, entry) if entry is not None else None
        for label in block.labels:
            if not _covers(label.span, self.offset):
                continue
            if isinstance(label, Text) and block.kind == "import":
                return OfImport(label.span, label.value)
            is_kind = block.kind in (*STEP_FAMILIES, *KIND_BLOCKS) and isinstance(label, Ref)
            if is_kind and entry is not None and label.span.text == entry.name:
                return OfKind(label.span, entry)
            if isinstance(label, Ref):
                return self._made_here(label.name, label.span, around)
        return self.among(block.body, around)

    def _made_here(self, name: str, span: Span, around: tuple[Enclosing, ...]) -> Place | None:
        """The name that a step gives a column."""
        if len(around) < 2:
            return None
        behind = (around[0], Enclosing("", ordinal=around[1].ordinal + 1))
        column = self._columns(behind, inside=True).get(name)
        return OfColumn(span, column) if column is not None else None

    def _attribute(self, attribute: Attribute, around: tuple[Enclosing, ...]) -> Place | None:
        entry = entry_of(around, self.catalog)
        schema = entry.attribute(attribute.name.name) or entry.attribute("*") if entry is not None else None
        if _covers(attribute.name.span, self.offset):
            if schema is None or entry is None:
                return None
            if schema.name == "*":
                return self._made_here(attribute.name.name, attribute.name.span, around)
            return OfAttribute(attribute.name.span, entry, schema)
        return self._value(attribute.value, attribute, schema, around)

    def _value(
        self,
        node: Expression,
        attribute: Attribute,
        schema: AttributeSchema | None,
        around: tuple[Enclosing, ...],
    ) -> Place | None:
        for part in _innermost(node, self.offset):
            match part:
                case ObjectNode():
                    return self.among(
                        part.body, (*around, Enclosing(attribute.name.name, key=attribute.name.name))
                    )
                case Quantity():
                    return OfNumber(part.span, part)
                case Call() if _covers(part.function.span, self.offset):
                    return (
                        OfFunction(part.function.span, part.function.name)
                        if part.function.name in FUNCTIONS
                        else None
                    )
                case Heredoc() | Text():
                    if (
                        around
                        and around[-1].kind in ("template", "operator")
                        and attribute.name.name in MESSAGES
                    ):
                        return self._in_template(part, around)
                    return None
                case Ref():
                    return self._ref(part, schema, around)
        return None

    def _ref(self, ref: Ref, schema: AttributeSchema | None, around: tuple[Enclosing, ...]) -> Place | None:
        if schema is not None and ref.name in words_of(schema):
            return OfWord(ref.span, schema, ref.name)
        column = self._columns(around).get(ref.parts[0])
        return OfColumn(ref.part_spans[0], column) if column is not None else None

    def _columns(self, around: tuple[Enclosing, ...], *, inside: bool = False) -> Columns:
        if self.program is None or len(around) < 2 or around[0].kind != "pipeline" or not around[0].labels:
            return {}
        return columns_before(
            self.program, around[0].labels[0], around[1].ordinal, inside=inside or len(around) > 2
        )

    def _in_template(self, node: Heredoc | Text, around: tuple[Enclosing, ...]) -> Place | None:
        if self.program is None or not around[-1].labels:
            return None
        span = word_in_jinja(node.span, self.offset)
        if span is None:
            return None
        column = columns_for_template(self.program, around[-1].labels[0]).get(span.text)
        return OfColumn(span, column) if column is not None else None


def jinja_start(before: str) -> int:
    """Where the `{{` or `{%` is that is still open behind this text; -1 where none is."""
    opened = max(before.rfind("{{"), before.rfind("{%"))
    return opened if max(before.rfind("}}"), before.rfind("%}")) < opened else -1


def word_in_jinja(text: Span, offset: int) -> Span | None:
    """The name at an offset of a template's text, where it stands in `{{ }}` or `{% %}`, first of its dots."""
    whole = text.source.text
    opened = jinja_start(whole[text.start : offset])
    if opened < 0:
        return None
    for match in JINJA_NAME.finditer(whole, text.start + opened, text.end):
        if match.start() <= offset <= match.end():
            is_field = match.start() > 0 and whole[match.start() - 1] == "."
            return None if is_field else Span(text.source, match.start(), match.end())
        if match.start() > offset:
            return None
    return None


def jinja_names(text: Span) -> Iterator[Span]:
    """Every name in `{{ }}` and `{% %}` of a template's text that is no field of another."""
    content = text.source.text
    for part in re.finditer(r"\{[{%].*?[}%]\}", content[text.start : text.end], re.DOTALL):
        inner = re.sub(r"\"[^\"]*\"|'[^']*'", lambda quoted: " " * len(quoted.group()), part.group())
        for match in JINJA_NAME.finditer(inner):
            if match.start() == 0 or inner[match.start() - 1] != ".":
                start = text.start + part.start() + match.start()
                yield Span(text.source, start, start + len(match.group()))


def _innermost(node: Expression, offset: int) -> Iterator[Statement | Expression]:
    """The parts of a value that cover an offset, the innermost first."""
    found = [part for part in parts_of(node) if _covers(part.span, offset)]
    yield from reversed(found)


def _covers(span: Span, offset: int) -> bool:
    return span.start <= offset <= span.end
