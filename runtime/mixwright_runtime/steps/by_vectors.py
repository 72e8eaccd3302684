"""What steps have in common that compare rows by the vectors of an embedding model."""

from __future__ import annotations

from abc import ABC
from collections.abc import AsyncIterator, Iterable
from functools import partial

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Table
from mixwright_runtime.steps.embedded import Part, vectors_of
from mixwright_runtime.steps.near_vectors import NearVectors


class ByVectors(Table, ABC):
    """Holds vectors, and finds those that are near."""

    def __init__(
        self, step: Step, context: StepContext, what: str, *, cosine: float, is_strict: bool = False
    ) -> None:
        """`what`: the step's name; the others are those of `NearVectors`."""
        self._model = str(step.attributes["model"])
        self._calls = context.calls
        self._near = NearVectors(cosine, is_strict=is_strict, between=partial(self.stop_if_interrupted, what))

    def _vectors(self, texts: Iterable[str | None]) -> AsyncIterator[Part]:
        return vectors_of(self._calls, self._model, texts)

    async def close(self) -> None:
        """Give the vectors' file back."""
        self._near.close()
