"""Where an assistant's words lie in a rendered conversation, to the character.

Never guessed from token patterns, and no part is tokenised on its own: a token at a border may not exist apart. The
places are taken, in this order, from

1. the chat template's `{% generation %}` marks;
2. rendering the conversation up to a turn and after it, where each is the beginning of the whole;
3. rendering it once more with the turn's text replaced, and comparing: for templates that write earlier turns
   otherwise once later ones follow (Qwen3 takes their reasoning away).

Within a turn three parts are told apart: reasoning, answer, and calls of tools. What the template adds by itself, such
as an empty block for reasoning that the example does not have, belongs to none of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

Part = Literal["answers", "reasoning", "tool_calls"]

THOUGHT = re.compile(r"\A\s*<think>(.*?)</think>\s*", re.DOTALL)
"""Reasoning written into the content, as R1, QwQ and Qwen3 give it."""
_REPLACEMENTS = ("\u2983\u2984", "\u2985\u2986", "\u2987\u2988")
"""Stand in for a turn's text; three, so that one differs from any text in its first and in its last character."""


class Forged(Exception):
    """A message, a call or a tool's schema holds the text of a control token, which would end a turn; says which."""


class Unlocatable(Exception):
    """The template does not show where this conversation's assistant speaks; the message says why."""


@dataclass(frozen=True)
class Span:
    """Characters `start..end` of the rendered text, of the assistant turn `turn` (0 is the first), and what they are."""

    start: int
    end: int
    turn: int
    part: Part


@dataclass(frozen=True)
class Conversation:
    """`text` as the model reads it, its `spans` in order. `weights`: of each assistant turn, 0 is not trained."""

    text: str
    spans: tuple[Span, ...]
    weights: tuple[float, ...]


