"""What servers of the OpenAI protocol take beyond what all of them know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

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


def server_of(values: Mapping[str, Any]) -> str:
    """Whose rules the server of a model with these attributes follows: what is stated, else by its address."""
    if values.get("serves"):
        return str(values["serves"])
    try:
        host = urlsplit(str(values.get("base_url") or "")).hostname or ""
    except ValueError:
        return "other"
    return (
        "openai"
        if any(host == h.lstrip(".") or (h[0] == "." and host.endswith(h)) for h in OPENAI_HOSTS)
        else "other"
    )
