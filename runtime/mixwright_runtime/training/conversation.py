"""Where an assistant's words lie in a rendered conversation, to the character.

Never guessed from token patterns, and no part is tokenised on its own: a token at a border may not exist apart.
`provenance.py` tells which character of which message stands at each place, so that what the row says and what the
text holds are compared once, for everything: what another role said is never the assistant's, wherever the template
puts it, and what the template leaves out is known by name.

What the model must write beside the words (tags around its reasoning, the form of a call, the end of its turn) is what
stands in its turn and is nobody's: from where a generation prompt ends, or the template's `{% generation %}` mark begins,
to the token that ends the turn. What the template adds by itself, such as an empty block for reasoning, is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mixwright_runtime.training.frames import Frame, Frames, framed, shape_of
from mixwright_runtime.training.provenance import FIRST_CODE, Coder, Interval, is_code
from mixwright_runtime.training.said import for_template, has_call, json_text, texts_of
from mixwright_runtime.training.template_words import any_of, literals, shared_length

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_TAGS = re.compile(r"<([^<>/\s]+)>\s*</\1>")
"""An empty block."""
_OPENED = re.compile(r"<[^<>/|\s]+>\s*\Z")
_CLOSING = re.compile(r"</[^<>\s]+>\s*")

Mark = tuple[int, int]


class Forged(Exception):
    """A message, a call or a tool's schema holds the text of a control token, which would end a turn; says which."""


class Unlocatable(Exception):
    """The template does not show where this conversation's assistant speaks; the message says why."""


class TemplateFails(Exception):
    """The template raises an error on a conversation; the message has it."""


@dataclass(frozen=True)
class Span:
    """Characters `start..end` of the rendered text, of the assistant turn `turn` (0 is the first), and what they are."""

    start: int
    end: int
    turn: int
    part: str


