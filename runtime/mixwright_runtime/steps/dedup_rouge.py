"""Step `dedup rouge`: keeps a row unless its text is too similar, by ROUGE-L, to one kept before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.attributes import ON, STEP
from mixwright_runtime.plugins.declare import attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Keep
from mixwright_runtime.steps.rouge_index import RougeIndex, Tokens, rouge_tokens
from mixwright_runtime.values.rows import Dropped, Row
from mixwright_runtime.values.texts import text_of


@declare(
    "dedup",
    "rouge",
    breaker=True,
    rules=("compared",),
    attributes=(
        ON,
        attribute(
            "against",
            "list[ref:source]",
            "sources whose rows count as kept before, such as the seeds: their column of the same name is compared",
        ),
        attribute(
            "threshold",
            "share",
            "a row is dropped when its F-measure with another one is more than this",
            default=0.7,
            cls="set",
            minimum=0.0,
            maximum=1.0,
        ),
        attribute(
            "tokens",
            "enum:auto|words|characters",
            "`words`: runs of a to z and digits, lower-cased, as in `rouge_score`; `characters`: each letter and digit; "
            "`auto`: `words` of a text in ASCII, else words of its script, and characters in scripts without spaces",
            default="auto",
        ),
        attribute(
            "nearest",
            "count",
            "of a dropped row, how many of those too similar to it are kept as evidence",
            default=10,
            cls="run",
            minimum=1,
        ),
        *STEP,
    ),
)
class RougeDedup(Keep):
    """Keeps the first of rows whose texts have much the same words in the same order (Self-Instruct, Wang et al. 2023).

    Similarity is ROUGE-L's F-measure without stemming: twice the longest common subsequence of tokens over the tokens of
    both. A row is dropped when it is more than `threshold` with any row kept before, or with a row of `against`. Rows
    are compared in the order in which they were started, exactly, with all of them: 52,002 instructions in five minutes
    of one core. `rouge_score` finds nothing in Chinese or Japanese, because it keeps a to z and digits alone; `tokens`
    says what is compared.

    A share at the threshold is not above it, computed with fractions: where the original's floating point makes
    0.7000000000000001 of seven tenths, it drops a row that is kept here. The original also logs the mean similarity to
    all rows, for which every pair must be computed; it is not.

    Memory for each row kept: about 150 bytes a token.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._step_id = step.id
        self._column = str(attributes["on"])
        self._kind = cast(Tokens, str(attributes.get("tokens") or "auto"))
        self._nearest = int(attributes.get("nearest") or 10)
        threshold = attributes.get("threshold")
        self._index = RougeIndex(0.7 if threshold is None else float(threshold))
        self._against = [str(name) for name in attributes.get("against") or ()]
        self._rows_of, self._beside = context.rows_of, context.beside
        self._names: list[dict[str, Any]] = []
        """What each text of the index is, for evidence."""
        self._rows = self._similar = self._of_sources = 0

    async def prepare(self) -> None:
        """Index the sources to compare with.

        Raises:
            RunError: one of them has no such column.
        """
        await self._beside(self._index_sources)

    def _index_sources(self) -> None:
        for name in self._against:
            for number, columns in enumerate(self._rows_of(name)):
                if self._column not in columns:
                    raise RunError(
                        f"step '{self._step_id}': source '{name}' has no column `{self._column}` to compare"
                    )
                text = text_of(columns[self._column])
                if text is not None:
                    self._add(rouge_tokens(text, self._kind), {"source": name, "row": number})
        self._of_sources = len(self._index)

    def keep(self, rows: Sequence[Row]) -> list[Row | Dropped]:
        """Each row, or those kept before that it is too similar to."""
        decided: list[Row | Dropped] = []
        for row in rows:
            self.stop_if_interrupted("dedup rouge")
            self._rows += 1
            text = text_of(row.columns.get(self._column))
            tokens = [] if text is None else rouge_tokens(text, self._kind)
            found = self._index.above(tokens)
            if found:
                self._similar += 1
                nearest = [self._names[n] | {"similarity": round(f, 4)} for f, n in found[: self._nearest]]
                decided.append(Dropped(row, self._step_id, "too similar", {**nearest[0], "nearest": nearest}))
                continue
            if tokens:
                self._add(tokens, {"of": row.row_id.hex()})
            decided.append(row)
        return decided

    def report(self) -> dict[str, Any]:
        """Rows seen, those too similar, texts of sources, and how many pairs had to be computed."""
        return {
            "rows": self._rows,
            "too_similar": self._similar,
            "against": self._of_sources,
            "compared": self._index.compared,
        }

    def _add(self, tokens: Sequence[str], name: dict[str, Any]) -> None:
        self._index.add(tokens)
        self._names.append(name)
