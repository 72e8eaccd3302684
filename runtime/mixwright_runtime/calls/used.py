"""What a model was used for in a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from mixwright_runtime.calls.recent import Recent


@dataclass
class Used:
    """What a model was used for in this run: answered requests, their tokens, dollars; and what of it lately."""

    requests: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    recent_requests: Recent = field(default_factory=Recent)
    recent_tokens: Recent = field(default_factory=Recent)
    """Of answers; of what was read where a model writes nothing, but scores or embeds."""

    def note(self, elapsed_s: float) -> None:
        """Note how much it is now; from then on the rates of the last seconds are known."""
        self.recent_requests.note(elapsed_s, self.requests)
        self.recent_tokens.note(elapsed_s, self.output_tokens or self.prompt_tokens)
