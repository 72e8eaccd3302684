"""How long the texts of sources are, as far as it is known before a run: for estimates of tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixwright_compiler.bind.lock import Lock
from mixwright_compiler.bind.plain import plain
from mixwright_compiler.program import Program


def column_characters(program: Program, lock: Lock) -> dict[str, Mapping[str, float]]:
    """Source -> mean length of its text columns in code points, under the new names of its mapping: of inline rows, and
    of what the lock measured."""
    found: dict[str, Mapping[str, float]] = {}
    for name, decl in program.sources.items():
        of_file: Mapping[str, float] = lock.sources[name].characters if name in lock.sources else {}
        if decl.entry.rows_in:
            of_file = _inline_characters(plain(decl.attributes[decl.entry.rows_in]))
        if of_file:
            mapping = decl.mapping or {column: column for column in of_file}
            found[name] = {new: of_file[old] for new, old in mapping.items() if old in of_file}
    return found


def _inline_characters(rows: list[Any]) -> dict[str, float]:
    lengths: dict[str, list[int]] = {}
    for row in rows:
        for column, value in row.items() if isinstance(row, Mapping) else ():
            if isinstance(value, str):
                lengths.setdefault(column, []).append(len(value))
    return {column: sum(found) / len(found) for column, found in lengths.items()}
