"""How guard models write their verdicts, and how those become a number: 0 safe, 0.5 in between, 1 unsafe."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mixwright_runtime.values.json_in_text import ParseFailed, after_reasoning, last_json

_WORD = re.compile(r"[^\W_]+(?:[ -][^\W_]+)*")
_CATEGORIES = re.compile(r"[^,;\n]+")
CATEGORIES_MOST = 32
CATEGORY_CHARACTERS = 80


@dataclass(frozen=True)
class GuardFormat:
    """Where a guard's answer says what.

    shape: `words`: the first word is the verdict, the next line may list categories; `labelled`: lines `Field: value`;
        `json`: an object.
    field: of `labelled` and `json`, the one with the verdict; categories: the one that lists them, if there is one.
    unsafe, between, safe: words of the verdict, in lower case.
    """

    shape: str
    field: str = ""
    categories: str = ""
    unsafe: tuple[str, ...] = ("unsafe", "yes")
    between: tuple[str, ...] = ()
    safe: tuple[str, ...] = ("safe", "no")


FORMATS = {
    # safe | unsafe, then "S1,S10" on a line of its own (Llama Guard 1 to 4).
    "llama_guard": GuardFormat("words", unsafe=("unsafe",), safe=("safe",)),
    # Yes | No to "does it violate the policy", reasons after it (ShieldGemma, Granite Guardian).
    "yes_no": GuardFormat("words", unsafe=("yes",), safe=("no",)),
    # "Harmful request: no / Response refusal: no / Harmful response: yes" (WildGuard).
    "wildguard": GuardFormat("labelled", "harmful response", unsafe=("yes",), safe=("no",)),
    # "Safety: Unsafe|Controversial|Safe / Categories: Violent" (Qwen3Guard).
    "qwen3guard": GuardFormat(
        "labelled", "safety", "categories", unsafe=("unsafe",), between=("controversial",), safe=("safe",)
    ),
    # {"User Safety": "safe", "Response Safety": "unsafe", "Safety Categories": "Violence"} (Aegis, NemoGuard).
    "nemoguard": GuardFormat(
        "json", "response safety", "safety categories", unsafe=("unsafe",), safe=("safe",)
    ),
    "words": GuardFormat("words"),
    "labelled": GuardFormat("labelled"),
    "json": GuardFormat("json"),
}
"""Known formats, and the three shapes for others."""

NEED_FIELD = ("labelled", "json")
"""Formats whose `field` the spec must name."""


@dataclass(frozen=True)
class GuardVerdict:
    """What a guard says: 0 safe, 0.5 in between, 1 unsafe; its own word, and the categories that it names."""

    score: float
    word: str
    categories: tuple[str, ...] = ()


def guard_format(
    name: str,
    *,
    field: str = "",
    unsafe: Sequence[str] = (),
    between: Sequence[str] = (),
    safe: Sequence[str] = (),
) -> GuardFormat:
    """A known format with what a spec says differently; words are compared regardless of case."""
    known = FORMATS[name]
    return replace(
        known,
        field=field.casefold() or known.field,
        unsafe=_folded(unsafe) or known.unsafe,
        between=_folded(between) or known.between,
        safe=_folded(safe) or known.safe,
    )


def _folded(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(word.casefold() for word in words)


def guard_verdict(text: str, form: GuardFormat) -> GuardVerdict:
    """What a guard's answer says.

    Raises:
        ParseFailed: it holds no verdict of this format.
    """
    text = after_reasoning(text).strip()
    match form.shape:
        case "json":
            fields = last_json(text, {"type": "object"})
            if not isinstance(fields, dict):
                raise ParseFailed("the verdict is no JSON object")
            by_name = {str(key).casefold(): value for key, value in fields.items()}
        case "labelled":
            pairs = [line.partition(":") for line in text.split("\n") if ":" in line]
            by_name = {name.strip(" *-\t").casefold(): value.strip(" *\t") for name, _, value in pairs}
        case _:
            first, _, rest = text.partition("\n")
            return GuardVerdict(*_read(first, form), _categories(rest.partition("\n")[0]))
    if form.field not in by_name:
        raise ParseFailed(f"no `{form.field}` in the verdict")
    score, word = _read(by_name[form.field], form)
    return GuardVerdict(score, word, _categories(by_name.get(form.categories)) if form.categories else ())


def _read(value: object, form: GuardFormat) -> tuple[float, str]:
    """Number and word of a verdict: the longest of the format's words that it begins with."""
    if isinstance(value, bool):
        value = "yes" if value else "no"
    found = _WORD.search(str(value).casefold())
    said = found[0] if found else ""
    by_word = (
        dict.fromkeys(form.safe, 0.0) | dict.fromkeys(form.between, 0.5) | dict.fromkeys(form.unsafe, 1.0)
    )
    for word in sorted(by_word, key=len, reverse=True):
        if said == word or said.startswith((f"{word} ", f"{word}-")):
            return by_word[word], word
    raise ParseFailed(f"`{said[:CATEGORY_CHARACTERS]}` is none of {', '.join(by_word)}")


def _categories(value: object) -> tuple[str, ...]:
    """The categories that a verdict lists, as it writes them."""
    if isinstance(value, list):
        parts = [str(item) for item in value]
    else:
        parts = _CATEGORIES.findall(str(value or ""))
    named = [part.strip()[:CATEGORY_CHARACTERS] for part in parts if part.strip()]
    return tuple(name for name in named if name.casefold() not in ("none", "n/a"))[:CATEGORIES_MOST]
