"""Kinds whose sentence is a whole task: one answer, or one table, is asked for."""

from __future__ import annotations

import csv
import io
import itertools
import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import date

from mixwright_runtime.verifiers.constraints.matching import PUNCTUATION, trimmed, without_punctuation
from mixwright_runtime.verifiers.constraints.registry import Found, kind
from mixwright_runtime.verifiers.constraints.registry import text as text_argument
from mixwright_runtime.verifiers.constraints.text import Text
from mixwright_runtime.verifiers.constraints.word_lists import word_list

_MARKS = PUNCTUATION + " "
_LETTERS = re.compile(r"\W*[aA]\W*[bB]\W*[cC]\W*")
_QUESTION = re.compile(r"\n*Question \d+[.|):;]?\s*")
_OPTION = re.compile(r"[A-Ea-e][.|)]\s*\w+")
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")

CAPITALS = word_list(
    """
    Reykjavik Helsinki Oslo Tallinn Stockholm Riga Moscow Copenhagen Vilnius Minsk Dublin Berlin Amsterdam
    Warsaw London Brussels Prague Luxembourg Paris Vienna Bratislava Budapest Vaduz Chisinau Bern Ljubljana
    Zagreb
    """
)
"""Capitals of Europe north of 45 degrees by latitude, as IFBench lists them: without Kyiv."""


def _task(id: str, sentence: str) -> Callable[[Callable[..., Found]], Callable[..., Found]]:
    """A kind without arguments that dictates the whole response."""
    return kind(id, "ifbench", en=sentence, languages=("en",), alone=True)


@kind(
    "format:options",
    "ifbench",
    en="Answer with one of these options and no explanation: {options}",
    zh="只用以下选项之一回答，不要解释：{options}",
    arguments=(text_argument("options", ("yes/no/maybe", "I know or I don't know", "a), b), c), d)")),),
    alone=True,
)
def options(text: Text, options: str) -> Found:
    """One of the options. They are separated by `/`, else by `or`, else by `,`. Original: `or` inside a word
    separates too, and of lettered options the letters count with their very marks and spaces."""
    if "/" in options:
        choices = options.split("/")
    elif "or" in options if text.is_original else re.search(r"\bor\b", options):
        choices = options.split("or") if text.is_original else re.split(r"\bor\b", options)
    else:
        choices = options.split(",")
    choices = [choice.strip() for choice in choices]
    if text.is_original and _LETTERS.match(options):
        return Found(text.raw in choices, text.raw[:100])
    found = trimmed(text.raw if text.is_original else text.stripped).lower()
    return Found(found in [trimmed(choice).lower() for choice in choices], found[:100])


@_task("custom:multiples", "Count from 10 to 50, but print only the multiples of 7.")
def multiples(text: Text) -> Found:
    """14, 21, 28, 35, 42, 49 and no other number."""
    found = re.findall(r"\d+", text.raw)
    return Found(found == [str(n) for n in range(14, 51, 7)], found[:20])


@_task(
    "custom:mcq_count_length",
    "Write 4 multiple choice questions on the art history of the 20th century with 5 options each. "
    "Label each `Question` and "
    "its number. Each question is longer than the one before. Give no explanation.",
)
def mcq_count_length(text: Text) -> Found:
    """Four questions, five options each, growing. Original: the response begins with `Question`."""
    raw = text.raw if text.is_original else text.stripped
    if not raw.startswith("Question"):
        return Found(False, "text before the first question")
    questions = [part.strip() for part in _QUESTION.split(raw) if part.strip()]
    if len(questions) != 4:
        return Found(False, {"questions": len(questions)})
    lengths = []
    for question in questions:
        lines = [line.strip() for line in question.split("\n")]
        is_option = [bool(_OPTION.match(line)) for line in lines]
        if sum(is_option) != 5:
            return Found(False, {"options": sum(is_option)})
        lengths.append(len(" ".join(lines[: is_option.index(True)]).strip()))
    return Found(all(b > a for a, b in itertools.pairwise(lengths)), lengths)


@_task(
    "custom:reverse_newline",
    "List the countries of Africa in reverse alphabetical order, each on a line of its own.",
)
def reverse_newline(text: Text) -> Found:
    """From the line with Zimbabwe on, 52 lines or more in falling order, accents aside. Original: a closing
    remark after the list breaks the order as any line does."""
    lines = [line.strip(_MARKS) for line in text.lines if line.strip(_MARKS)]
    start = next((i for i, line in enumerate(lines) if "Zimbabwe" in line), None)
    if start is None:
        return Found(False, "no Zimbabwe")
    names = [_ascii(line) for line in lines[start:]]
    return Found(len(names) >= 52 and names == sorted(names, reverse=True), {"lines": len(names)})


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")


@_task(
    "custom:word_reverse",
    "Which animal is the national symbol of the USA? Answer in a sentence whose words stand in reverse order.",
)
def word_reverse(text: Text) -> Found:
    """Read backwards it has `bald eagle` and is one sentence."""
    words = without_punctuation(text.lower.strip()).split()[::-1]
    sentence = " ".join(words)
    if "bald eagle" not in sentence:
        return Found(False, sentence[:100])
    return Found(sentence in text.with_raw(sentence).sentences, sentence[:100])


