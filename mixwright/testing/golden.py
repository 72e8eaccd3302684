"""Golden files: what came out of a test once, read by a person, and held to from then on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright.compiling import why_unreadable
from mixwright.file_changes import write_atomically
from mixwright.testing.telling import difference
from mixwright_compiler.catalog.references import declared_name
from mixwright_dsl.diagnostic import Diagnostic, error

if TYPE_CHECKING:
    from mixwright_compiler.spec_tests import IsGolden
    from mixwright_runtime.run.trial import Ended

BETWEEN = "\n---\n"
"""Between the texts of two rows."""


class Golden:
    """The golden files of one test. `written`: those that were brought up to date."""

    def __init__(self, directory: Path, updates: bool) -> None:
        self.written: list[str] = []
        self._directory = directory
        self._updates = updates

    def compared(self, expected: IsGolden, found: str) -> Diagnostic | None:
        """The failure where the file is missing or differs; None where it is right, or was written.

        Raises:
            OSError: the file cannot be written.
        """
        path = self._directory / expected.path
        try:
            there: str | None = path.read_bytes().decode("utf-8")
        except FileNotFoundError:
            there = None
        except (OSError, UnicodeDecodeError) as problem:
            return error(
                "MIX975", f"`{expected.path}` cannot be read: {why_unreadable(problem)}", expected.span
            )
        if there == found:
            return None
        if self._updates:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, found.encode())
            self.written.append(expected.path)
            return None
        return error(
            "MIX975",
            f"`{expected.path}` is not there" if there is None else f"`{expected.path}` has something else",
            expected.span,
            notes=difference(there or "", found),
            hint="`mixwright test --update` writes it",
        )


def golden_text(texts: Sequence[str]) -> str:
    """What a file has of a text of each row."""
    return BETWEEN.join(text.rstrip("\n") for text in texts) + "\n"


def golden_rows(rows: Sequence[Ended]) -> str:
    """What a file has of rows: what became of each, as JSON."""
    return json.dumps([_as_json(row) for row in rows], indent=1, ensure_ascii=False, default=str) + "\n"


def _as_json(row: Ended) -> dict[str, Any]:
    of = {"of": declared_name(row.component)} if row.component else {}
    lost = {"by": row.step, "reason": row.reason} if row.step else {}
    return {"row": row.started - row.before + 1, **of, row.status: dict(row.columns), **lost}
