"""How often Python looks for garbage while a run works."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

THRESHOLDS = (100_000, 50, 1_000)
"""Measured: with Python's own (700, 10, 10) a third of a run's CPU time went into looking through rows that are all still
in use. What a run leaves behind has hardly any cycles, and is let go of without looking."""


@contextlib.contextmanager
def collecting_rarely() -> Iterator[None]:
    """Look for cycles seldom, and not among what was there before; afterwards as it was."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
