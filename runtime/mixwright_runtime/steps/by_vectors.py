"""What steps have in common that compare rows by the vectors of an embedding model."""

from __future__ import annotations

from abc import ABC
from collections.abc import AsyncGenerator, Iterator, Sequence
from functools import partial

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Table
from mixwright_runtime.steps.embedded import Part, vectors_of
from mixwright_runtime.steps.near_vectors import NearVectors
from mixwright_runtime.values.rows import Row
from mixwright_runtime.values.texts import text_of


class ByVectors(Table, ABC):
    """Holds vectors, and finds those that are near."""

    def __init__(
        self, step: Step, context: StepContext, what: str, *, cosine: float, is_strict: bool = False
    ) -> None:
        """`what`: the step's name; the others are those of `NearVectors`."""
        self._model = str(step.attributes["model"])
        self._column = str(step.attributes["on"])
        self._calls = context.calls
        self._between = partial(self.stop_if_interrupted, what)
        self._scratch = context.scratch
        self._near = NearVectors(
            cosine, is_strict=is_strict, between=self._between, directory=context.scratch
        )

    def _text(self, row: Row) -> str | None:
        """What of a row is compared."""
        return text_of(row.columns.get(self._column))

    def _vectors(self, rows: Sequence[Row], places: Sequence[int]) -> AsyncGenerator[Part]:
        """Of the rows at these places, in their order; see `vectors_of`."""

        def texts_at(some: Sequence[int]) -> Iterator[str | None]:
            # Rows that stand one behind the other are read together.
            there = rows[some.start : some.stop] if isinstance(some, range) else map(rows.__getitem__, some)
            return map(self._text, there)

        return vectors_of(
            self._calls, self._model, places, texts_at, between=self._between, scratch=self._scratch
        )

    async def close(self) -> None:
        """Give the vectors' file back."""
        self._near.close()
