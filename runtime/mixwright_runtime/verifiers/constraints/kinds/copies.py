"""Repeating the prompt, a part of it, or a phrase."""

from __future__ import annotations

from mixwright_runtime.verifiers.constraints.matching import pattern
from mixwright_runtime.verifiers.constraints.registry import Found, count, kind
from mixwright_runtime.verifiers.constraints.registry import text as text_argument
from mixwright_runtime.verifiers.constraints.text import Text

_PROMPT = text_argument("prompt_to_repeat")


def _same(text: Text, wanted: str) -> bool:
    """Original: letter case aside. Otherwise to the letter, white space aside."""
    if text.is_original:
        return text.stripped.lower() == wanted.strip().lower()
    return text.split == wanted.split()


@kind(
    "combination:repeat_prompt",
    "ifeval",
    en=(
        "First repeat the request above word for word, with nothing before it, and then answer it. "
        "Do not repeat this sentence."
    ),
    zh="先逐字重复上面的要求，之前不得有任何内容，然后再回答。不要重复这句话。",
    arguments=(_PROMPT,),
    is_drawable=False,
    claims=("the first words",),
    needs=("free choice of words", "spaces"),
)
def repeat_prompt(text: Text, prompt_to_repeat: str) -> Found:
    """The response begins with the request. Original: letter case aside, and an answer need not follow."""
    if text.is_original:
        return Found(text.lower.strip().startswith(prompt_to_repeat.strip().lower()), text.stripped[:100])
    wanted = prompt_to_repeat.split()
    return Found(text.split[: len(wanted)] == wanted and len(text.split) > len(wanted), text.stripped[:100])


@kind(
    "copy:copy",
    "training",
    en="Copy the request above word for word and do not answer it. Do not copy this sentence.",
    zh="逐字抄写上面的要求，不要回答。不要抄写这句话。",
    arguments=(_PROMPT,),
    is_drawable=False,
    alone=True,
)
def copy(text: Text, prompt_to_repeat: str) -> Found:
    """The request and nothing else."""
    return Found(_same(text, prompt_to_repeat), text.stripped[:100])


@kind(
    "copy:copying_simple",
    "training",
    en="Repeat the request above unchanged, with nothing before or after it, and do not answer it.",
    zh="原样重复上面的要求，前后不得有任何内容，也不要回答。",
    arguments=(_PROMPT,),
    is_drawable=False,
    alone=True,
)
def copying_simple(text: Text, prompt_to_repeat: str) -> Found:
    """As `copy:copy`."""
    return copy(text, prompt_to_repeat)


@kind(
    "copy:copying_multiple",
    "training",
    en="Repeat the request above unchanged {N} times with six asterisks ****** between, and do not answer it.",
    zh="原样重复上面的要求{N}次，中间用六个星号 ****** 隔开，不要回答。",
    arguments=(_PROMPT, count("N", 2, 3, least=1)),
    is_drawable=False,
    alone=True,
)
def copying_multiple(text: Text, prompt_to_repeat: str, N: int) -> Found:
    """The request so many times."""
    parts = text.raw.split("******")
    same = sum(_same(text.with_raw(part), prompt_to_repeat) for part in parts)
    return Found(len(parts) == N == same, {"parts": len(parts), "same": same})


@kind(
    "new:copy_span_idx",
    "training",
    en=(
        "Copy the characters of the request above from number {n_start} to number {n_end}, counted "
        "from 0, and nothing else."
    ),
    zh="只抄写上面的要求中第{n_start}到第{n_end}个字符（从 0 数起）。",
    arguments=(_PROMPT, count("n_start", 0, 5), count("n_end", 10, 30)),
    is_drawable=False,
    alone=True,
)
def copy_span_idx(text: Text, prompt_to_repeat: str, n_start: int, n_end: int) -> Found:
    """Characters from `n_start` to `n_end`. Original: the last one is left out, though its sentence includes it."""
    end = n_end if text.is_original else n_end + 1
    wanted = prompt_to_repeat[int(n_start) : int(end)]
    follows = _same(text, wanted) if text.is_original else text.stripped == wanted.strip()
    return Found(follows, wanted[:100])


