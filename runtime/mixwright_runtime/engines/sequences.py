"""What is to be scored or embedded, in tokens, for the engines in this process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mixwright_runtime.engines.label_tokens import only_token
from mixwright_runtime.engines.protocol import EngineFault, Fault, ScoreRequest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Tokens:
    """One sequence for one forward pass.

    segments: for two texts that are read together, which of them a token is of, where the model wants to know.
    steps: positions of the step tag, at which there are scores; empty when the sequence has one score as a whole.
    """

    tokens: Sequence[int]
    segments: Sequence[int] = ()
    steps: tuple[int, ...] = ()


def tokens_of(request: ScoreRequest | str, tokenizer: PreTrainedTokenizerBase, context: int) -> Tokens:
    """A request, or a text to be embedded, in tokens.

    A chat is rendered whole with the tokenizer's chat template, without a generation prompt and with no further
    special tokens. Texts get the special tokens of the tokenizer's own post-processing.

    Raises:
        EngineFault: it is too long, the chat template refuses it, or its step tag cannot be told from its text.
    """
    if isinstance(request, str):
        encoded = tokenizer(request)
    elif request.texts:
        encoded = tokenizer(*request.texts)
    else:
        encoded = _chat(request, tokenizer)
    tokens = list(encoded["input_ids"])
    if not tokens:
        raise EngineFault(Fault.BAD_REQUEST, "the text is empty")
    if len(tokens) > context:
        raise EngineFault(Fault.TOO_LONG, f"text has {len(tokens)} tokens, `context` is {context}")
    steps: tuple[int, ...] = ()
    if isinstance(request, ScoreRequest) and request.task == "process_reward":
        tag = only_token(tokenizer, request.step_tag, "step tag")
        steps = tuple(at for at, token in enumerate(tokens) if token == tag)
        if len(steps) != request.steps:
            raise EngineFault(
                Fault.BAD_REQUEST,
                f"{len(steps)} step tags in the tokens where {request.steps} are due: `{request.step_tag}` merges "
                "with its surroundings",
            )
    return Tokens(tokens, list(encoded.get("token_type_ids") or ()), steps)


def _chat(request: ScoreRequest, tokenizer: PreTrainedTokenizerBase) -> Any:
    if not tokenizer.chat_template:
        raise EngineFault(
            Fault.DENIED, "the model's tokenizer has no chat template, so it cannot score a chat"
        )
    try:
        return tokenizer.apply_chat_template(
            [dict(message) for message in request.messages],
            add_generation_prompt=False,
            tokenize=True,
            return_dict=True,
        )
    except Exception as error:  # templates raise whatever their authors chose
        raise EngineFault(Fault.BAD_REQUEST, f"the chat template refuses the messages: {error}") from error
