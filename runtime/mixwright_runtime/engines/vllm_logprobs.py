"""Log-probabilities from vLLM in this process: of a text's tokens those of a prompt, in one request; of one token in the
place of each by a request of one token for every place, which share what they read through the prefix cache; of labels by
one request of one token.

A prompt whose own log-probabilities are asked for reads nothing of that cache: what is told there would depend on what
was asked before (vllm-project/vllm#42019).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mixwright_runtime.engines.decoding import Prompt
from mixwright_runtime.engines.local import Asked
from mixwright_runtime.engines.protocol import EngineFault, Fault, Labels
from mixwright_runtime.engines.token_losses import Passage

ALONE = "skip_reading_prefix_cache"


def reads_alone() -> bool:
    """Whether a request can say that it reads nothing of the prefix cache; else there must be none."""
    from vllm import SamplingParams

    return ALONE in SamplingParams.__struct_fields__


@dataclass
class Told:
    """What is told of a passage: all at once, or place by place."""

    asked: Asked
    passage: Passage
    values: dict[int, float] = field(default_factory=dict)
    """Place among the prompts -> the logarithm."""

    def prompts(self) -> list[Sequence[int]]:
        """The prompts that are asked."""
        tokens, places = self.passage.tokens, self._places()
        if self.passage.token is None:
            return [tokens] if places else []
        return [tokens[:place] for place in places]

    def parameters(self) -> Any:
        """vLLM's parameters of each of them."""
        if self.passage.token is not None:
            return _of_one_token(logprob_token_ids=[self.passage.token])
        return _of_one_token(prompt_logprobs=0, **({ALONE: True} if reads_alone() else {}))

    def take(self, number: int, output: Any, engine: Mapping[str, str]) -> None:
        """What came of prompt `number`; the caller is answered with the last."""
        passage = self.passage
        if passage.token is not None:
            self.values[number] = _logprob(output.outputs[0].logprobs[0], passage.token)
        else:
            lines = list(zip(output.prompt_logprobs, passage.tokens, strict=True))[passage.known_from :]
            self.values = {at: _logprob(line, token) for at, (line, token) in enumerate(lines)}
        self.answer_if_complete(engine)

    def answer_if_complete(self, engine: Mapping[str, str]) -> None:
        """Answer the caller when all is told, which of an empty text it is from the beginning."""
        passage = self.passage
        if len(self.values) == len(self._places()):
            self.asked.succeed(passage.losses([self.values[at] for at in sorted(self.values)], engine))

    def _places(self) -> range:
        """Of the tokens that are told; none where the text ends before."""
        return range(self.passage.known_from, len(self.passage.tokens))


@dataclass
class ToldLabels:
    """What is told of the labels of one request; see `Told`."""

    asked: Asked
    prompt: Prompt
    tokens: Sequence[int]
    """The labels'."""

    def prompts(self) -> list[Sequence[int]]:
        """The one prompt that is asked."""
        return [self.prompt.tokens]

    def parameters(self) -> Any:
        """vLLM's parameters of it."""
        return _of_one_token(logprob_token_ids=list(self.tokens))

    def take(self, _number: int, output: Any, engine: Mapping[str, str]) -> None:
        """Answer the caller."""
        line = output.outputs[0].logprobs[0]
        values = tuple(_logprob(line, token) for token in self.tokens)
        self.asked.succeed(Labels(values, self.asked.length, 0, engine))


def _of_one_token(**told: Any) -> Any:
    """vLLM's parameters of a request for the sake of what is told with its one token."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        temperature=0.0, max_tokens=1, detokenize=False, output_kind=RequestOutputKind.FINAL_ONLY, **told
    )


def _logprob(line: Any, token: int) -> float:
    found = None if line is None else line.get(token)
    if found is None:
        raise EngineFault(Fault.MALFORMED, "vLLM tells no log-probability of a token that was asked for")
    return float(found.logprob)
