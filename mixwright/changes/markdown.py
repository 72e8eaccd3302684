"""A comparison of specs as Markdown, for the comment of a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mixwright.changes.facts import SpecDiff
from mixwright.changes.text import (
    by_class,
    license_words,
    quotas_table,
    reruns_table,
    told,
    work_notes,
    work_table,
)
from mixwright.terminal import number_of
from mixwright_dsl.visible import visible

MOST_PROBLEMS = 10
"""Errors of a spec that are named: `mixwright check` tells all."""
MARKER = "<!-- mixwright diff -->"
"""First line: a bot finds its earlier comment by it, and replaces it."""


_NOT_COMPARED = {"broken": "has errors", "open": "not compared: `-p` is missing", "same": ""}


def diff_markdown(diffs: Sequence[SpecDiff], old: str, new: str) -> str:
    """All that differs, a section a spec, ends with a newline. What a spec says is code or escaped, never markup."""
    shown = told(diffs)
    lines = [MARKER, f"## Mixwright: {code(old)} → {code(new)}", ""]
    if not shown:
        lines.append("No difference: the same rows, quotas, licenses and cost.")
    else:
        lines += [*_summary(shown), ""]
    for diff in shown:
        if diff.differs:
            lines += [*_section(diff), ""]
        elif diff.status == "broken":
            lines += [*_problems(diff), ""]
    same = len(diffs) - len(shown)
    if shown and same:
        lines.append(f"{number_of(same, 'other spec')}: no difference.")
    return "\n".join(lines).rstrip("\n") + "\n"


def _summary(diffs: Sequence[SpecDiff]) -> Iterator[str]:
    """A table with a line a spec: how many changes of each kind, and what they cost."""
    rows: list[Sequence[str]] = [("spec", "rows", "set", "meta", "run", "new", "gone", "requests", "dollars")]
    for diff in diffs:
        if not diff.differs:
            rows.append((_name(diff), _NOT_COMPARED[diff.status], *[""] * 7))
            continue
        counts = diff.counts()
        figures = {row[0]: row[3] for row in work_table(diff)}
        names = ("row", "set", "meta", "run", "added", "removed")
        rows.append(
            (
                _name(diff),
                *(str(counts[name] or "") for name in names),
                figures["requests"],
                figures.get("dollars", ""),
            )
        )
    yield from _table(rows, right=range(1, 9))


def _name(diff: SpecDiff) -> str:
    return code(diff.spec) + (f" (was {code(diff.was)})" if diff.was else "")


def _problems(diff: SpecDiff) -> Iterator[str]:
    """Why a spec cannot be compared, the first errors of it."""
    yield f"### {code(diff.spec)}"
    yield ""
    yield f"It cannot be compared, for it has {number_of(len(diff.problems), 'error')}:"
    yield ""
    for problem in diff.problems[:MOST_PROBLEMS]:
        span = problem.primary.span
        place = f"{span.source.name}:{span.position.line}:{span.position.column}"
        yield f"- {code(f'{problem.code} {place}')} {prose(problem.message)}"
    if len(diff.problems) > MOST_PROBLEMS:
        yield f"- and {len(diff.problems) - MOST_PROBLEMS:,} more"


def _section(diff: SpecDiff) -> Iterator[str]:
    words = {"added": " (new)", "removed": " (removed)"}.get(diff.status, "")
    yield f"### {_name(diff)}{words}"
    yield ""
    for title, lines in by_class(diff.changes):
        cls, colon, effect = title.partition(": ")
        yield f"**{cls}**: {effect}" if colon else f"**{cls}**"
        yield ""
        for sign, node, what in lines:
            yield f"- {code(f'{sign} {node}')}" + (f": {code(what)}" if what else "")
        yield ""
    for title, rows, right in (
        ("Made again", reruns_table(diff.reruns), range(2, 4)),
        ("Rows of mixtures", quotas_table(diff.quotas), range(2, 4)),
    ):
        if len(rows) > 1:
            yield f"**{title}**"
            yield ""
            yield from _table([rows[0], *([code(row[0]), *map(escaped, row[1:])] for row in rows[1:])], right)
            yield ""
    if diff.licenses:
        yield "**Licenses**"
        yield ""
        for move in diff.licenses:
            yield f"- {code(f'{move.sign} {move.license}')} {escaped(license_words(move).partition(' ')[2])}"
        yield ""
    if not any(work.requests for work in diff.work):
        return
    yield "**Work**"
    yield ""
    yield from _table(work_table(diff), range(1, 4))
    for note in work_notes(diff):
        yield ""
        yield prose(f"{note[:1].upper()}{note[1:]}.")


def _table(rows: Sequence[Sequence[str]], right: Sequence[int]) -> Iterator[str]:
    head, *body = rows
    yield f"| {' | '.join(head)} |"
    yield "|" + "|".join("--:" if column in right else "---" for column in range(len(head))) + "|"
    for row in body:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def code(text: str) -> str:
    """Text as code, whatever backticks are in it."""
    flat = visible(" ".join(text.split()))
    longest = max((len(run) for run in re.findall("`+", flat)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def prose(text: str) -> str:
    """A sentence of ours: what stands between backticks is code, and all else is escaped."""
    parts = " ".join(text.split()).split("`")
    if len(parts) % 2 == 0:
        return escaped(text)
    return "".join(code(part) if at % 2 else _as_entities(part) for at, part in enumerate(parts))


def escaped(text: str) -> str:
    """Text in which nothing is markup: no link, no mention, no HTML."""
    return _as_entities(" ".join(text.split()))


def _as_entities(text: str) -> str:
    # A zero-width character after an at sign or a number sign would be invisible in a copied name: an entity is not.
    return re.sub(r"([\\`*_\[\]<>&#@~!|])", lambda found: f"&#{ord(found[1])};", visible(text))
