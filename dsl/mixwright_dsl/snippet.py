"""A diagnostic as a person reads it in a terminal: the lines of the file, with carets and what they mean.

error[MIX105]: `pipeline` has no attribute `sead`
  --> specs/chat.mix:7:3
7 |   sead = 4
  |   ^^^^ known here: seed
hint: did you mean `seed`?
"""

from __future__ import annotations

from collections.abc import Iterable

from mixwright_dsl.diagnostic import Diagnostic, Label, Severity
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.source import SourceFile
from mixwright_dsl.visible import cell, visible, width

WIDEST_LINE = 140
"""Columns of a source line shown; of a longer one, the part around the mark."""

LONGEST_WHOLE_SPAN = 4
"""Lines of a span shown whole; of a longer one, the first and the last."""

_COLORS = {Severity.ERROR: "1;31", Severity.WARNING: "1;33", Severity.LINT: "1;36"}
_RULE, _SECONDARY, _HINT = "1;34", "1;34", "1;32"


class Painter:
    """Wraps text in ANSI colours, or leaves it alone."""

    def __init__(self, color: bool) -> None:
        self.color = color

    def __call__(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and text else text


@dataclass(frozen=True)
class _Mark:
    """An underlined part of one line: columns count printed cells from 0, `end` is exclusive."""

    line: int
    start: int  # character index in the line
    end: int
    message: str
    is_primary: bool


def render_diagnostic(diagnostic: Diagnostic, paint: Painter) -> str:
    """The diagnostic over several lines, without a line end at the last."""
    color = _COLORS[diagnostic.severity]
    head = paint(f"{diagnostic.severity.value}[{diagnostic.code}]", color)
    lines = [head + paint(f": {visible(diagnostic.message)}", "1")]
    labels = [(diagnostic.primary, True), *((label, False) for label in diagnostic.secondary)]
    files: list[SourceFile] = []
    for label, _ in labels:
        if label.span.source not in files:
            files.append(label.span.source)
    last_line = max(label.span.source.position(label.span.end).line for label, _ in labels)
    gutter = len(str(last_line))
    for source in files:
        here = [(label, is_primary) for label, is_primary in labels if label.span.source == source]
        arrow = "-->" if source is files[0] else ":::"
        at = here[0][0].span.position
        place = f"{visible(source.name)}:{at.line}:{at.column}"
        lines.append(" " * gutter + paint(f" {arrow} ", _RULE) + place)
        lines += _snippet(source, here, gutter, paint, color)
    below = "\n" + " " * (gutter + len(" = note: "))
    lines += [
        " " * gutter + paint(" = ", _RULE) + "note: " + visible(note).rstrip("\n").replace("\n", below)
        for note in diagnostic.notes
    ]
    hint = diagnostic.hint or (diagnostic.fix.message if diagnostic.fix else "")
    if hint:
        lines.append(paint("hint", _HINT) + f": {visible(hint)}")
    return "\n".join(lines)


def _snippet(
    source: SourceFile, labels: list[tuple[Label, bool]], gutter: int, paint: Painter, color: str
) -> list[str]:
    marks_by_line: dict[int, list[_Mark]] = {}
    for label, is_primary in labels:
        for mark in _marks(source, label, is_primary):
            marks_by_line.setdefault(mark.line, []).append(mark)
    rows: list[str] = []
    previous = 0
    for line in sorted(marks_by_line):
        if previous and line == previous + 2 and source.line_text(line - 1).strip():
            rows += _source_row(source, line - 1, (), gutter, paint, color)
        elif previous and line > previous + 1:
            rows.append(paint("...", _RULE))
        rows += _source_row(source, line, marks_by_line[line], gutter, paint, color)
        previous = line
    return rows


def _marks(source: SourceFile, label: Label, is_primary: bool) -> Iterable[_Mark]:
    start, end = source.position(label.span.start), source.position(label.span.end)
    if end.line > start.line and end.column == 1:
        # The span ends with a line end: its last character is on the line before.
        end = source.position(label.span.end - 1)
    if start.line == end.line:
        yield _Mark(start.line, start.column - 1, end.column - 1, label.message, is_primary)
        return
    for line in range(start.line, end.line + 1):
        is_edge = line in (start.line, end.line)
        if not is_edge and end.line - start.line >= LONGEST_WHOLE_SPAN:
            continue
        text = source.line_text(line)
        first = start.column - 1 if line == start.line else len(text) - len(text.lstrip())
        last = end.column - 1 if line == end.line else len(text.rstrip())
        if last > first or is_edge:
            yield _Mark(line, first, last, label.message if line == end.line else "", is_primary)


def _source_row(
    source: SourceFile, line: int, marks: Iterable[_Mark], gutter: int, paint: Painter, color: str
) -> list[str]:
    marks = sorted(marks, key=lambda mark: (mark.start, mark.end))
    cells = [cell(character) for character in source.line_text(line)]
    first, last = _window(cells, marks)
    shown = "".join(cells[first:last]).rstrip()
    lead = "… " if first else ""
    shown = lead + shown + (" …" if last < len(cells) else "")
    bar = paint(" | ", _RULE)
    rows = [paint(str(line).rjust(gutter), _RULE) + bar + shown]

    def column(index: int) -> int:
        inside = max(first, min(index, last))
        beyond = max(0, index - len(cells)) if index > len(cells) else 0
        return width(lead) + width("".join(cells[first:inside])) + beyond

    if not marks:
        return rows
    blank = " " * gutter + bar
    drawn: list[tuple[str, str]] = []  # one (character, colour) per column

    def draw(into: list[tuple[str, str]], at: int, text: str, code: str) -> None:
        while len(into) < at + width(text):
            into.append((" ", ""))
        for offset, character in enumerate(text):
            into[at + offset] = (character, code)

    # The primary is drawn last, over the others.
    for mark in sorted(marks, key=lambda mark: mark.is_primary):
        at = column(mark.start)
        length = max(1, column(mark.end) - at)
        draw(drawn, at, ("^" if mark.is_primary else "-") * length, color if mark.is_primary else _SECONDARY)
    with_message = [mark for mark in marks if mark.message]
    row = _painted(drawn, paint)
    if with_message and with_message[-1] is marks[-1]:
        tail = with_message.pop()
        row += " " + paint(visible(tail.message), color if tail.is_primary else _SECONDARY)
    rows.append(blank + row)
    while with_message:
        mark = with_message.pop()
        cells_below: list[tuple[str, str]] = []
        for other in with_message:
            draw(cells_below, column(other.start), "|", color if other.is_primary else _SECONDARY)
        code = color if mark.is_primary else _SECONDARY
        at = column(mark.start)
        cells_below = cells_below[:at] + [(" ", "")] * (at - len(cells_below))
        rows.append(blank + _painted(cells_below, paint) + paint(visible(mark.message), code))
    return rows


def _window(cells: list[str], marks: list[_Mark]) -> tuple[int, int]:
    """First and last (exclusive) character of the line to show: all of it, or the part around the first mark."""
    if width("".join(cells)) <= WIDEST_LINE:
        return 0, len(cells)
    middle = next((mark.start for mark in marks if mark.is_primary), marks[0].start if marks else 0)
    first = max(0, middle - WIDEST_LINE // 3)
    last, used = first, 0
    while last < len(cells) and used < WIDEST_LINE:
        used += width(cells[last])
        last += 1
    return first, last


def _painted(cells: list[tuple[str, str]], paint: Painter) -> str:
    parts: list[str] = []
    run, code = "", ""
    for character, own in [*cells, ("", "\0")]:
        if own != code:
            parts.append(paint(run, code) if code else run)
            run, code = "", own
        run += character
    return "".join(parts)
