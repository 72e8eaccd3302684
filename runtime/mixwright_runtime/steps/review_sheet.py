"""The sheet of a `review`: a CSV file for people, and what they made of it with a spreadsheet."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mixwright_runtime.errors import RunError

CELL = 32_000
"""Characters of a cell; a spreadsheet's cells hold 32,767, and what is longer spills into others."""
FINDINGS = 5
"""Faults of a sheet that are told at once."""
YES = frozenset({"yes", "y", "true", "1", "right", "good", "是", "对", "wahr", "vrai"})
NO = frozenset({"no", "n", "false", "0", "wrong", "bad", "否", "错", "falsch", "faux"})
"""Verdicts, as people and the spreadsheets of some languages write them, in small letters."""
UNSURE = frozenset({"?", "unsure", "skip"})

_FORMULA = re.compile(r"^\s*[=+\-@\t\r＝＋－＠]")
"""Beginnings at which spreadsheets take a text for a formula (OWASP, CSV Injection), full-width ones included."""
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufeff\ufffe\uffff\ud800-\udfff]")
_ROW = re.compile(r"r-([0-9a-f]{32})")


@dataclass(frozen=True)
class Line:
    """One thing to judge. item: its number in the row's list, 0 of a row as a whole. content: a digest of what is
    shown, by which a verdict on an older text is told. shown: cells by their heads."""

    row: str
    item: int
    content: str
    shown: Mapping[str, str]


@dataclass(frozen=True)
class Judged:
    """A line as it came back. verdicts: one of each person, None where there is none. missing: how many things each
    person misses in the row's list, None where not said. line: where it stands in the file."""

    row: str
    item: int
    content: str
    verdicts: tuple[bool | None, ...]
    unsure: int
    missing: tuple[int | None, ...]
    line: int

    @property
    def has_verdict(self) -> bool:
        """Did anybody say anything?"""
        return self.unsure > 0 or any(v is not None for v in (*self.verdicts, *self.missing))


