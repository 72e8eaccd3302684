"""The specs that a command is given: files, and directories of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def specs_of(paths: list[Path]) -> Iterator[Path]:
    """The files to check: those named, and of a directory every .mix file below it, hidden ones left out."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found: list[Path] = []
        for directory, below, names in os.walk(path):
            below[:] = [name for name in below if not name.startswith(".")]
            found += [
                Path(directory, name) for name in names if name.endswith(".mix") and not name.startswith(".")
            ]
        # A directory without specs is named itself: it cannot be read as one.
        yield from sorted(found) or [path]
