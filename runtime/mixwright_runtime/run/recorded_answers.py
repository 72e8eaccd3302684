"""Recorded answers of a step in a test: which one a request takes, and what it says."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixwright_compiler.catalog.trials import ANSWER_FIELDS, LIKELY, LOSS_FIELDS, LOSSES
from mixwright_compiler.schema import is_number
from mixwright_runtime.engines.protocol import Answer, Finish, Losses
from mixwright_runtime.errors import RunError

SHOWN = 60
"""Characters of a recorded value that a message shows, at most."""


class NoAnswer(RunError):
    """A request that no answer is recorded for. messages: the request. number: which one of the step's, from 1.
    example: an answer that could be recorded for it, as a spec has it."""

    def __init__(
        self, step: str, model: str, number: int, messages: Sequence[Mapping[str, Any]], example: Any
    ) -> None:
        super().__init__(f"step '{step}' asks, and no answer is recorded")
        self.step = step
        self.model = model
        self.number = number
        self.messages = tuple(messages)
        self.example = example


class WrongAnswer(RunError):
    """A recorded answer that is no answer to what the step asks."""

    def __init__(self, step: str, wanted: str) -> None:
        super().__init__(f"step '{step}' is answered with {wanted}")
        self.step = step
        self.wanted = wanted


@dataclass(frozen=True)
class Passage:
    """A text of whose tokens it is asked how likely they are, behind a prefix, from the character `start` on."""

    prefix: str
    text: str
    start: int = 0

    @property
    def messages(self) -> list[dict[str, str]]:
        """The passage as it is shown: what goes before the tokens, and these."""
        before = {"role": "read", "content": self.prefix + self.text[: self.start]}
        return [before, {"role": "text", "content": self.text[self.start :]}]


class Recorded:
    """The recorded answers of one step: a list, each of which is taken once, or one for every request of its kind."""

    def __init__(self, said: Any) -> None:
        self._all = said if isinstance(said, list) else [said]
        self._is_list = isinstance(said, list)
        self._taken: set[int] = set()

    @property
    def left(self) -> int:
        """How many nobody asked for."""
        return len(self._all) - len(self._taken)

    def take(self, fits: Callable[[Any], bool]) -> list[Any]:
        """The first answer that fits, alone in a list; an empty one where none is left."""
        for number, said in enumerate(self._all):
            if fits(said) and not (self._is_list and number in self._taken):
                self._taken.add(number)
                return [said]
        return []


def is_of_losses(said: Any) -> bool:
    """Does it say how hard tokens are: `{ losses = …, prefix = …, at = … }`?"""
    return isinstance(said, dict) and LOSSES in said and not said.keys() - set(LOSS_FIELDS)


def is_of_places(said: Any) -> bool:
    """Does it say how likely a token is in some places: `{ token_at = … }`?"""
    return isinstance(said, dict) and said.keys() == {LIKELY}


def is_other(said: Any) -> bool:
    """Is it a text, a number, a vector or probabilities of labels?"""
    return not is_of_losses(said) and not is_of_places(said)


def is_for(passage: Passage) -> Callable[[Any], bool]:
    """Whether an answer says losses, and none behind another prefix or in another place than those of the passage."""

    def fits(said: Any) -> bool:
        return (
            is_of_losses(said)
            and said.get("prefix", passage.prefix) == passage.prefix
            and ("at" not in said or _place(passage.text, said["at"]) == passage.start)
        )

    return fits


def answer_of(step: str, said: Any) -> Answer:
    """A recorded text, or an object with `text`, `finish`, `reasoning` and `calls`, as an engine answers."""
    if isinstance(said, str):
        return Answer(said, Finish.STOP)
    if not isinstance(said, dict) or said.keys() - set(ANSWER_FIELDS):
        raise WrongAnswer(step, "a text, or `{ text = …, finish = … }`")
    text, reasoning, calls = said.get("text", ""), said.get("reasoning", ""), said.get("calls") or []
    usual = "tool_calls" if calls else "stop"
    try:
        finish = Finish(said.get("finish", usual))
    except ValueError:
        raise WrongAnswer(step, f"`finish` as one of {', '.join(each.value for each in Finish)}") from None
    if not isinstance(text, str) or not isinstance(reasoning, str) or not isinstance(calls, list):
        raise WrongAnswer(step, "texts in `text` and `reasoning`, and a list in `calls`")
    return Answer(text, finish, reasoning=reasoning, calls=tuple(calls))


def losses_of(step: str, said: Mapping[str, Any], passage: Passage, count: int) -> Losses:
    """Recorded losses as an engine tells them: of as many tokens as are asked for, and no more than are recorded. What
    tokens there are is not recorded, so each begins a character after the one before it."""
    losses = said[LOSSES]
    if is_number(losses):
        losses = [losses] * (count or 1)
    is_right = isinstance(losses, list) and all(
        loss is None or (is_number(loss) and 0 <= loss < math.inf) for loss in losses
    )
    if not is_right:
        raise WrongAnswer(step, f"`{{ {LOSSES} = [0.7, 1.2] }}`: of each token how hard it is, in nats")
    told = losses[: min(count or len(losses), len(passage.text) - passage.start)]
    offsets = tuple(range(passage.start, passage.start + len(told)))
    return Losses(offsets, tuple(None if loss is None else -float(loss) for loss in told))


def places_of(step: str, said: Mapping[str, Any], passage: Passage) -> Losses:
    """Recorded probabilities of one token, each behind a part of the text."""
    wrong = WrongAnswer(
        step, f'`{{ {LIKELY} = [["text in front of it", 0.9]] }}`, a part of the text and a probability each'
    )
    pairs = said[LIKELY]
    if not isinstance(pairs, list):
        raise wrong
    found: dict[int, float] = {}
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2 or not is_number(pair[1]) or not 0 < pair[1] <= 1:
            raise wrong
        at = _place(passage.text, pair[0])
        if at is None or at >= len(passage.text):
            raise WrongAnswer(step, f"a place in the text: `{pair[0]!s:.{SHOWN}}` is not in it, or ends it")
        found[at] = math.log(pair[1])
    return Losses(tuple(sorted(found)), tuple(found[at] for at in sorted(found)))


def example_of_losses(passage: Passage) -> dict[str, Any]:
    """What could be recorded for how hard the tokens of a passage are."""
    at = {"at": before(passage.text, passage.start)} if passage.start else {}
    return {LOSSES: 0.7, "prefix": passage.prefix, **at}


def example_of_places(passage: Passage) -> dict[str, Any]:
    """What could be recorded for where a token is likely in a passage: behind a word near its middle."""
    text = passage.text
    space = text.rfind(" ", 0, len(text) // 2 + 1)
    return {LIKELY: [[before(text, space if space > 0 else len(text) // 2), 0.9]]}


def before(text: str, at: int) -> str:
    """The fewest words in front of a place that name it: nothing like them stands earlier."""
    begun = (k for k in range(at - 1, 0, -1) if text[k - 1].isspace() and not text[k].isspace())
    return next((text[k:at] for k in begun if text.find(text[k:at]) == k), text[:at])


def _place(text: str, piece: Any) -> int | None:
    """Where a part of the text ends for the first time; None where there is no such part."""
    at = text.find(piece) if isinstance(piece, str) else -1
    return at + len(piece) if at >= 0 else None
