"""A comparison of specs as text for a terminal: what changes by what that costs, then rows, licenses and work."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence

from mixwright.changes.facts import EFFECTS, LicenseMove, QuotaMove, Rerun, SpecDiff, Work
from mixwright.terminal import Painted, number_of, printable, table
from mixwright_compiler.plan.diff import Difference

_COLORS = {"+": "\x1b[32m", "-": "\x1b[31m", "~": "\x1b[33m"}
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"
OPEN_WORDS = "not compared, for a param of it has no value; name the spec and give '-p NAME=VALUE'"
NARROWEST = 40
"""Columns below which lines are not wrapped: a name would stand alone in each."""


def diff_text(diffs: Sequence[SpecDiff], old: str, new: str, *, color: bool, width: int = 0) -> str:
    """All that differs, a section a spec, ends with a newline. `width`: of the terminal; 0 asks it."""
    width = max(NARROWEST, width or shutil.get_terminal_size((100, 24)).columns)
    shown = told(diffs)
    if not shown:
        return printable(f"no difference between {old} and {new}\n")
    sections = [_section(diff, old, new, color, width) for diff in shown]
    same = len(diffs) - len(shown)
    tail = [f"{number_of(same, 'other spec')}: no difference"] if same else []
    return Painted("\n\n".join([*sections, *tail]) + "\n")


def told(diffs: Sequence[SpecDiff]) -> list[SpecDiff]:
    """The specs of which there is something to tell."""
    return [diff for diff in diffs if diff.status != "same" or diff.was]


def _section(diff: SpecDiff, old: str, new: str, color: bool, width: int) -> str:
    head = printable(f"{diff.spec}: {_between(diff, old, new)}")
    lines = [f"{_BOLD}{head}{_PLAIN}" if color else head]
    if not diff.differs:
        return lines[0]
    lines += ["", *_changes(diff, color, width)]
    for title, words in (
        ("made again", map(rerun_words, diff.reruns)),
        ("rows of mixtures", map(quota_words, diff.quotas)),
    ):
        if sentences := list(words):
            lines += ["", title, *(line for text in sentences for line in _wrapped("~", text, color, width))]
    if diff.licenses:
        lines += ["", "licenses"]
        for move in diff.licenses:
            lines += _wrapped(move.sign, license_words(move), color, width)
    if not any(work.requests for work in diff.work):
        return "\n".join(lines)
    rows = work_table(diff)
    lines += ["", "work", *printable(table(rows, right=range(1, len(rows[0])))).split("\n")]
    lines += [
        line
        for note in work_notes(diff)
        for line in textwrap.wrap(printable(note), width, initial_indent="  ", subsequent_indent="  ")
    ]
    return "\n".join(lines)


def _between(diff: SpecDiff, old: str, new: str) -> str:
    match diff.status:
        case "added":
            return f"new in {new}"
        case "removed":
            return f"not in {new}"
        case "broken":
            return "cannot be compared, for it has errors"
        case "open":
            return OPEN_WORDS
        case "same":
            return f"was {diff.was}; no other difference"
        case _:
            return f"{old} → {new}" + (f", was {diff.was}" if diff.was else "")


def by_class(changes: Sequence[Difference]) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Title and lines of each class that something changes in, then of what is new and gone: (sign, node, words)."""
    for cls, effect in EFFECTS.items():
        lines: list[tuple[str, str, str]] = [
            (change.sign, change.node, ", ".join(each.what for each in change.changes if each.cls == cls))
            for change in changes
            if cls in change.classes
        ]
        if lines:
            yield f"{cls}: {effect}", lines
    for sign, title in (("+", "new"), ("-", "gone")):
        lines = [(sign, change.node, "") for change in changes if change.sign == sign]
        if lines:
            yield title, lines


def _changes(diff: SpecDiff, color: bool, width: int) -> Iterator[str]:
    for title, lines in by_class(diff.changes):
        yield from textwrap.wrap(title, width, subsequent_indent="  ")
        for sign, node, words in lines:
            yield from _wrapped(sign, f"{node}  {words}" if words else node, color, width)


