"""Any OpenAI-compatible endpoint over HTTP: one pool, bytes in, bytes out, nothing retried here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright_compiler.catalog.capabilities import LOSSES, USER_TURN
from mixwright_compiler.plan.plan import ModelSpec
from mixwright_runtime.engines.openai_answers import chat_completion_in, completion_in
from mixwright_runtime.engines.openai_faults import advised, fault_of_status
from mixwright_runtime.engines.openai_labels import labels_in
from mixwright_runtime.engines.openai_losses import losses_in
from mixwright_runtime.engines.openai_pooling import HttpScorer
from mixwright_runtime.engines.openai_probes import probe
from mixwright_runtime.engines.openai_requests import Bodies, fits_a_header, form_of, headers_of
from mixwright_runtime.engines.prompts import NoUserTurn, prompt_of
from mixwright_runtime.engines.protocol import (
    Answer,
    EmbedRequest,
    EngineEnvironment,
    EngineFault,
    Fault,
    LabelRequest,
    Labels,
    Losses,
    LossRequest,
    Request,
    ScoreRequest,
    Scores,
    Vectors,
)
from mixwright_runtime.engines.server_json import document_of
from mixwright_runtime.engines.token_losses import passage_of
from mixwright_runtime.engines.tokenizer_files import NoTokenizer, tokenizer_at
from mixwright_runtime.errors import EngineUnavailable, require
from mixwright_runtime.plugins.attributes import TASK, TEMPLATE_ARGUMENTS
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare

if TYPE_CHECKING:
    import aiohttp

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""A longer body is not read to its end. The longest honest answer (128k tokens with log probabilities off) is ~1 MB."""

MOST_IN_FLIGHT = 256
"""Tried at an endpoint whose user does not say; also the most that a kill can cost."""