class Renderer:
    """Renders conversations with a tokenizer's chat template and finds the assistant in them."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        template = tokenizer.chat_template
        texts = template.values() if isinstance(template, Mapping) else [template or ""]
        control = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
        self._control = re.compile(
            "|".join(map(re.escape, sorted(control, key=len, reverse=True))) or r"(?!)"
        )
        self._has_marks = any(re.search(r"\{%-?\s*generation\s*-?%\}", text) for text in texts)

    def located(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] | None = None
    ) -> Conversation:
        """The rendered conversation with the places of everything the assistant says.

        messages: in OpenAI's form, with `reasoning_content` (or `reasoning`) apart or as `<think>` in the content, with
        `tool_calls`, and with `weight` 0 or 1.

        Raises:
            Forged: a message holds the text of one of the tokenizer's special tokens.
            Unlocatable: the template fails on it, or does not show where the assistant speaks.
        """
        plain = [_for_template(message) for message in messages]
        for text in _written(plain, tools):
            forged = self._control.search(text)
            if forged:
                raise Forged(forged.group())
        whole, marks = self._rendered_whole(plain, tools)
        turns = [i for i, message in enumerate(plain) if message["role"] == "assistant"]
        if marks is not None and len(marks) == len(turns):
            places = marks
        else:
            places = [self._place(plain, i, whole, tools) for i in turns]
        spans: list[Span] = []
        for number, (i, (start, end)) in enumerate(zip(turns, places, strict=True)):
            answer_place = partial(self._answer_place, plain, i, whole, tools)
            spans += _parts(plain[i], whole, start, end, number, answer_place)
        weights = tuple(float(messages[i].get("weight", 1) or 0) for i in turns)
        return Conversation(whole, tuple(spans), weights)

    def stop_ids(self) -> frozenset[int]:
        """Tokens that end an assistant's turn: the tokenizer's end, and the special token that the template puts."""
        found = {self._tokenizer.eos_token_id} - {None}
        probe = [{"role": "user", "content": "a"}, {"role": "assistant", "content": _REPLACEMENTS[0]}]
        try:
            text = self._text(probe, None)
        except Unlocatable:
            return frozenset(found)
        after = text.rpartition(_REPLACEMENTS[0])[2]
        special = set(self._tokenizer.added_tokens_decoder)
        for token in self._tokenizer(after, add_special_tokens=False)["input_ids"]:
            if token in special:
                found.add(token)
                break
        return frozenset(found)

    def _rendered_whole(
        self, messages: list[dict[str, Any]], tools: Any
    ) -> tuple[str, list[tuple[int, int]] | None]:
        if not self._has_marks:
            return self._text(messages, tools), None
        from transformers.utils.chat_template_utils import render_jinja_template

        try:
            texts, marks = render_jinja_template(
                conversations=[messages],
                tools=tools,
                chat_template=self._tokenizer.get_chat_template(None, tools),
                return_assistant_tokens_mask=True,
                **self._tokenizer.special_tokens_map,
            )
        except Exception as error:  # a template is a program of its own
            raise Unlocatable(_reason(error)) from error
        return texts[0], [(int(start), int(end)) for start, end in marks[0]]

    def _text(self, messages: Sequence[Mapping[str, Any]], tools: Any, *, asks: bool = False) -> str:
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    list(messages), tools=tools, tokenize=False, add_generation_prompt=asks
                )
            )
        except Exception as error:
            raise Unlocatable(_reason(error)) from error

    def _place(self, messages: list[dict[str, Any]], i: int, whole: str, tools: Any) -> tuple[int, int]:
        """Start and end of assistant message `i` in the whole."""
        try:
            before = self._text(messages[:i], tools, asks=True) if i else ""
        except Unlocatable:
            before = None  # some templates refuse a conversation without a user
        after = whole if i == len(messages) - 1 else self._text(messages[: i + 1], tools)
        begins = before is not None and whole.startswith(before)
        ends = whole.startswith(after) and (not begins or len(after) > len(before or ""))
        if begins and ends:
            return len(before or ""), len(after)
        start, end = self._difference(messages, i, whole, tools)
        return (len(before or "") if begins else start), (len(after) if ends else end)

    def _difference(self, messages: list[dict[str, Any]], i: int, whole: str, tools: Any) -> tuple[int, int]:
        """The part of the whole that changes when message `i` says something else."""
        content = str(messages[i].get("content") or "").strip()
        other = _unlike(content)
        text = self._text(_with(messages, i, {"role": "assistant", "content": other}), tools)
        start, tail = _common(text, whole)
        answer = THOUGHT.sub("", content).strip()
        if text[start : len(text) - tail] != other or answer not in whole[start : len(whole) - tail]:
            raise Unlocatable(
                "the chat template writes earlier turns otherwise once later ones follow, so the assistant's words "
                "cannot be located; give it {% generation %} marks"
            )
        return start, len(whole) - tail

    def _answer_place(
        self, messages: list[dict[str, Any]], i: int, whole: str, tools: Any
    ) -> tuple[int, int] | None:
        """The part of the whole that changes when only the answer of message `i` does; None if more changes."""
        content = str(messages[i].get("content") or "")
        inline = THOUGHT.match(content)
        before, answer = content[: inline.end() if inline else 0], content[inline.end() if inline else 0 :]
        other = _unlike(answer.strip())
        try:
            text = self._text(_with(messages, i, {**messages[i], "content": before + other}), tools)
        except Unlocatable:
            return None
        start, tail = _common(text, whole)
        if not answer.strip() and text[start:].startswith(other):
            return start, start  # where it would be; a template may write more beside one that is there
        return (start, len(whole) - tail) if text[start : len(text) - tail] == other else None


def _with(messages: list[dict[str, Any]], i: int, message: dict[str, Any]) -> list[dict[str, Any]]:
    return [*messages[:i], message, *messages[i + 1 :]]


def _unlike(text: str) -> str:
    """A text that differs from another in its first and its last character."""
    return next(r for r in _REPLACEMENTS if r[0] != text[:1] and r[1] != text[-1:])


def _common(one: str, other: str) -> tuple[int, int]:
    """How many characters two texts share at their beginning, and of the rest at their end."""
    most = min(len(one), len(other))
    start = next((n for n in range(most) if one[n] != other[n]), most)
    return start, next((n for n in range(most - start) if one[-1 - n] != other[-1 - n]), most - start)


def _written(messages: Sequence[Mapping[str, Any]], tools: Any) -> Iterator[str]:
    """Every text of a conversation that a template may write."""
    for message in messages:
        for name, value in message.items():
            # Calls as templates write them: JSON in which no character of a control token is escaped.
            yield value if isinstance(value, str) else json.dumps({name: value}, ensure_ascii=False)
    if tools:
        yield json.dumps(tools, ensure_ascii=False)


def _for_template(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message as chat templates expect it: arguments of calls as objects, reasoning under the common name."""
    found = {key: value for key, value in message.items() if value is not None and key != "weight"}
    if "reasoning" in found:
        found.setdefault("reasoning_content", found.pop("reasoning"))
    if found.get("tool_calls"):
        found["tool_calls"] = [_call(call) for call in found["tool_calls"]]
    found.setdefault("content", "")
    return found


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = dict(call.get("function") or {})
    if isinstance(function.get("arguments"), str):
        with suppress(ValueError):  # what is no JSON stays a text, as the model wrote it
            function["arguments"] = json.loads(function["arguments"])
    return {"type": "function", **call, "function": function}


