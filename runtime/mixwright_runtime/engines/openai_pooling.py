"""Scores and vectors over HTTP: which of a server's paths gives them, and reading what it answers.

vLLM serves them at `/pooling`, `/classify`, `/score` and `/v1/embeddings`; which of them a model has, and what the
pooling task is called, changed between versions. So the first request of each form is preceded by a probe: the ways
below are tried in order, and the first that gives the right kind of numbers is kept.

    chat, reward            /pooling task=classify, token_classify, none; /classify; /score is for two texts
    chat, process_reward    /pooling task=token_classify, none
    chat or text, classify  /classify; /pooling task=classify
    two texts               /score
    texts, embed            /v1/embeddings

Any server whose answer holds a list of floats will do (`floats_in`).
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from mixwright_runtime.engines.measured import finite, probe_like, softmax, unit_vectors
from mixwright_runtime.engines.protocol import EmbedRequest, EngineFault, Fault, ScoreRequest, Scores, Vectors
from mixwright_runtime.engines.server_json import document_of, name_in, tokens_in

Post = Callable[[str, Mapping[str, Any]], Awaitable[bytes]]
"""(address, body) -> the body of a 200; raises EngineFault for anything else."""

Check = Callable[[str], None]


@dataclass(frozen=True)
class Way:
    """One way to ask for a score: the last part of an address, and what the body says beside the input."""

    path: str
    fields: Mapping[str, Any]


RAW = {"use_activation": False, "activation": False}
"""No activation behind the head: `use_activation` since vLLM 0.11.1, `activation` before."""
ACTIVATED = {"use_activation": True, "activation": True}

WAYS: Mapping[str, tuple[Way, ...]] = {
    "reward": (
        Way("pooling", {"task": "classify", **RAW}),
        Way("pooling", {"task": "token_classify", **RAW}),
        Way("pooling", RAW),
        Way("classify", RAW),
    ),
    "process_reward": (
        Way("pooling", {"task": "token_classify", **ACTIVATED}),
        Way("pooling", ACTIVATED),
    ),
    "classify": (Way("classify", ACTIVATED), Way("pooling", {"task": "classify", **ACTIVATED})),
}
PAIR_WAYS: Mapping[str, tuple[Way, ...]] = {
    "reward": (Way("score", RAW),),
    "classify": (Way("score", ACTIVATED),),
    "process_reward": (),
}

_REFUSALS = (Fault.BAD_REQUEST, Fault.TOO_LONG, Fault.DENIED, Fault.MALFORMED)

STEP_FLAG = (
    '--pooler-config \'{"tok_pooling_type": "STEP", "step_tag_id": ID}\' with the id of the tag\'s token'
)


class HttpScorer:
    """Asks one endpoint for scores and vectors of one model."""

    def __init__(
        self,
        base_url: str,
        model: str,
        post: Post,
        check_served: Check,
        extra: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        """`check_served` is told the model's name in every answer, and raises when it has changed; `extra` are fields of
        every request."""
        self._extra = extra
        self._base_url = base_url
        self._root = base_url.removesuffix("/v1")
        self._model = model
        self._post = post
        self._check_served = check_served
        self._found: dict[tuple[str, int], tuple[str, Way]] = {}
        self._negotiating = asyncio.Lock()

    async def score(self, request: ScoreRequest) -> Scores:
        """See `mixwright_runtime.engines.protocol.Scorer`."""
        form = (request.task, len(request.texts))
        if form not in self._found:
            async with self._negotiating:
                if form not in self._found:
                    self._found[form] = await self._way_of(request)
        return await self._ask(request, *self._found[form])

    async def embed(self, request: EmbedRequest) -> Vectors:
        """See `mixwright_runtime.engines.protocol.Embedder`."""
        body = {**self._extra, "model": self._model, "input": list(request.texts), "encoding_format": "float"}
        document = document_of(await self._post(f"{self._base_url}/embeddings", body), "vectors")
        self._check_served(_served_as(document))
        rows = _entries(document)
        if all(isinstance(row.get("index"), int) for row in rows):
            rows = sorted(rows, key=lambda row: row["index"])
        vectors = unit_vectors([_vector(row.get("embedding")) for row in rows], "embeddings")
        return Vectors(vectors, _prompt_tokens(document), _provenance(document))

    async def _way_of(self, request: ScoreRequest) -> tuple[str, Way]:
        """The first way that gives what is asked for.

        Raises:
            EngineFault: there is none (`DENIED`), or the server is not fit to be asked now.
        """
        probe = probe_like(request)
        refusals: list[str] = []
        failure: EngineFault | None = None
        ways = (PAIR_WAYS if len(request.texts) == 2 else WAYS)[request.task]
        for way in ways:
            for start in dict.fromkeys((self._root, self._base_url)):
                address = f"{start}/{way.path}"
                try:
                    found = await self._ask(probe, address, way)
                    await self._check_scale(probe, found, address, way)
                except EngineFault as fault:
                    if fault.fault is Fault.SERVER:
                        failure = fault  # an unknown task may be a 500, and so may anything else
                    elif fault.fault not in _REFUSALS or _no_access(fault):
                        raise
                    if not str(fault).startswith("HTTP 404"):
                        refusals.append(f"{way.path} {way.fields.get('task', '')}".strip() + f": {fault}")
                else:
                    return address, way
        if failure is not None:
            raise failure
        paths = ", ".join(dict.fromkeys(f"/{way.path}" for way in ways))
        shown = "; ".join(dict.fromkeys(refusals)) or f"there is no {paths or 'way to ask for them'}"
        raise EngineFault(Fault.DENIED, f"{self._root} gives no scores of task {request.task}: {shown}"[:900])

    async def _check_scale(self, probe: ScoreRequest, found: Scores, address: str, way: Way) -> None:
        """Refuse a server that puts a softmax behind a single number: it then says 1 of everything."""
        if probe.task != "reward" or found.values != (1.0,):
            return
        texts = tuple(f"{text} and more" for text in probe.texts)
        messages = tuple(
            {**message, "content": f"{message['content']} And more."} for message in probe.messages
        )
        other = ScoreRequest(b"", "reward", messages, texts)
        if (await self._ask(other, address, way)).values == (1.0,):
            raise EngineFault(
                Fault.DENIED, "it answers 1 whatever the text: an activation behind a single number"
            )

    async def _ask(self, request: ScoreRequest, address: str, way: Way) -> Scores:
        body: dict[str, Any] = {**self._extra, "model": self._model, **way.fields}
        if len(request.texts) == 2:
            body["text_1"], body["text_2"] = request.texts
        elif request.texts:
            body["input"] = request.texts[0]
        else:
            body["messages"] = [dict(message) for message in request.messages]
            body["add_generation_prompt"] = False
        document = document_of(await self._post(address, body), "scores")
        self._check_served(_served_as(document))
        values = scores_of(request, floats_in(document))
        return Scores(values, _prompt_tokens(document), _provenance(document))


def scores_of(request: ScoreRequest, found: Any) -> tuple[float, ...]:
    """The scores that a request asks for, in numbers as they came: one list, or one for each token or step.

    Raises:
        EngineFault: they are not what the task gives.
    """
    if request.task == "process_reward" and found == []:
        return _steps(request, [])  # vLLM's answer where it knows another tag
    rows = [finite(row, "scores") for row in found] if found and isinstance(found[0], list) else None
    if request.task == "process_reward":
        return _steps(request, rows if rows is not None else [(value,) for value in finite(found, "scores")])
    values = rows[-1] if rows else finite(found, "scores")
    if request.task == "reward" and len(values) != 1:
        raise EngineFault(Fault.MALFORMED, f"{len(values)} numbers where a reward model gives one")
    return values


def _steps(request: ScoreRequest, rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    if len(rows) != request.steps:
        raise EngineFault(
            Fault.BAD_REQUEST,
            f"{len(rows)} scores for {request.steps} steps; vLLM needs {STEP_FLAG}",
        )
    labels = {len(row) for row in rows}
    if labels == {1}:
        return tuple(row[0] for row in rows)
    if labels != {2}:
        raise EngineFault(Fault.MALFORMED, f"{sorted(labels)} numbers a step where there are 1 or 2")
    # Shares as a softmax leaves them; else logits, from a server that knows no activation.
    if all(min(row) >= 0 and math.isclose(sum(row), 1, abs_tol=1e-3) for row in rows):
        return tuple(row[1] for row in rows)
    return tuple(softmax(row)[1] for row in rows)


def floats_in(document: Mapping[str, object]) -> list[Any]:
    """The numbers of an answer: `data[0]` with `data`, `probs`, `score`, `scores` or `embedding`, or `score`,
    `scores` or `rewards` at the top.

    Raises:
        EngineFault: there are none.
    """
    held: Any = document
    data = document.get("data")
    if isinstance(data, list) and data:
        if len(data) != 1 and not isinstance(data[0], int | float):
            raise EngineFault(Fault.MALFORMED, f"{len(data)} answers to one request")
        held = data[0] if isinstance(data[0], Mapping) else {"data": data}
    for name in ("data", "probs", "scores", "score", "rewards", "embedding"):
        found = held.get(name) if isinstance(held, Mapping) else None
        if isinstance(found, list):
            return found
        if isinstance(found, int | float):
            return [found]
    raise EngineFault(Fault.MALFORMED, f"no numbers in the answer: {json.dumps(document)[:80]}")


def _vector(found: object) -> list[float]:
    if isinstance(found, str):
        import numpy as np

        try:
            return np.frombuffer(base64.b64decode(found, validate=True), dtype="<f4").tolist()  # type: ignore[no-any-return]
        except ValueError as error:
            raise EngineFault(Fault.MALFORMED, f"an embedding is no base64 of float32 ({error})") from None
    if not isinstance(found, list):
        raise EngineFault(Fault.MALFORMED, "an embedding is no list of numbers")
    return found


def _entries(document: Mapping[str, object]) -> list[Mapping[str, Any]]:
    data = document.get("data")
    if not isinstance(data, list) or not all(isinstance(row, Mapping) for row in data) or not data:
        raise EngineFault(Fault.MALFORMED, "no list `data` in the answer")
    return data


def _prompt_tokens(document: Mapping[str, object]) -> int:
    try:
        return tokens_in(document, "prompt_tokens")
    except ValueError as error:
        raise EngineFault(Fault.MALFORMED, f"no honest answer ({error})") from None


def _served_as(document: Mapping[str, object]) -> str:
    try:
        return name_in(document, "model")
    except ValueError as error:
        raise EngineFault(Fault.MALFORMED, f"no honest answer ({error})") from None


def _provenance(document: Mapping[str, object]) -> dict[str, Any]:
    return {"engine": "openai", "model": _served_as(document)}


def _no_access(fault: EngineFault) -> bool:
    return any(f"HTTP {status}" in str(fault) for status in (401, 402, 403))
