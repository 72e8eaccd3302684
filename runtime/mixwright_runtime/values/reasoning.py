"""Tells what a model says from the reasoning that it writes before it: the one rule for every step.

Reasoning stands at the beginning of an answer, between the marks that models use for it:

    <think>…</think>, also thinking, thought, reasoning, scratchpad, seed:think    R1, QwQ, Qwen3, GLM, EXAONE, Seed-OSS
    [THINK]…[/THINK]                                                               Magistral
    <|begin_of_thought|>…<|end_of_thought|>, ◁think▷…◁/think▷                      Sky-T1, Kimi
    <|START_THINKING|>…<|END_THINKING|>, <|channel>thought…<channel|>              Command A, Gemma
    <|channel|>analysis<|message|>…<|channel|>final<|message|>                     gpt-oss, also without special tokens

A chat template may write the opening mark itself, so a closing mark alone ends reasoning too. An opening mark that is
not closed leaves no answer.

A text may also speak of such marks. One in quotes or backticks, in a code fence or in the middle of a sentence is
such a word; so is everything behind the first mark that opens after the answer has begun. Those texts stay whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_TAGS = r"(?i:think(?:ing)?|thoughts?|reasoning|scratchpad|seed:think)"
_OPENING = (
    rf"<{_TAGS}>|\[THINK\]|◁think▷|<\|begin_of_thought\|>|<\|START_THINKING\|>|<\|channel>thought\b"
    r"|<unused94>thought\b"
)
_CLOSING = rf"</{_TAGS}>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<\|END_THINKING\|>|<channel\|>|<unused95>"
_OPENS = re.compile(rf"[\s\ufeff]*(?:{_OPENING})")
_CLOSES = re.compile(_CLOSING)
_TOKEN = re.compile(
    rf"(?P<opening>{_OPENING})|(?P<closing>{_CLOSING})|(?P<fence>(?:^|(?<=\n))[ \t]{{0,8}}(?:`{{3,}}|~{{3,}}))"
    r"|(?P<tick>`)|(?P<line>\n)"
)
_STRAY = re.compile(rf"\s*(?:{_CLOSING})(?=[ \t]*(?:\n|\Z))")
"""A second closing mark behind the first, on a line of its own."""
_HINTS = ("</", "[/", "◁/", "|>", "<unused95>")
"""One of these is in every closing mark."""
_FRAME_OPENS = re.compile(r"\s*(?:<\|begin_of_solution\|>|<\|START_RESPONSE\|>)")
_FRAME_CLOSES = re.compile(r"(?:<\|end_of_solution\|>|<\|END_RESPONSE\|>)\s*\Z")
"""Marks of the same models around the answer itself."""

_CHANNEL = re.compile(
    r"\s*(?:<\|start\|>assistant)?(?:<\|channel\|>)?(?:analysis|commentary|final)\b[^<\n]{0,80}"
    r"(?:<\|constrain\|>[^<\n]{0,80})?<\|message\|>"
)
_FINAL_CHANNEL = re.compile(
    r"(?:<\|channel\|>|\A\s*)final\b[^<\n]{0,80}(?:<\|constrain\|>[^<\n]{0,80})?<\|message\|>"
)
_CHANNEL_TOKENS = re.compile(
    r"<\|start\|>assistant|(?:<\|channel\|>)?\b(?:analysis|commentary)\b[^<\n]{0,80}<\|message\|>|<\|\w{1,20}\|>"
)
_CHANNEL_END = re.compile(r"(?:<\|(?:return|end|call)\|>\s*)+\Z")
_PLAIN_CHANNEL, _PLAIN_FINAL = "analysis", "assistantfinal"
"""What is left of the channels where a server drops special tokens: `analysisWe need…assistantfinalThe answer`."""

_QUOTES = {
    "`": "`",
    '"': '"',
    "'": "'",
    "“": "”",
    "‘": "’",
    "«": "»",
    "「": "」",
    "『": "』",
    "(": ")",
    "（": "）",
}
_PUNCTUATION = frozenset(",.;:!?)]}'\"”’»、。，；：！？）」』")


class Spoken(NamedTuple):
    """An answer in its parts. `is_finished` is False where the reasoning does not end: then there is no `text`."""

    text: str
    reasoning: str = ""
    is_finished: bool = True


def spoken(answer: str) -> Spoken:
    """What a model says, and its reasoning before it; without reasoning the answer as it is. Takes linear time."""
    if "<|message|>" in answer and _CHANNEL.match(answer):
        return _in_channels(answer)
    if answer.lstrip().startswith(_PLAIN_CHANNEL) and _PLAIN_FINAL in answer:
        before, _, after = answer.partition(_PLAIN_FINAL)
        return Spoken(_begun(after), before.strip().removeprefix(_PLAIN_CHANNEL).strip())
    if not _has_marks(answer):
        return Spoken(answer)
    at, thoughts = 0, list[str]()
    while (opening := _OPENS.match(answer, at)) is not None:
        closing = _end_of_block(answer, opening.end())
        if closing is None:
            return Spoken("", "\n\n".join([*thoughts, answer[opening.end() :].strip()]).strip(), False)
        start, end = closing
        if _is_named(answer, opening.end(), start, end):
            break
        thoughts.append(answer[opening.end() : start].strip())
        at = end
        stray = _STRAY.match(answer, at)
        at = stray.end() if stray else at
    if not at:
        closing = _lone_closing(answer)
        if closing is None:
            return Spoken(answer)
        thoughts, at = [answer[: closing[0]].strip()], closing[1]
    return Spoken(_begun(_unframed(answer, at)), "\n\n".join(filter(None, thoughts)))


def said(answer: str) -> str:
    """What a model says without its reasoning; all of it where the reasoning does not end."""
    found = spoken(answer)
    return found.text if found.is_finished else answer


def has_mark(text: str) -> bool:
    """Does a text hold one of the marks of reasoning?"""
    return bool(_OPENS.search(text) or _CLOSES.search(text))


def _has_marks(answer: str) -> bool:
    """Can there be reasoning? A cheap test: most answers have no mark."""
    if not ("<" in answer or "[" in answer or "◁" in answer):  # one of these begins every mark
        return False
    return any(hint in answer for hint in _HINTS) or _OPENS.match(answer) is not None


def _end_of_block(text: str, at: int) -> tuple[int, int] | None:
    """The closing mark of the block whose inside starts at `at`: blocks in it are closed first. Where what it quotes
    leaves the count open, the last closing mark that is meant as one, else the first of any sort."""
    depth, meant, first = 1, None, None
    for found, is_meant in _marks(text, at):
        if found["opening"]:
            depth += is_meant
            continue
        first = first or found.span()
        if is_meant:
            depth -= 1
            meant = found.span()
            if not depth:
                return meant
    return meant or first


def _lone_closing(text: str) -> tuple[int, int] | None:
    """The last closing mark of reasoning that was opened before the answer; None where the first mark is another."""
    last = None
    opened_until = (
        -1
    )  # the end of a line in which a sentence names an opening mark: its closing mark is named too
    for found, is_meant in _marks(text, 0):
        if found["opening"]:
            if is_meant:
                break
            if found.start() >= opened_until and text[found.start() - 1 : found.start()] not in _QUOTES:
                line_end = text.find("\n", found.end())
                opened_until = line_end if line_end >= 0 else len(text)
        elif is_meant and found.start() >= opened_until:
            last = found.span()
    return last


def _marks(text: str, at: int) -> Iterator[tuple[re.Match[str], bool]]:
    """The marks behind `at`, each with whether it is meant as one rather than spoken about."""
    in_fence, in_code = False, False
    for found in _TOKEN.finditer(text, at):
        match found.lastgroup:
            case "fence":
                in_fence = not in_fence
            case "tick":
                in_code = not in_code
            case "line":
                in_code = False
            case _:
                yield found, not (in_fence or in_code or _is_word(text, *found.span()))


def _is_word(text: str, start: int, end: int) -> bool:
    """Does the mark stand in quotes or within a sentence?"""
    before, after = text[start - 1 : start], text[end : end + 1]
    if before and _QUOTES.get(before) == after:
        return True
    if start and after in _PUNCTUATION and after and before not in ("\n", ""):
        return before in (" ", "\t")
    if before == " " and not after:
        return text[max(0, start - 2) : start - 1].isalnum()
    if before == " " and after == " ":
        last, following = text[max(0, start - 2) : start - 1], text[end + 1 : end + 2]
        return (last.isalnum() or last in (",;")) and following.islower()
    # Scripts without capitals and spaces: only the end of a sentence is a border.
    return _is_caseless(before) and _is_caseless(after)


def _is_caseless(character: str) -> bool:
    return character.isalpha() and character.lower() == character.upper()


def _is_named(text: str, inside: int, start: int, end: int) -> bool:
    """Is a block at the beginning the subject of a sentence (`<think>…</think> is what R1 writes`)?"""
    content = text[inside : min(start, inside + 40)]
    is_empty = start - inside < 40 and "\n" not in content and not any(map(str.isalnum, content))
    return is_empty and text[end : end + 1] == " " and text[end + 1 : end + 2].islower()


def _unframed(text: str, at: int) -> str:
    opening = _FRAME_OPENS.match(text, at)
    if opening is None:
        return text[at:]
    rest = text[opening.end() :]
    closing = _FRAME_CLOSES.search(rest, max(0, len(rest) - 200))
    return rest[: closing.start()].rstrip() if closing else rest


def _begun(text: str) -> str:
    """The text from its first line that is not empty; the indentation of that line stays."""
    blank = len(text) - len(text.lstrip())
    line = text.rfind("\n", 0, blank) + 1
    return text[line:] if line else text[blank:]


def _in_channels(answer: str) -> Spoken:
    final = _FINAL_CHANNEL.search(answer)
    before = _CHANNEL_TOKENS.sub("\n", answer[: final.start()] if final else answer).strip()
    if final is None:
        return Spoken("", before, False)
    rest = answer[final.end() :]
    end = _CHANNEL_END.search(rest, max(0, len(rest) - 200))
    return Spoken(_begun(rest[: end.start()] if end else rest), before)