def _wrapped(sign: str, text: str, color: bool, width: int) -> list[str]:
    lines = textwrap.wrap(
        printable(text),
        width,
        initial_indent="    ",
        subsequent_indent="      ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    mark = f"{_COLORS[sign]}{sign}{_PLAIN}" if color else sign
    return [f"  {mark}{lines[0][3:]}", *lines[1:]]


def reruns_table(reruns: Sequence[Rerun]) -> list[Sequence[str]]:
    """Pipelines whose rows are made again, the first row being the headings."""
    rows: list[Sequence[str]] = [("pipeline", "from", "steps", "requests at most")]
    for rerun in reruns:
        step = {"": "new", "from": "its start"}.get(rerun.step, rerun.step)
        rows.append((rerun.pipeline, step, str(rerun.steps), _count(rerun.requests)))
    return rows


def quotas_table(moves: Sequence[QuotaMove]) -> list[Sequence[str]]:
    """Lines of mixtures that differ, with the rows expected of them."""
    rows: list[Sequence[str]] = [("component", "quota", "rows before", "now")]
    for move in moves:
        old, new = move.quotas
        quota = new if old == new else f"{old or 'none'} → {new or 'none'}"
        before, now = (
            _count(count) if words else "" for count, words in zip(move.rows, move.quotas, strict=True)
        )
        rows.append((f"{move.mixture}.{move.component}", quota or "", before, now))
    return rows


def rerun_words(rerun: Rerun) -> str:
    """`math from generate_solution on: 3 steps, 200 requests at most`."""
    where = {"": "is new", "from": "from its start on"}.get(rerun.step, f"from {rerun.step} on")
    steps = f"{rerun.steps} step{'' if rerun.steps == 1 else 's'}"
    return f"{rerun.pipeline} {where}: {steps}, {_count(rerun.requests)} requests at most"


def quota_words(move: QuotaMove) -> str:
    """`student.math 40 → 50, rows 40 → 50`."""
    _, quota, before, now = quotas_table((move,))[1]
    rows = f"rows {before or 'none'} → {now or 'none'}" if before != now else f"rows {now}"
    return f"{move.mixture}.{move.component} {quota}, {rows}"


def license_words(move: LicenseMove) -> str:
    """`cc-by-sa-4.0 in student, by source people`."""
    return f"{move.license} in {move.mixture}, by {', '.join(move.brought_by)}"


def work_table(diff: SpecDiff) -> list[Sequence[str]]:
    """Requests, tokens and dollars on both sides; the dollars only where a model has a price."""
    old, new = diff.work
    rows: list[Sequence[str]] = [("", "before", "now", "difference")]
    for words, name in (
        ("requests", "requests"),
        ("prompt tokens", "prompt_tokens"),
        ("output tokens", "output_tokens"),
    ):
        before, now = getattr(old, name), getattr(new, name)
        rows.append((words, f"{before:,}", f"{now:,}", f"{now - before:+,}" if now != before else "0"))
    if old.cost is not None or new.cost is not None:
        before, now = old.cost or 0.0, new.cost or 0.0
        sign = "-" if now < before else "+"
        difference = f"{sign}{dollars(abs(now - before))}" if now != before else "0"
        rows.append(("dollars", _cost(old), _cost(new), difference))
    return rows


def work_notes(diff: SpecDiff) -> Iterator[str]:
    """What stands below the figures: what a run would ask, what the store is, what is not known."""
    if diff.anew is not None:
        anew = diff.anew
        count = f"{anew.least:,}" if anew.least == anew.most else f"{anew.least:,} to {anew.most:,}"
        yield f"a run asks {count} requests anew"
    if diff.work[1].is_bound:
        yield "and what cannot be known before a run"
    if diff.work[0].cost is None and diff.work[1].cost is None:
        yield "no dollars: no model has `price_in` and `price_out`"
    if diff.store:
        yield diff.store


def _cost(work: Work) -> str:
    return "none" if work.cost is None else dollars(work.cost)


def dollars(cost: float) -> str:
    """`$12.30`; four places below a dollar."""
    return f"${cost:,.2f}" if cost >= 1 or cost == 0 else f"${cost:.4f}"


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"