@dataclass(frozen=True)
class Conversation:
    """A conversation as the model reads it.

    spans: the assistant's, in order, the token that ends a turn with it. weights: of each turn; 0 is not trained.
    has_end: of each turn, whether a token ends it. lost: what the row says and the text does not hold, as parts of the
    assistant's turn, other roles, and `tools`.
    """

    text: str
    spans: tuple[Span, ...]
    weights: tuple[float, ...]
    has_end: tuple[bool, ...]
    lost: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Form:
    """How messages are handed to the template. Templates are written for different ones, and some leave out in silence
    what they are given in another."""

    content: Literal["text", "null", "parts"] = "text"
    arguments: Literal["object", "text"] = "object"

    def of(self, messages: Sequence[Mapping[str, object]]) -> list[dict[str, Any]]:
        return [self._of(message) for message in messages]

    def _of(self, message: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(message)
        calls = message.get("tool_calls")
        if self.content == "null" and calls and not message["content"]:
            found["content"] = None
        elif self.content == "parts":
            text = message["content"]
            found["content"] = [{"type": "text", "text": text}] if text or not calls else []
        if self.arguments == "text" and calls:
            found["tool_calls"] = [
                {
                    **call,
                    "function": {**call["function"], "arguments": json_text(call["function"]["arguments"])},
                }
                for call in calls
            ]
        return found


@dataclass(frozen=True)
class _Rendered:
    """A conversation rendered as it is and with codes. `owners`: at each place the message that stands there, or -1."""

    messages: list[dict[str, Any]]
    form: _Form
    tools: Any
    coder: Coder
    whole: str
    coded: str
    codes: NDArray[np.int64]
    owners: NDArray[np.int64]

    def has_others(self, start: int, end: int, message: int) -> bool:
        """Do words of another message stand at `start..end`?"""
        owners = self.owners[start:end]
        return bool(((owners >= 0) & (owners != message)).any())

    def next_word(self, at: int) -> int:
        """Where the next word of any message stands; the end if there is none."""
        found = np.flatnonzero(self.owners[at:] >= 0)
        return at + int(found[0]) if len(found) else len(self.coded)


class Renderer:
    """Renders conversations with a tokenizer's chat template and finds the assistant in them."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        template = tokenizer.chat_template
        texts = list(template.values()) if isinstance(template, Mapping) else [template or ""]
        added = list(tokenizer.added_tokens_decoder.values())
        self._control = any_of(token.content for token in added if token.special)
        self._added = any_of(token.content for token in added)
        self._has_marks = any(re.search(r"\{%-?\s*generation\s*-?%\}", text) for text in texts)
        self._words = any_of(word for text in texts for word in literals(text) if len(word) > 1)
        self._frames = Frames()

    def located(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] | None = None
    ) -> Conversation:
        """The rendered conversation with the places of everything the assistant says.

        messages: in OpenAI's form, with `reasoning_content` (or `reasoning`) apart or as `<think>` in the content, with
        `tool_calls`, and with `weight` 0 or 1.

        Raises:
            Forged: a message holds the text of one of the tokenizer's special tokens.
            Unlocatable: the template does not show where the assistant speaks.
            TemplateFails: it raises an error.
        """
        plain = [for_template(message) for message in messages]
        for text in texts_of(plain, tools):
            forged = self._control.search(text)
            if forged:
                raise Forged(forged.group())
        weights = tuple(float(m.get("weight", 1) or 0) for m in messages if m["role"] == "assistant")
        shape = shape_of(plain, tools)
        # Only behind the search for forged tokens: a frame says where texts stand, and nothing of what is in them.
        if shape and (frame := self._frames.of(shape)):
            known = self._in_frame(frame, plain, weights)
            if known:
                return known
        best: tuple[int, _Rendered, list[Mark] | None, frozenset[str]] | None = None
        failed: Exception | None = None
        for form in _forms_of(plain):
            try:
                rendered, marks = self._rendered(plain, form, tools)
            except (Unlocatable, TemplateFails) as error:
                failed = failed or error
                continue
            lost = _lost(rendered)
            # Templates take reasoning away on purpose.
            grave = sum(part != "reasoning" for _, part in lost)
            if best is None or grave < best[0]:
                best = grave, rendered, marks, frozenset(part for _, part in lost)
            if not grave:
                break
        if best is None:
            assert failed is not None
            raise failed
        _, rendered, marks, lost_parts = best
        # What the assistant says is learned whole or not at all: of this conversation nothing has a place.
        if lost_parts & {"answers", "tool_calls"}:
            return Conversation(rendered.whole, (), weights, (True,) * len(weights), lost_parts)
        spans, has_end = self._turns(rendered, marks)
        if shape:
            self._frames.learn(shape, None if lost_parts else _frame_of(rendered, spans, has_end))
        return Conversation(rendered.whole, tuple(spans), weights, tuple(has_end), lost_parts)

    def _in_frame(
        self, frame: Frame, messages: list[dict[str, Any]], weights: tuple[float, ...]
    ) -> Conversation | None:
        """A conversation whose rendering is the frame around its texts; None if it is anything else."""
        texts = [message["content"] for message in messages]
        whole = self._text(_Form().of(messages), None)
        if whole != frame.around(texts):
            return None
        spans = tuple(Span(*span) for span in frame.spans_in(texts))
        return Conversation(whole, spans, weights, frame.has_end)

    def stop_ids(self) -> frozenset[int]:
        """Tokens that end an assistant's turn: the tokenizer's end, and the one that the template puts."""
        found = {self._tokenizer.convert_tokens_to_ids(text) for text in self._ends}
        return frozenset({self._tokenizer.eos_token_id, *found} - {None})

    def _rendered(
        self, messages: list[dict[str, Any]], form: _Form, tools: object
    ) -> tuple[_Rendered, list[Mark] | None]:
        whole, marks = self._with_marks(form.of(messages), tools)
        # First with a code for every character, which hides nothing from `lost`. A template that looks for words in
        # messages, or for a call's name, writes something else then: those stay as they are in the second try.
        for words, names_as_they_are in ((None, False), (self._words, True)):
            coder = Coder(messages, words, names_as_they_are=names_as_they_are)
            with suppress(TemplateFails):
                coded = self._text(form.of(coder.messages), tools)
                codes = coder.aligned(whole, coded)
                if codes is not None:
                    owners = np.append(coder.owners(), -1)[codes]
                    return _Rendered(messages, form, tools, coder, whole, coded, codes, owners), marks
        raise Unlocatable(
            "the chat template changes the words of messages, so it cannot be told who says what in its text"
        )

    def _with_marks(self, messages: list[dict[str, Any]], tools: Any) -> tuple[str, list[Mark] | None]:
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
            raise TemplateFails(_reason(error)) from error
        return texts[0], [(int(start), int(end)) for start, end in marks[0]]

    def _text(self, messages: Sequence[Mapping[str, Any]], tools: Any, *, asks: bool = False) -> str:
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    list(messages), tools=tools, tokenize=False, add_generation_prompt=asks
                )
            )
        except Exception as error:
            raise TemplateFails(_reason(error)) from error

    def _part_of(self, r: _Rendered, messages: int, *, asks: bool = False) -> str | None:
        """The coded rendering of the first messages alone; None where the template refuses them."""
        with suppress(TemplateFails):
            return (
                self._text(r.form.of(r.coder.messages[:messages]), r.tools, asks=asks) if messages else None
            )
        return None  # some refuse a conversation without a user, or with a call that has no result

    def _turns(self, r: _Rendered, marks: list[Mark] | None) -> tuple[list[Span], list[bool]]:
        turns = [i for i, message in enumerate(r.messages) if message["role"] == "assistant"]
        intervals = [r.coder.intervals(i, r.codes, r.whole) for i in turns]
        marked = _marks_by_turn(marks, intervals) if marks is not None else None
        spans: list[Span] = []
        has_end: list[bool] = []
        for number, (i, found) in enumerate(zip(turns, intervals, strict=True)):
            if found is None or (found and self._is_mixed(r, i, found)):
                raise Unlocatable(
                    "the chat template writes words of several messages into each other, so it cannot be told what of "
                    "them the assistant says"
                )
            own = marked[number] if marked is not None else None
            pieces, is_ended = self._pieces(r, i, found, own)
            has_end.append(is_ended)
            spans += [Span(start, end, number, part) for start, end, part in pieces if start < end]
        return spans, has_end

    def _is_mixed(self, r: _Rendered, i: int, intervals: list[Interval]) -> bool:
        """Does anybody but a tool, whose results some templates put there, speak within the turn?"""
        owners = set(r.owners[intervals[0].start : intervals[-1].end].tolist()) - {i, -1}
        return any(r.messages[owner]["role"] != "tool" for owner in owners)

    def _pieces(
        self, r: _Rendered, i: int, intervals: list[Interval], marks: list[Mark] | None
    ) -> tuple[list[tuple[int, int, str]], bool]:
        """What of the text is to be learned of turn `i`, and whether it ends with a token that ends turns.

        `said` is the conversation up to the turn, as it reads when nothing follows.
        """
        start = marks[0][0] if marks else self._start(r, i, intervals)

        @cache
        def said() -> str | None:
            return r.coded if i == len(r.messages) - 1 else self._part_of(r, i + 1)

        if not intervals:
            start = self._behind_empty_block(r.coded, start, r.next_word(start))
            end, is_ended = self._end(r, start, None, said)
            return ([(start, end, "answers")] if is_ended else []), is_ended
        first = intervals[0]
        begin = start
        if first.part != "reasoning":
            begin = self._behind_empty_block(r.coded, start, first.start, first.part)
        if r.has_others(begin, first.start, i):
            begin = first.start
        pieces: list[tuple[int, int, str]] = [(begin, first.start, first.part)]
        for one, other in pairwise(intervals):
            pieces.append((one.start, one.end, one.part))
            pieces += self._gap(r, i, one, other, said)
        last = intervals[-1]
        end, is_ended = self._end(r, last.end, last, said)
        pieces.append((last.start, end, last.part))
        if marks:
            pieces = _clipped(pieces, marks, end if is_ended else 0, self._added, r.coded)
        return pieces, is_ended

    def _start(self, r: _Rendered, i: int, intervals: list[Interval]) -> int:
        """Where the turn begins: behind what a generation prompt holds."""
        if intervals:
            limit = intervals[0].start
            before = np.flatnonzero(r.owners[:limit] >= 0)
        else:
            before = np.flatnonzero((r.owners >= 0) & (r.owners < i))
            limit = r.next_word(int(before[-1]) + 1 if len(before) else 0)
        earliest = int(before[-1]) + 1 if len(before) else 0
        asked = self._part_of(r, i, asks=True)
        header, stem = self._header
        if asked is not None and r.coded.startswith(asked) and len(asked) <= limit:
            at = len(asked)
        else:
            at = self._start_of_another(r.coded, asked, earliest, limit)
        again = r.coded.rfind(header, at, limit) if header.strip() else -1
        if again < 0 and stem.strip() and not header.strip():
            again = r.coded.rfind(stem, at, limit)
        return again + len(header) if again >= 0 else at

    def _start_of_another(self, coded: str, asked: str | None, earliest: int, limit: int) -> int:
        """Where a turn begins whose generation prompt is not the beginning of the text: the template writes earlier
        turns otherwise once later ones follow, or asks with more than the header of a turn."""
        header, stem = self._header
        lead = coded[earliest:limit]
        if asked is not None:
            last = next((n for n in range(len(asked), 0, -1) if is_code(asked[n - 1])), 0)
            tail = asked[last:]
            shared = shared_length(tail, lead)
            is_same = (asked[last - 1] if last else "") == (coded[earliest - 1] if earliest else "")
            header_at = len(tail) - len(header)
            if is_same and shared == len(tail):
                return earliest + shared
            if is_same and header and tail.endswith(header) and shared > header_at:
                return earliest + min(shared, header_at + len(stem))
        found = lead.rfind(stem) if stem.strip() else -1
        if found >= 0:
            return earliest + found + len(stem)
        if not header.strip() and (asked is None or not lead.strip()):
            return earliest
        raise Unlocatable(
            "the chat template does not show where a turn of the assistant begins; give it {% generation %} marks"
        )

    def _gap(
        self, r: _Rendered, i: int, one: Interval, other: Interval, said: Callable[[], str | None]
    ) -> list[tuple[int, int, str]]:
        """What stands between two texts of a turn. Beside the words of a tool, only what is there without them."""
        gap = r.coded[one.end : other.start]
        if not r.has_others(one.end, other.start, i):
            if one.part == "reasoning":
                cut = self._closing(gap) if other.part == "tool_calls" else len(gap)
                return [(one.end, one.end + cut, one.part), (one.end + cut, other.start, other.part)]
            part = "tool_calls" if "tool_calls" in (one.part, other.part) else other.part
            return [(one.end, other.start, part)]
        own = _between(r.coded, one, other, said())
        head = self._whole_tokens(gap, shared_length(gap, own))
        tail = shared_length(gap[head:][::-1], own[head:][::-1])
        return [(one.end, one.end + head, one.part), (other.start - tail, other.start, other.part)]

    def _end(
        self, r: _Rendered, at: int, last: Interval | None, said: Callable[[], str | None]
    ) -> tuple[int, bool]:
        """Where the turn ends whose last word ends at `at`, and whether with a token that ends turns.

        That is the first one that ends turns of every kind, else the last token of the tokenizer's own that the template
        puts behind this turn even if nothing follows.
        """
        tail = r.coded[at : r.next_word(at)]
        tokens = list(self._added.finditer(tail))
        ending = next((token for token in tokens if token.group() in self._ends), None)
        if ending is not None and ending is tokens[0]:
            return at + ending.end(), True
        shared = shared_length(tail, _behind(r.coded, at, last, said()))
        here = [token for token in tokens if token.end() <= shared]
        if ending is None or (here and ending.end() > shared):
            ending = here[-1] if here else None
        return (at + shared, False) if ending is None else (at + ending.end(), True)

    def _behind_empty_block(self, coded: str, start: int, limit: int, part: str = "answers") -> int:
        """Behind a block for reasoning that is there and empty, if one ends between the two places."""
        (header, _), (block, space) = self._header, self._empty_block
        found = block.search(coded, max(0, start - len(header)), limit)
        if found is None or found.end() <= start:
            return start
        behind = coded[found.end() : limit]
        # A call may begin with white space of its own.
        exact = part == "tool_calls" and space is not None and behind.startswith(space)
        return found.end() + (len(space or "") if exact else len(behind) - len(behind.lstrip()))

    def _closing(self, gap: str) -> int:
        """How much of what follows reasoning closes it."""
        at = len(gap) - len(gap.lstrip())
        closing = _CLOSING.match(gap, at) or self._added.match(gap, at)
        if closing is None:
            return 0
        return closing.end() + len(gap[closing.end() :]) - len(gap[closing.end() :].lstrip())

    def _whole_tokens(self, text: str, end: int) -> int:
        """The place, or the start of the tokenizer's own token that it would cut."""
        return next((t.start() for t in self._added.finditer(text) if t.start() < end < t.end()), end)

    def _probed(self, *messages: dict[str, Any], asks: bool = False) -> str | None:
        """A coded rendering; code n stands for the nth text."""
        with suppress(TemplateFails):
            return self._text(Coder(messages).messages, None, asks=asks)
        return None

    @cached_property
    def _header(self) -> tuple[str, str]:
        """What a generation prompt writes, and that without a block for reasoning that it opens."""
        asked, unasked = self._probed(_ASK, asks=True) or "", self._probed(_ASK) or ""
        header = asked[self._whole_tokens(asked, shared_length(asked, unasked)) :]
        if not header.strip():
            # A template that asks with nothing: its header is what stands before every answer.
            answered = self._probed(_ASK, _ANSWER) or ""
            place = answered.find(_code(1))
            header = answered[shared_length(answered, unasked) : place] if place >= 0 else ""
        empty = _TAGS.search(header)
        stem = header[: empty.start()] if empty else _OPENED.sub("", header)
        return header, stem if stem.strip() else header

    @cached_property
    def _ends(self) -> frozenset[str]:
        """Texts of the tokens that end turns: the tokenizer's end, and the last that stands between an answer and the
        header of the next message."""
        found = {str(self._tokenizer.eos_token)} if self._tokenizer.eos_token else set()
        text = self._probed(_ASK, _ANSWER, _ASK, _ANSWER)
        places = [text.find(_code(n)) for n in range(3)] if text is not None else []
        if text is not None and min(places) >= 0:
            between = text[places[1] + 1 : places[2]]
            same = shared_length(between[::-1], text[: places[0]][::-1])
            closing = between[: len(between) - same]
            tokens = [t for t in self._added.finditer(between) if t.start() < len(closing)]
            found |= {tokens[-1].group()} if tokens else set()
        return frozenset(found)

    @cached_property
    def _empty_block(self) -> tuple[re.Pattern[str], str | None]:
        """An empty block for reasoning, as this template writes it, and the white space that it puts behind; None
        where it writes no reasoning."""
        thought = self._probed(_ASK, {**_ANSWER, "reasoning_content": "b"}) or ""
        answer, place = thought.find(_code(1)), thought.find(_code(2))
        if not 0 <= place < answer:
            return _TAGS, None
        header, _ = self._header
        at = thought.rfind(header, 0, place)
        opening = thought[at + len(header) : place].strip() if at >= 0 else ""
        behind = thought[place + 1 : answer]
        closing = behind[: self._closing(behind)]
        space = closing[len(closing.rstrip()) :]
        if not opening or not closing.strip():
            return _TAGS, space
        own = rf"{re.escape(opening)}\s*{re.escape(closing.strip())}"
        return re.compile(f"{_TAGS.pattern}|{own}"), space


def _frame_of(r: _Rendered, spans: Sequence[Span], has_end: Sequence[bool]) -> Frame | None:
    """What the template wrote around the texts; None where it did not write each of them whole, once and in order."""
    if r.form != _Form():
        return None
    places: list[tuple[int, int]] = []
    for number, message in enumerate(r.messages):
        found = r.coder.intervals(number, r.codes, r.whole)
        if not found or len(found) > 1 or r.whole[found[0].start : found[0].end] != message["content"]:
            return None
        places.append((found[0].start, found[0].end))
    if int((r.codes >= 0).sum()) != r.coder.size:
        return None
    return framed(r.whole, places, [(s.start, s.end, s.turn, s.part) for s in spans], has_end)


_ASK, _ANSWER = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}


