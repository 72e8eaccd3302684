"""Source kind `inline`: rows written in the spec."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import SourceSpec
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.attributes import SOURCE
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.sources.files import cleaned


@declare(
    "source",
    "inline",
    rows_in="rows",
    attributes=(
        attribute("rows", "list[json]", "the rows, each `{ column = value }`", default=REQUIRED),
        *SOURCE,
    ),
)
class Inline:
    """Rows written in the spec itself: seeds, topics, small tests.

    A key that a row lacks is null. The place of a row is `inline:N`, counted from 1.
    """

    revision = ""
    files: tuple[Path, ...] = ()

    def __init__(self, spec: SourceSpec, directory: Path) -> None:
        self.what = f"source '{spec.name}'"
        self._rows = spec.attributes["rows"]

    def rows(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Each row with its place, `inline:N`."""
        for number, row in enumerate(self._rows, 1):
            if not isinstance(row, dict):
                raise RunError(f"{self.what}: inline:{number}: a row must be {{ column = value }}")
            yield cleaned(row), f"inline:{number}"
