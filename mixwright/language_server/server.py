"""The server: what comes from an editor to the modules beside this one, and back. Handlers never raise."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path

from mixwright.language_server import changes, outline
from mixwright.language_server.cannot_rename import CannotRename
from mixwright.language_server.completion import Known, completions
from mixwright.language_server.cursor import cursor_at
from mixwright.language_server.documents import Documents, path_of
from mixwright.language_server.hover import hover_text
from mixwright.language_server.places import Named, OfColumn, OfImport, Place, place_at, real_place
from mixwright.language_server.positions import offset_of, position_of, range_of
from mixwright.version import VERSION
from mixwright_compiler.load.library import library_file
from mixwright_compiler.program import Program
from mixwright_dsl.diagnostic import Diagnostic, Severity
from mixwright_dsl.source import Span

PAUSE = 0.15
"""Chosen: seconds after a keystroke until what is wrong is looked for; each further keystroke begins them anew."""

IDLE = 2.0
"""Chosen: seconds after the findings until memory is cleaned up, which takes longer than an answer may."""
MOST_CHECKS = 50
"""Chosen: checks after which that is done while someone types; what each leaves behind is about a megabyte."""

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")

_SEVERITIES = {
    Severity.ERROR: lsp.DiagnosticSeverity.Error,
    Severity.WARNING: lsp.DiagnosticSeverity.Warning,
    Severity.LINT: lsp.DiagnosticSeverity.Information,
}

_ITEM_KINDS = {
    "block": lsp.CompletionItemKind.Keyword,
    "kind": lsp.CompletionItemKind.Method,
    "attribute": lsp.CompletionItemKind.Property,
    "word": lsp.CompletionItemKind.EnumMember,
    "name": lsp.CompletionItemKind.Reference,
    "column": lsp.CompletionItemKind.Field,
    "function": lsp.CompletionItemKind.Function,
    "file": lsp.CompletionItemKind.File,
    "value": lsp.CompletionItemKind.Value,
}


class MixServer(LanguageServer):
    """The texts of one editor."""

    def __init__(self) -> None:
        super().__init__("mixwright", VERSION)
        self.documents = Documents()
        self._checks: dict[Path, asyncio.Task[None]] = {}
        self._since_cleaned = 0

    def safely(self, what: str, do: Callable[[], _Result], otherwise: _Result) -> _Result:
        """What `do` gives; what goes wrong in it is written to the log, and the editor goes on."""
        try:
            return do()
        except (JsonRpcException, asyncio.CancelledError):
            raise
        except Exception:
            _log.exception("%s failed", what)
            return otherwise

    def check_soon(self, path: Path) -> None:
        """Look for what is wrong in a text once its writer pauses."""
        running = self._checks.pop(path, None)
        if running is not None:
            running.cancel()
        self._checks[path] = asyncio.get_running_loop().create_task(self._check(path))

    async def _check(self, path: Path) -> None:
        await asyncio.sleep(PAUSE)
        await self._publish(path)
        # Those that import it are wrong or right with it.
        for other in self.documents.importing(path):
            if other in self.documents.opened:
                await self._publish(other)
        if self._since_cleaned < MOST_CHECKS:
            await asyncio.sleep(IDLE)
        self._since_cleaned = 0
        gc.collect()

    async def _publish(self, path: Path) -> None:
        try:
            self._since_cleaned += 1
            analysis = await asyncio.to_thread(self.documents.analysis, path)
            await asyncio.to_thread(self.documents.prepare, path)
        except asyncio.CancelledError:
            raise
        except Exception:
            _log.exception("checking failed")
            return
        if path not in self.documents.opened:
            return
        found = [
            _diagnostic(d)
            for d in analysis.compilation.diagnostics
            if d.primary.span.source is analysis.source
        ]
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(_uri(path), found))

    def place(self, uri: str, position: lsp.Position) -> Place | None:
        return self.shown_at(uri, position)[0]

    def shown_at(self, uri: str, position: lsp.Position) -> tuple[Place | None, Program | None]:
        """What stands at a place, and what is known of names and columns there, right after a keystroke too."""
        path = _path(uri)
        offset = offset_of(self.documents.source(path), position)
        analysis = self.documents.analysis_around(path, offset)
        program = analysis.compilation.draft or self.documents.program(path)
        place = place_at(analysis, program, analysis.there(offset))
        return real_place(place, analysis.real), program


def _path(uri: str) -> Path:
    return Path(to_fs_path(uri) or uri).resolve()


def _uri(path: Path) -> str:
    return from_fs_path(str(path)) or path.as_uri()


def _location(span: Span) -> lsp.Location:
    return lsp.Location(_uri(path_of(span)), range_of(span))


def _diagnostic(found: Diagnostic) -> lsp.Diagnostic:
    label = f" ({found.primary.message})" if found.primary.message else ""
    parts = [f"{found.message}{label}", *found.notes, f"hint: {found.hint}" if found.hint else ""]
    related = [
        lsp.DiagnosticRelatedInformation(_location(label.span), label.message or "see here")
        for label in found.secondary
        if label.span.source.path is not None
    ]
    unused = found.code in ("MIX104", "MIX830", "MIX831")
    return lsp.Diagnostic(
        range_of(found.primary.span),
        "\n".join(part for part in parts if part),
        _SEVERITIES[found.severity],
        found.code,
        source="mixwright",
        tags=[lsp.DiagnosticTag.Unnecessary] if unused else None,
        related_information=related or None,
    )


def server() -> MixServer:
    """A server with all that it can do; `start_io()` serves."""
    made = MixServer()
    _texts(made)
    _reading(made)
    _going(made)
    _writing(made)
    return made


def _texts(made: MixServer) -> None:
    @made.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    async def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        made.documents.change(_path(params.text_document.uri), params.text_document.text)
        made.check_soon(_path(params.text_document.uri))

    @made.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: lsp.DidChangeTextDocumentParams) -> None:
        text = made.workspace.get_text_document(params.text_document.uri).source
        made.documents.change(_path(params.text_document.uri), text)
        made.check_soon(_path(params.text_document.uri))

    @made.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    async def saved(params: lsp.DidSaveTextDocumentParams) -> None:
        for path in made.documents.opened:
            made.check_soon(path)

    @made.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    async def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        made.documents.close(_path(params.text_document.uri))
        made.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(params.text_document.uri, []))


def _reading(made: MixServer) -> None:
    @made.feature(lsp.TEXT_DOCUMENT_HOVER)
    async def hover(params: lsp.HoverParams) -> lsp.Hover | None:
        def do() -> lsp.Hover | None:
            place, program = made.shown_at(params.text_document.uri, params.position)
            if place is None:
                return None
            text = hover_text(place, program)
            content = lsp.MarkupContent(lsp.MarkupKind.Markdown, text)
            return lsp.Hover(content, range_of(place.span)) if text else None

        return made.safely("hover", do, None)

    @made.feature(
        lsp.TEXT_DOCUMENT_COMPLETION,
        lsp.CompletionOptions(trigger_characters=["=", " ", ".", "{", '"', "/", ":", "("]),
    )
    async def completion(params: lsp.CompletionParams) -> lsp.CompletionList:
        def do() -> lsp.CompletionList:
            path = _path(params.text_document.uri)
            source = made.documents.source(path)
            if made.documents.draft(path) is None:
                made.documents.analysis(path)
            draft = made.documents.draft(path)
            known = Known(
                made.documents.catalog(path),
                made.documents.program(path),
                draft.module if draft is not None else None,
                path.parent,
            )
            cursor = cursor_at(source, offset_of(source, params.position))
            place = lsp.Range(position_of(source, cursor.start), params.position)
            items = [
                _completion_item(index, item, place) for index, item in enumerate(completions(cursor, known))
            ]
            return lsp.CompletionList(False, items)

        return made.safely("completion", do, lsp.CompletionList(False, []))

    @made.feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    async def document_symbols(params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
        return made.safely(
            "symbols", lambda: outline.symbols(made.documents.reading(_path(params.text_document.uri))), []
        )

    @made.feature(lsp.WORKSPACE_SYMBOL)
    async def workspace_symbols(params: lsp.WorkspaceSymbolParams) -> list[lsp.SymbolInformation]:
        def do() -> list[lsp.SymbolInformation]:
            found: dict[str, lsp.SymbolInformation] = {}
            for path in made.documents.opened[:1]:
                for analysis in made.documents.project(path, is_awaited=True):
                    for name, declaration in (
                        analysis.module.declarations if analysis.module else {}
                    ).items():
                        if params.query.lower() in name.lower():
                            at = _location(analysis.real(declaration.name_span))
                            kind = outline.SYMBOLS.get(declaration.kind, lsp.SymbolKind.Variable)
                            found[f"{at.uri}:{at.range}"] = lsp.SymbolInformation(at, name, kind)
            return list(found.values())

        return made.safely("symbols", do, [])

    @made.feature(lsp.TEXT_DOCUMENT_FOLDING_RANGE)
    async def folding(params: lsp.FoldingRangeParams) -> list[lsp.FoldingRange]:
        return made.safely(
            "folding", lambda: outline.folds(made.documents.reading(_path(params.text_document.uri))), []
        )

    @made.feature(
        lsp.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, lsp.SemanticTokensLegend(list(outline.TOKEN_TYPES), [])
    )
    async def tokens(params: lsp.SemanticTokensParams) -> lsp.SemanticTokens:
        def do() -> lsp.SemanticTokens:
            path = _path(params.text_document.uri)
            analysis = made.documents.reading(path)
            program = analysis.compilation.draft or made.documents.program(path)
            return lsp.SemanticTokens(outline.semantic_tokens(analysis, program))

        return made.safely("tokens", do, lsp.SemanticTokens([]))

    @made.feature(lsp.TEXT_DOCUMENT_INLAY_HINT)
    async def hints(params: lsp.InlayHintParams) -> list[lsp.InlayHint]:
        def do() -> list[lsp.InlayHint]:
            analysis = made.documents.reading(_path(params.text_document.uri))
            return outline.inlay_hints(analysis, params.range.start.line, params.range.end.line)

        return made.safely("hints", do, [])


def _completion_item(index: int, item: Any, place: lsp.Range) -> lsp.CompletionItem:
    insert = item.insert or item.label
    return lsp.CompletionItem(
        item.label,
        kind=_ITEM_KINDS[item.sort],
        detail=item.detail or None,
        documentation=lsp.MarkupContent(lsp.MarkupKind.Markdown, item.doc) if item.doc else None,
        sort_text=f"{index:04d}",
        text_edit=lsp.TextEdit(place, insert.replace("\\", "\\\\") if "$0" in insert else insert),
        insert_text_format=lsp.InsertTextFormat.Snippet if "$0" in insert else lsp.InsertTextFormat.PlainText,
    )


def _going(made: MixServer) -> None:
    @made.feature(lsp.TEXT_DOCUMENT_DEFINITION)
    async def definition(params: lsp.DefinitionParams) -> lsp.Location | None:
        def do() -> lsp.Location | None:
            place, _ = made.shown_at(params.text_document.uri, params.position)
            match place:
                case Named():
                    return _location(place.declared)
                case OfColumn() if place.column.span is not None:
                    return _location(place.column.span)
                case OfImport():
                    path = _path(params.text_document.uri)
                    file = library_file(place.name) or path.parent / place.name
                    start = lsp.Position(0, 0)
                    return lsp.Location(_uri(file), lsp.Range(start, start)) if file.is_file() else None
            return None

        return made.safely("definition", do, None)

    @made.feature(lsp.TEXT_DOCUMENT_REFERENCES)
    async def references(params: lsp.ReferenceParams) -> list[lsp.Location]:
        def do() -> list[lsp.Location]:
            place = made.place(params.text_document.uri, params.position)
            if not isinstance(place, Named):
                return []
            path = _path(params.text_document.uri)
            own = [place.declared] if params.context.include_declaration else []
            return [_location(span) for span in (*own, *made.documents.mentions_of(place.declared, path))]

        return made.safely("references", do, [])


def _writing(made: MixServer) -> None:
    @made.feature(lsp.TEXT_DOCUMENT_PREPARE_RENAME)
    async def prepare(params: lsp.PrepareRenameParams) -> lsp.Range | None:
        def do() -> lsp.Range | None:
            place = made.place(params.text_document.uri, params.position)
            source = made.documents.source(_path(params.text_document.uri))
            try:
                return range_of(changes.renamed_span(place, source))
            except CannotRename as error:
                raise JsonRpcException(str(error), lsp.LSPErrorCodes.RequestFailed) from None

        return made.safely("rename", do, None)

    @made.feature(lsp.TEXT_DOCUMENT_RENAME, lsp.RenameOptions(prepare_provider=True))
    async def rename(params: lsp.RenameParams) -> lsp.WorkspaceEdit | None:
        def do() -> lsp.WorkspaceEdit | None:
            path = _path(params.text_document.uri)
            place = made.place(params.text_document.uri, params.position)
            try:
                edits = changes.rename(made.documents, path, place, params.new_name)
            except CannotRename as error:
                raise JsonRpcException(str(error), lsp.LSPErrorCodes.RequestFailed) from None
            return lsp.WorkspaceEdit(
                changes={
                    _uri(file): [lsp.TextEdit(range_of(span), text) for span, text in found]
                    for file, found in edits.items()
                }
            )

        return made.safely("rename", do, None)

    @made.feature(
        lsp.TEXT_DOCUMENT_CODE_ACTION,
        lsp.CodeActionOptions([lsp.CodeActionKind.QuickFix, lsp.CodeActionKind.SourceFixAll]),
    )
    async def code_actions(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        def do() -> list[lsp.CodeAction]:
            analysis = made.documents.analysis(_path(params.text_document.uri))
            return changes.actions(
                params.text_document.uri,
                analysis.source,
                analysis.compilation.diagnostics,
                params.context.diagnostics,
                params.range,
            )

        return made.safely("code actions", do, [])

    @made.feature(lsp.TEXT_DOCUMENT_FORMATTING)
    async def formatting(params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit]:
        path = _path(params.text_document.uri)
        return made.safely("formatting", lambda: changes.formatting(made.documents.source(path)), [])