@declare(
    "model",
    "openai",
    offers=(
        "conversation",
        "server",
        "schema",
        "tools",
        "continue if serves = vllm",
        "text if serves = vllm",
        "labels if serves = vllm",
        "labels if serves = openai",
        "user_turn if serves = vllm and with tokenizer",
        "losses if serves = vllm and with tokenizer",
    ),
    extra="openai",
    modules=("aiohttp",),
    attributes=(
        attribute(
            "base_url",
            "text",
            "Address of the API, with its version: `http://localhost:8000/v1`. What stands behind a `?` goes along "
            "with every request (Azure's `api-version`). Not part of the model's identity: moving a server reuses every "
            "answer.",
            default=REQUIRED,
            cls="run",
            holds="address",
        ),
        attribute("model", "text", "Model name as the endpoint lists it.", default=REQUIRED),
        attribute("api_key", "secret", 'Bearer token: `env("NAME")`. Never written anywhere.', cls="run"),
        attribute(
            "headers",
            "map[text_or_secret]",
            'Headers of every request: `headers { api_key = env("AZURE_KEY") }`. Each `_` of a name is sent as `-`.',
            cls="run",
        ),
        attribute(
            "serves",
            "enum:vllm|openai|other",
            "Whose rules the server follows. `vllm` (SGLang too) continues an answer that a template begins and takes "
            "`top_k`, `min_p`, `repetition_penalty` and `chat_template_kwargs`, goes on from plain texts, writes users' "
            "turns, and says how likely the tokens of a text are. `openai` gets `max_completion_tokens`, and a "
            "`temperature` or `top_p` only when it is not 1. Both say how likely labels are. `other` gets what all "
            "servers know. Default: `openai` at addresses of OpenAI and Azure, else `other`.",
            cls="run",
        ),
        attribute(
            "tokenizer",
            "path",
            "Directory with the model's own tokenizer and chat template, for what goes to the server as tokens: a user's "
            "turn (`turn = user`), a text whose losses are asked for.",
            cls="run",
        ),
        attribute(
            "request",
            "json",
            "Fields that every request has besides: `request { safe_prompt = true }`. They are part of the model's "
            "identity.",
        ),
        TEMPLATE_ARGUMENTS,
        attribute(
            "reasoning_effort",
            "enum:none|minimal|low|medium|high|xhigh",
            "How long the model thinks before it answers, where it has such a setting.",
        ),
        attribute(
            "sampling",
            "enum:send|leave_out",
            "`leave_out` for a model that refuses `temperature` and `top_p`: it draws as it always does, whatever the "
            "steps say.",
        ),
        attribute(
            "seed",
            "enum:send|random_seed|leave_out",
            "Whether a request carries its seed: as `seed`, as `random_seed` (Mistral), or, for a server that refuses "
            "it, not at all.",
            default="send",
            cls="run",
        ),
        attribute(
            "max_tokens_as",
            "enum:max_tokens|max_completion_tokens",
            "Field that carries the longest answer. Default: `max_completion_tokens` where `serves` is `openai`, else "
            "`max_tokens`.",
            cls="run",
        ),
        attribute(
            "revision", "text", "Revision of the weights, where you know it; a new one asks everything again."
        ),
        TASK,
        attribute("context", "count", "Tokens that prompt and answer share.", default=8192, minimum=1),
        attribute(
            "max_in_flight",
            "count",
            "Requests open at once, never more. Without it the run starts with 16 and doubles them while the endpoint "
            "answers more for it, up to 256.",
            cls="run",
            minimum=1,
        ),
        attribute("rpm", "count", "Requests a minute, at most.", cls="run", minimum=1),
        attribute(
            "tpm",
            "count",
            "Tokens a minute, of prompts and answers together, at most; a request counts by its prompt and the 90th "
            "percentile of the answers seen until its own number is known.",
            cls="run",
            minimum=1,
        ),
        attribute(
            "kv_tokens",
            "count",
            "Tokens that the server's key-value cache holds. Open requests are then kept under 90% of it, by their "
            "prompts and the 90th percentile of the answers seen, so that the server need not preempt. No limit "
            "without it.",
            cls="run",
            minimum=1,
        ),
        attribute(
            "timeout",
            "duration",
            "Total time for one request, from sending it to its last byte; a hanging or dripping answer ends here.",
            default=600,
            cls="run",
        ),
        attribute("price_in", "money", "Dollars per million prompt tokens, for budgets.", cls="meta"),
        attribute("price_out", "money", "Dollars per million answer tokens, for budgets.", cls="meta"),
        attribute("license", "text", "License of what the model writes.", cls="meta"),
    ),
)
class OpenAIEngine:
    """A model behind an OpenAI-compatible endpoint: a vLLM server, a cluster, a hosted API.

    Requests go to `base_url/chat/completions` with the call's own seed; `schema` becomes
    `response_format = json_schema`. At the first request the endpoint is asked which models it serves, where it
    has `/models`: another model there, or a model name that changes while the run goes on, stops the run, because
    the cache must not mix two models under one identity. `base_url`, `api_key`, `max_in_flight` and `timeout`
    change no row, so moving a server reuses every answer.

    A user's turn (`turn = user`) and a plain text (`form = text`) go to `base_url/completions` of a vLLM server; the
    first as tokens, which `tokenizer` makes. What a run needs of a server beyond a chat is asked for once before the
    first row: one that does not do what `serves` says of it stops the run.

    Tools that a step offers (`generate { tools }`) go along as `tools`, and calls come back as `tool_calls`; a server of
    vLLM needs `--enable-auto-tool-choice` and a `--tool-call-parser` for that.

    A model whose `task` is to score or embed is asked at the paths of vLLM's server (`/pooling`, `/classify`, `/score`
    beside `base_url`) or at `base_url/embeddings`; which of them gives the numbers is found out with a probe before
    the first request. Rewards are asked for without an activation, so that they are the model's own numbers. Process
    reward models need a server that was told the step tag: vLLM's `--pooler-config` with `tok_pooling_type` `STEP`
    and the `step_tag_id`.

    Reasoning that the server reports apart (`reasoning`, `reasoning_content`) is kept apart. An answer cut off by
    `max_tokens`, an empty one, a refusal and a filtered one are told apart and never used as good.

    Server faults are retried with growing random waits; 429 and `Retry-After` are obeyed, slow the run down and
    cost a row nothing; 400 quarantines the one row, and stops the run when a plain request with the same settings is
    refused as well; 401, 403 and 404 stop the run. When most requests fail for ten seconds the run stops and keeps what
    was answered; the next run asks for the rest.

    ```mix
    model teacher openai {
      base_url = "http://localhost:8000/v1"
      model = "Qwen/Qwen2.5-72B-Instruct"
      api_key = env("TEACHER_KEY")
      max_in_flight = 256
    }
    ```

    A reasoning model of OpenAI, one behind Azure, one of Mistral, and Qwen3 on vLLM without thinking:

    ```mix
    model reasoner openai {
      base_url = "https://api.openai.com/v1"
      model = "gpt-5"
      api_key = env("OPENAI_API_KEY")
      seed = leave_out
      reasoning_effort = low
      rpm = 500
    }
    model behind_azure openai {
      base_url = "https://my-resource.openai.azure.com/openai/deployments/my-model?api-version=2024-10-21"
      model = "gpt-4o"
      headers { api_key = env("AZURE_KEY") }
    }
    model of_mistral openai {
      base_url = "https://api.mistral.ai/v1"
      model = "mistral-large-latest"
      api_key = env("MISTRAL_KEY")
      seed = random_seed
      request { safe_prompt = false }
    }
    model quick openai {
      base_url = "http://localhost:8000/v1"
      model = "Qwen/Qwen3-32B"
      serves = vllm
      chat_template_kwargs { enable_thinking = false }
    }
    ```
    """

    is_limit = True

    def __init__(self, model: ModelSpec, environment: EngineEnvironment) -> None:
        attributes = model.attributes
        self.name = model.name
        self.model = str(attributes["model"])
        address, mark, query = str(attributes["base_url"]).partition("?")
        self.base_url, self._query = address.rstrip("/"), mark + query
        form = form_of(attributes, self.base_url)
        self._bodies = Bodies(self.model, form)
        stated = attributes.get("max_in_flight")
        self.slots = int(stated or MOST_IN_FLIGHT)
        self.is_width_unknown = stated is None
        self.timeout_s = float(attributes.get("timeout") or 600)
        self._headers = headers_of(attributes, environment.secrets)
        self._session: aiohttp.ClientSession | None = None
        self._served_as = ""
        self._needs = environment.needs
        stated = attributes.get("tokenizer")
        self._tokenizer_at = None if stated is None else environment.directory / str(stated)
        self._tokenizer: Any = None
        self._context = int(attributes.get("context") or 8192)
        self._template_arguments = attributes.get("chat_template_kwargs") or {}
        self._scorer = HttpScorer(self.base_url, self.model, self._post, self._check_served, form.extra)

    async def start(self) -> None:
        """Open the pool and check that the endpoint serves the model.

        Raises:
            MissingExtra: aiohttp is not installed.
            EngineUnavailable: no connection, no access, the endpoint lists other models, or it does not do what
                `serves` says of it and the run needs.
        """
        if self._session is not None:
            return
        aiohttp = require("aiohttp", "openai", "engine 'openai'")
        from urllib.request import getproxies, proxy_bypass

        import yarl

        url = yarl.URL(self.base_url)
        if url.scheme not in ("http", "https") or not url.host:
            raise EngineUnavailable(f"model '{self.name}': base_url '{self.base_url}' is not an http address")
        self._aiohttp = aiohttp
        self._url = yarl.URL(f"{self.base_url}/chat/completions{self._query}")
        self._completions = yarl.URL(f"{self.base_url}/completions{self._query}")
        if self._tokenizer_at is not None and self._needs & {USER_TURN, LOSSES}:
            self._tokenizer = await asyncio.to_thread(_tokenizer, self._tokenizer_at, self.name)
        # Looked up once: aiohttp's own trust_env would read the environment again for every request.
        self._proxy = None if proxy_bypass(url.host) else getproxies().get(url.scheme)
        for name, (value, variable) in self._headers.items():
            if not fits_a_header(value):
                held = f"{variable} holds" if variable else "it has"
                raise EngineUnavailable(
                    f"model '{self.name}': header '{name}' cannot be sent: {held} a line end or another character "
                    "that no header may have"
                )
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.slots, ttl_dns_cache=300),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self.timeout_s, sock_connect=min(30.0, self.timeout_s)),
            headers={name: value for name, (value, _) in self._headers.items()},
        )
        try:
            await self._check_model(yarl.URL(f"{self.base_url}/models{self._query}"))
            for capability in sorted(self._needs):
                await probe(capability, self.name, self._post, self.base_url, self._bodies)
        except BaseException:
            await self.close()
            raise

    async def complete(self, request: Request) -> Answer:
        """The answer to one request; one HTTP exchange, no retry.

        Raises:
            EngineFault: there is none; its `fault` says why.
        """
        sampling = request.sampling
        if sampling.get("form") == "text":
            stops = {} if not sampling.get("stop") else {"stop": list(sampling["stop"])}
            answer, served_as = await self._completed(request, request.messages[0]["content"], stops)
        elif sampling.get("turn") == "user":
            try:
                prompt = prompt_of(request, self._tokens, self._template_arguments)
            except NoUserTurn as error:
                raise EngineFault(Fault.DENIED, str(error)) from error
            ends = {"stop": list(prompt.stop), "stop_token_ids": sorted(prompt.ends)}
            answer, served_as = await self._completed(request, prompt.tokens, ends)
        else:
            answer, served_as = chat_completion_in(await self._exchanged(self._url, self._bodies.of(request)))
        self._check_served(served_as)
        return answer

    async def labels(self, request: LabelRequest) -> Labels:
        """The labels' log-probabilities; one HTTP exchange.

        Raises:
            EngineFault: there are none; its `fault` says why.
        """
        url = self._completions if request.is_text else self._url
        found, served_as = labels_in(request, await self._exchanged(url, self._bodies.of_labels(request)))
        self._check_served(served_as)
        return found

    async def losses(self, request: LossRequest) -> Losses:
        """The log-probabilities of a text's tokens; one HTTP exchange.

        Raises:
            EngineFault: there are none; its `fault` says why.
        """
        if request.token:
            raise EngineFault(Fault.DENIED, "no server says how likely one token is at every place of a text")
        passage = passage_of(request, self._tokens, self._context)
        if not passage.tokens:
            return passage.losses((), {})
        sent = self._bodies.of_losses(request, passage.tokens)
        found, served_as = losses_in(passage, await self._exchanged(self._completions, sent))
        self._check_served(served_as)
        return found

    async def _completed(
        self, request: Request, prompt: str | Sequence[int], stops: Mapping[str, object]
    ) -> tuple[Answer, str]:
        sent = self._bodies.of_prompt(request, prompt, {name: stop for name, stop in stops.items() if stop})
        return completion_in(await self._exchanged(self._completions, sent))

    @property
    def _tokens(self) -> Any:
        """The model's tokenizer.

        Raises:
            EngineFault: the model does not say where it is.
        """
        if self._tokenizer is None:
            raise EngineFault(
                Fault.DENIED, "its `tokenizer` is not stated, so nothing can be sent to it as tokens"
            )
        return self._tokenizer

    async def score(self, request: ScoreRequest) -> Scores:
        """The scores of one request; before the first of its form, the server's way of giving them is found.

        Raises:
            EngineFault: there are none; its `fault` says why.
        """
        return await self._scorer.score(request)

    async def embed(self, request: EmbedRequest) -> Vectors:
        """The vectors of one request's texts; one HTTP exchange.

        Raises:
            EngineFault: there are none; its `fault` says why.
        """
        return await self._scorer.embed(request)

    async def _post(self, address: str, body: Mapping[str, object]) -> bytes:
        """The body of a server's 200 to a JSON object."""
        import yarl

        # Escaped: a lone surrogate cannot be sent as UTF-8.
        return await self._exchanged(
            yarl.URL(address + self._query), json.dumps(body, separators=(",", ":")).encode()
        )

    async def _exchanged(self, url: Any, sent: bytes) -> bytes:
        assert self._session is not None, "start() comes first"
        try:
            async with self._session.post(
                url, data=sent, allow_redirects=False, proxy=self._proxy
            ) as response:
                body = await self._read(response)
        except (OSError, TimeoutError, self._aiohttp.ClientError) as error:
            raise self._fault(error) from error
        if response.status != 200:
            raise advised(fault_of_status(response.status, body, response.headers))
        return body

    async def close(self) -> None:
        """Close the pool; safe to call twice."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def _check_model(self, url: Any) -> None:
        """Refuse an endpoint that lists models but not ours; one without a list is taken at its word."""
        assert self._session is not None
        try:
            timeout = self._aiohttp.ClientTimeout(total=min(30.0, self.timeout_s))
            async with self._session.get(url, timeout=timeout, proxy=self._proxy) as response:
                body = await self._read(response)
        except (OSError, TimeoutError, self._aiohttp.ClientError) as error:
            fault = self._fault(error)
            if fault.fault is not Fault.UNREACHABLE:
                return  # it is up, but slow or busy: the requests themselves will tell
            raise EngineUnavailable(
                f"model '{self.name}': {fault}; start the server or correct base_url"
            ) from error
        if response.status in (401, 403):
            raise EngineUnavailable(
                f"model '{self.name}': {self.base_url} refuses access ({response.status}); check api_key"
            )
        if response.status != 200:
            return
        try:
            listed = [str(entry["id"]) for entry in document_of(body, "a list of models")["data"]]
        except (EngineFault, ValueError, TypeError, KeyError):
            return
        if listed and self.model not in listed:
            shown = ", ".join(f"'{' '.join(name.split())[:100]}'" for name in sorted(listed)[:5])
            raise EngineUnavailable(
                f"model '{self.name}': {self.base_url} does not serve '{self.model}'; it lists {shown}"
            )

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """The body, if it is not longer than MAX_ANSWER_BYTES."""
        length = response.content_length
        if length is not None and length > MAX_ANSWER_BYTES:
            response.close()
            raise EngineFault(Fault.MALFORMED, f"answer has {length:,} bytes and was not read")
        if length is not None and length <= MAX_ANSWER_BYTES and not response.headers.get("Content-Encoding"):
            return await response.read()
        chunks: list[bytes] = []
        total = 0
        async for chunk in response.content.iter_any():
            total += len(chunk)
            if total > MAX_ANSWER_BYTES:
                response.close()
                raise EngineFault(
                    Fault.MALFORMED, f"answer is longer than {MAX_ANSWER_BYTES >> 20} MiB and was cut off"
                )
            chunks.append(chunk)
        return b"".join(chunks)

    def _check_served(self, served_as: str) -> None:
        """Stop when another model starts to answer: its text would be stored under the first one's identity."""
        if served_as and served_as != self._served_as:
            if self._served_as:
                raise EngineFault(
                    Fault.DENIED,
                    f"the endpoint answered as '{self._served_as}' and now answers as '{served_as}'",
                )
            self._served_as = served_as

    def _fault(self, error: Exception) -> EngineFault:
        if isinstance(error, TimeoutError):
            return EngineFault(Fault.TIMEOUT, f"no complete answer within {self.timeout_s:g} s")
        if isinstance(error, self._aiohttp.ClientConnectorError):
            reason = getattr(error.os_error, "strerror", None) or str(error.os_error)
            return EngineFault(Fault.UNREACHABLE, f"cannot reach {self.base_url}: {reason}")
        if isinstance(error, self._aiohttp.ClientResponseError | self._aiohttp.InvalidURL):
            return EngineFault(Fault.MALFORMED, f"not an HTTP answer: {type(error).__name__}")
        return EngineFault(Fault.CONNECTION, f"connection lost: {type(error).__name__}")


def _tokenizer(place: Path, name: str) -> Any:
    """The tokenizer in a directory.

    Raises:
        MissingExtra: transformers is not installed.
        EngineUnavailable: there is none.
    """
    what = f"`tokenizer` of model '{name}'"
    try:
        return tokenizer_at(place, what)
    except NoTokenizer as error:
        raise EngineUnavailable(f"{what} cannot be loaded from {place}: {error}") from error