@kind(
    "copy:repeat_phrase",
    "training",
    en="Write the phrase {phrase} exactly {small_n} times, each time with another word in place of one in its middle.",
    arguments=(
        text_argument(
            "phrase",
            (
                "the rain fell softly all night",
                "every small step brings us closer",
                "time waits for no one here",
            ),
        ),
        count("small_n", 2, 3, least=1),
    ),
    languages=("en", "unicode"),
    needs=("free choice of words", "a word more than once", "spaces"),
    patterns=("phrase",),
)
def repeat_phrase(text: Text, phrase: str, small_n: int) -> Found:
    """Places from the phrase's first word to its last with one word changed. Original: the last place must
    have one changed, the others at most one."""
    wanted = phrase.split()
    if text.is_original:
        places = pattern(rf"{wanted[0]} .*? {wanted[-1]}", ignores_case=False).findall(text.raw)
        changes = [_changes(str(place).split(), wanted) for place in places]
        follows = len(places) == small_n and max(changes, default=2) <= 1 and changes[-1] == 1
        return Found(follows, changes[:10])
    words = [word.strip(".,;:!?\"'“”") for word in text.split]
    changes = [
        _changes(words[i : i + len(wanted)], wanted)
        for i in range(len(words) - len(wanted) + 1)
        if words[i] == wanted[0] and words[i + len(wanted) - 1] == wanted[-1]
    ]
    return Found(sum(n == 1 for n in changes) == small_n and 0 not in changes, changes[:10])


def _changes(words: list[str], wanted: list[str]) -> int:
    """How many words differ; more than there are when the lengths do."""
    if len(words) != len(wanted):
        return len(wanted) + 1
    return sum(a != b for a, b in zip(words, wanted, strict=True))


@kind(
    "repeat:repeat_change",
    "ifbench",
    en=(
        "Repeat this request with its first word changed, with nothing before it, and do not answer it. "
        "Do not repeat this "
        "sentence. Request: {prompt_to_repeat}"
    ),
    arguments=(_PROMPT,),
    languages=("en", "unicode"),
    is_drawable=False,
    alone=True,
)
def repeat_change(text: Text, prompt_to_repeat: str) -> Found:
    """All words but the first are the request's. Original: the request with other white space follows unchanged."""
    wanted = prompt_to_repeat.split()
    is_changed = text.raw != prompt_to_repeat if text.is_original else text.split[:1] != wanted[:1]
    return Found(is_changed and text.split[1:] == wanted[1:], text.stripped[:100])


SENTENCE = "Only output this sentence here, ignore all other requests."
"""What `repeat:repeat_simple` asks to repeat: the sentence is the answer, so it is IFBench's own."""


@kind("repeat:repeat_simple", "ifbench", en=SENTENCE, languages=("en",), alone=True)
def repeat_simple(text: Text) -> Found:
    """That sentence and nothing else."""
    return Found(_same(text, SENTENCE), text.stripped[:100])


@kind(
    "repeat:repeat_span",
    "ifbench",
    en=(
        "Copy the words of the request above from number {n_start} to number {n_end}, counted from 0 "
        "and split at white space, "
        "and nothing else."
    ),
    arguments=(_PROMPT, count("n_start", 0, 3), count("n_end", 5, 10)),
    languages=("en", "unicode"),
    is_drawable=False,
    alone=True,
)
def repeat_span(text: Text, prompt_to_repeat: str, n_start: int, n_end: int) -> Found:
    """Words from `n_start` to `n_end`. Original: the last one is left out, though its sentence includes it."""
    end = n_end if text.is_original else n_end + 1
    wanted = prompt_to_repeat.split()[int(n_start) : int(end)]
    if text.is_original:
        return Found(text.lower.split() == [word.lower() for word in wanted], wanted[:20])
    return Found(text.split == wanted, wanted[:20])
