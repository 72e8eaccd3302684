"""How likely a model finds each of some labels as the next token: asked once, and stored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from mixwright_runtime.calls.keys import canonical, label_key
from mixwright_runtime.calls.pending import Pending
from mixwright_runtime.calls.recording import CallStore, Recorder
from mixwright_runtime.calls.service import Service
from mixwright_runtime.engines.protocol import EngineFault, LabelRequest
from mixwright_runtime.plugins.protocol import LabelResult


class Labelling:
    """Asks models for labels for one run."""

    def __init__(self, store: CallStore, recorder: Recorder) -> None:
        self._store = store
        self._recorder = recorder
        self._pending: Pending[LabelResult] = Pending()

    async def of(
        self,
        service: Service,
        messages: Sequence[Mapping[str, str]],
        labels: Sequence[str],
        *,
        is_text: bool,
        node: str,
    ) -> LabelResult:
        """See `mixwright_runtime.calls.calls.Calls.labels`."""
        messages_json = canonical(list(messages))
        form = "text" if is_text else "chat"
        key = label_key(service.spec.identity, form, messages_json, labels)
        counts = self._recorder.counts_of(node)

        async def found_or_asked() -> LabelResult:
            record = (await self._store.find_calls([key])).get(key)
            if record is not None:
                counts.reused += 1
                return LabelResult(key, tuple(json.loads(record.text)), True)
            request = LabelRequest(key, tuple(messages), tuple(labels), is_text)
            text = f'{{"form":"{form}","labels":{canonical(list(labels))},"messages":{messages_json}}}'
            asked = self._recorder.asked(service, key, text, node, counts)
            try:
                found = await service.labels(request, counts.faults)
            except EngineFault as fault:
                return LabelResult(key, (), False, fault.fault.value, self._recorder.put_fault(asked, fault))
            counts.prompt_tokens += found.prompt_tokens
            counts.output_tokens += found.output_tokens
            service.book(found.prompt_tokens, found.output_tokens)
            self._recorder.put(
                asked,
                finish="stop",
                text=canonical(list(found.logprobs)),
                prompt_tokens=found.prompt_tokens,
                output_tokens=found.output_tokens,
                engine=canonical(found.engine),
            )
            return LabelResult(key, found.logprobs, True)

        counts.asked += 1
        result, is_shared = await self._pending.once(key, found_or_asked)
        counts.reused += is_shared
        return result
