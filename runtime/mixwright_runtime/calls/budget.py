"""What a run may spend, and what it has spent."""

from __future__ import annotations

from dataclasses import dataclass, field

from mixwright_compiler.plan.plan import Budget
from mixwright_runtime.calls.fault import Clock


@dataclass
class Spending:
    """Requests, tokens, time and money against a limit.

    Requests are never exceeded. Tokens and money are known only when an answer is there, so requests in flight
    when the limit is reached are still paid for.
    """

    limit: Budget
    clock: Clock
    requests: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    """Dollars, of models that state prices."""
    started: float = field(default=0.0)

    def __post_init__(self) -> None:
        self.started = self.clock.monotonic()

    @property
    def seconds(self) -> float:
        """Wall time since the run started."""
        return self.clock.monotonic() - self.started

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit."""
        limit = self.limit
        return any(most is not None for most in (limit.requests, limit.tokens, limit.seconds, limit.cost))

    def spent(self) -> str:
        """Which limit is reached, as a clause such as `1,000 requests`; empty while there is something left."""
        limit = self.limit
        if limit.requests is not None and self.requests >= limit.requests:
            return f"{limit.requests:,} requests"
        if limit.tokens is not None and self.prompt_tokens + self.output_tokens >= limit.tokens:
            return f"{limit.tokens:,} tokens"
        if limit.seconds is not None and self.seconds >= limit.seconds:
            return f"{limit.seconds:g} s"
        if limit.cost is not None and self.cost >= limit.cost:
            return f"${limit.cost:g}"
        return ""

    def answered(self, prompt_tokens: int, output_tokens: int, dollars: float) -> None:
        """Book an answer."""
        self.prompt_tokens += prompt_tokens
        self.output_tokens += output_tokens
        self.cost += dollars


def tightest(budgets: list[Budget]) -> Budget:
    """The smallest of each limit: one run serves several mixtures and exceeds none of their budgets."""

    def least(name: str) -> float | None:
        stated = [value for b in budgets if (value := getattr(b, name)) is not None]
        return min(stated, default=None)

    requests, tokens = least("requests"), least("tokens")
    return Budget(
        requests=None if requests is None else int(requests),
        tokens=None if tokens is None else int(tokens),
        seconds=least("seconds"),
        cost=least("cost"),
    )
