"""The shape of a text: its symbols, what folds, what each word is, and what is said at the ends of lines."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lsprotocol import types as lsp

from mixwright.language_server.documents import Analysis
from mixwright.language_server.enclosing import Enclosing, enclosing_of, entry_of, is_in_steps, words_of
from mixwright.language_server.places import MESSAGES, jinja_names
from mixwright.language_server.positions import position_of, range_of, width_of
from mixwright_compiler.catalog.blocks import KIND_BLOCKS, STEP_FAMILIES
from mixwright_compiler.catalog.catalog import Catalog
from mixwright_compiler.expressions.functions import FUNCTIONS
from mixwright_compiler.load.uses import at_home
from mixwright_compiler.program import Program
from mixwright_dsl.grammar import lex
from mixwright_dsl.nodes import Attribute, Block, Call, Heredoc, Ref, Statement, Text, parts_of
from mixwright_dsl.source import SourceFile, Span

SYMBOLS: Mapping[str, lsp.SymbolKind] = {
    "import": lsp.SymbolKind.Module,
    "param": lsp.SymbolKind.Constant,
    "let": lsp.SymbolKind.Constant,
    "model": lsp.SymbolKind.Interface,
    "source": lsp.SymbolKind.Array,
    "tool": lsp.SymbolKind.Method,
    "template": lsp.SymbolKind.String,
    "operator": lsp.SymbolKind.Operator,
    "fragment": lsp.SymbolKind.Class,
    "pipeline": lsp.SymbolKind.Function,
    "mixture": lsp.SymbolKind.Package,
    "variant": lsp.SymbolKind.Package,
    "train": lsp.SymbolKind.Event,
    "export": lsp.SymbolKind.File,
    "policy": lsp.SymbolKind.Key,
    "test": lsp.SymbolKind.Boolean,
}

TOKEN_TYPES = (
    *("keyword", "property", "string", "number", "comment", "function", "variable", "enumMember"),
    *("namespace", "type", "parameter", "operator", "method"),
)
"""The legend: kinds of blocks, attributes, …, columns, words of an attribute, imports, declarations, constants,
operators, kinds of steps and engines."""

_INDEX = {name: index for index, name in enumerate(TOKEN_TYPES)}
_BY_TOKEN = {
    "STRING": "string",
    "OPEN_STRING": "string",
    "HEREDOC": "string",
    "OPEN_HEREDOC": "string",
    "QUANTITY": "number",
    "TRUE": "enumMember",
    "FALSE": "enumMember",
    "NULL": "enumMember",
    **dict.fromkeys(("AND", "OR", "NOT", "IN"), "keyword"),
    **dict.fromkeys(("COMPARE", "SIGN", "SCALE"), "operator"),
}


def symbols(analysis: Analysis) -> list[lsp.DocumentSymbol]:
    """The declarations of a file, with the steps of its pipelines and the lines of its mixtures in them."""
    return list(_symbols(analysis, analysis.file.body, top=True))


def _symbols(analysis: Analysis, body: tuple[Statement, ...], *, top: bool) -> Iterator[lsp.DocumentSymbol]:
    def symbol(name: str, kind: lsp.SymbolKind, span: Span, at: Span, inner: Any = ()) -> lsp.DocumentSymbol:
        whole, named = range_of(analysis.real(span)), range_of(analysis.real(at))
        return lsp.DocumentSymbol(name or "…", kind, whole, named, children=list(inner) or None)

    for statement in body:
        if isinstance(statement, Attribute):
            if not top:
                kind = lsp.SymbolKind.Field
                yield symbol(statement.name.name, kind, statement.span, statement.name.span)
            continue
        labels = " ".join(label.span.text for label in statement.labels)
        kind = SYMBOLS.get(statement.kind, lsp.SymbolKind.Method)
        inner = _symbols(analysis, statement.body, top=False) if _is_shown(statement, top) else ()
        name = f"{statement.kind} {labels}".strip()
        at = statement.labels[0].span if top and statement.labels else statement.kind_span
        yield symbol(name, kind, statement.span, at, inner)


def _is_shown(block: Block, top: bool) -> bool:
    return not top or block.kind in ("pipeline", "fragment", "mixture", "variant", "let", "train", "test")


def folds(analysis: Analysis) -> list[lsp.FoldingRange]:
    """Blocks, heredocs and runs of comment lines."""
    found = []
    for statement in analysis.file.body:
        for part in parts_of(statement):
            if not isinstance(part, Block | Heredoc):
                continue
            at = analysis.real(part.span)
            first, last = at.position.line, at.source.position(at.end).line
            if last > first:
                found.append(lsp.FoldingRange(first - 1, last - 1 - isinstance(part, Block)))
    comments = [
        number
        for number in range(1, len(analysis.source.line_starts) + 1)
        if analysis.source.line_text(number).lstrip().startswith("#")
    ]
    found += [
        lsp.FoldingRange(first - 1, last - 1, kind=lsp.FoldingRangeKind.Comment)
        for first, last in _runs(comments)
        if last > first
    ]
    return found


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    start = previous = None
    for number in numbers:
        if previous is not None and number == previous + 1:
            previous = number
            continue
        if start is not None and previous is not None:
            yield start, previous
        start = previous = number
    if start is not None and previous is not None:
        yield start, previous


# -- semantic tokens


@dataclass(frozen=True)
class _Marked:
    start: int
    end: int
    sort: str


def semantic_tokens(analysis: Analysis, program: Program | None) -> list[int]:
    """Every token that is something, as LSP wants them: line and column from the one before, length, type, modifiers."""
    catalog = program.catalog if program is not None else None
    names = sorted(_of_names(analysis), key=lambda mark: mark.start)
    if analysis.moves is None:
        return _coloured(analysis.source.text, analysis.file.body, 0, names, catalog)[0]
    starts = [mark.start for mark in names]
    data: list[int] = []
    line = 0
    for here, piece in analysis.moves.pieces:
        first, last = (bisect_left(starts, at) for at in (piece.start, piece.start + len(piece.text)))
        its = names[first:last]
        if piece.made is None or piece.made[0] is not catalog or piece.made[1] != its:
            piece.made = catalog, its, _coloured(piece.text, piece.tree.file.body, piece.start, its, catalog)
        found, lines = piece.made[2]
        if found:
            begins = analysis.source.position(here).line - 1
            data += (begins + found[0] - line, *found[1:])
            line = begins + lines
    return data


def _coloured(
    text: str, body: tuple[Statement, ...], start: int, names: Iterable[_Marked], catalog: Catalog | None
) -> tuple[list[int], int]:
    """The tokens of a text whose tree stands from `start` on, and the line of the last."""
    marked = {mark.start: mark for mark in _lexical(text)}
    for mark in (*_of_body(body, (), catalog), *names):
        marked[mark.start - start] = _Marked(mark.start - start, mark.end - start, mark.sort)
    return _encoded(SourceFile("", text), sorted(marked.values(), key=lambda mark: mark.start))


def _lexical(text: str) -> Iterator[_Marked]:
    for token in lex(text):
        start, end = token.start_pos, min(token.end_pos, len(text))
        if token.type == "_NL":
            yield from _comments(text, start, end)
        elif token.type in _BY_TOKEN:
            yield _Marked(start, end, _BY_TOKEN[token.type])


def _comments(text: str, start: int, end: int) -> Iterator[_Marked]:
    at = start
    while (found := text.find("#", at, end)) >= 0:
        stop = text.find("\n", found)
        stop = end if stop < 0 else min(stop, end)
        yield _Marked(found, stop, "comment")
        at = stop


def _of_names(analysis: Analysis) -> Iterator[_Marked]:
    """What the names of declarations are, where they are declared and where they are named."""
    source = analysis.compiled
    for mention in analysis.mentions:
        if mention.span.source is source:
            yield _Marked(mention.span.start, mention.span.end, _sort_of(mention.declaration))
    if analysis.module is not None:
        for declaration in analysis.module.declarations.values():
            span = declaration.name_span
            yield _Marked(span.start, span.end, _sort_of(declaration))


def _sort_of(declaration: object) -> str:
    kind = getattr(declaration, "kind", "")
    return {"": "namespace", "let": "parameter", "param": "parameter"}.get(kind, "type")


def _of_body(
    body: tuple[Statement, ...], around: tuple[Enclosing, ...], catalog: Catalog | None
) -> Iterator[_Marked]:
    blocks = 0
    for statement in body:
        if isinstance(statement, Attribute):
            yield _marked(statement.name.span, "property")
            yield from _of_value(statement, around, catalog)
            continue
        here = (*around, enclosing_of(statement, blocks))
        blocks += 1
        is_step = catalog is not None and is_in_steps(around, catalog)
        yield _marked(statement.kind_span, "method" if is_step else "keyword")
        for index, label in enumerate(statement.labels):
            if isinstance(label, Ref):
                is_kind = (statement.kind in STEP_FAMILIES and index == 0) or (
                    statement.kind in KIND_BLOCKS and index == 1
                )
                word = label.name in ("as", "on", "of", "python")
                yield _marked(label.span, "method" if is_kind else "keyword" if word else "variable")
        yield from _of_body(statement.body, here, catalog)


def _of_value(
    attribute: Attribute, around: tuple[Enclosing, ...], catalog: Catalog | None
) -> Iterator[_Marked]:
    entry = entry_of(around, catalog) if catalog is not None else None
    schema = entry.attribute(attribute.name.name) if entry is not None else None
    words = words_of(schema)
    is_template = bool(around) and around[-1].kind in ("template", "operator")
    for part in parts_of(attribute.value):
        if isinstance(part, Ref):
            yield _marked(part.span, "enumMember" if part.name in words else "variable")
        elif isinstance(part, Call):
            is_known = part.function.name in FUNCTIONS
            yield _marked(part.function.span, "function" if is_known else "method")
        elif isinstance(part, Attribute):
            yield _marked(part.name.span, "property")
        elif isinstance(part, Heredoc | Text) and is_template and attribute.name.name in MESSAGES:
            yield from (
                _marked(span, "variable") for span in jinja_names(part.span) if span.text not in JINJA
            )


JINJA = frozenset(
    ("if", "elif", "else", "endif", "for", "endfor", "in", "set", "endset", "not", "and", "or", "is", "loop")
)
"""Words of Jinja itself."""


def _marked(span: Span, sort: str) -> _Marked:
    return _Marked(span.start, span.end, sort)


def _encoded(source: SourceFile, marks: list[_Marked]) -> tuple[list[int], int]:
    """A mark over several lines is one a line; where marks overlap, the outer one is cut. With it the last line."""
    pieces = []
    for index, mark in enumerate(marks, 1):
        for start, end in _without(mark, _begun(marks, index, mark.end)):
            pieces += [(piece, mark.sort) for piece in _lines(source, start, end)]
    # What cut a mark stands between its pieces.
    pieces.sort(key=lambda piece: piece[0].start)
    data: list[int] = []
    line = column = 0
    for span, sort in pieces:
        place = position_of(source, span.start)
        ahead = place.character - (column if place.line == line else 0)
        data += [place.line - line, ahead, width_of(span.text), _INDEX[sort], 0]
        line, column = place.line, place.character
    return data, line


def _begun(marks: list[_Marked], index: int, end: int) -> Iterator[_Marked]:
    """The marks from `index` on that begin before `end`."""
    while index < len(marks) and marks[index].start < end:
        yield marks[index]
        index += 1


def _without(mark: _Marked, inner: Iterable[_Marked]) -> Iterator[tuple[int, int]]:
    at = mark.start
    for other in inner:
        if other.start > at:
            yield at, other.start
        at = max(at, other.end)
    if at < mark.end:
        yield at, mark.end


def _lines(source: SourceFile, start: int, end: int) -> Iterator[Span]:
    at = start
    while at < end:
        stop = source.text.find("\n", at, end)
        stop = end if stop < 0 else stop
        if stop > at:
            yield Span(source, at, stop)
        at = stop + 1


# -- inlay hints


def inlay_hints(analysis: Analysis, first: int, last: int) -> list[lsp.InlayHint]:
    """The columns that each step makes, at the end of its first line; rows of shares in mixtures with a total."""
    program = analysis.compilation.draft
    if program is None:
        return []
    found = []
    for pipeline in program.pipelines.values():
        for step in pipeline.steps:
            at = analysis.real(at_home(step.kind_span))
            if at.source is not analysis.source or step.uses or not first <= at.position.line - 1 <= last:
                continue
            made = ", ".join(f"{name}: {type}" for name, type in step.makes.items())
            if made:
                found.append(_hint(analysis.source, at, f"  → {made}"))
    for mixture in program.mixtures.values():
        total = mixture.attributes.get("total")
        for component in mixture.components:
            at = analysis.real(component.quota_span)
            if (
                at.source is analysis.source
                and total is not None
                and isinstance(component.quota, float)
                and isinstance(total.value, int)
                and first <= at.position.line - 1 <= last
            ):
                rows = round(component.quota * total.value)
                hint = lsp.InlayHint(position_of(analysis.source, at.end), f" ≈ {rows:,} rows")
                found.append(hint)
    return found


def _hint(source: SourceFile, at: Span, text: str) -> lsp.InlayHint:
    line = at.position.line
    end = source.line_starts[line - 1] + len(source.line_text(line))
    return lsp.InlayHint(position_of(source, end), text)
