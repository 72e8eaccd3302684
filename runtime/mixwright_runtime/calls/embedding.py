"""Vectors of texts: equal texts asked once, many in one request, and a text that is refused alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from mixwright_runtime.calls.keys import vector_key
from mixwright_runtime.calls.pending import Pending, result_of
from mixwright_runtime.calls.recording import CallCounts, CallStore, Recorder
from mixwright_runtime.calls.service import Service
from mixwright_runtime.engines.measured import vector_in, vector_text
from mixwright_runtime.engines.protocol import EmbedRequest, EngineFault, Fault
from mixwright_runtime.plugins.protocol import StoredVectors, VectorResult
from mixwright_runtime.store.records import FoundCall
from mixwright_runtime.values.rows import canonical_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EMBED_BATCH = 64
"""Texts in one request for vectors: enough to share its cost, few enough that a failing one holds up little."""


class Embedding:
    """Asks embedding models for one run."""

    def __init__(self, store: CallStore, recorder: Recorder) -> None:
        self._store = store
        self._recorder = recorder
        self._pending: Pending[VectorResult] = Pending()

    async def vectors(self, service: Service, texts: Sequence[str], node: str) -> list[VectorResult]:
        """The model's vector of each text, in order; see `mixwright_runtime.calls.calls.Calls.embed`."""
        keys = [vector_key(service.spec.identity, text) for text in texts]
        text_of = dict(zip(keys, texts, strict=True))
        counts = self._recorder.counts_of(node)
        counts.asked += len(keys)
        counts.reused += len(keys) - len(text_of)
        found: dict[bytes, VectorResult] = {}
        while missing := [key for key in text_of if key not in found]:
            theirs = self._pending.of_others(missing)
            mine = {key: text_of[key] for key in missing if key not in theirs}
            if mine:
                job = partial(self._stored_or_asked, service, mine, node, counts)
                found.update(await self._pending.together(mine, job))
            for key, future in theirs.items():
                shared = await result_of(future)
                if shared is not None:
                    found[key] = shared[0]
                    counts.reused += 1
        return [found[key] for key in keys]

    async def stored(self, service: Service, texts: Iterable[str], node: str) -> AsyncIterator[StoredVectors]:
        """See `mixwright_runtime.calls.calls.Calls.stored_vectors`."""
        identity = service.spec.identity
        keys = await asyncio.to_thread(lambda: [vector_key(identity, text) for text in texts])
        counts = self._recorder.counts_of(node)
        async for places, records in self._store.parts_of_calls(keys):
            counts.asked += len(places)
            counts.reused += len(places)
            yield places, await asyncio.to_thread(_vectors_in, records)

    async def _stored_or_asked(
        self, service: Service, text_of: Mapping[bytes, str], node: str, counts: CallCounts
    ) -> Mapping[bytes, VectorResult]:
        """Those of the store, and the others by requests side by side."""
        stored = await self._store.find_calls(list(text_of))
        counts.reused += len(stored)
        found = {
            key: VectorResult(key, vector_in(record.text), is_stored=True) for key, record in stored.items()
        }
        wanted = [key for key in text_of if key not in found]
        batches = [wanted[at : at + EMBED_BATCH] for at in range(0, len(wanted), EMBED_BATCH)]
        jobs = [self._batch(service, {k: text_of[k] for k in batch}, node, counts) for batch in batches]
        # All are awaited, so that none runs on unobserved when another stops.
        for results in await asyncio.gather(*jobs, return_exceptions=True):
            if isinstance(results, BaseException):
                raise results
            found.update({result.key: result for result in results})
        return found

    async def _batch(
        self, service: Service, text_of: Mapping[bytes, str], node: str, counts: CallCounts
    ) -> list[VectorResult]:
        """One request; where the server refuses it, one for each half of its texts."""
        keys = list(text_of)
        asked = [
            self._recorder.asked(service, key, f'{{"text":{canonical_json(text)}}}', node, counts)
            for key, text in text_of.items()
        ]
        try:
            found = await service.vectors(EmbedRequest(keys[0], tuple(text_of.values())), counts.faults)
        except EngineFault as fault:
            if fault.fault in (Fault.BAD_REQUEST, Fault.TOO_LONG, Fault.WORKER_DIED) and len(keys) > 1:
                results = []
                for half in (keys[: len(keys) // 2], keys[len(keys) // 2 :]):
                    texts = {key: text_of[key] for key in half}
                    results += await self._batch(service, texts, node, counts)
                return results
            return [
                VectorResult(one.key, None, fault.fault.value, self._recorder.put_fault(one, fault))
                for one in asked
            ]
        counts.prompt_tokens += found.prompt_tokens
        service.book(found.prompt_tokens, 0)
        for at, (one, vector) in enumerate(zip(asked, found.vectors, strict=True)):
            self._recorder.put(
                one,
                finish="stop",
                text=vector_text(vector),
                # Counted for the request as a whole: its first text carries them all.
                prompt_tokens=0 if at else found.prompt_tokens,
                engine=canonical_json(found.engine),
            )
        return [VectorResult(key, vector) for key, vector in zip(keys, found.vectors, strict=True)]


def _vectors_in(records: Sequence[FoundCall]) -> list[NDArray[np.float32]]:
    return [vector_in(record.text) for record in records]
