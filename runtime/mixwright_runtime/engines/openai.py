"""Any OpenAI-compatible endpoint over HTTP: one pool, bytes in, bytes out, nothing retried here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mixwright_compiler.catalog.capabilities import LOSSES, USER_TURN
from mixwright_compiler.catalog.servers import addresses_of
from mixwright_compiler.plan.plan import ModelSpec
from mixwright_runtime.engines.label_tokens import check_tokens
from mixwright_runtime.engines.openai_answers import chat_completion_in, completion_in
from mixwright_runtime.engines.openai_endpoint import Endpoint, Serving
from mixwright_runtime.engines.openai_labels import labels_in
from mixwright_runtime.engines.openai_losses import losses_in
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
    Sites,
    Vectors,
)
from mixwright_runtime.engines.replicas import Replicas, openings
from mixwright_runtime.engines.sockets import sockets_for
from mixwright_runtime.engines.token_losses import passage_of
from mixwright_runtime.engines.tokenizer_files import NoTokenizer, tokenizer_at
from mixwright_runtime.errors import EngineUnavailable, require
from mixwright_runtime.plugins.attributes import TASK, TEMPLATE_ARGUMENTS
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")

MOST_IN_FLIGHT = 1024
"""Tried at each address whose user does not say; also the most that a kill can cost. vLLM's own `max_num_seqs` on GPUs of
70 GiB or more."""


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
            "some[text]",
            "Address of the API, with its version: `http://localhost:8000/v1`; a list of them where several servers "
            "answer for the model. What stands behind a `?` goes along with every request (Azure's `api-version`). Not "
            "part of the model's identity: moving a server, or adding one, reuses every answer.",
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
            "turn (`turn = user`), a text whose losses are asked for. Labels are held against it at start.",
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
            "answers more for it, up to 1,024 an address.",
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

    Of several addresses a request goes to the one with the fewest open requests, or to one that has read the request's
    beginning before while it has few more. One that is gone is set aside for a second, longer each time, and tried
    again; its requests are asked of another, and the run stops only when none answers. All must list the model, from the
    same weights and with the same longest text where they say so.

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
      base_url = ["http://node1:8000/v1", "http://node2:8000/v1"]
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
        form = form_of(attributes)
        self._bodies = Bodies(self.model, form)
        self.timeout_s = float(attributes.get("timeout") or 600)
        self._endpoints = [
            Endpoint(address, self.model, self.timeout_s, self._check_served, form.extra)
            for address in addresses_of(attributes["base_url"])
        ]
        self.addresses = len(self._endpoints)
        self._replicas = Replicas(self._endpoints)
        stated = attributes.get("max_in_flight")
        self.slots = int(stated or sockets_for(MOST_IN_FLIGHT * self.addresses))
        self.is_width_unknown = stated is None
        self._headers = headers_of(attributes, environment.secrets)
        self._session: aiohttp.ClientSession | None = None
        self._served_as: tuple[Endpoint, str] | None = None
        self._serving: tuple[Endpoint, Serving] | None = None
        self._needs, self._tokens_asked = environment.needs, environment.tokens
        stated = attributes.get("tokenizer")
        self._tokenizer_at = None if stated is None else environment.directory / str(stated)
        self._tokenizer: Any = None
        self._context = int(attributes.get("context") or 8192)
        self._template_arguments = attributes.get("chat_template_kwargs") or {}

    async def start(self) -> None:
        """Open the pool and check that each address serves the model.

        Raises:
            MissingExtra: aiohttp is not installed.
            EngineUnavailable: no connection to any address, no access, an address lists other models or serves the model
                otherwise than another one does, or it does not do what `serves` says of it and the run needs.
        """
        if self._session is not None:
            return
        aiohttp = require("aiohttp", "openai", "engine 'openai'")
        if (most := sockets_for(self.slots)) < self.slots:
            raise EngineUnavailable(
                f"model '{self.name}': this process may have {most:,} connections, and max_in_flight is "
                f"{self.slots:,}; raise `ulimit -n`, or lower max_in_flight"
            )
        if self._tokenizer_at is not None and (self._needs & {USER_TURN, LOSSES} or self._tokens_asked):
            self._tokenizer = await asyncio.to_thread(_tokenizer, self._tokenizer_at, self.name)
            check_tokens(self._tokenizer, self._tokens_asked, self.name)
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
            for endpoint in self._endpoints:
                endpoint.open(self._session)
            await self._check_all()
        except EngineFault as fault:
            await self.close()
            # Without its cause, which may quote the key: what is told goes through `Discreet`.
            raise EngineUnavailable(f"model '{self.name}': {fault}") from None
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
            return await self._completed(request, request.messages[0]["content"], stops)
        if sampling.get("turn") == "user":
            try:
                prompt = prompt_of(request, self._tokens, self._template_arguments)
            except NoUserTurn as error:
                raise EngineFault(Fault.DENIED, str(error)) from error
            ends = {"stop": list(prompt.stop), "stop_token_ids": sorted(prompt.ends)}
            return await self._completed(request, prompt.tokens, ends)
        sent = self._bodies.of(request)
        return await self._asked(
            lambda endpoint: endpoint.told(endpoint.chat, sent, chat_completion_in), request.messages
        )

    async def labels(self, request: LabelRequest) -> Labels:
        """The labels' log-probabilities; one HTTP exchange.

        Raises:
            EngineFault: there are none; its `fault` says why.
        """
        sent = self._bodies.of_labels(request)

        def tell(endpoint: Endpoint) -> Awaitable[Labels]:
            url = endpoint.completions if request.is_text else endpoint.chat
            return endpoint.told(url, sent, partial(labels_in, request))

        return await self._asked(tell, request.messages)

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
        return await self._asked(
            lambda endpoint: endpoint.told(endpoint.completions, sent, partial(losses_in, passage)),
            ({"content": request.prefix},),
        )

    async def _completed(
        self, request: Request, prompt: str | Sequence[int], stops: Mapping[str, object]
    ) -> Answer:
        sent = self._bodies.of_prompt(request, prompt, {name: stop for name, stop in stops.items() if stop})
        return await self._asked(
            lambda endpoint: endpoint.told(endpoint.completions, sent, completion_in), request.messages
        )

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
        return await self._asked(lambda endpoint: endpoint.scorer.score(request), request.messages)

    async def embed(self, request: EmbedRequest) -> Vectors:
        """The vectors of one request's texts; one HTTP exchange.

        Raises:
            EngineFault: there are none; its `fault` says why.
        """
        return await self._asked(lambda endpoint: endpoint.scorer.embed(request))

    async def close(self) -> None:
        """Close the pool; safe to call twice."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def sites(self) -> Sites:
        """See `Replicated`."""
        if self.addresses == 1:
            return {}
        return {one.endpoint.shown: (one.requests, not one.is_gone) for one in self._replicas.all}

    async def _asked(
        self, ask: Callable[[Endpoint], Awaitable[T]], messages: Sequence[Mapping[str, str]] = ()
    ) -> T:
        """What one of the addresses gives; the address itself where there is one alone."""
        assert self._session is not None, "start() comes first"
        if self.addresses == 1:
            return await ask(self._endpoints[0])

        async def asked(endpoint: Endpoint) -> T:
            try:
                if not endpoint.is_checked:
                    self._compare(endpoint, await self._check(endpoint))
                return await ask(endpoint)
            except EngineFault as fault:
                if fault.fault is Fault.UNREACHABLE:
                    endpoint.is_checked = False  # what comes back may be another server
                if fault.fault is Fault.DENIED and endpoint.shown not in str(fault):
                    raise EngineFault(fault.fault, f"{endpoint.shown}: {fault}") from fault
                raise

        return await self._replicas.ask(asked, openings(message["content"] for message in messages))

    async def _check_all(self) -> None:
        """Check every address at once. One that nobody listens at is set aside, unless there is no other.

        Raises:
            EngineFault: as `_check` and `_compare`.
            EngineUnavailable: nobody listens at any of them.
        """
        found = await asyncio.gather(*map(self._check, self._endpoints), return_exceptions=True)
        unreachable: list[EngineFault] = []
        for endpoint, seen in zip(self._endpoints, found, strict=True):
            if isinstance(seen, EngineFault) and seen.fault is Fault.UNREACHABLE:
                unreachable.append(seen)
                self._replicas.lost(endpoint, seen)
            elif isinstance(seen, BaseException):
                raise seen
            else:
                self._compare(endpoint, seen)
        if len(unreachable) == self.addresses:
            others = f", nor any other of its {len(unreachable)} addresses" * (len(unreachable) > 1)
            raise EngineUnavailable(
                f"model '{self.name}': {unreachable[0]}{others}; start the server or correct base_url"
            )

    async def _check(self, endpoint: Endpoint) -> Serving:
        """See that an address serves the model and does what the run needs; what it says of the model.

        Raises:
            EngineFault: it does not; `UNREACHABLE` where nobody listens.
        """
        serving = await endpoint.listed()
        for capability in sorted(self._needs):
            await probe(capability, endpoint, self._bodies)
        return serving

    def _compare(self, endpoint: Endpoint, serving: Serving) -> None:
        """See that an address that was checked serves the model as the others do.

        Raises:
            EngineFault: it does not.
        """
        if self._serving is None or self._serving[1] == Serving():
            self._serving = (endpoint, serving)
        first, known = self._serving
        for what, here, there in (
            ("from", serving.weights, known.weights),
            ("with max_model_len", serving.context, known.context),
        ):
            if None not in (here, there) and here != there:
                raise EngineFault(
                    Fault.DENIED,
                    f"{endpoint.shown} serves '{self.model}' {what} {here}, and {first.shown} {what} {there}: "
                    "all addresses of a model must serve the same",
                )
        endpoint.is_checked = True

    def _check_served(self, endpoint: Endpoint, served_as: str) -> None:
        """Stop when another model starts to answer: its text would be stored under the first one's identity."""
        if not served_as:
            return
        if self._served_as is None:
            self._served_as = (endpoint, served_as)
        first, known = self._served_as
        if served_as != known:
            raise EngineFault(
                Fault.DENIED,
                f"the endpoint answered as '{known}' and now answers as '{served_as}'"
                if self.addresses == 1
                else f"{endpoint.shown} answers as '{served_as}', and {first.shown} answered as '{known}'",
            )


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
