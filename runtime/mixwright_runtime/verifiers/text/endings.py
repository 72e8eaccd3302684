"""Signs that a text was cut off: what it opened and did not close, and how its last sentence ends.

Time is linear in the text's length. Scores are how surely a sign means that something is missing, measured on answers
cut at random places (`benchmarks/text_verifiers.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mixwright_compiler.catalog.scripts import UNSPACED

CERTAIN, LIKELY, POSSIBLE, WEAK = 1.0, 0.9, 0.7, 0.2

LIMIT_CHARACTERS = 1_000_000
PROSE_WORDS = 8
"""A last line with so many words is a sentence, and should end as one."""
PROSE_CHARACTERS = 12
"""The same for scripts without spaces."""
ITEMS_TO_COMPARE = 2
"""List items that must stand before the last one to tell how its kind ends."""
SHOWN_CHARACTERS = 80

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})([^`]*)$")
_MATH = re.compile(r"\\(begin|end)\s*\{([A-Za-z*]{1,40})\}|\\\\|\\([\[\]()])|\\[$]|(\$\$)")
_PAIRS = {"[": "]", "(": ")"}
_STOPS = frozenset(".!?…。！？｡؟۔।॥։።၊။៕។︒~～")
_CLOSERS = "\"'”’»›)]}）】」』》〉*_`|>"
_MIDDLES = frozenset(",:،؛、，；：([{（【「『《〈“‘«‹-–—\\&+=<@")
_UNSPACED = re.compile(f"[{UNSPACED}]")
_LIST_ITEM = re.compile(r"\s*(?:[-*+•·‣◦]|\(?(?:\d{1,3}|[A-Za-z])[.)、）])(?:\s+(.*)|)$")
_HEADING = re.compile(r"\s*(?:#{1,6}\s|\*\*[^*]*\*\*:?\s*$|[=\-_*]{3,}\s*$)")
_GO_ON = """a an the and or but nor of to in on at by for with from into onto that which who whose because although though
while if when where whereas as than is are was were be been being has have had do does did can could will would
should may might must shall not its their his her your our my this these those such including between among
der die das ein eine und oder aber mit von für zu im auf ist sind le la les un une et ou mais de des du dans pour
avec que qui el los las una y o pero con para por en es и в на с по из для но что или"""
_OPEN_WORDS = frozenset(_GO_ON.split())


@dataclass(frozen=True)
class Sign:
    """One sign: its name, how surely it means that the text was cut off (0..1), and where or what it is."""

    name: str
    score: float
    at: str


def signs_of_cutting(text: str) -> list[Sign]:
    """The signs in a text, the surest first; none when it ends as texts end."""
    text = text[-LIMIT_CHARACTERS:].rstrip()
    outside, open_fence = _without_code(text)
    if open_fence is not None:
        # Nothing in code that goes on can be told from what belongs there.
        return [Sign("open code fence", CERTAIN, open_fence)]
    signs = [*_open_json(text), *_open_math(outside)]
    if not signs:
        signs += _ending(text, outside)
    return sorted(signs, key=lambda sign: -sign.score)


def _without_code(text: str) -> tuple[str, str | None]:
    """The text without fenced code, and the line that opens a fence which nothing closes."""
    outside: list[str] = []
    fence, opening = "", ""
    for line in text.split("\n"):
        found = _FENCE.match(line) if line.lstrip(" ")[:3] in ("```", "~~~") else None
        if found is None:
            if not fence:
                outside.append(line)
        elif not fence:
            fence, opening = found[1], line
        elif found[1].startswith(fence) and not found[2].strip():
            fence = ""
            outside.append("")
    return "\n".join(outside), opening.strip()[:SHOWN_CHARACTERS] if fence else None


def _open_json(text: str) -> Iterator[Sign]:
    stripped = text.lstrip()
    if not stripped.startswith(("{", "[")):
        return
    try:
        json.loads(stripped)
    except json.JSONDecodeError as error:
        # Broken in its middle it is wrong, not cut off: then it is the schema's matter.
        if error.pos >= len(stripped) or error.msg.startswith("Unterminated"):
            yield Sign("open JSON", CERTAIN, stripped[-SHOWN_CHARACTERS:])
    except (ValueError, RecursionError):
        return


def _open_math(text: str) -> Iterator[Sign]:
    """LaTeX that is opened and not closed: environments, display and inline mathematics."""
    if "\\" not in text and "$$" not in text:
        return
    environments: list[str] = []
    bracket, dollars = "", 0
    for found in _MATH.finditer(text):
        kind, name, delimiter, display = found.groups()
        if kind == "begin":
            environments.append(name)
        elif kind == "end" and environments and environments[-1] == name:
            environments.pop()
        elif display:
            dollars += 1
        elif delimiter in _PAIRS:
            bracket = delimiter
        elif delimiter and bracket and delimiter == _PAIRS[bracket]:
            bracket = ""
    if environments:
        yield Sign("open LaTeX", CERTAIN, f"\\begin{{{environments[-1]}}}")
    elif bracket:
        yield Sign("open LaTeX", CERTAIN, f"\\{bracket}")
    elif dollars % 2:
        yield Sign("open LaTeX", CERTAIN, "$$")
    boxed = text.rfind("\\boxed{")
    if boxed >= 0 and text.count("{", boxed) > text.count("}", boxed):
        yield Sign("open LaTeX", CERTAIN, "\\boxed{")


def _ending(text: str, outside: str) -> Iterator[Sign]:
    """What the last line says, where it is not code."""
    if not outside.strip() or outside.endswith("\n"):
        return
    line = text.rpartition("\n")[2].strip()
    shown = line[-SHOWN_CHARACTERS:]
    item = _LIST_ITEM.match(line)
    if item is not None and not (item[1] or "").strip():
        yield Sign("empty list item", LIKELY, shown)
        return
    if _HEADING.match(line) or line.startswith("|") or line.endswith("|"):
        # After an empty line: in code outside a fence `# …` is a comment.
        if line.startswith("#") and text.removesuffix(line).endswith("\n\n"):
            yield Sign("heading without text", LIKELY, shown)
        return
    if line.rpartition(" ")[2].startswith("#"):
        return  # hashtags
    if line.count("**") % 2:
        yield Sign("open emphasis", LIKELY, shown)
        return
    core = line.rstrip(_CLOSERS + " ")
    last = core[-1:]
    if not last or last in _STOPS or line[-1] in "`*_":
        return
    if last in _MIDDLES and line[-1] == last:
        yield Sign("ends with a " + ("colon" if last in ":：" else "mark that goes on"), LIKELY, shown)
        return
    word = re.search(r"[^\W\d_]+$", core[-40:])
    if line[-1] == last and word is not None and word[0].casefold() in _OPEN_WORDS and " " in line:
        yield Sign("ends with a word that goes on", LIKELY, shown)
        return
    if line[-1] in "}>;":
        return
    if line.count('"') % 2:
        yield Sign("open quotation", POSSIBLE, shown)
        return
    lines = [other.strip() for other in outside.split("\n")[:-1]]
    if item is not None:
        others = [other for other in lines if _LIST_ITEM.match(other)]
        if len(others) >= ITEMS_TO_COMPARE and _mostly_stop(others):
            yield Sign("unfinished list item", POSSIBLE, shown)
    elif _is_prose(line):
        others = [other for other in lines if _is_prose(other)]
        if not others or _mostly_stop(others):
            yield Sign("unfinished sentence", POSSIBLE, shown)
        else:
            yield Sign("no full stop", WEAK, shown)


def _is_prose(line: str) -> bool:
    return len(line.split()) >= PROSE_WORDS or len(_UNSPACED.findall(line)) >= PROSE_CHARACTERS


def _mostly_stop(lines: list[str]) -> bool:
    """Do at least half of the lines end as sentences do?"""
    return 2 * sum(line[-1] in _STOPS or line.rstrip(_CLOSERS + " ")[-1:] in _STOPS for line in lines) >= len(
        lines
    )