def _parts(
    message: Mapping[str, Any],
    whole: str,
    start: int,
    end: int,
    turn: int,
    answer_place: Callable[[], tuple[int, int] | None],
) -> list[Span]:
    """A turn in its parts. What is found nowhere leaves the turn one answer, unless parts would be mixed up.

    answer_place: asks the template, by rendering once more, where the answer is; needed where its words are found more
    than once, as those of `k` are in `<think></think>k`, or where there is none.
    """
    text = whole[start:end]
    content = str(message.get("content") or "")
    inline = THOUGHT.match(content)
    thought = str(message.get("reasoning_content") or (inline.group(1) if inline else "")).strip()
    answer = (content[inline.end() :] if inline else content).strip()
    calls = bool(message.get("tool_calls"))

    at = text.find(thought) if thought else -1
    thought_end = at + len(thought) if at >= 0 else 0
    answer_at = text.find(answer, thought_end) if answer else -1
    if answer_at < 0 <= at and answer and answer in text:
        # The template has dropped the reasoning; what was found are words of the answer.
        at, thought_end, answer_at = -1, 0, text.find(answer)
    is_sure = text.find(answer, answer_at + 1) < 0 if answer_at >= 0 else bool(answer or at >= 0)
    asked = None if is_sure else answer_place()
    if asked is not None and start <= asked[0] <= asked[1] <= end and answer in whole[slice(*asked)]:
        answer_at = asked[0] - start + whole[slice(*asked)].find(answer)
        at = at if at < answer_at else -1
    if answer_at < 0 and answer:
        if at >= 0 or calls:
            raise Unlocatable(
                "the chat template changes the assistant's text, so its parts cannot be told apart"
            )
        return [Span(start, end, turn, "answers")]
    if answer_at < 0:
        answer_at = answer_end = _after_tag(text, thought_end) if at >= 0 else 0
    else:
        answer_end = answer_at + len(answer)

    spans = []
    lead = text[:answer_at]
    if at >= 0:
        spans.append(Span(start, start + answer_at, turn, "reasoning"))
    elif not lead.strip():
        answer_at = 0  # white space before the answer is written by the model
    if calls:
        if answer_end > answer_at:
            spans.append(Span(start + answer_at, start + answer_end, turn, "answers"))
        spans.append(Span(start + answer_end, end, turn, "tool_calls"))
    else:
        spans.append(Span(start + answer_at, end, turn, "answers"))
    return [span for span in spans if span.end > span.start]


def _after_tag(text: str, at: int) -> int:
    """Behind the tag that closes the reasoning, with the white space after it."""
    closing = re.compile(r"\s*</[^<>\s]+>\s*").match(text, at)
    return closing.end() if closing else at


def _reason(error: Exception) -> str:
    return f"the chat template fails: {str(error).partition(chr(10))[0] or type(error).__name__}"
