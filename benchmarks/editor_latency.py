"""How long an editor waits for what it asks `mixwright lsp` of a spec of many lines.

    python benchmarks/editor_latency.py [--lines 1000] [--keys 60]

A client over standard input and output types a step, letter by letter, and asks behind each for completion, and for what
the next line says and the rows at the head of the pipeline are. Behind each of some whole edits, of a number in that
pipeline, it asks for one thing of each other kind. Then it waits for the findings of the last text, and asks again what
it says, of a text that was looked at. Wall clock, so a busy machine shows.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

HEAD = """edition 2026

model teacher openai { base_url = "http://localhost:8000/v1", model = "m" }
source people inline {
  rows = [{ name = "Ada", age = 36 }]
}
template ask { user = "Say hello to {{ name }}, who is {{ age }}." }
"""

PIPELINE = """
pipeline p%d {
  from people { where = age > %d }
  derive { older = age + 1, words = word_count(name) }
  generate hello { prompt = ask, model = teacher, temperature = 0.7 }
  filter { where = len(hello) > 3 and not contains(hello, "sorry") }
  chat { user = name, assistant = hello }
}
"""


def spec(lines: int) -> str:
    """A spec of about so many lines."""
    count = (lines - HEAD.count("\n")) // PIPELINE.count("\n")
    mixture = "\nmixture all_rows {\n  seed = 1\n" + "".join(f"  p{i} = 10\n" for i in range(count)) + "}\n"
    return HEAD + "".join(PIPELINE % (i, i) for i in range(count)) + mixture


async def measured(lines: int, keys: int, folder: Path) -> dict[str, list[float]]:
    client = LanguageClient("benchmark", "1")
    findings: asyncio.Queue[int] = asyncio.Queue()

    @client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    def published(params: lsp.PublishDiagnosticsParams) -> None:
        findings.put_nowait(len(params.diagnostics))

    await client.start_io(sys.executable, "-m", "mixwright", "lsp")
    await client.initialize_async(lsp.InitializeParams(capabilities=lsp.ClientCapabilities()))
    client.initialized(lsp.InitializedParams())
    text, uri = spec(lines), (folder / "spec.mix").as_uri()
    document = lsp.TextDocumentIdentifier(uri)
    client.text_document_did_open(
        lsp.DidOpenTextDocumentParams(lsp.TextDocumentItem(uri, "mixwright", 0, text))
    )
    await findings.get()
    at = text.index("  filter {", len(text) // 2)
    line = text.count("\n", 0, at)
    waits: dict[str, list[float]] = defaultdict(list)
    head = text.rindex("from people", 0, at)
    rows = lsp.Position(text.count("\n", 0, head), len("  from p"))

    async def asked(what: str, asking: Awaitable[object]) -> None:
        begun = time.perf_counter()
        await asking
        waits[what].append(time.perf_counter() - begun)

    typed = ("  generate again { prompt = ask, model = teacher, temperature = 0.2 }" * 4)[:keys]
    for length in range(1, len(typed) + 1):
        changed = f"{text[:at]}{typed[:length]}\n{text[at:]}"
        client.text_document_did_change(
            lsp.DidChangeTextDocumentParams(
                lsp.VersionedTextDocumentIdentifier(version=length, uri=uri),
                [lsp.TextDocumentContentChangeWholeDocument(changed)],
            )
        )
        here, next_line = lsp.Position(line, length), lsp.Position(line + 1, 4)
        await asked("completion", client.text_document_completion_async(lsp.CompletionParams(document, here)))
        await asked(
            "hover after an edit", client.text_document_hover_async(lsp.HoverParams(document, next_line))
        )
        await asked(
            "definition after an edit",
            client.text_document_definition_async(lsp.DefinitionParams(document, rows)),
        )
    whole = lsp.Range(lsp.Position(line - 20, 0), lsp.Position(line + 30, 0))
    # One line further down than before the edits.
    mixture = lsp.Position(text.count("\n", 0, text.index("mixture all_rows")) + 1, len("mixture a"))
    askings: dict[str, Callable[[], Awaitable[object]]] = {
        "hover on a mixture": lambda: client.text_document_hover_async(lsp.HoverParams(document, mixture)),
        "references": lambda: client.text_document_references_async(
            lsp.ReferenceParams(lsp.ReferenceContext(True), document, rows)
        ),
        "prepare rename": lambda: client.text_document_prepare_rename_async(
            lsp.PrepareRenameParams(document, rows)
        ),
        "rename": lambda: client.text_document_rename_async(lsp.RenameParams(document, rows, "persons")),
        "semantic tokens": lambda: client.text_document_semantic_tokens_full_async(
            lsp.SemanticTokensParams(document)
        ),
        "inlay hints": lambda: client.text_document_inlay_hint_async(lsp.InlayHintParams(document, whole)),
        "symbols": lambda: client.text_document_document_symbol_async(lsp.DocumentSymbolParams(document)),
        "symbols of the project": lambda: client.workspace_symbol_async(lsp.WorkspaceSymbolParams("p7")),
        "folding": lambda: client.text_document_folding_range_async(lsp.FoldingRangeParams(document)),
        "formatting": lambda: client.text_document_formatting_async(
            lsp.DocumentFormattingParams(document, lsp.FormattingOptions(2, True))
        ),
    }
    version = len(typed)
    for what, asking in askings.items():
        for value in range(keys // 3):
            version += 1
            changed = f"{text[:at]}  derive {{ again = age + {value} }}\n{text[at:]}"
            client.text_document_did_change(
                lsp.DidChangeTextDocumentParams(
                    lsp.VersionedTextDocumentIdentifier(version=version, uri=uri),
                    [lsp.TextDocumentContentChangeWholeDocument(changed)],
                )
            )
            await asked(what, asking())
    while not findings.empty():
        findings.get_nowait()
    await asked("findings", findings.get())
    for _ in range(20):
        await asked("hover", client.text_document_hover_async(lsp.HoverParams(document, next_line)))
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()
    return waits


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--keys", type=int, default=60)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        waits = asyncio.run(measured(arguments.lines, arguments.keys, Path(folder)))
    for what, seconds in waits.items():
        median, worst = statistics.median(seconds) * 1000, max(seconds) * 1000
        print(f"{what:<24} {len(seconds):>4} times  median {median:7.1f} ms  worst {worst:7.1f} ms")


if __name__ == "__main__":
    main()
