"""Log-probabilities from vLLM in this process: of a text's tokens those of a prompt, in one request; of one token in the
place of each by a request of one token for every place, which share what they read through the prefix cache.

A prompt whose own log-probabilities are asked for reads nothing of that cache: what is told there would depend on what
was asked before (vllm-project/vllm#42019).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mixwright_runtime.engines.local import Asked
from mixwright_runtime.engines.protocol import EngineFault, Fault
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
        tokens = self.passage.tokens
        places = range(self.passage.known_from, len(tokens))
        if self.passage.token is None:
            return [tokens] if places else []
        return [tokens[:place] for place in places]

    def parameters(self) -> Any:
        """vLLM's parameters of each of them."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        options: dict[str, Any] = {"temperature": 0.0, "max_tokens": 1, "detokenize": False}
        options["output_kind"] = RequestOutputKind.FINAL_ONLY
        if self.passage.token is not None:
            return SamplingParams(**options, logprob_token_ids=[self.passage.token])
        if reads_alone():
            options[ALONE] = True
        return SamplingParams(**options, prompt_logprobs=0)

    def take(self, number: int, output: Any, engine: Mapping[str, str]) -> None:
        """What came of prompt `number`; the caller is answered with the last."""
        passage = self.passage
        if passage.token is not None:
            self.values[number] = _logprob(output.outputs[0].logprobs[0], passage.token)
            told = [self.values[place] for place in sorted(self.values)]
        else:
            lines = list(zip(output.prompt_logprobs, passage.tokens, strict=True))
            told = [_logprob(line, token) for line, token in lines[passage.known_from :]]
        if len(told) == len(passage.tokens) - passage.known_from:
            self.asked.succeed(passage.losses(told, engine))


def _logprob(line: Any, token: int) -> float:
    found = None if line is None else line.get(token)
    if found is None:
        raise EngineFault(Fault.MALFORMED, "vLLM tells no log-probability of a token that was asked for")
    return float(found.logprob)
