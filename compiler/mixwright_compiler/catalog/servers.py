"""What servers of the OpenAI protocol take beyond what all of them know."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit, urlunsplit

OPENAI_HOSTS = ("api.openai.com", ".openai.azure.com", ".cognitiveservices.azure.com")

FOR_VLLM = ("top_k", "min_p", "repetition_penalty", "chat_template_kwargs")
"""Fields that a server may drop without a word, unless it follows vLLM's rules."""

ONLY_TEXT = ("chat_template_kwargs", "reasoning_effort", "sampling", "seed", "max_tokens_as", "tokenizer")
"""Attributes of models that say something of writing alone, not of scoring and embedding."""

OWN_FIELDS = {
    "model": "write it as the model's `model`",
    "messages": "write a template",
    "seed": "`seed = leave_out` in the model sends none",
    "temperature": "write it in `generate`",
    "top_p": "write it in `generate`",
    "presence_penalty": "write it in `generate`",
    "frequency_penalty": "write it in `generate`",
    "max_tokens": "write it in `generate`",
    "max_completion_tokens": "write `max_tokens_as = max_completion_tokens` in the model",
    "stop": "write it in `generate`",
    "response_format": "write `schema` in `generate`",
    "n": "write `samples` in `generate`",
    "stream": "delete it: answers are read whole",
    "chat_template_kwargs": "write `chat_template_kwargs { … }` in the model",
    "reasoning_effort": "write `reasoning_effort` in the model",
    "continue_final_message": "begin the answer in the template's `assistant`",
    "add_generation_prompt": "begin the answer in the template's `assistant`",
}
"""Fields that a request has of its own, and what sets them."""


def addresses_of(base_url: Any) -> list[str]:
    """The addresses of a model: its `base_url`, which is one of them or a list."""
    return [str(one) for one in base_url] if isinstance(base_url, list | tuple) else [str(base_url or "")]


def shown_address(address: str) -> str:
    """An address as it may be shown: without a user's name and password, and without what stands behind a `?`."""
    try:
        parts = urlsplit(address)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except ValueError:
        return address.partition("?")[0].rpartition("@")[2]


def is_loopback(address: str) -> bool:
    """Whether an address is the machine's own."""
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or host.endswith(".localhost") or ip_address(host).is_loopback
    except ValueError:
        return False


def server_of(values: Mapping[str, Any]) -> str:
    """Whose rules the server of a model with these attributes follows: what is stated, else by its addresses."""
    if values.get("serves"):
        return str(values["serves"])
    return "openai" if all(map(_is_openai, addresses_of(values.get("base_url")))) else "other"


def _is_openai(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return False
    return any(host == h.lstrip(".") or (h[0] == "." and host.endswith(h)) for h in OPENAI_HOSTS)
