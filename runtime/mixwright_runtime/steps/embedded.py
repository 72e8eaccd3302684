"""Vectors of rows' texts, from the store or a model, a part of the rows at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.declare import REQUIRED, attribute
from mixwright_runtime.plugins.protocol import Calls, VectorResult
from mixwright_runtime.values.rows import Dropped, Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EMBEDDER = attribute(
    "model",
    "ref:model",
    "the embedding model that gives the vectors",
    default=REQUIRED,
    tasks=("embed",),
)

AT_ONCE = 1024
"""Texts whose vectors are asked for together. Chosen: 16 requests, and 1.5 MB of vectors of 384 numbers."""

Part = tuple[list[int], "NDArray[np.float32]", dict[int, VectorResult]]
"""Of texts: the places of those that have a vector, their vectors (n, size), and what became of those that failed."""


async def vectors_of(calls: Calls, model: str, texts: Iterable[str | None]) -> AsyncIterator[Part]:
    """A part of the texts after another. None and the empty text are in neither.

    Raises:
        RunError: the model gives vectors of several sizes.
    """
    import numpy as np

    size = 0
    numbered = enumerate(texts)
    while some := list(islice(numbered, AT_ONCE)):
        places = [at for at, text in some if text]
        results = await calls.embed(model, [text for _, text in some if text])
        sound: list[int] = []
        vectors: list[Any] = []
        failed: dict[int, VectorResult] = {}
        for at, result in zip(places, results, strict=True):
            if result.vector is None:
                failed[at] = result
                continue
            if size and len(result.vector) != size:
                raise RunError(f"model '{model}' gave vectors of {size} and of {len(result.vector)} numbers")
            size = len(result.vector)
            sound.append(at)
            vectors.append(result.vector)
        yield sound, np.asarray(vectors, dtype=np.float32).reshape(len(vectors), size), failed


def unembedded(row: Row, step_id: str, result: VectorResult) -> Dropped:
    """A row whose text the model could not embed: what it is near to, nobody can say."""
    detail = {"reason": result.reason, "detail": result.detail[:500], "call": result.key.hex()}
    return Dropped(row, step_id, "no vector", detail, quarantined=True)
