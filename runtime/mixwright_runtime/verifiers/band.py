"""Block `band` of a verifier: which rows are neither too easy nor too hard, by how many of their candidates pass."""

from __future__ import annotations

from dataclasses import dataclass

from mixwright_runtime.plugins.declare import attribute, declare


@declare(
    "verify_block",
    "band",
    attributes=(
        attribute(
            "min",
            "share",
            "at least this share of a row's candidates pass",
            default=0.0,
            cls="set",
            minimum=0,
            maximum=1,
        ),
        attribute(
            "max",
            "share",
            "at most this share of a row's candidates pass",
            default=1.0,
            cls="set",
            minimum=0,
            maximum=1,
        ),
    ),
)
@dataclass(frozen=True)
class Band:
    """Keeps the rows of whose candidates a share passes that is from `min` to `max`, both inclusive.

    The share is that of all candidates that `samples` asked for: one that got no answer, or that a step in between has
    dropped, does not pass. Outside the band no candidate goes on, whatever `pick` and `on_fail` say, and the reason is
    `rate below the band` or `rate above the band`. Inside, they decide as without it. With `pick = all`, or without
    `pick`, the candidates that pass stay a group.

    Moving the band measures nothing and asks nothing.

    ```mix
    verify math {
      response = solution
      answer = answer
      band = { min = 10%, max = 90% }
      pick = first
      as = right
    }
    ```
    """

    min: float = 0.0
    max: float = 1.0