def _code(number: int) -> str:
    return chr(FIRST_CODE + number)


def _forms_of(messages: list[dict[str, Any]]) -> Iterator[_Form]:
    """The forms that make a difference to a conversation, the usual one first."""
    calls = [message for message in messages if message.get("tool_calls")]
    contents: list[Literal["text", "null", "parts"]] = ["text"]
    if any(not message["content"] for message in calls):
        contents.append("null")
    contents.append("parts")
    has_objects = any(
        not isinstance(call["function"].get("arguments"), str) for m in calls for call in m["tool_calls"]
    )
    yield from (_Form(content, "object") for content in contents)
    if has_objects:
        yield from (_Form(content, "text") for content in contents)


def _lost(r: _Rendered) -> list[tuple[int, str]]:
    """Messages and parts (or roles) that the rendering does not hold whole."""
    found = list(r.coder.lost(r.codes))
    for number, message in enumerate(r.messages):
        for call in message.get("tool_calls") or ():
            if not has_call(r.whole, call["function"], r.form.arguments):
                found.append((number, "tool_calls"))
    names = [tool.get("function", tool).get("name") for tool in r.tools or ()]
    if any(isinstance(name, str) and name not in r.whole for name in names):
        found.append((-1, "tools"))
    return found


def _marks_by_turn(marks: list[Mark], intervals: list[list[Interval] | None]) -> list[list[Mark]] | None:
    """The marks of each turn; None where they leave out an answer or a call."""
    if len(marks) == len(intervals):
        found = [[mark] for mark in marks]
    else:
        found = [
            [(a, b) for a, b in marks if any(i.start < b and i.end > a for i in turn or ())]
            for turn in intervals
        ]
    for turn, own in zip(intervals, found, strict=True):
        for interval in turn or ():
            is_within = any(a <= interval.start and interval.end <= b for a, b in own)
            if interval.part != "reasoning" and not is_within:
                return None
    return found