@dataclass(frozen=True)
class Sheet:
    """How a sheet is laid out.

    people: how many judge, each in columns of their own.
    is_list: lines are items of the rows' lists, and `missing` asks for how many are not there.
    """

    people: int
    is_list: bool

    @property
    def verdicts(self) -> list[str]:
        """Heads of the columns with verdicts."""
        return self._each("verdict")

    @property
    def missing(self) -> list[str]:
        """Heads of the columns with numbers of things that a list lacks."""
        return self._each("missing") if self.is_list else []

    def _each(self, name: str) -> list[str]:
        return [name] if self.people == 1 else [f"{name}_{n}" for n in range(1, self.people + 1)]

    def text(self, lines: Sequence[Line]) -> str:
        """The sheet of these lines, with nothing judged yet."""
        shown = list(dict.fromkeys(head for line in lines for head in line.shown))
        to_fill = [*self.verdicts, *self.missing, "comment"]
        file = io.StringIO()
        written = csv.writer(file)
        written.writerow(["row", "item", *map(safe, shown), *to_fill, "content"])
        for line in lines:
            cells = [safe(line.shown.get(head, "")) for head in shown]
            item = str(line.item) if line.item else ""
            written.writerow([f"r-{line.row}", item, *cells, *("" for _ in to_fill), f"c-{line.content}"])
        return file.getvalue()

    def read(self, path: Path) -> list[Judged]:
        """The lines of a sheet that people have had, whatever their spreadsheet made of its separators and order.

        Raises:
            RunError: it is no sheet of this kind, or says what cannot be meant; with file and line.
        """
        heads, records = _records(path)
        needed = ["row", "content", *self.verdicts, *self.missing, *(["item"] if self.is_list else [])]
        for name in needed:
            if name not in heads:
                there = ", ".join(head for head in heads if head)
                raise RunError(
                    f"{path}:1: no column '{name}': this is not the sheet of this review, or the column was deleted; "
                    f"its columns: {there or 'none'}"
                )
        found: dict[tuple[str, int], Judged] = {}
        faults: list[str] = []
        for number, cells in records:
            given = {
                head: cells[at].strip() if at < len(cells) else "" for at, head in enumerate(heads) if head
            }
            try:
                judged = self._judged(given, number)
            except ValueError as fault:
                faults.append(f"{path}:{number}: {fault}")
                continue
            if judged is None:
                continue
            before = found.setdefault((judged.row, judged.item), judged)
            if before is not judged and _opinion(before) != _opinion(judged):
                faults.append(
                    f"{path}:{number}: judged otherwise on line {before.line}: delete one of the two"
                )
        if faults:
            more = len(faults) - FINDINGS
            told = "; ".join(faults[:FINDINGS]) + (f"; and {more:,} more" if more > 0 else "")
            raise RunError(told)
        return list(found.values())

    def _judged(self, given: Mapping[str, str], number: int) -> Judged | None:
        """A line of the file; None of one that says nothing.

        Raises:
            ValueError: what is wrong with it.
        """
        filled = [given[name] for name in (*self.verdicts, *self.missing)]
        match = _ROW.fullmatch(given["row"])
        if match is None:
            if any(filled):
                raise ValueError(f"a verdict on no row: the column 'row' holds '{_brief(given['row'])}'")
            return None
        item = given.get("item", "") if self.is_list else ""
        if item and not (item.isascii() and item.isdigit()):
            raise ValueError(f"'{_brief(item)}' is no item's number")
        verdicts, unsure = [], 0
        for name in self.verdicts:
            word = given[name].casefold()
            if word in UNSURE:
                unsure += 1
            elif word and word not in YES and word not in NO:
                raise ValueError(
                    f"{name}: '{_brief(given[name])}' is no verdict: write yes, no, ? where it cannot be told, or nothing"
                )
            verdicts.append(True if word in YES else False if word in NO else None)
        if self.is_list and not item and any(v is not None for v in verdicts):
            raise ValueError("a verdict, and the row has nothing in its list; say in `missing` what it lacks")
        missing = tuple(_count(name, given[name]) for name in self.missing)
        return Judged(
            match[1],
            int(item or 0),
            given["content"].removeprefix("c-"),
            tuple(verdicts),
            unsure,
            missing,
            number,
        )


def _opinion(judged: Judged) -> object:
    return judged.verdicts, judged.missing


def _count(name: str, text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 6:
        raise ValueError(f"{name}: '{_brief(text)}' is no number; write how many are missing, 0 for none")
    return int(text)


def _brief(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def _records(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The heads of a CSV file in small letters, and its further records, each with the line it begins on.

    Raises:
        RunError: it cannot be read as one.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}") from error
    try:
        is_wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
        text = raw.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise RunError(f"{path}:{line}: not UTF-8; save it as 'CSV UTF-8'") from error
    # Spreadsheets of many countries write semicolons.
    for separator in ",;\t":
        records = _split(path, text, separator)
        heads = [head.strip().casefold() for head in records[0][1]] if records else []
        if "row" in heads:
            return heads, records[1:]
    return _split(path, text, ",")[0][1] if text.strip() else [], []


def _split(path: Path, text: str, separator: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    records: list[tuple[int, list[str]]] = []
    begins = 1
    try:
        for cells in reader:
            records.append((begins, cells))
            begins = reader.line_num + 1
    except csv.Error as error:
        raise RunError(f"{path}:{begins}: no CSV: {error}") from error
    return records


def safe(text: str) -> str:
    """A cell that no spreadsheet takes for a formula, and that fits into one."""
    text = _UNWRITABLE.sub("�", text.replace("\r\n", "\n").replace("\r", "\n"))
    if len(text) > CELL:
        text = f"{text[:CELL]} … ({len(text) - CELL:,} more characters)"
    return f"'{text}" if _FORMULA.match(text) else text


def write_new(path: Path, text: str) -> None:
    """Write a file in one step. With a byte-order mark, without which Excel does not take it for UTF-8.

    Raises:
        RunError: it cannot be written.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(text.encode("utf-8-sig"))
        os.replace(new, path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise RunError(f"{path}: {error.strerror}: the sheet cannot be written") from error
