"""Values, messages and rows in the words of a test's failure."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mixwright_compiler.catalog.references import declared_name

if TYPE_CHECKING:
    from mixwright_runtime.run.trial import Ended

LONGEST = 400
"""Characters of a value that are shown of it."""
MOST_LINES = 40
"""Lines of a difference that are shown."""


def shown(value: object, most: int = LONGEST) -> str:
    """A value as JSON, on one line; of a long one the beginning."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def as_written(value: object, most: int = 160) -> str:
    """A value as a spec has it, on one line; of a long list the last items, behind `…`."""
    if isinstance(value, list):
        items = [as_written(item) for item in value]
        kept = len(items)
        while kept > 1 and sum(map(len, items[-kept:])) > most:
            kept -= 1
        return f"[{', '.join(['…'] * (kept < len(items)) + items[len(items) - kept :])}]"
    if isinstance(value, Mapping):
        if not all(str(name).isidentifier() for name in value):
            return f"<<~JSON {json.dumps(value, ensure_ascii=False)} JSON"
        return f"{{ {', '.join(f'{name} = {as_written(of)}' for name, of in value.items())} }}"
    return json.dumps(value, ensure_ascii=False)


def message_notes(messages: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The messages of a request, a note each."""
    return tuple(
        f"{message.get('role')}: {_beginning(str(message.get('content') or ''))}" for message in messages
    )


def _beginning(text: str) -> str:
    most = 4 * LONGEST
    return text if len(text) <= most else f"{text[:most]}…"


def difference(expected: str, found: str) -> tuple[str, ...]:
    """What differs between two texts, line by line, as notes."""
    lines = list(
        difflib.unified_diff(expected.splitlines(), found.splitlines(), "expected", "found", lineterm="", n=2)
    )
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"… {len(lines) - MOST_LINES} lines more"]
    return ("\n".join(lines),) if lines else ()


def values_notes(expected: object, found: object) -> tuple[str, ...]:
    """An expected value and the one that was found; of texts of several lines what differs, where a line does."""
    if isinstance(expected, str) and isinstance(found, str) and "\n" in expected + found:
        lines = difference(expected, found)
        if lines:
            return lines
    return f"expected {shown(expected)}", f"found    {shown(found)}"


def row_name(row: Ended) -> str:
    """`row 2`, and of a mixture `row 2 of tasks`."""
    of = f" of `{declared_name(row.component)}`" if row.component else ""
    return f"row {row.started - row.before + 1}{of}"


def row_notes(rows: Sequence[Ended], started: int, most: int = 5) -> tuple[str, ...]:
    """What became of rows, a note each."""
    notes = []
    for row in rows[:most]:
        which = row_name(row) if started > 1 else "the row"
        detail = "" if row.detail in (None, "", {}) else f": {shown(row.detail, 200)}"
        if not row.step:
            notes.append(f"{which} was {row.status}")
        else:
            # A filter has no other reason than itself.
            is_itself = row.reason == row.step.rpartition(".")[2].rstrip("_0123456789")
            reason = "" if is_itself else f", {row.reason}"
            notes.append(f"{which} was {row.status} by `{row.step}`{reason}{detail}")
    if len(rows) > most:
        notes.append(f"and {len(rows) - most} more")
    return tuple(notes)