def _clipped(
    pieces: list[tuple[int, int, str]], marks: list[Mark], end: int, added: re.Pattern[str], text: str
) -> list[tuple[int, int, str]]:
    """Pieces within the marks, and the token that ends the turn where it stands right behind."""
    found = []
    for start, stop, part in pieces:
        for first, last in marks:
            if added.match(text, last) and added.sub("", text[last:end]) == "":
                last = max(last, end)
            found.append((max(start, first), min(stop, last), part))
    return found


def _between(coded: str, one: Interval, other: Interval, said: str | None) -> str:
    """What stands between two texts in another rendering of the same turn."""
    if said is None:
        return ""
    first, second = said.find(coded[one.end - one.behind]), said.find(coded[other.start + other.before])
    return said[first + one.behind : second - other.before] if 0 <= first < second else ""


def _behind(coded: str, at: int, last: Interval | None, said: str | None) -> str:
    """What stands behind a turn's last word in another rendering, in which nothing follows."""
    if said is None:
        return ""
    if last is None:
        return said[at:] if coded.startswith(said[:at]) else ""
    place = said.find(coded[last.end - last.behind])
    return said[place + last.behind :] if place >= 0 else ""


def _reason(error: Exception) -> str:
    return f"the chat template fails: {str(error).partition(chr(10))[0] or type(error).__name__}"
