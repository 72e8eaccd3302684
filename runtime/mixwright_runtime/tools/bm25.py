"""Tool `bm25`: a search engine over the rows of a source."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.tools.bm25_index import Bm25Index
from mixwright_runtime.tools.kinds import Tool, ToolCall
from mixwright_runtime.values.texts import whole_text_of

NOTHING = "nothing found"


@declare(
    "tool",
    "bm25",
    takes={"query": "text"},
    attributes=(
        attribute("over", "ref:source", "The source whose rows are searched.", default=REQUIRED),
        attribute("on", "name", "Its column with the text.", default=REQUIRED, holds="column_of_source"),
        attribute(
            "top", "count", "Texts that it gives, those that fit best.", default=1, minimum=1, maximum=100
        ),
        attribute("cut", "count", "Characters that it gives of each, the first.", default=300, minimum=1),
        attribute(
            "doc",
            "text",
            "What models are told of it.",
            default="Searches a collection of texts and gives those that fit the query best.",
        ),
    ),
)
class Search(Tool):
    """A search engine over a source: it takes a `query` and gives the beginnings of the texts that fit it best.

    Texts are ranked by BM25 with Lucene's constants. The index is built once a run, from all rows of the source, in a
    temporary directory; what is in it is a part of a call's name, so a source that has changed is asked anew. Several
    texts stand one below the other with an empty line between them; a query without a word in common with any text gives
    `nothing found`.

    ```mix
    tool search bm25 { over = snippets, on = text, top = 1, cut = 300 }
    ```
    """

    _index: Bm25Index | None = None

    async def prepare(self) -> None:
        """Build the index.

        Raises:
            RunError: the source cannot be read, or has no text in that column.
        """
        self._index = await self.around.beside(lambda: Bm25Index(self._texts()))
        if not self._index.size:
            attributes = self.spec.attributes
            raise RunError(
                f"tool '{self.spec.name}': source '{attributes['over']}' has no text in column `{attributes['on']}`"
            )

    def _texts(self) -> Iterator[str]:
        column = self.spec.attributes["on"]
        for columns in self.around.rows_of(self.spec.attributes["over"]):
            text = whole_text_of(columns.get(column))
            if text is not None:
                yield text

    def given(self, columns: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is searched."""
        assert self._index is not None
        return {"index": self._index.digest}

    async def run(self, call: ToolCall) -> str:
        """The beginnings of the texts."""
        assert self._index is not None
        attributes = self.spec.attributes
        hits = await asyncio.to_thread(self._index.search, str(call.arguments["query"]), attributes["top"])
        return "\n\n".join(hit.text[: attributes["cut"]].strip() for hit in hits) or NOTHING

    async def close(self) -> None:
        """Delete the index."""
        if self._index is not None:
            self._index.close()
