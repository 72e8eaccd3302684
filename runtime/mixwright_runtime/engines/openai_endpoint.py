"""One address of an OpenAI-compatible server: bytes out, bytes in, and what it says that it serves."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from mixwright_compiler.catalog.servers import shown_address
from mixwright_runtime.engines.openai_faults import advised, fault_of_status
from mixwright_runtime.engines.openai_pooling import HttpScorer
from mixwright_runtime.engines.protocol import EngineFault, Fault
from mixwright_runtime.engines.server_json import document_of

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""A longer body is not read to its end. The longest honest answer (128k tokens with log probabilities off) is ~1 MB."""

CheckServed = Callable[["Endpoint", str], None]
"""(endpoint, name of the model in its answer): raises EngineFault when that is another model."""


@dataclass(frozen=True)
class Serving:
    """What a server says of a model beside its name, as vLLM does: the last part of the place that its weights come from,
    and the longest text. None where it says nothing of it."""

    weights: str | None = None
    context: int | None = None


class Endpoint:
    """Exchanges with one address. is_checked: it was seen to serve the model, and to do what the run needs."""

    def __init__(
        self, stated: str, model: str, timeout_s: float, check_served: CheckServed, extra: Mapping[str, Any]
    ) -> None:
        """`extra` are fields of every request for scores."""
        address, mark, query = stated.partition("?")
        self.base_url, self._query = address.rstrip("/"), mark + query
        self.shown = shown_address(self.base_url)
        self.model = model
        self.timeout_s = timeout_s
        self.is_checked = False
        self._check_served = check_served
        self.scorer = HttpScorer(self.base_url, model, self.post, self.served, extra)
        self._session: aiohttp.ClientSession | None = None

    def open(self, session: aiohttp.ClientSession) -> None:
        """Use this pool from now on.

        Raises:
            EngineFault: the address is none.
        """
        from urllib.request import getproxies, proxy_bypass

        import aiohttp
        import yarl

        url = yarl.URL(self.base_url)
        if url.scheme not in ("http", "https") or not url.host:
            raise EngineFault(Fault.DENIED, f"base_url '{self.shown}' is not an http address")
        self._aiohttp = aiohttp
        self.chat = yarl.URL(f"{self.base_url}/chat/completions{self._query}")
        self.completions = yarl.URL(f"{self.base_url}/completions{self._query}")
        self._models = yarl.URL(f"{self.base_url}/models{self._query}")
        # Looked up once: aiohttp's own trust_env would read the environment again for every request.
        self._proxy = None if proxy_bypass(url.host) else getproxies().get(url.scheme)
        self._session = session

    def served(self, name: str) -> None:
        """An answer came under this model's name.

        Raises:
            EngineFault: it is another model's.
        """
        self._check_served(self, name)

    async def post(self, address: str, body: Mapping[str, object]) -> bytes:
        """The body of a server's 200 to a JSON object."""
        import yarl

        # Escaped: a lone surrogate cannot be sent as UTF-8.
        return await self.exchanged(
            yarl.URL(address + self._query), json.dumps(body, separators=(",", ":")).encode()
        )

    async def told(self, url: Any, sent: bytes, read: Callable[[bytes], tuple[T, str]]) -> T:
        """What an answer says. `read` finds it in the body of a 200, with the name of the model that answered.

        Raises:
            EngineFault: there is none, or it is another model's.
        """
        found, served_as = read(await self.exchanged(url, sent))
        self.served(served_as)
        return found

    async def exchanged(self, url: Any, sent: bytes) -> bytes:
        """The body of a server's 200; one HTTP exchange, no retry.

        Raises:
            EngineFault: there is none; its `fault` says why.
        """
        assert self._session is not None, "open() comes first"
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

    async def listed(self) -> Serving:
        """What the server lists of the model; nothing where it has no list, or is too busy for one.

        Raises:
            EngineFault: nobody listens (`UNREACHABLE`), or it lists other models or refuses access (`DENIED`).
        """
        assert self._session is not None, "open() comes first"
        try:
            timeout = self._aiohttp.ClientTimeout(total=min(30.0, self.timeout_s))
            async with self._session.get(self._models, timeout=timeout, proxy=self._proxy) as response:
                body = await self._read(response)
        except (OSError, TimeoutError, self._aiohttp.ClientError) as error:
            fault = self._fault(error)
            if fault.fault is not Fault.UNREACHABLE:
                return Serving()  # it is up, but slow or busy: the requests themselves will tell
            raise fault from error
        if response.status in (401, 403):
            raise EngineFault(Fault.DENIED, f"{self.shown} refuses access ({response.status}); check api_key")
        if response.status != 200:
            return Serving()
        try:
            entries = document_of(body, "a list of models")["data"]
            listed = [str(entry["id"]) for entry in entries]
        except (EngineFault, ValueError, TypeError, KeyError):
            return Serving()
        if listed and self.model not in listed:
            names = ", ".join(f"'{' '.join(name.split())[:100]}'" for name in sorted(listed)[:5])
            raise EngineFault(Fault.DENIED, f"{self.shown} does not serve '{self.model}'; it lists {names}")
        return next((_serving(entry) for entry in entries if entry["id"] == self.model), Serving())

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

    def _fault(self, error: Exception) -> EngineFault:
        if isinstance(error, TimeoutError):
            return EngineFault(Fault.TIMEOUT, f"no complete answer within {self.timeout_s:g} s")
        if isinstance(error, self._aiohttp.ClientConnectorError):
            reason = getattr(error.os_error, "strerror", None) or str(error.os_error)
            return EngineFault(Fault.UNREACHABLE, f"cannot reach {self.shown}: {reason}")
        if isinstance(error, self._aiohttp.ClientResponseError | self._aiohttp.InvalidURL):
            return EngineFault(Fault.MALFORMED, f"not an HTTP answer: {type(error).__name__}")
        return EngineFault(Fault.CONNECTION, f"connection lost: {type(error).__name__}")


def _serving(entry: Mapping[str, Any]) -> Serving:
    root, context = entry.get("root"), entry.get("max_model_len")
    weights = root.rstrip("/").rpartition("/")[2][:200] if isinstance(root, str) else ""
    return Serving(weights or None, context if type(context) is int else None)
