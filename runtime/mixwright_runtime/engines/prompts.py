"""Requests as tokens, for engines in this process and for servers that are sent tokens: a chat with the beginning of an
answer, the beginning of a user's turn, or a plain text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mixwright_runtime.engines.decoding import Prompt
from mixwright_runtime.engines.protocol import FURTHER_SAMPLING, LabelRequest, Request
from mixwright_runtime.engines.user_turn import NoUserTurn, UserTurn, user_turn

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def prompt_of(request: Request, tokenizer: PreTrainedTokenizerBase, arguments: Mapping[str, Any]) -> Prompt:
    """Tokenise a request, by what it asks for. `arguments`: of the chat template.

    Raises:
        NoUserTurn: it asks for a user's turn, and the chat template does not tell how one begins.
        Exception: whatever the chat template's author chose: it refuses the messages.
    """
    sampling = request.sampling
    stop = tuple(sampling.get("stop") or ())
    ends: frozenset[int] = frozenset()
    if sampling.get("form") == "text":
        tokens = tokenizer(request.messages[0]["content"])["input_ids"]
    elif sampling.get("turn") == "user":
        turn = turn_of(request, tokenizer, arguments)
        tokens = tokenizer(turn.prefix, add_special_tokens=False)["input_ids"]
        ends = frozenset(map(int, tokenizer.convert_tokens_to_ids(list(turn.end_tokens))))
        stop = tuple(dict.fromkeys((*stop, *turn.stops)))
    else:
        tokens = _chat(request, tokenizer, arguments)
    return Prompt(
        list(tokens),
        request.seed,
        float(sampling.get("temperature", 1.0)),
        float(sampling.get("top_p", 1.0)),
        int(sampling.get("max_tokens", 1024)),
        stop,
        ends=ends,
        **{name: sampling[name] for name in FURTHER_SAMPLING if sampling.get(name) is not None},
    )


def asking(request: Request | LabelRequest) -> Request:
    """A request for labels as one for the token that they would be."""
    if isinstance(request, Request):
        return request
    sampling = {"max_tokens": 1, **({"form": "text"} if request.is_text else {})}
    return Request(request.key, request.messages, sampling, 0)


def _chat(request: Request, tokenizer: PreTrainedTokenizerBase, arguments: Mapping[str, Any]) -> Any:
    """Messages; an assistant message at the end is a prefix that the answer continues."""
    messages = [dict(message) for message in request.messages]
    is_prefix = messages[-1]["role"] == "assistant"
    settled = {
        "add_generation_prompt": not is_prefix,
        "continue_final_message": is_prefix,
        "tokenize": True,
        "return_dict": True,
    }
    return tokenizer.apply_chat_template(messages, **{**arguments, **settled})["input_ids"]


def turn_of(request: Request, tokenizer: PreTrainedTokenizerBase, arguments: Mapping[str, Any]) -> UserTurn:
    """How the user's turn begins that a request asks for, and ends."""
    sampling = request.sampling
    specials = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
    own = sampling.get("prefix")

    def render(messages: Any, is_asked: bool) -> str:
        return str(
            tokenizer.apply_chat_template(
                [dict(message) for message in messages],
                **{**arguments, "tokenize": False, "add_generation_prompt": is_asked},
            )
        )

    leave_out = sampling.get("default_system") == "leave_out"
    if own is None:
        bos = str(tokenizer.bos_token or "")
        return user_turn(render, specials, request.messages, bos=bos, leave_out=leave_out)
    # No special token is a part of a turn that somebody writes.
    return UserTurn(str(own), tuple(specials), ())


__all__ = ["NoUserTurn", "asking", "prompt_of", "turn_of"]
