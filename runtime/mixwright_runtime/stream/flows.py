"""A row on its way through steps, with what it takes to ask again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from mixwright_runtime.values.rows import Row


@dataclass(frozen=True, slots=True)
class Asked:
    """How a column was made of the row `before`, as long as a later verifier may want another answer. `sample`: which of
    its candidates this is."""

    before: Row
    sample: int
    next_attempt: int


class Flow(NamedTuple):
    """A row under way; `asked` is by the id of the step that asked a model."""

    row: Row
    asked: Mapping[str, Asked] | None = None
