"""The beginning of a user's turn, out of a model's own chat template: what stands before it is the prompt, what follows
it the end.

The template is rendered with a turn that cannot be missed and cut there, so the prompt is what the model was trained on,
whatever its template adds. Nothing is known of families of models.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Messages = Sequence[Mapping[str, str]]
Render = Callable[[Messages, bool], str]
"""A chat as text, with or without the beginning of an answer behind it."""

ASKED, REPLIED = "mixwright-asks-0", "mixwright-answers-1"
"""Turns that no template changes: they have no space at their ends, and no character that means something to one."""


class NoUserTurn(ValueError):
    """Of this chat template the beginning of a user's turn cannot be told; says why, and what to write."""


@dataclass(frozen=True)
class UserTurn:
    """How a user's turn begins and ends.

    prefix: the prompt that it follows. end_tokens: special tokens that stand behind it, none of which is a part of it.
    stops: texts that do.
    """

    prefix: str
    end_tokens: tuple[str, ...]
    stops: tuple[str, ...]


def user_turn(
    render: Render, specials: Sequence[str], messages: Messages, *, bos: str = "", leave_out: bool = False
) -> UserTurn:
    """The user's next turn after these messages, none or a conversation that ends with the assistant's.

    Args:
        specials: the tokenizer's special tokens.
        bos: the token that a text begins with, where there is one.
        leave_out: without the system message that the template puts there where none is given.

    Raises:
        NoUserTurn: it cannot be told.
    """
    before, behind = _around(render([*messages, _user(ASKED)], True), ASKED)
    if leave_out and not any(message["role"] == "system" for message in messages):
        before = _without_default(render, specials, before, bos)
    pieces = _pieces(behind, specials)
    is_special = set(specials)
    ends = tuple(dict.fromkeys(piece for piece in pieces if piece in is_special))
    first = next((line for line in pieces[0].split("\n") if line.strip()), "") if pieces else ""
    stops = (first.strip(),) if first and pieces[0] not in is_special else ()
    # A space at the end belongs to the first word's token.
    return UserTurn(before.rstrip(" "), ends, stops)


def _user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def _around(rendered: str, turn: str) -> tuple[str, str]:
    before, found, behind = rendered.partition(turn)
    if not found or turn in behind:
        raise NoUserTurn("its chat template does not show a user's turn once; write `prefix`")
    return before, behind


def _without_default(render: Render, specials: Sequence[str], before: str, bos: str) -> str:
    """A prompt without what the template puts before the first user's turn: its own system message.

    How a user's turn begins is seen where it follows an answer, between the end of that one and the turn.
    """
    replied = [_user("mixwright-opens-2"), {"role": "assistant", "content": REPLIED}]
    _, ended = _around(render(replied, False), REPLIED)
    _, after = _around(render([*replied, _user(ASKED)], False), REPLIED)
    between, _ = _around(after, ASKED)
    closing, opening = _pieces(ended, specials), _pieces(between, specials)
    # A template may put more behind a conversation that ends than behind an answer within one.
    shared = 0
    while shared < min(len(closing), len(opening)) and closing[shared] == opening[shared]:
        shared += 1
    header = "".join(opening[shared:])
    first, _ = _around(render([_user(ASKED)], True), ASKED)
    start = bos if bos and first.startswith(bos) else ""
    if not header or not first.endswith(header) or not before.startswith(first[: -len(header)]):
        raise NoUserTurn(
            "its chat template does not say how a user's turn begins apart from what stands before the first; write "
            "`prefix` instead of `default_system = leave_out`"
        )
    return start + before[len(first) - len(header) :]


def _pieces(text: str, specials: Sequence[str]) -> list[str]:
    """A text in its special tokens and what is between them, none empty."""
    if not specials:
        return [text] if text else []
    longest_first = sorted(specials, key=len, reverse=True)
    return [piece for piece in re.split(f"({'|'.join(map(re.escape, longest_first))})", text) if piece]
