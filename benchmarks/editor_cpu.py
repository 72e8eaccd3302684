"""What each request costs the language server right after an edit: CPU milliseconds, with the JSON of the answer.

    python benchmarks/editor_cpu.py [LINES]

The spec of editor_latency.py, in whose middle a number of a step is another one each time. In this process, without the
pipes and the client, which take longer than the server does where the machine is busy.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from editor_latency import spec
from lsprotocol import types as lsp
from pygls.protocol import default_converter

from mixwright.language_server.server import server

TIMES = 9


def requests(text: str, at: int, uri: str) -> dict[str, object]:
    """Method -> what is asked; several of a method have a word behind it."""
    document = lsp.TextDocumentIdentifier(uri)
    line, head = text.count("\n", 0, at), text.rindex("from people", 0, at)
    rows = lsp.Position(text.count("\n", 0, head), len("  from p"))
    mixture = lsp.Position(text.count("\n", 0, text.index("mixture all_rows")) + 1, len("mixture a"))
    screen = lsp.Range(lsp.Position(line - 20, 0), lsp.Position(line + 30, 0))
    return {
        "textDocument/hover": lsp.HoverParams(document, lsp.Position(line + 2, 4)),
        "textDocument/hover on a mixture": lsp.HoverParams(document, mixture),
        "textDocument/definition": lsp.DefinitionParams(document, rows),
        "textDocument/references": lsp.ReferenceParams(lsp.ReferenceContext(True), document, rows),
        "textDocument/prepareRename": lsp.PrepareRenameParams(document, rows),
        "textDocument/rename": lsp.RenameParams(document, rows, "persons"),
        "textDocument/semanticTokens/full": lsp.SemanticTokensParams(document),
        "textDocument/inlayHint": lsp.InlayHintParams(document, screen),
        "textDocument/documentSymbol": lsp.DocumentSymbolParams(document),
        "workspace/symbol": lsp.WorkspaceSymbolParams("p7"),
        "textDocument/foldingRange": lsp.FoldingRangeParams(document),
        "textDocument/formatting": lsp.DocumentFormattingParams(document, lsp.FormattingOptions(2, True)),
    }


def main() -> None:
    """Print the figures."""
    text, converter, made = spec(int((sys.argv[1:] or ["1000"])[0])), default_converter(), server()
    at = text.index("  filter {", len(text) // 2)
    with tempfile.TemporaryDirectory() as folder:
        path = (Path(folder) / "spec.mix").resolve()
        made.documents.change(path, text)
        made.documents.analysis(path)
        edits = 0
        for what, asked in requests(text, at, path.as_uri()).items():
            handler, times = made.protocol.fm.features[what.partition(" ")[0]], []
            for _ in range(TIMES):
                edits += 1
                changed = f"{text[:at]}  derive {{ again = age + {edits} }}\n{text[at:]}"
                made.documents.change(path, changed)
                begun = time.process_time()
                json.dumps(converter.unstructure(asyncio.run(handler(asked))))
                times.append(time.process_time() - begun)
            print(f"{what:34} {statistics.median(times) * 1000:6.1f} ms CPU")


if __name__ == "__main__":
    main()
