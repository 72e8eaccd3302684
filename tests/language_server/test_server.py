"""The server as an editor sees it: a client that speaks the protocol over standard input and output."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.client import LanguageClient
from spec_at import PEOPLE, edited


class Client(LanguageClient):
    """An editor with one file open."""

    def __init__(self, path: Path) -> None:
        super().__init__("test", "1")
        self.path = path
        self.findings: asyncio.Queue[list[str]] = asyncio.Queue()
        self.version = 0

        @self.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def published(params: lsp.PublishDiagnosticsParams) -> None:
            self.findings.put_nowait([str(d.code) for d in params.diagnostics])

    @property
    def document(self) -> lsp.TextDocumentIdentifier:
        return lsp.TextDocumentIdentifier(self.path.as_uri())

    def open(self, text: str) -> None:
        item = lsp.TextDocumentItem(self.document.uri, "mixwright", 0, text)
        self.text_document_did_open(lsp.DidOpenTextDocumentParams(item))

    def type(self, text: str) -> None:
        self.version += 1
        self.text_document_did_change(
            lsp.DidChangeTextDocumentParams(
                lsp.VersionedTextDocumentIdentifier(version=self.version, uri=self.document.uri),
                [lsp.TextDocumentContentChangeWholeDocument(text)],
            )
        )


def session(path: Path, talk: Callable[[Client], Awaitable[None]]) -> None:
    """Start a server, talk to it, and end it as editors do."""

    async def whole() -> None:
        client = Client(path)
        await client.start_io(sys.executable, "-m", "mixwright", "lsp", "--stdio")
        await client.initialize_async(lsp.InitializeParams(capabilities=lsp.ClientCapabilities()))
        client.initialized(lsp.InitializedParams())
        await talk(client)
        await client.shutdown_async(None)
        client.exit(None)
        await client.stop()

    asyncio.run(asyncio.wait_for(whole(), 240))


def at(text: str, needle: str) -> lsp.Position:
    offset = text.index(needle)
    line = text.count("\n", 0, offset)
    return lsp.Position(line, offset - text.rfind("\n", 0, offset) - 1)


def test_a_session(tmp_path: Path) -> None:
    path = (tmp_path / "spec.mix").resolve()
    path.write_text(PEOPLE)
    (tmp_path / ".git").mkdir()

    async def talk(client: Client) -> None:
        client.open(PEOPLE)
        assert await client.findings.get() == []
        hover = await client.text_document_hover_async(lsp.HoverParams(client.document, at(PEOPLE, "len(")))
        assert hover is not None
        found = await client.text_document_definition_async(
            lsp.DefinitionParams(client.document, at(PEOPLE, "hello) > 3"))
        )
        assert isinstance(found, lsp.Location)
        assert found.range.start.line == 15
        typed = PEOPLE.replace("  generate", "  derive { twice = age * 2 }\n  generate").replace(
            "> 3", "> twice"
        )
        client.type(typed)
        hover = await client.text_document_hover_async(lsp.HoverParams(client.document, at(typed, "twice }")))
        assert hover is not None and "`twice`: int" in str(hover.contents)
        found = await client.text_document_definition_async(
            lsp.DefinitionParams(client.document, at(typed, "hello) > twice"))
        )
        assert isinstance(found, lsp.Location)
        assert found.range.start.line == 16
        client.type(PEOPLE)
        while await client.findings.get():  # none, once the last text was looked at
            pass
        column = at(PEOPLE, "hello { prompt")
        whole = await client.text_document_prepare_rename_async(
            lsp.PrepareRenameParams(client.document, column)
        )
        assert isinstance(whole, lsp.Range) and whole.end.character - whole.start.character == len("hello")
        renamed = await client.text_document_rename_async(
            lsp.RenameParams(client.document, column, "greeting")
        )
        assert renamed is not None and renamed.changes is not None
        (edits,) = renamed.changes.values()
        assert edited(PEOPLE, edits) == PEOPLE.replace("hello {", "greeting {").replace(
            "len(hello)", "len(greeting)"
        ).replace("= hello", "= greeting")
        # Each keystroke begins the check anew; what is published at last is of the last text.
        for length in range(1, 5):
            client.type(PEOPLE.replace("where = len(hello)", f"where = len(hallo){' ' * length}"))
        assert await client.findings.get() == ["MIX401"]
        offered = await client.text_document_code_action_async(
            lsp.CodeActionParams(
                client.document,
                lsp.Range(lsp.Position(16, 0), lsp.Position(16, 10)),
                lsp.CodeActionContext([]),
            )
        )
        titles = [action.title for action in offered or () if isinstance(action, lsp.CodeAction)]
        assert titles[0].startswith("write")
        broken = PEOPLE.replace("  filter { where = len(hello) > 3 }", "  filter { where = ")
        client.type(broken)
        completion = await client.text_document_completion_async(
            lsp.CompletionParams(client.document, lsp.Position(16, 19))
        )
        assert isinstance(completion, lsp.CompletionList)
        assert [item.label for item in completion.items][:4] == ["name", "age", "older", "hello"]
        assert await client.findings.get() != []
        client.text_document_did_close(lsp.DidCloseTextDocumentParams(client.document))
        assert await client.findings.get() == []

    session(path, talk)


def test_what_cannot_be_answered_leaves_the_server_at_work(tmp_path: Path) -> None:
    path = (tmp_path / "spec.mix").resolve()

    async def talk(client: Client) -> None:
        # A file that is neither open nor there.
        assert (
            await client.text_document_hover_async(lsp.HoverParams(client.document, lsp.Position(0, 0)))
            is None
        )
        client.open("\0\ud7ff{{{\n" * 30)
        assert await client.findings.get() != []
        beyond = lsp.Position(10_000, 10_000)
        assert await client.text_document_hover_async(lsp.HoverParams(client.document, beyond)) is None
        client.type(PEOPLE)
        assert await client.findings.get() == []
        with pytest.raises(JsonRpcException, match="is no name"):
            await client.text_document_rename_async(
                lsp.RenameParams(client.document, at(PEOPLE, "teacher"), "not a name")
            )

    session(path, talk)
