"""The findings of a spec without those of the machine that it is checked on: what `check --portable` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mixwright_compiler.stages import Compilation
    from mixwright_dsl.diagnostic import Diagnostic

OF_A_MACHINE = ("MIX213", "MIX908")
"""A model's directory, or a package, that is not here."""
_FILES = ("path", "inputs")
"""Attributes of a source that name files."""


def portable(result: Compilation) -> tuple[Diagnostic, ...]:
    """All findings that every machine has which has the spec and its lock.

    A file that the lock pins (MIX202) may be elsewhere: its columns are known without it, and a run looks for it.
    """
    sources = result.draft.sources.values() if result.draft is not None else ()
    pinned = {
        source.attributes[name].span
        for source in sources
        for name in _FILES
        if source.locked_rows is not None and name in source.attributes
    }
    return tuple(
        found
        for found in result.diagnostics
        if found.code not in OF_A_MACHINE and not (found.code == "MIX202" and found.primary.span in pinned)
    )