@_task(
    "custom:character_reverse",
    "Which animal is the national symbol of the USA? Answer in a sentence whose letters stand in reverse order.",
)
def character_reverse(text: Text) -> Found:
    """It has `elgae dlab`."""
    return Found("elgae dlab" in text.lower)


@_task(
    "custom:european_capitals_sort",
    "List the capitals of the European countries that lie north of 45 degrees of latitude, from "
    "north to south, separated by "
    "commas, without the countries.",
)
def european_capitals_sort(text: Text) -> Found:
    """27 capitals in order, accents aside."""
    found = [part.strip() for part in _ascii(text.raw).split(",") if part.strip()]
    if not text.is_original:
        found = [name.strip(_MARKS + "\n") for name in found]
    return Found(found == CAPITALS, {"capitals": len(found)})


@_task(
    "custom:csv_city",
    "Write CSV with the columns ID, Country, City, Year and Count, separated by commas, and 7 rows.",
)
def csv_city(text: Text) -> Found:
    """A header and 7 rows of 5 fields."""
    rows = _table(text.raw if text.is_original else _unfenced(text), ",")
    follows = len(rows) == 8 and rows[0] == ["ID", "Country", "City", "Year", "Count"]
    return Found(follows and all(len(row) == 5 for row in rows), {"rows": len(rows)})


@_task(
    "custom:csv_special_character",
    "Write CSV with the columns ProductID, Category, Brand, Price and Stock, separated by commas, "
    "and 14 rows. One field has a "
    "special character and stands in double quotes.",
)
def csv_special_character(text: Text) -> Found:
    """A header and 14 rows of 5 fields, one of them quoted with a mark in it. Original: rows after the first
    such field are not looked at."""
    raw = text.raw if text.is_original else _unfenced(text)
    if not _has_header(raw, ("ProductID", "Category", "Brand", "Price", "Stock"), r",[ \t]*"):
        return Found(False, "another header")
    # Doubled quotes survive the reader, so that a quoted field can be told.
    rows = _table(raw.replace('"', '"""'), ",")
    if len(rows) != 15:
        return Found(False, {"rows": len(rows)})
    has_special = False
    for row in rows[1:]:
        if len(row) != 5:
            return Found(False, {"fields": len(row)})
        has_special = has_special or any(_is_special(field) for field in row)
        if has_special and text.is_original:
            break
    return Found(has_special)


def _is_special(field: str) -> bool:
    """Does a field begin with a quote, and have a mark before its last quote on that line?"""
    line = field.split("\n", 1)[0]
    end = line.rfind('"')
    return line.startswith('"') and end > 1 and re.search(r"[^\d\w\s]", line[1:end]) is not None


@_task(
    "custom:csv_quotes",
    "Write CSV with the columns StudentID, Subject, Grade, Semester and Score, separated by tabs, "
    "and 3 rows, with every field "
    "in double quotes.",
)
def csv_quotes(text: Text) -> Found:
    """A header and 3 rows of 5 quoted fields."""
    raw = text.raw if text.is_original else _unfenced(text)
    if not _has_header(raw, ("StudentID", "Subject", "Grade", "Semester", "Score"), r"\t *"):
        return Found(False, "another header")
    rows = _table(raw.replace('"', '"""'), "\t")
    if len(rows) != 4 or any(len(row) != 5 for row in rows):
        return Found(False, {"rows": len(rows)})
    fields = [field.strip() for row in rows for field in row]
    return Found(all(field.startswith('"') and field.endswith('"') for field in fields))


def _has_header(raw: str, names: Sequence[str], gap: str) -> bool:
    columns = gap.join(f'(?:{name}|"{name}")' for name in names)
    return re.match(rf"{columns}$", raw.split("\n", 1)[0].strip()) is not None


def _table(raw: str, delimiter: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(raw), delimiter=delimiter))
    except csv.Error:
        return []


def _unfenced(text: Text) -> str:
    """Without a code fence around it, and without white space at the ends."""
    fenced = re.fullmatch(r"```[^\n]*\n(.*?)\n?```", text.stripped, re.DOTALL)
    return fenced.group(1) if fenced else text.stripped


@_task(
    "custom:date_format_list",
    "List the start dates of all battles that Napoleon fought as YYYY-MM-DD, separated by "
    "commas, without an explanation.",
)
def date_format_list(text: Text) -> Found:
    """Dates of Napoleon's lifetime, 1769 to 1821. Original: month 0, day 0 and 30 February pass."""
    for part in text.stripped.split(","):
        found = _DATE.fullmatch(part.strip())
        if found is None:
            return Found(False, part.strip()[:50])
        year, month, day = map(int, found.groups())
        if not 1769 <= year <= 1821 or not _is_day(year, month, day, text.is_original):
            return Found(False, part.strip())
    return Found(True)


def _is_day(year: int, month: int, day: int, is_lax: bool) -> bool:
    if is_lax:
        longest = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30, 0: 99}.get(month, 31)
        return month <= 12 and day <= longest
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
