"""Requests as an OpenAI-compatible server wants them: headers, and bodies in the form that the server takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mixwright_compiler.catalog.servers import server_of
from mixwright_runtime.engines.openai_labels import label_fields
from mixwright_runtime.engines.openai_losses import FIELDS as LOSS_FIELDS
from mixwright_runtime.engines.prompts import asking
from mixwright_runtime.engines.protocol import (
    FURTHER_SAMPLING,
    TOOLS,
    EngineFault,
    Fault,
    LabelRequest,
    LossRequest,
    Request,
)
from mixwright_runtime.values.made_once import MadeOnce


def headers_of(attributes: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Header -> its value, and the variable that holds it if one does. What the spec states goes before what is usual."""
    headers = {"Content-Type": ("application/json", ""), "Accept": ("application/json", "")}
    key = attributes.get("api_key")
    if isinstance(key, Mapping) and secrets.get(key["env"]):
        headers["Authorization"] = (f"Bearer {secrets[key['env']]}", str(key["env"]))
    for written, value in (attributes.get("headers") or {}).items():
        name = written.replace("_", "-")
        stated = (
            (secrets.get(value["env"], ""), str(value["env"]))
            if isinstance(value, Mapping)
            else (str(value), "")
        )
        headers = {k: v for k, v in headers.items() if k.lower() != name.lower()} | {name: stated}
    return headers


def fits_a_header(value: str) -> bool:
    """Whether a value can be sent in a header at all."""
    return value.isprintable() and not any("\ud800" <= c <= "\udfff" for c in value)


@dataclass(frozen=True)
class Form:
    """How a server wants to be asked."""

    serves: str
    seed: str
    """Field of the seed; empty where it is left out."""
    max_tokens: str
    """Field of the longest answer."""
    sends_sampling: bool
    extra: Mapping[str, Any]
    """Fields of every request."""


def form_of(attributes: Mapping[str, Any]) -> Form:
    """How the server of a model's attributes wants to be asked."""
    serves = server_of(attributes)
    seed = str(attributes.get("seed") or "send")
    extra = {
        name: attributes[name]
        for name in ("chat_template_kwargs", "reasoning_effort")
        if attributes.get(name) is not None
    }
    return Form(
        serves,
        {"send": "seed", "leave_out": ""}.get(seed, seed),
        str(
            attributes.get("max_tokens_as")
            or ("max_completion_tokens" if serves == "openai" else "max_tokens")
        ),
        attributes.get("sampling") != "leave_out",
        {**(attributes.get("request") or {}), **extra},
    )


def _prefix(model: str, form: Form, sampling: Mapping[str, Any]) -> str:
    """The part of a request body that the model and a step's sampling settle, an open JSON object."""
    body: dict[str, Any] = {"model": model, **form.extra}
    for name in ("temperature", "top_p"):
        value = sampling.get(name)
        # 1 is what OpenAI's models do unasked, and some of them refuse to be asked. Elsewhere the model's own files may
        # say something else, so it is always stated.
        if value is not None and form.sends_sampling and not (form.serves == "openai" and value == 1):
            body[name] = value
    if sampling.get("max_tokens") is not None:
        body[form.max_tokens] = sampling["max_tokens"]
    body |= {name: sampling[name] for name in FURTHER_SAMPLING if sampling.get(name) is not None}
    if sampling.get("stop"):
        body["stop"] = list(sampling["stop"])
    if sampling.get(TOOLS):
        body["tools"] = sampling[TOOLS]
    if sampling.get("schema"):
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": sampling["schema"], "strict": True},
        }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))[:-1]


class Bodies:
    """Writes the bodies of one model's requests."""

    def __init__(self, model: str, form: Form) -> None:
        self._model = model
        self._form = form
        self._prefixes = MadeOnce[Mapping[str, Any], str](partial(_prefix, model, form))

    def of(self, request: Request) -> bytes:
        """The request as JSON bytes. All but seed and messages is the same for every row of a step.

        Raises:
            EngineFault: the messages end in the beginning of an answer, and the server cannot go on from there.
        """
        start = self._prefixes.of(request.sampling)
        if self._form.seed:
            start += f',"{self._form.seed}":{request.seed}'
        if request.messages[-1]["role"] == "assistant":
            if self._form.serves != "vllm":
                raise EngineFault(
                    Fault.DENIED,
                    "the template begins the answer, which only vLLM's server goes on from; write `serves = vllm` if it "
                    "is one",
                )
            start += ',"continue_final_message":true,"add_generation_prompt":false'
        messages = json.dumps(request.messages, ensure_ascii=False, separators=(",", ":"))
        # A lone surrogate cannot be sent as UTF-8; the escaped form can.
        try:
            return f'{start},"messages":{messages}}}'.encode()
        except UnicodeEncodeError:
            return f'{start},"messages":{json.dumps(request.messages)}}}'.encode()

    def of_prompt(self, request: Request, prompt: str | Sequence[int], stops: Mapping[str, object]) -> bytes:
        """The request for how a prompt goes on, text or tokens, as JSON bytes, at the path `completions`.

        stops: fields that say where it ends, instead of the request's own.
        """
        body = json.loads(_prefix(self._model, self._form, request.sampling) + "}")
        body.pop("chat_template_kwargs", None)
        if self._form.seed:
            body[self._form.seed] = request.seed
        if "response_format" in body:
            schema = body.pop("response_format")["json_schema"]["schema"]
            body["structured_outputs"] = {"json": schema}
        # Escaped: a lone surrogate cannot be sent as UTF-8.
        return json.dumps(
            {**body, **stops, "prompt": prompt if isinstance(prompt, str) else list(prompt)},
            separators=(",", ":"),
        ).encode()

    def of_labels(self, request: LabelRequest) -> bytes:
        """A request for how likely labels are as the next token, as JSON bytes."""
        asked = asking(request)
        fields = label_fields(request)
        if request.is_text:
            return self.of_prompt(asked, request.messages[0]["content"], fields)
        body = json.loads(self.of(asked))
        longest = fields.pop("max_tokens")
        return json.dumps({**body, **fields, self._form.max_tokens: longest}, separators=(",", ":")).encode()

    def of_losses(self, request: LossRequest, tokens: Sequence[int]) -> bytes:
        """A request for how likely the tokens of a prompt are, as JSON bytes, at the path `completions`."""
        message = {"role": "user", "content": request.text}
        return self.of_prompt(Request(request.key, (message,), {}, 0), tokens, LOSS_FIELDS)
